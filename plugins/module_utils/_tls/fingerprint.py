# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints of certificates, as options hold them. PRIVATE to the collection."""

from __future__ import annotations

import re

from .._errors import InvalidInput


def read_fingerprint(text: str, where: str) -> str:
    """Return a SHA-256 in lower-case hex, however its tool has written it; raise InvalidInput."""
    plain = text.strip().lower().removeprefix("sha256:").replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise InvalidInput(
            f"The fingerprint of {where} is {text!r}; allowed is the SHA-256 of the certificate, 64 hexadecimal digits "
            "with or without colons."
        )
    return plain
