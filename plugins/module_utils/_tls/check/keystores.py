# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in other forms than PEM, recognised by their bytes. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator, Sequence

from ..._deps_tls import pkcs7, pkcs12, serialization
from ..certificate import Certificate, Unparsable, parse_der
from ..der import first_element, outline

JKS, PKCS12, DER, KUBECONFIG = "JKS keystore", "PKCS#12 keystore", "DER certificate", "kubeconfig"
PKCS7 = "PKCS#7 bundle"
_JKS_MAGIC = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
# The content type "data" of PKCS#7 is what a PKCS#12 begins with.
_PKCS7_DATA = bytes.fromhex("06092a864886f70d010701")
_PKCS7_SIGNED = bytes.fromhex("06092a864886f70d010702")
_PKCS7_BLOCKS = (b"-----BEGIN PKCS7-----", b"-----BEGIN CMS-----")
_KEY_ENTRY, _TRUSTED_ENTRY = 1, 2


class Stored(t.NamedTuple):
    """The certificates of one alias; ``trusted`` tells that they are an authority to trust, not a chain of a key."""

    alias: str
    members: tuple[Certificate, ...]
    trusted: bool


def recognise(content: bytes) -> str:
    """Return the kind of what holds certificates in another form than PEM, or nothing."""
    if content[:4] in _JKS_MAGIC:
        return JKS
    if content[:1] == b"\x30":
        if _PKCS7_SIGNED in content[:24]:
            return PKCS7
        if _PKCS7_DATA in content[:48]:
            return PKCS12
        with contextlib.suppress(ValueError, IndexError):
            return DER if outline(first_element(content)) else ""
        return ""
    if any(block in content for block in _PKCS7_BLOCKS):
        return PKCS7
    return KUBECONFIG if b"certificate-authority-data:" in content or b"client-certificate-data:" in content else ""


def read_keystore(kind: str, content: bytes, passwords: Sequence[bytes]) -> list[Stored]:
    """Return the certificates of a keystore, or of a certificate in DER; raise Unparsable.

    In a JKS they are readable by anybody; of a PKCS#12, the ``passwords`` are tried after none and the empty one.
    """
    if kind == DER:
        return [Stored("", (parse_der(content),), False)]
    if kind == PKCS12:
        return _read_pkcs12(content, passwords)
    if kind == PKCS7:
        return _read_pkcs7(content)
    try:
        return list(_read_jks(content))
    except (IndexError, ValueError, UnicodeDecodeError):
        raise Unparsable(f"the {kind} cannot be read") from None


def _read_jks(content: bytes) -> Iterator[Stored]:
    reading = _Reading(content)
    reading.take(4)
    version, count = reading.number(4), reading.number(4)
    for _entry in range(count):
        kind, alias = reading.number(4), reading.text()
        reading.take(8)
        if kind == _KEY_ENTRY:
            reading.take(reading.number(4))
            number = reading.number(4)
        elif kind == _TRUSTED_ENTRY:
            number = 1
        else:
            # A secret key, whose length only Java knows.
            raise Unparsable(f"the entry {alias} of the {JKS} is of a kind that cannot be read")
        members = []
        for _member in range(number):
            if version > 1:
                reading.text()
            members.append(parse_der(reading.take(reading.number(4))))
        if members:
            yield Stored(alias, tuple(members), kind == _TRUSTED_ENTRY)


class _Reading:
    """Reads fields one after the other; raises ValueError where the end is missing."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, length: int) -> bytes:
        found = self._content[self._at : self._at + length]
        if len(found) < length:
            raise ValueError("the end is missing")
        self._at += length
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def text(self) -> str:
        return self.take(self.number(2)).decode("utf-8", "replace")


def _read_pkcs7(content: bytes) -> list[Stored]:
    """Return its certificates one by one, as it keeps no order."""
    read = pkcs7.load_der_pkcs7_certificates if content[:1] == b"\x30" else pkcs7.load_pem_pkcs7_certificates
    try:
        found = read(content)
    # Whatever the library raises at it.
    except Exception:
        raise Unparsable(f"the {PKCS7} cannot be read") from None
    members = [parse_der(each.public_bytes(serialization.Encoding.DER)) for each in found]
    return [Stored(str(number), (member,), False) for number, member in enumerate(members)]


def _read_pkcs12(content: bytes, passwords: Sequence[bytes]) -> list[Stored]:
    for password in (None, b"", *passwords):
        try:
            found = pkcs12.load_pkcs12(content, password)
        # A wrong password, or an algorithm that the library does not know, which it does not always tell apart.
        except Exception:
            continue
        chain = [each.certificate for each in (found.cert, *found.additional_certs) if each]
        members = [parse_der(each.public_bytes(serialization.Encoding.DER)) for each in chain]
        if found.cert:
            name = found.cert.friendly_name or b""
            return [Stored(name.decode("utf-8", "replace"), tuple(members), False)]
        names = [(each.friendly_name or b"").decode("utf-8", "replace") for each in found.additional_certs]
        return [Stored(name or str(n), (member,), True) for n, (name, member) in enumerate(zip(names, members))]
    raise Unparsable(
        f"the {PKCS12} cannot be read: it needs a password that is not beside it, or is in a form of its own"
    )
