# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables and lines for people and for monitoring. PRIVATE to the collection."""

from __future__ import annotations

import os
import sys
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from .reports import read_json
from .run import Outcome

# The order of severities, from the best; the exit status of a plugin of Nagios is the place in the second.
SEVERITIES = ("ok", "warning", "unknown", "critical")
_NAGIOS = ("ok", "warning", "critical", "unknown")
_COLOURS = {
    "critical": 31,
    "failed": 31,
    "unknown": 35,
    "warning": 33,
    "interrupted": 33,
    "refused": 33,
    "ok": 32,
    "done": 32,
}
_SERVICE = "CERTIFICATES"
_WIDEST = 70


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return rows with the same keys as lines with a head, in colours on a terminal only."""
    if not rows:
        return []
    keys = list(rows[0])
    widths = {key: min(_WIDEST, max(len(key), *(len(row[key]) for row in rows))) for key in keys}
    lines = ["  ".join(key.upper().ljust(widths[key]) for key in keys).rstrip()]
    for row in rows:
        cells = [_coloured(row[key].ljust(widths[key])) for key in keys]
        lines.append("  ".join(cells).rstrip())
    return lines


def _coloured(cell: str) -> str:
    colour = _COLOURS.get(cell.strip())
    if colour is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return cell
    return f"\033[{colour}m{cell}\033[0m"


def certificates(outcome: Outcome, names: t.Collection[str] = ()) -> list[dict[str, t.Any]]:
    """Return the certificates that a check has found, the worst first; ``names`` are those of Secrets."""
    found = []
    for host, stats in outcome.hosts("check_certs").items():
        path = (stats.get("files") or {}).get("json")
        for entry in read_json(Path(path))["certificates"] if path else ():
            if not names or entry["name"] in names:
                found.append({**entry, "host": host})
    return sorted(found, key=lambda each: (-SEVERITIES.index(each["severity"]), each.get("remaining_seconds") or 0))


def certificate_rows(found: Sequence[Mapping[str, t.Any]]) -> list[dict[str, str]]:
    hosts = len({each["host"] for each in found}) > 1
    return [
        {
            "severity": str(each["severity"]),
            **({"cluster": str(each["host"])} if hosts else {}),
            "where": "/".join(filter(None, [each.get("namespace"), each["name"]])),
            "kind": str(each.get("source") or ""),
            "ends": str(each.get("not_after") or ""),
            "renewed by": str(each.get("manager") or ""),
            "why": "; ".join(each.get("reasons") or ()),
        }
        for each in found
    ]


def worst(severities: t.Iterable[str]) -> str:
    return max(severities, key=SEVERITIES.index, default="unknown")


def nagios(outcome: Outcome) -> tuple[str, int]:
    """Return the one line of a plugin, and its exit status; what was not looked at is unknown."""
    lines = {}
    for host, stats in outcome.hosts("check_certs").items():
        path = (stats.get("files") or {}).get("nagios")
        if path and Path(path).is_file():
            lines[host] = Path(path).read_text(encoding="utf-8").strip()
    without = [f"{host}: {text}" if host else text for host, text in outcome.failed.items() if host not in lines]
    if len(lines) == 1 and not without:
        line = next(iter(lines.values()))
        return line, _NAGIOS.index(_severity(line))
    severities = [_severity(line) for line in lines.values()] + ["unknown" for _each in without]
    severity = worst(severities)
    texts = sorted(lines.values(), key=lambda line: -SEVERITIES.index(_severity(line)))
    words = [*(line.partition(" - ")[2].partition(" | ")[0] for line in texts), *without] or ["the check did not run"]
    said = "; ".join(" ".join(text.split()) for text in words).replace("|", "/")
    figures = [f"{host}_{figure}" for host, line in lines.items() for figure in line.partition(" | ")[2].split()]
    return f"{_SERVICE} {severity.upper()} - {said}" + (f" | {' '.join(figures)}" if figures else ""), _NAGIOS.index(
        severity
    )


def _severity(line: str) -> str:
    return line.split()[1].lower()
