# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files as ansible-vault writes them, so that it can read them too. PRIVATE to the collection.

The format is that of ansible-core's ``VaultAES256`` 1.1: PBKDF2-HMAC-SHA256 of the password gives the key of AES in
counter mode, that of the HMAC-SHA256 over the cipher text, and the first counter.
"""

from __future__ import annotations

import binascii
import secrets
import typing as t

from ..._deps_tls import ciphers, hashes, hmac, kdf
from ..._errors import InvalidInput

HEADER = b"$ANSIBLE_VAULT;1.1;AES256"
_ROUNDS = 10000
_SALT_BYTES = 32
_KEY_BYTES = 32
_BLOCK_BYTES = 16
_LINE = 80


def encrypt(plain: bytes, password: str) -> bytes:
    salt = secrets.token_bytes(_SALT_BYTES)
    key, mac_key, counter = _derive(password, salt)
    padding = _BLOCK_BYTES - len(plain) % _BLOCK_BYTES
    encryptor = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(counter)).encryptor()
    cipher_text = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    parts = (salt, _mac(mac_key, cipher_text).finalize(), cipher_text)
    body = binascii.hexlify(b"\n".join(binascii.hexlify(part) for part in parts))
    lines = [body[start : start + _LINE] for start in range(0, len(body), _LINE)]
    return b"\n".join([HEADER, *lines]) + b"\n"


def decrypt(content: bytes, password: str, name: str) -> bytes:
    """Return the plain text of a file; raise InvalidInput, which names it, for a wrong password or a damaged file."""
    try:
        header, _newline, body = content.partition(b"\n")
        if header.strip() != HEADER:
            raise ValueError("header")
        salt, digest, cipher_text = (
            binascii.unhexlify(part) for part in binascii.unhexlify(b"".join(body.split())).split(b"\n")
        )
    except ValueError:
        raise InvalidInput(
            f"{name} is not a file of ansible-vault 1.1, or it is damaged; name another backup."
        ) from None
    key, mac_key, counter = _derive(password, salt)
    try:
        _mac(mac_key, cipher_text).verify(digest)
    except Exception:
        raise InvalidInput(
            f"The password does not open {name}; give the one that this backup was made with (or the file is damaged)."
        ) from None
    decryptor = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(counter)).decryptor()
    plain = bytes(decryptor.update(cipher_text) + decryptor.finalize())
    return plain[: -plain[-1]]


def _derive(password: str, salt: bytes) -> tuple[bytes, bytes, bytes]:
    length = 2 * _KEY_BYTES + _BLOCK_BYTES
    derived = kdf.PBKDF2HMAC(algorithm=hashes.SHA256(), length=length, salt=salt, iterations=_ROUNDS).derive(
        password.encode()
    )
    return derived[:_KEY_BYTES], derived[_KEY_BYTES : 2 * _KEY_BYTES], derived[2 * _KEY_BYTES :]


def _mac(key: bytes, content: bytes) -> t.Any:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(content)
    return mac
