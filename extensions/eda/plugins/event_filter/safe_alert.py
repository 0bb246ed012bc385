# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets nothing of an alert through but what is harmless wherever it is evaluated.

In step with plugins/module_utils/_alerts/labels.py, which ansible-rulebook cannot import.
"""

from __future__ import annotations

import logging
import re
import typing as t

DOCUMENTATION = r"""
short_description: Let only harmless parts of alerts through
description:
  - Takes what an Alertmanager sends to a webhook, and keeps of each alert its status, its fingerprint and those labels
    that are allowed. Annotations, addresses, other labels, the group's own and the headers of the request are dropped,
    since ansible-playbook evaluates templates in the variables of an event.
  - An alert with an allowed label that is not harmless becomes an event with C(refused), which names the label and not
    its value.
  - Use it before C(eda.builtin.event_splitter).
options:
  labels:
    description:
      - "The labels that are allowed, each with a regular expression that all of its value has to match, or empty for
        letters, digits and C(. _ : / @ -), at most 253 of them. No expression allows more than that."
    type: dict
    default: {alertname: '[A-Za-z0-9_]+', namespace: '', service: '', severity: ''}
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    port: 5000
    token: "{{ ALERTS_TOKEN }}"
  filters:
    - market_intel.runbooks.safe_alert:
        labels: {alertname: '[A-Za-z0-9_]+', namespace: 'shop-[a-z]+'}
    - eda.builtin.event_splitter:
        splitter_key: payload.alerts
"""

MOST_ALERTS = 1000
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")
VALUE = re.compile(r"[A-Za-z0-9._:/@-]{0,253}")
LABELS = {"alertname": "[A-Za-z0-9_]+", "namespace": "", "service": "", "severity": ""}
_STATUS = ("firing", "resolved")
_FINGERPRINT = re.compile(r"[0-9a-f]{1,64}")

Event = dict[str, t.Any]

logger = logging.getLogger(__name__)


def main(event: Event, labels: t.Mapping[str, str] | None = None) -> Event:
    """Return the event with harmless alerts only."""
    payload = event.get("payload")
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list) or len(alerts) > MOST_ALERTS:
        found = [_refused(f"it is no list of at most {MOST_ALERTS} alerts")]
    else:
        found = [_cleaned(alert, LABELS if labels is None else labels) for alert in alerts]
    # A splitter copies nothing else; what else is there may be anything.
    return {"payload": {"alerts": found}}


def _cleaned(alert: t.Any, allowed: t.Mapping[str, str]) -> Event:
    if not isinstance(alert, dict) or not isinstance(alert.get("labels"), dict):
        return _refused("it has no labels")
    if alert.get("status") not in _STATUS:
        return _refused("its status is neither firing nor resolved")
    labels = {}
    for name, form in allowed.items():
        value = alert["labels"].get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not VALUE.fullmatch(value) or (form and not re.fullmatch(form, value)):
            return _refused(f"its label {name} holds what is not allowed")
        labels[name] = value
    if "alertname" not in labels:
        return _refused("it has no alertname")
    fingerprint = alert.get("fingerprint")
    known = isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint)
    return {"status": alert["status"], "labels": labels, "fingerprint": fingerprint if known else ""}


def _refused(why: str) -> Event:
    logger.warning("an alert was refused: %s", why)
    return {"refused": why}
