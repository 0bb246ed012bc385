# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables as they were given: what may not be in them, before anything evaluates them. PRIVATE."""

from __future__ import annotations

import difflib
import json
import re
import typing as t
from functools import lru_cache
from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ..module_utils._alerts.labels import check_labels, check_text
from ..module_utils._errors import Refused

try:
    from ansible.template import is_trusted_as_template as _is_evaluated
except ImportError:  # ansible-core < 2.19 marks what it never evaluates

    def _is_evaluated(value: str) -> bool:
        return not getattr(value, "__UNSAFE__", False)


PREFIXES = (
    *("flush_redis_", "rotate_certs_", "debug_pod_", "alert_response_", "prepare_cluster_", "configure_awx_"),
    "runbooks_",
)
# By another name of the host, one that names no cluster would pass for localhost.
_INTERNAL = ("__run", "__awx_", "inventory_hostname", *(f"__{prefix}" for prefix in PREFIXES))
# Where variables are documented, and what reads those that belong to no role.
_COLLECTION = Path(__file__).resolve().parents[2]
_SOURCES = (
    *("roles/*/meta/argument_specs.yml", "playbooks/*.yml", "playbooks/vars/*.yml"),
    *("plugins/action/runbook_start.py", "plugins/lookup/play_hosts.py", "plugins/plugin_utils/_roles.py"),
)
# One letter or two of a name; what is further from all of them is somebody's own.
_MISTYPED = 0.93
_OPENINGS = ("{{", "{%", "{#")


def checked_extra_vars() -> dict[str, t.Any]:
    """Return the extra variables of this ansible-playbook as given; raise Refused for what is wrong with them.

    Those of a task are evaluated as soon as one is read.
    """
    found = dict(load_extra_vars(DataLoader()))
    refuse_templates(found)
    refuse_mistyped(found)
    return found


def refuse_templates(extra_vars: t.Mapping[str, t.Any]) -> None:
    """Raise Refused if one of our variables holds a template, which may come from an alert or a survey.

    What an alert brings may hold even less.
    """
    for name, value in sorted(extra_vars.items()):
        if name.startswith(_INTERNAL):
            raise Refused(f"The extra variable {name} is internal to the runbooks; leave it out.")
        if name.startswith(PREFIXES) and _has_template(value):
            raise Refused(
                f"The extra variable {name} holds a template; allowed is plain text, since it may come from an alert: "
                "put templates into the inventory, or mark the value as !unsafe in a file."
            )
    for name in ("alert_response_name", "alert_response_fingerprint"):
        check_text(extra_vars.get(name) or "", name)
    check_labels(_mapping(extra_vars.get("alert_response_labels") or {}), "alert_response_labels")


def refuse_mistyped(extra_vars: t.Mapping[str, t.Any]) -> None:
    """Raise Refused for the name of a variable with a letter too many or too few, whose default would count instead."""
    for name in sorted(each for each in extra_vars if each.startswith(PREFIXES)):
        meant = [] if name in _known() else difflib.get_close_matches(name, _known(), n=1, cutoff=_MISTYPED)
        if meant:
            raise Refused(f"There is no variable {name}, but {meant[0]}; correct the extra variable, or leave it out.")


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Return the names of all variables that people may give."""
    words = re.compile(rf"\b(?:{'|'.join(PREFIXES)})[a-z_]+\b")
    paths = [path for pattern in _SOURCES for path in _COLLECTION.glob(pattern)]
    return frozenset(name for path in paths for name in words.findall(path.read_text(encoding="utf-8")))


def _mapping(value: t.Any) -> t.Any:
    """Return what a text of JSON holds; another text has no labels, and is refused where it is read."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return {}


def _has_template(value: t.Any) -> bool:
    if isinstance(value, str):
        # The header gives a template openings of its own.
        return (value.startswith("#jinja2:") or any(each in value for each in _OPENINGS)) and _is_evaluated(value)
    if isinstance(value, t.Mapping):
        return any(_has_template(each) for pair in value.items() for each in pair)
    return isinstance(value, (list, tuple)) and any(_has_template(each) for each in value)
