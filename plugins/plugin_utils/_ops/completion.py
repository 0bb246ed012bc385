# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a shell completes: verbs, options, and the names that the configuration and the reports hold. PRIVATE."""

from __future__ import annotations

from collections.abc import Sequence

from .config import read_config
from .errors import OpsError
from .reports import LATEST, run_folders
from .verbs import BY_WORDS, SHORT, VERBS, Argument, Verb

# Each asks ops itself, with the words up to the cursor; where it knows nothing, the shell offers files.
SCRIPTS = {
    "bash": """\
_ops() {
  local IFS=$'\\n'
  COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _ops ops
""",
    "zsh": """\
#compdef ops
_ops() {
  local -a found
  found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[*]}" ]]; then compadd -a found; else _files; fi
}
# In a folder of fpath this file is the function; else it was sourced.
if [[ "${funcstack[1]}" == _ops ]]; then _ops; else compdef _ops ops; fi
""",
    "fish": """\
function __ops_complete
  set -l typed (commandline -opc) (commandline -ct)
  $typed[1] complete -- $typed[2..-1] 2>/dev/null
end
complete -c ops -a '(__ops_complete)'
""",
}


def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last word, which may be empty, can become."""
    *before, last = words or [""]
    verb = next((BY_WORDS[key] for key in (tuple(before[:2]), tuple(before[:1])) if key in BY_WORDS), None)
    found = _behind(verb, before[len(verb.words) :], last) if verb else _verbs(before)
    return sorted(each for each in dict.fromkeys(found) if each.startswith(last))


def _verbs(before: Sequence[str]) -> list[str]:
    depth = len(before)
    return [verb.words[depth] for verb in VERBS if verb.words[:depth] == tuple(before) and verb.words[depth:]]


def _behind(verb: Verb, before: Sequence[str], last: str) -> list[str]:
    waiting = _option(verb, before[-1]) if before else None
    if waiting and waiting.metavar:
        return _values(waiting, before)
    if last.startswith("-"):
        return ["--help", *(each.flag for each in verb.options)]
    return [value for operand in verb.operands for value in _values(operand, before)]


def _option(verb: Verb, word: str) -> Argument | None:
    return next((each for each in verb.options if word in (each.flag, SHORT.get(each.flag))), None)


def _values(argument: Argument, before: Sequence[str]) -> list[str]:
    if argument.choices:
        return list(argument.choices)
    try:
        config = read_config(before[before.index("--config") + 1] if "--config" in before[:-1] else None)
    except OpsError:
        return []
    if argument.known in ("caches", "certificates"):
        return [name for name in config.names(argument.known) if name not in before]
    if argument.known == "runs":
        return [LATEST, *(folder.name for folder in run_folders(config.reports))]
    return []
