# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command ``ops``: it turns words into a run of a playbook, and what the run has left into a few lines. PRIVATE."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import typing as t
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from . import completion, reports, show
from .command_line import COLLECTION, Given, playbook_command, read
from .config import Config, read_config, usual_inventories, write_inventory
from .errors import UNAVAILABLE, OpsError
from .run import ROOT, Outcome, run, run_playbook
from .verbs import COMMON, SHORT, VERBS

# As ansible-playbook ends where something has failed on a host.
FAILED = 2

_HELP = """\
usage: ops VERB [NAME...] [OPTION...] [-- OPTIONS OF ansible-playbook]

{verbs}

Each verb runs one playbook, which shows its plan, backs up, acts, proves the result and leaves a report.

  ops redis flush market-data --check     look first: nothing is changed
  ops redis flush market-data             then do it
  ops report latest --open                what was done, and how it was proven
  ops undo latest                         put it back

options that all playbooks take:
{options}

ops VERB --help shows those of a verb, ops --version the version.

config.yaml, certs.yaml and redis.yaml are read from --config, $OPS_CONFIG, the current folder or ~/.config/ops.

exit status:
  0   done, or there was nothing to do
  1   no host matched, or Ansible could not begin
  2   a host failed, or was refused; for cert check and cert validate also: a certificate is critical or unknown
  4   a host could not be reached, or Ansible could not read what it was given
  64  the command line is wrong
  69  ansible-playbook or kubectl is missing
  78  the configuration is wrong
  99  ended by Ctrl-C while it was at work
  128 and more: ended by a signal; cert check --nagios: 0 ok, 1 warning, 2 critical, 3 unknown
"""


def main(words: Sequence[str]) -> int:
    """Do what the words say, and return the exit status."""
    try:
        return _dispatch(words)
    except OpsError as exc:
        print(f"ops: {exc}", file=sys.stderr)
        return exc.status
    except BrokenPipeError:
        return 0


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(f"ops {_version()} of {COLLECTION} ({ROOT})")
        return 0
    if words[0] == "complete":
        print("\n".join(completion.candidates(words[2:])))
        return 0
    if words[1:] and words[1] in ("-h", "--help") and words[0] in {verb.words[0] for verb in VERBS if verb.words[1:]}:
        print(_verb_lines([verb.words for verb in VERBS if verb.words[0] == words[0]]))
        return 0
    given = read(words)
    if given.verb.name == "completion":
        print(completion.SCRIPTS[given.value("shell")], end="")
        return 0
    config = read_config(given.value("config"))
    if given.verb.name == "report":
        return _report(given, config)
    for note in config.notes:
        print(f"ops: {note}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ops-") as folder:
        return _undo(given, config, Path(folder)) if given.verb.name == "undo" else _play(given, config, Path(folder))


def _version() -> str:
    """Return the version of the collection, which is in another file once it is installed."""
    if (ROOT / "MANIFEST.json").is_file():
        return str(reports.read_json(ROOT / "MANIFEST.json")["collection_info"]["version"])
    return str(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def _help() -> str:
    options = []
    for each in COMMON:
        names = ", ".join(filter(None, [SHORT.get(each.flag), f"{each.flag} {each.metavar}".strip()]))
        options.append(f"  {names:<28}{each.help}")
    return _HELP.format(verbs=_verb_lines([verb.words for verb in VERBS]), options="\n".join(options)).rstrip()


def _verb_lines(which: t.Collection[tuple[str, ...]]) -> str:
    lines, group = [], ""
    for verb in VERBS:
        if verb.words in which:
            operands = " ".join(_usage(each.metavar, each.nargs) for each in verb.operands)
            lines += [""] if group and group != verb.words[0] else []
            lines.append(f"  {f'ops {verb.name} {operands}':<30} {verb.help}")
            group = verb.words[0]
    return "\n".join(lines)


def _usage(metavar: str, nargs: str) -> str:
    return {"*": f"[{metavar}...]", "+": f"{metavar}...", "?": f"[{metavar}]"}.get(nargs, metavar)


def _inventories(given: Given, config: Config, folder: Path) -> list[str]:
    """Return the inventories; what is in one that people have counts before the configuration."""
    named = list(given.value("inventory") or ())
    if not config.variables:
        return named
    base = named or usual_inventories()
    return [str(write_inventory(config.variables, base, folder)), *base]


def _play(given: Given, config: Config, folder: Path) -> int:
    variables = given.variables()
    # Of some certificates, the rest of the cluster is not what fails.
    names = given.value("name") if given.verb.then == "verdict" else ()
    if names or given.value("nagios"):
        variables["rotate_certs_check_fail_on"] = "never"
    command = playbook_command(given.verb.playbook, variables, given.words(_inventories(given, config, folder)))
    quiet = given.value("json") or given.value("nagios")
    outcome = run_playbook(command, folder, verbose=bool(given.value("verbose")), output=sys.stderr if quiet else None)
    if given.value("nagios"):
        line, status = show.nagios(outcome)
        print(line)
        return status
    _tell_why_it_did_not_begin(outcome)
    if names:
        outcome = _verdict(outcome, names, config)
    if given.value("json"):
        print(json.dumps(asdict(outcome), indent=2))
    elif given.verb.then == "table" or names:
        print("\n".join(show.table(show.certificate_rows(show.certificates(outcome, _secrets(names, config))))))
    elif given.verb.then == "shell" and not given.value("check"):
        return _shell(given, config, outcome, folder)
    return outcome.status


def _tell_why_it_did_not_begin(outcome: Outcome) -> None:
    why = outcome.failed.get("")
    # That no host matched is said on the way.
    if why and not outcome.no_hosts:
        print(f"ops: {why}", file=sys.stderr)


def _secrets(names: Sequence[str], config: Config) -> set[str]:
    """Return the names of Secrets that are meant: those of the catalogue, and names themselves."""
    meant = [each for each in config.entries("certificates") if each.get("name") in names]
    return {*names, *(str(each.get("secret_name")) for each in meant)}


def _verdict(outcome: Outcome, names: Sequence[str], config: Config) -> Outcome:
    if outcome.status:
        return outcome
    failed = {}
    for name in names:
        found = show.certificates(outcome, _secrets([name], config))
        severity = show.worst(each["severity"] for each in found if not each.get("muted"))
        if not found:
            failed[name] = f"No certificate {name} was found; name one of the catalogue, or its Secret."
            print(f"ops: {failed[name]}", file=sys.stderr)
        elif severity in ("unknown", "critical"):
            failed[name] = f"{name} is {severity}."
    return Outcome(FAILED if failed else 0, outcome.runs, failed)


def _shell(given: Given, config: Config, outcome: Outcome, folder: Path) -> int:
    """Open the shell that the run has left, and end its session behind it."""
    sessions = [stats for stats in outcome.hosts(given.verb.playbook).values() if stats.get("shells")]
    if outcome.status or not sessions:
        return outcome.status
    if len(sessions) > 1:
        raise OpsError("Several clusters have such a pod, and only one shell can be opened; name one with --limit.")
    (stats,) = sessions
    command = shlex.split(stats["shells"][0][0])
    try:
        run(command)
    except OpsError as exc:
        raise OpsError(f"{exc} The shell waits until its time is over: {shlex.join(command)}", UNAVAILABLE) from exc
    finally:
        status = _end(given, config, Path(stats["report"]), folder)
    return status


def _end(given: Given, config: Config, report: Path, folder: Path) -> int:
    """End what a run has left; a session that was there before stays."""
    undo = (reports.read_json(report).get("undo") or {}).get("command")
    if not undo:
        return 0
    words = [*shlex.split(undo), *given.words(_inventories(given, config, folder))]
    # Its terminal may be gone.
    with (folder / "cleanup").open("w+", encoding="utf-8") as output:
        outcome = run_playbook(words, folder, verbose=False, output=output, errors=output)
    for text in outcome.failed.values():
        print(f"ops: {text}", file=sys.stderr)
    return outcome.status


def _undo(given: Given, config: Config, folder: Path) -> int:
    index = reports.read_undoable(_reports_dir(given, config), given.value("run"))
    inventories = _inventories(given, config, folder)
    outcomes = []
    for words in reports.undo_commands(index):
        command = ["ansible-playbook", *words, *given.words(inventories)]
        output = sys.stderr if given.value("json") else None
        outcomes.append(run_playbook(command, folder, verbose=bool(given.value("verbose")), output=output))
        _tell_why_it_did_not_begin(outcomes[-1])
    if given.value("json"):
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    return max(outcome.status for outcome in outcomes)


def _reports_dir(given: Given, config: Config) -> Path:
    named = given.value("reports_dir")
    return Path(named).expanduser().absolute() if named else config.reports


def _report(given: Given, config: Config) -> int:
    base = _reports_dir(given, config)
    if not given.value("run"):
        rows = reports.rows_of(base)
        lines = show.table(rows) or [f"There is no report in {base}."]
        print(json.dumps(rows, indent=2) if given.value("json") else "\n".join(lines))
        return 0
    folder, index = reports.read_index(base, given.value("run"))
    hosts = index["hosts"]
    # The index of one host says less than its report.
    files = hosts[0]["files"] if len(hosts) == 1 else {kind: f"index.{end}" for kind, end in _INDEX.items()}
    if given.value("open"):
        return _open(folder / files.get("html", "index.html"))
    path = folder / files["json" if given.value("json") else "markdown"]
    print(path.read_text(encoding="utf-8"), end="")
    return 0


_INDEX = {"html": "html", "markdown": "md", "json": "json"}


def _open(path: Path) -> int:
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        raise OpsError(f"No browser could be started; open {path} in one.", UNAVAILABLE)
    return 0
