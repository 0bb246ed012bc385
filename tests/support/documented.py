# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the pages have for people, read as a shell reads them.

A fenced block without a language, or with `sh`, has commands. In one with `console` those behind `$ `, in `cron` those
behind the time, and in `ini` those of a systemd unit. Blocks of other languages have none.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.splitter import parse_kv

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.verbs import BY_WORDS
from tools.tree import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
]
COLLECTION = "market_intel.runbooks."
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_TIME = re.compile(r"^(?:[\d*/,-]+\s+){5}(?:runbooks\s+)?")
_UNIT = re.compile(r"^Exec\w+=-?(.*)")
_INLINE = re.compile(r"`(?:[A-Z_]+=\S+ )*((?:ansible-[a-z]+|ops|make) [^`]+)`")
_PUNCTUATION = "|&;<>"
_EVERYWHERE = {"--check", "--diff", "--ask-vault-pass"}


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is that of its first line."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def has_commands(self) -> bool:
        return self.language in ("", "sh", "console", "cron", "ini") and not self.text.startswith("#!")

    def lines(self) -> Iterator[str]:
        """Return the lines that a shell is given; those that end with a backslash go on."""
        text = self.text.replace("\\\n", " ")
        for line in map(str.strip, text.splitlines()):
            if self.language == "console":
                yield from [line[2:]] if line.startswith("$ ") else []
            elif self.language == "cron":
                yield _TIME.sub("", line)
            elif self.language == "ini":
                # The manager of services halves what a shell is to see once.
                yield from (found[1].replace("$$", "$") for found in [_UNIT.match(line)] if found)
            else:
                yield line


@dataclass(frozen=True)
class Command:
    """One program with its words, and where it stands."""

    page: Path
    line: int
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {' '.join(self.words)}"


@cache
def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [Block(page, text[: found.start(3)].count("\n") + 1, found[2], found[3]) for found in _FENCE.finditer(text)]


@cache
def commands() -> list[Command]:
    """Return the commands in the fenced blocks of all pages."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            if block.has_commands:
                found += [Command(page, block.line, words) for line in block.lines() for words in programs(line)]
    return found


@cache
def inline_commands() -> list[Command]:
    """Return the commands in the running text of all pages, as far as they name more than a program."""
    found = []
    for page in PAGES:
        text = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), page.read_text(encoding="utf-8"))
        for code in _INLINE.finditer(text):
            line = text[: code.start()].count("\n") + 1
            found += [Command(page, line, words) for words in programs(" ".join(code[1].split()))]
    return found


def programs(line: str) -> list[tuple[str, ...]]:
    """Return the programs that a line starts, each with its words, without what is redirected or assigned."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_PUNCTUATION)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word[0] in "<>":
            next(words)
            # The number of what is redirected.
            if found[-1] and found[-1][-1].isdigit():
                found[-1].pop()
        elif word[0] in _PUNCTUATION:
            found.append([])
        elif found[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            found[-1].append(word)
    return [tuple(each) for each in found if each]


def shape(command: Command) -> str:
    return shape_of(command.words)


def shape_of(words: tuple[str, ...]) -> str:
    """Return what a command is, without its values: its program or playbook, its verb, variables and options.

    Left out is what every playbook has: the inventory, its hosts, check mode, and how secrets are read.
    """
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    program = words[0].rpartition("/")[2]
    if program == "ansible-playbook":
        names = {name for name, _value in variables(words)} - {"runbooks_hosts"}
        return " ".join([playbook(words), *sorted(names), *sorted(options - _EVERYWHERE)])
    if program in ("ops", "ops-cli"):
        verb = next((found for found in (words[1:3], words[1:2]) if found in BY_WORDS), ())
        # Each shell has a script of its own.
        shell = words[2:3] if verb == ("completion",) else ()
        return " ".join([program, *verb, *shell, *sorted(options)])
    if program == "make":
        return " ".join(words)
    if program == "kubectl":
        # Objects, and no files, are told by their kind.
        plain = [word for before, word in zip(words, words[1:]) if word[0] != "-" and before not in ("-n", "-f")]
        return " ".join([program, *plain[:2]])
    return program


def playbook(words: tuple[str, ...]) -> str:
    """Return the short name of the playbook that a command of ansible-playbook runs."""
    (name,) = [word for word in words if word.startswith(COLLECTION)]
    return name.removeprefix(COLLECTION)


def variables(words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the variables that a command gives, as Ansible reads them; those of files are not looked at."""
    for place, word in enumerate(words):
        if word == "-e":
            text = words[place + 1]
            given = json.loads(text) if text[0] == "{" else {} if text[0] == "@" else parse_kv(text)
            yield from given.items()
