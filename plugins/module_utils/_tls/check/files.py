# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an inventory, and its difference to the one before. PRIVATE to the collection.

Must be kept in sync with docs/certificates.schema.json.
"""

from __future__ import annotations

import contextlib
import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..._errors import InvalidInput, RunbookError
from ..._report import render_csv, render_junit, render_nagios, render_prometheus
from ..._report.files import INVENTORY, file_name, replace_file
from ..._report.render_junit import Case
from ..._report.render_prometheus import Family, labels
from ..._run import absolute_directory, make_private_directory, sync_directory
from ..._severity import CRITICAL, OK, UNKNOWN, WARNING
from ..._time import rfc3339, span
from .model import MUTE, SCOPE, Entry, Inventory

SCHEMA_VERSION = "1"
OUTPUTS = tuple(name for name in INVENTORY if name != "json")
_COLUMNS = [
    "severity",
    "reasons",
    "source",
    "namespace",
    "name",
    "key",
    "kind",
    "subject",
    "issuer",
    "serial",
    "names",
    "public_key",
    "signature_hash",
    "not_before",
    "not_after",
    "remaining_seconds",
    "manager",
    "ready",
    "renewal_time",
    "revision",
    "last_failure",
    "key_matches",
    "copies",
    "used",
    "muted",
    "fingerprint",
]
# Of a list that an inventory brings along, this much is told in a line.
_NAMED = 5

Fields = dict[str, t.Any]


@dataclass(frozen=True)
class Difference:
    """What has changed since a run, by the identity of the entries; empty without one to compare with."""

    run_id: str = ""
    path: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    disappeared: tuple[str, ...] = ()

    def to_plain(self, most: int | None = None) -> Fields:
        """Return it with the first ``most`` of each list, and the number of all."""
        lists = {"new": self.new, "renewed": self.renewed, "disappeared": self.disappeared}
        numbers = {f"{name}_count": len(items) for name, items in lists.items()}
        return {"run_id": self.run_id, **{name: list(items[:most]) for name, items in lists.items()}, **numbers}


def compare(inventory: Inventory, cluster: str, directory: str, previous: str) -> Difference:
    """Compare with the file ``previous``, or with the newest in ``directory`` of the same cluster and scope.

    Raises InvalidInput where ``previous`` is not an inventory. What could not be read now has not disappeared.
    """
    found = _read(absolute_directory(previous, "O(previous)")) if previous else _newest(inventory, cluster, directory)
    if previous and found is None:
        raise InvalidInput(
            f"O(previous) is {previous}, which is not an inventory of certificates; name a file *{INVENTORY['json']} "
            "of a run before, or none to have the newest one used."
        )
    if found is None:
        return Difference()
    path, content = found
    before = {
        each["id"]: str(each.get("fingerprint") or each.get("not_after") or "") for each in content["certificates"]
    }
    now = {entry.identity: _version(entry) for entry in _real(inventory)}
    unread = {(entry.namespace, entry.name.partition(".")[0]) for entry in inventory.unread}
    return Difference(
        run_id=str(content.get("run_id", "")),
        path=str(path),
        counts=content.get("counts") or {},
        new=tuple(sorted(now.keys() - before.keys())),
        renewed=tuple(sorted(each for each in now.keys() & before.keys() if now[each] != before[each])),
        disappeared=tuple(sorted(each for each in before.keys() - now.keys() if not _is_unread(each, unread))),
    )


def _real(inventory: Inventory) -> Iterator[Entry]:
    return (entry for entry in inventory.entries if entry.source not in (SCOPE, MUTE))


def _version(entry: Entry) -> str:
    return entry.fingerprint or (rfc3339(entry.life.end) if entry.life else "")


def _is_unread(identity: str, unread: set[tuple[str, str]]) -> bool:
    source, _colon, place = identity.partition(":")
    namespace = place.partition("/")[0]
    return bool({(namespace, f"{source}s"), ("", f"{source}s")} & unread)


def _newest(inventory: Inventory, cluster: str, directory: str) -> tuple[Path, Fields] | None:
    if not directory:
        return None
    name = file_name(cluster) + INVENTORY["json"]
    scope = inventory.request.scope()
    for path in sorted(absolute_directory(directory, "O(directory)").glob(f"*/{name}"), reverse=True):
        # Only one link leads to a run that another path leads to as well.
        if not path.parent.is_symlink():
            found = _read(path)
            if found and found[1].get("scope") == scope and found[1].get("cluster") == cluster:
                return found
    return None


def _read(path: Path) -> tuple[Path, Fields] | None:
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content.get("certificates") if isinstance(content, dict) else None
        if isinstance(entries, list) and all(isinstance(each, dict) and "id" in each for each in entries):
            return path, content
    return None


def write(
    inventory: Inventory, difference: Difference, cluster: str, run_id: str, directory: str, outputs: Sequence[str]
) -> dict[str, str]:
    """Write the JSON file and the other outputs into the folder of the run; return the paths by output."""
    folder = absolute_directory(directory, "O(directory)") / run_id
    make_private_directory(folder.parent)
    make_private_directory(folder)
    paths = {}
    try:
        for name in ("json", *outputs):
            path = folder / (file_name(cluster) + INVENTORY[name])
            if name == "json":
                replace_file(path, render_json(inventory, difference, cluster, run_id))
            else:
                replace_file(path, _RENDERERS[name](inventory, cluster))
            paths[name] = str(path)
        sync_directory(folder)
    except OSError as exc:
        raise RunbookError(
            f"The inventory cannot be written to {folder} ({exc.strerror}); name one in O(directory) in which this "
            "user may "
            "write."
        ) from exc
    return paths


def render_json(inventory: Inventory, difference: Difference, cluster: str, run_id: str) -> str:
    """Return the whole inventory with one line for each certificate."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "cluster": cluster,
        "taken": rfc3339(inventory.now),
        "clock_skew_seconds": round(inventory.skew, 1),
        "scope": inventory.request.scope(),
        "severity": inventory.severity,
        "counts": inventory.counts,
        "unread": [entry.identity for entry in inventory.unread],
        "left_out": dict(inventory.left_out),
        "difference": difference.to_plain(),
    }
    lines = map(_dump, inventory.rows)
    text = json.dumps(head, indent=2)[:-2] + ',\n  "certificates": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n"
    # The only invisible character that JSON in ASCII leaves as it is.
    return text.replace("\x7f", "\\u007f")


_dump = json.JSONEncoder(separators=(", ", ": ")).encode


def render_csv_file(inventory: Inventory, _cluster: str) -> str:
    return render_csv.render(_COLUMNS, map(_row, inventory.rows))


def _row(plain: Mapping[str, t.Any]) -> list[t.Any]:
    mute = plain["muted"]
    words = {
        "reasons": "; ".join(plain["reasons"]),
        "names": " ".join(plain["names"]),
        "muted": f"until {mute['until']}: {mute['reason']}" if mute else "",
    }
    return [words.get(column, plain[column]) for column in _COLUMNS]


def render_junit_file(inventory: Inventory, cluster: str) -> str:
    outcomes = {WARNING: render_junit.FAILED, CRITICAL: render_junit.FAILED, UNKNOWN: render_junit.ERROR}
    cases = []
    for entry in inventory.entries:
        outcome, message = outcomes.get(entry.severity, ""), f"{entry.severity}: {'; '.join(entry.reasons)}"
        if entry.muted:
            outcome, message = render_junit.SKIPPED, f"muted ({entry.muted.reason}): {message}"
        group = ".".join(filter(None, ("certificates", entry.source, entry.namespace)))
        name = f"{entry.name} {entry.key}".strip()
        cases.append(Case(group, name, outcome, message))
    return render_junit.render(f"certificates of {cluster}", cases, inventory.now)


def render_prometheus_file(inventory: Inventory, cluster: str) -> str:
    prefix, of = "market_intel_certificate", {"cluster": cluster}
    # A second sample with the same labels would make the whole file unreadable.
    entries: dict[str, Entry] = {}
    for entry in inventory.entries:
        place = {"source": entry.source, "namespace": entry.namespace, "name": entry.name, "key": entry.key}
        entries.setdefault(labels({**of, **place}), entry)
    level = {severity: float(number) for severity, number in render_nagios.STATUS.items()}
    alive = [(labelled, entry.life) for labelled, entry in entries.items() if entry.life]
    families = [
        Family(
            f"{prefix}_not_after_timestamp_seconds",
            "When the certificate expires.",
            ((labelled, life.end.timestamp()) for labelled, life in alive),
        ),
        Family(
            f"{prefix}_not_before_timestamp_seconds",
            "When the certificate became valid.",
            ((labelled, life.start.timestamp()) for labelled, life in alive),
        ),
        Family(
            f"{prefix}_severity",
            "0 is ok, 1 warning, 2 critical, 3 unknown; a muted one is 0.",
            ((labelled, 0.0 if entry.muted else level[entry.severity]) for labelled, entry in entries.items()),
        ),
        Family(
            f"{prefix}s",
            "Certificates by severity, and those that are muted.",
            (
                (labels({**of, "severity": name}), float(number))
                for name, number in inventory.counts.items()
                if name != "total"
            ),
        ),
        Family(f"{prefix}_check_timestamp_seconds", "When it was looked.", [(labels(of), inventory.now.timestamp())]),
    ]
    return render_prometheus.render(families)


def render_nagios_line(inventory: Inventory, cluster: str) -> str:
    counts = inventory.counts
    figures: dict[str, tuple[float, str]] = {name: (float(number), "") for name, number in counts.items()}
    ends = [entry.life.end for entry in inventory.entries if entry.life and not entry.muted]
    if ends:
        figures["soonest"] = (round((min(ends) - inventory.now).total_seconds()), "s")
    return render_nagios.render("CERTIFICATES", inventory.severity, sentence(inventory, cluster), figures)


def sentence(inventory: Inventory, cluster: str, severity: str = WARNING) -> str:
    """Say how many are as bad as that or worse, and name the worst."""
    bad, counts = inventory.at_least(severity), inventory.counts
    if not bad:
        ends = [entry.life.end for entry in inventory.entries if entry.life and entry.severity == OK]
        soonest = f", the next expires in {span((min(ends) - inventory.now).total_seconds())}" if ends else ""
        return f"{counts['total']:,} certificates of {cluster} are in order{soonest}"
    numbers = ", ".join(f"{counts[name]:,} {name}" for name in (CRITICAL, UNKNOWN, WARNING) if counts[name])
    found = by_certificate(bad)
    named = "; ".join(
        f"{same[0].place}{f' and {len(same) - 1:,} places more' if len(same) > 1 else ''}: {same[0].reasons[0]}"
        for same in found[:_NAMED]
    )
    more = f"; and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"{numbers} of {counts['total']:,} certificates of {cluster}: {named}{more}"


def by_certificate(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return the entries in their order, those of one certificate together: in many places, it is one problem."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.fingerprint or entry.identity, []).append(entry)
    return list(found.values())


_RENDERERS: dict[str, t.Callable[[Inventory, str], str]] = {
    "csv": render_csv_file,
    "junit": render_junit_file,
    "prometheus": render_prometheus_file,
    "nagios": lambda inventory, cluster: render_nagios_line(inventory, cluster) + "\n",
}
