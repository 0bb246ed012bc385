# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for debugging share of their options. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

from .._errors import InvalidInput
from .collector import PARTS
from .target import Target, read_target

_MOST_TARGETS = 50


def read_targets(texts: t.Sequence[str]) -> list[Target]:
    """Return what is meant by each, once; raise InvalidInput."""
    if not texts:
        raise InvalidInput("targets is empty; name a pod, deployment/NAME, statefulset/NAME or a label selector.")
    if len(texts) > _MOST_TARGETS:
        raise InvalidInput(f"There are {len(texts)} targets; allowed are at most {_MOST_TARGETS}: name fewer.")
    return [read_target(text) for text in dict.fromkeys(texts)]


def read_collect(parts: t.Sequence[str]) -> list[str]:
    unknown = [each for each in parts if each not in PARTS]
    if unknown:
        raise InvalidInput(f"collect has {unknown[0][:80]!r}; allowed are {', '.join(PARTS)}.")
    return list(parts)


_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,500}")


def read_image(image: str) -> str:
    """Return an image that is pinned: the newest of a name is another one each day."""
    if not _IMAGE.fullmatch(image):
        raise InvalidInput(f"image is {image[:80]!r}; allowed is NAME:TAG or NAME@DIGEST, with its registry in front.")
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        raise InvalidInput(f"image is {image!r}; allowed is one with a tag other than latest, or a digest: pin it.")
    return image


def read_seconds(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        raise InvalidInput(f"{name} is {value:g}; allowed is more than 0 and at most {most:g} seconds.")
