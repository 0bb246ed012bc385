# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of a verb, and the command of Ansible's that it becomes. PRIVATE to the collection."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import OpsError
from .verbs import BY_WORDS, GROUPS, SHORT, VERBS, Argument, Verb

COLLECTION = "market_intel.runbooks"
# What ansible-playbook takes under the same name.
_PASSED_ON = ("--check", "--diff", "--ask-vault-pass", "--vault-password-file")


@dataclass(frozen=True)
class Given:
    """What was typed: a verb, its values, and what stands behind ``--`` for ansible-playbook."""

    verb: Verb
    values: argparse.Namespace
    rest: tuple[str, ...] = ()

    def value(self, name: str) -> t.Any:
        return getattr(self.values, name, None)

    def variables(self) -> dict[str, t.Any]:
        """Return the variables of the playbook that were given."""
        found = dict(self.verb.fixed)
        for each in self.verb.arguments + self.verb.options:
            value = self.value(each.name)
            if each.variable and value:
                found[each.variable] = value if each.metavar else each.value
        return found

    def words(self, inventories: Sequence[str]) -> list[str]:
        """Return what ansible-playbook is given beside the name of the playbook and the variables."""
        words = [word for path in inventories for word in ("-i", path)]
        for flag in _PASSED_ON:
            value = self.value(flag.lstrip("-").replace("-", "_"))
            words += [flag] if value is True else [flag, value] if value else []
        words += [word for text in self.value("extra_vars") or () for word in ("-e", text)]
        verbose = self.value("verbose")
        return [*words, *([f"-{'v' * verbose}"] if verbose else []), *self.rest]


def read(words: Sequence[str]) -> Given:
    """Return what was typed; raise OpsError."""
    end = words.index("--") if "--" in words else len(words)
    verb = find_verb(words[:end])
    if not verb.playbook and verb.name != "undo" and words[end + 1 :]:
        raise OpsError(f"ops {verb.name} runs no playbook; leave out what stands behind --.")
    return Given(verb, parser_of(verb).parse_intermixed_args(words[len(verb.words) : end]), tuple(words[end + 1 :]))


def find_verb(words: Sequence[str]) -> Verb:
    """Return the verb that the first words name; raise OpsError."""
    for length in (2, 1):
        found = BY_WORDS.get(tuple(words[:length]))
        if found:
            return found
    first = words[0] if words else ""
    typed = " ".join(words[:2]) if first in GROUPS else first
    known = [verb for verb in VERBS if verb.words[0] == first] or VERBS
    sentence = f"There is no verb {typed!r}; allowed are {', '.join(verb.name for verb in known)}."
    if first.startswith("-"):
        raise OpsError(f"{sentence} Options stand behind the verb.")
    raise OpsError(sentence + _question(_meant(words)))


def _meant(words: Sequence[str]) -> list[str]:
    """Return the verbs, or the group of verbs, that somebody may have mistyped or named by half."""
    if not words:
        return []
    if words[0] in GROUPS:
        seconds = {verb.words[1]: verb.name for verb in VERBS if verb.words[0] == words[0]}
        return [seconds[each] for each in _close(words[1], seconds)] if words[1:] else []
    by_second = [verb.name for verb in VERBS if verb.words[1:] == (words[0],)]
    firsts = _close(words[0], [verb.words[0] for verb in VERBS])
    together = [name for each in firsts for name in [" ".join([each, *words[1:2]])] if tuple(name.split()) in BY_WORDS]
    return by_second or together or firsts


def _close(typed: str, known: t.Iterable[str]) -> list[str]:
    return difflib.get_close_matches(typed, list(dict.fromkeys(known)), n=1, cutoff=0.65)


def _question(meant: Sequence[str]) -> str:
    return f" Did you mean {' or '.join(meant)}?" if meant else ""


def playbook_command(playbook: str, variables: t.Mapping[str, t.Any], words: Sequence[str]) -> list[str]:
    """Return the command that runs a playbook of this collection; what was typed as -e comes last, and so counts."""
    given = ["-e", json.dumps(variables)] if variables else []
    return ["ansible-playbook", f"{COLLECTION}.{playbook}", *given, *words]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> t.NoReturn:
        known = [flag for action in self._actions for flag in action.option_strings]
        mistyped = re.findall(r"(?<![\w-])--[a-z-]+", message.partition("unrecognized arguments: ")[2])
        meant = _question([flag for each in mistyped for flag in _close(each, known)])
        raise OpsError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help shows what is allowed.{meant}")


def parser_of(verb: Verb) -> argparse.ArgumentParser:
    """Return what reads the words behind a verb."""
    parser = _Parser(
        prog=f"ops {verb.name}",
        description=f"{verb.help[:1].upper()}{verb.help[1:]}.",
        epilog=f"Runs the playbook {COLLECTION}.{verb.playbook}." if verb.playbook else None,
        allow_abbrev=False,
    )
    for argument in verb.operands:
        _add(parser, argument)
    for argument in verb.options:
        _add(parser, argument)
    return parser


def _add(parser: argparse.ArgumentParser, argument: Argument) -> None:
    names = [name for name in (SHORT.get(argument.flag, ""), argument.flag) if name]
    settings: dict[str, t.Any] = {"help": argument.help}
    if argument.flag == "--verbose":
        settings["action"] = "count"
    elif not argument.metavar:
        settings["action"] = "store_true"
    else:
        settings["metavar"] = argument.metavar
        settings["choices"] = argument.choices or None
        if argument.nargs == "append":
            settings["action"] = "append"
        elif argument.nargs:
            settings["nargs"] = argument.nargs
    # What stands without an option has no other name.
    parser.add_argument(*(names or [argument.name]), **settings)
