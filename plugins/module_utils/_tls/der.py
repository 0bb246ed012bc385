# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be read of a certificate's DER where the library refuses it, or shows less. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

_INTEGER, _BITS, _UTF8, SEQUENCE, _VERSION = 0x02, 0x03, 0x0C, 0x30, 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


class Outline(t.NamedTuple):
    """The parts of a certificate that need no knowledge of algorithms and extensions.

    ``public_key`` is the SubjectPublicKeyInfo in DER.
    """

    serial: int
    not_before: datetime
    not_after: datetime
    public_key: bytes


class Algorithms(t.NamedTuple):
    """``agree`` tells whether the one in a certificate is the one beside its signature, which is all a client sees.

    ``key`` is the OID of its key's, without its head, and ``parameters`` the tag of what follows it, or 0.
    """

    agree: bool
    key: bytes
    parameters: int


def outline(der: bytes) -> Outline | None:
    """Return the outline of a certificate, or None if it has no such form."""
    try:
        serial, _algorithm, _issuer, validity, _subject, public_key = _fields(der)[0][:6]
        if (serial[0], validity[0], public_key[0]) != (_INTEGER, SEQUENCE, SEQUENCE):
            return None
        start, end = (_moment(*each) for each in _elements(validity[1]))
        number = int.from_bytes(serial[1], "big", signed=True)
        return Outline(number, start, end, _sequence(public_key[1]))
    except (ValueError, IndexError):
        return None


def algorithms(der: bytes) -> Algorithms:
    """Return what a certificate says of its algorithms; raise ValueError."""
    fields, beside = _fields(der)
    # The serial number, the algorithm, the issuer, the dates, the subject, the key.
    (_tag, algorithm), *_key = _elements(fields[5][1])
    (_tag, name), *parameters = _elements(algorithm)
    return Algorithms(fields[1] == beside, name, parameters[0][0] if parameters else 0)


def bits(der: bytes) -> int:
    """Return the first eight bits of a BIT STRING, the first one as the highest; raise ValueError."""
    ((tag, content),) = _elements(der)
    if tag != _BITS or not content:
        raise ValueError("not a bit string")
    return content[1] if len(content) > 1 else 0


def first_element(data: bytes) -> bytes:
    """Return the first element of DER with its head, without what follows it; raise ValueError."""
    return data[: _head(data, 0)[2]]


def utf8_text(der: bytes) -> str | None:
    """Return the text of a UTF8String, None if it is something else."""
    try:
        ((tag, content),) = _elements(der)
        return content.decode() if tag == _UTF8 else None
    except (ValueError, IndexError):
        return None


def _fields(der: bytes) -> tuple[list[tuple[int, bytes]], tuple[int, bytes]]:
    """Return what was signed from the serial number on, and the algorithm beside the signature; raise ValueError."""
    (_tag, certificate), *_rest = _elements(der)
    (_tag, signed), beside, *_signature = _elements(certificate)
    fields = list(_elements(signed))
    return fields[fields[0][0] == _VERSION :], beside


def _elements(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, start, end = _head(data, at)
        yield tag, data[start:end]
        at = end


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of the element at an offset, where its content begins, and where it ends."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 0 < octets <= 4:
            raise ValueError("a length that is not definite")
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if start + length > len(data):
        raise ValueError("the end is missing")
    return tag, start, start + length


def _sequence(content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((SEQUENCE, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((SEQUENCE, 0x80 | len(octets))) + octets + content


def _moment(tag: int, content: bytes) -> datetime:
    found = datetime.strptime(content.decode("ascii", "replace"), _TIMES.get(tag, ""))
    # Two digits of a year are those of 1950 to 2049 (RFC 5280, 4.1.2.5.1).
    if tag == 0x17 and found.year >= 2050:
        found = found.replace(year=found.year - 100)
    return found.replace(tzinfo=timezone.utc)
