# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded imports for certificates and keys. PRIVATE."""

from __future__ import annotations

from ._deps import guarded

(
    CRYPTOGRAPHY,
    (exceptions, pkcs7, pkcs12, x509, hashes, hmac, serialization, ec, rsa, dsa, ed25519, ed448, kdf, ciphers),
) = guarded(
    "cryptography >= 42.0.0",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.serialization.pkcs7",
    "cryptography.hazmat.primitives.serialization.pkcs12",
    "cryptography.x509",
    "cryptography.hazmat.primitives.hashes",
    "cryptography.hazmat.primitives.hmac",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.asymmetric.dsa",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.ed448",
    "cryptography.hazmat.primitives.kdf.pbkdf2",
    "cryptography.hazmat.primitives.ciphers",
)
