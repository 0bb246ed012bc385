# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables as they were given: what may not be in them, before anything evaluates them. PRIVATE."""

from __future__ import annotations

import json
import typing as t

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
_OPENINGS = ("{{", "{%", "{#")


def raw_extra_vars() -> dict[str, t.Any]:
    """Return the extra variables of this ansible-playbook; those of a task are evaluated as soon as one is read."""
    return dict(load_extra_vars(DataLoader()))


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
