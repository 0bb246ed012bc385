# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""Metrics in the text format of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from .text import visible


class Family(t.NamedTuple):
    """A metric, which is a gauge, with its samples: what `labels` returns, and the value."""

    name: str
    help: str
    samples: Iterable[tuple[str, float]]


def render(families: Iterable[Family]) -> str:
    """Return the text; a metric without a sample is left out."""
    lines = []
    for family in families:
        samples = [f"{family.name}{labelled} {_number(value)}" for labelled, value in family.samples]
        if samples:
            lines += [f"# HELP {family.name} {_escape(family.help)}", f"# TYPE {family.name} gauge", *samples]
    return "\n".join(lines) + "\n"


def labels(values: Mapping[str, str]) -> str:
    """Return the labels of a sample."""
    text = ",".join(f'{name}="{_escape(value, quotes=True)}"' for name, value in values.items())
    return f"{{{text}}}" if text else ""


def _escape(text: str, quotes: bool = False) -> str:
    text = visible(text).replace("\\", "\\\\")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
