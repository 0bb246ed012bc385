# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that no library would make: each field in DER as it is given, and signed all the same.

```python
root = forge("root", ca=True)
leaf = forge("web.example.com", signer=root, serial=-5, extensions={"2.5.29.17": None})
```
"""

from __future__ import annotations

import base64
import functools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
_HASHES = {
    "sha256": hashes.SHA256(),
    "sha1": hashes.SHA1(),
    "md5": hashes.MD5(),
    "sha224": hashes.SHA224(),
    "sha384": hashes.SHA384(),
    "sha3-256": hashes.SHA3_256(),
}
_RSA = {"md5": "2a864886f70d010104", "sha1": "2a864886f70d010105", "sha256": "2a864886f70d01010b"}
_RSA.update({"sha384": "2a864886f70d01010c", "sha224": "2a864886f70d01010e", "sha3-256": "60864801650304030e"})
_ECDSA = {"sha1": "2a8648ce3d0401", "sha256": "2a8648ce3d040302", "sha384": "2a8648ce3d040303"}
_ECDSA.update({"sha224": "2a8648ce3d040301", "sha3-256": "60864801650304030a"})
_NULL = b"\x05\x00"

AKI, SKI, SAN, KU, EKU, BC, NC = (
    "2.5.29.35",
    "2.5.29.14",
    "2.5.29.17",
    "2.5.29.15",
    "2.5.29.37",
    "2.5.29.19",
    "2.5.29.30",
)


def tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def integer(number: int) -> bytes:
    length = number.bit_length() // 8 + 1
    return tlv(0x02, number.to_bytes(length, "big", signed=True))


def oid(hexadecimal: str) -> bytes:
    return tlv(0x06, bytes.fromhex(hexadecimal))


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    content = b""
    for number in (first * 40 + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(0x80 | number & 0x7F)
        content += bytes(reversed(septets))
    return tlv(0x06, content)


def general_names(*names: x509.GeneralName) -> bytes:
    return x509.SubjectAlternativeName(names).public_bytes()


def dns_names(*names: str | bytes) -> bytes:
    """A subject alternative name of DNS names, whatever octets they have."""
    return sequence(*(tlv(0x82, name if isinstance(name, bytes) else name.encode()) for name in names))


def common_name(name: str, tag: int = 0x0C) -> bytes:
    return sequence(tlv(0x31, sequence(_oid("2.5.4.3"), tlv(tag, name.encode()))))


NO_NAME = sequence()


@functools.cache
def key_of(kind: str) -> Any:
    """Return a private key, the same one for the same words: `rsa 2048`, `ec secp256r1 b`, `ed25519`, ..."""
    algorithm, *parameters = kind.split()
    if algorithm == "rsa":
        return rsa.generate_private_key(65537, int(parameters[0]))
    if algorithm == "dsa":
        return dsa.generate_private_key(1024)
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ed448":
        return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(getattr(ec, parameters[0])())


@dataclass(frozen=True)
class Forged:
    """A certificate in DER with its private key, which may be None."""

    der: bytes
    subject: bytes
    key: Any
    key_id: bytes

    @property
    def pem(self) -> str:
        return self.block()

    def block(self, label: str = "CERTIFICATE", der: bytes | None = None) -> str:
        return block(label, self.der if der is None else der)

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def encrypted_key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()

    def broken_signature(self) -> Forged:
        return replace(self, der=self.der[:-1] + bytes((self.der[-1] ^ 1,)))


def block(label: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def forge(
    name: str,
    *,
    signer: Forged | None = None,
    key: str = "",
    public_key: bytes | None = None,
    days: float = 365,
    age: float = 10,
    ca: bool = False,
    serial: int | bytes = 0x1234567890ABCDEF,
    version: int = 3,
    digest: str = "sha256",
    inner: bytes | None = None,
    outer: bytes | None = None,
    subject: bytes | None = None,
    issuer: bytes | None = None,
    times: tuple[bytes, bytes] | None = None,
    names: Sequence[str] | None = None,
    extensions: Mapping[str, bytes | tuple[bool, bytes] | None] | None = None,
    twice: str = "",
) -> Forged:
    """Return a certificate that began `age` days before `NOW` and lives `days`; without a signer, self-signed.

    `extensions` are in DER by OID, alone or with whether they are critical; None leaves one out that would be there.
    `twice` is the OID of one that is there two times.
    """
    own = key_of(key or f"ec SECP256R1 {name}")
    spki = public_key or own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_id = _key_id(spki)
    subject = common_name(name) if subject is None else subject
    signing = signer.key if signer else own
    algorithm = _algorithm(signing, digest)
    start = NOW - timedelta(days=age)
    found: dict[str, tuple[bool, bytes]] = {SKI: (False, tlv(0x04, key_id))}
    if signer:
        found[AKI] = (False, sequence(tlv(0x80, signer.key_id)))
    if ca:
        found[BC] = (True, sequence(tlv(0x01, b"\xff")))
        found[KU] = (True, tlv(0x03, b"\x01\x06"))
    else:
        found[SAN] = (False, dns_names(*(names if names is not None else [name])))
        found[EKU] = (False, x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]).public_bytes())
    for each, value in (extensions or {}).items():
        if value is None:
            found.pop(each, None)
        else:
            found[each] = value if isinstance(value, tuple) else (False, value)
    listed = [_extension(each, *value) for each, value in found.items()]
    if twice:
        listed.append(_extension(twice, *found[twice]))
    signed = sequence(
        tlv(0xA0, integer(version - 1)) if version > 1 else b"",
        serial if isinstance(serial, bytes) else integer(serial),
        inner or algorithm,
        issuer if issuer is not None else (signer.subject if signer else subject),
        sequence(*(times or (_time(start), _time(start + timedelta(days=days))))),
        subject,
        spki,
        tlv(0xA3, sequence(*listed)) if version > 2 else b"",
    )
    signature = _sign(signing, signed, digest)
    return Forged(sequence(signed, outer or algorithm, tlv(0x03, b"\x00" + signature)), subject, own, key_id)


def _key_id(spki: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA1())
    digest.update(spki)
    return digest.finalize()


def _extension(which: str, critical: bool, value: bytes) -> bytes:
    return sequence(_oid(which), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def _time(moment: datetime) -> bytes:
    if moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _algorithm(key: Any, digest: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return sequence(oid(_RSA[digest]), _NULL)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return sequence(oid(_ECDSA[digest]))
    if isinstance(key, dsa.DSAPrivateKey):
        return sequence(oid("608648016503040302"))
    return sequence(oid("2b6570" if isinstance(key, ed25519.Ed25519PrivateKey) else "2b6571"))


def _sign(key: Any, data: bytes, digest: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _HASHES[digest])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_HASHES[digest]))
    if isinstance(key, dsa.DSAPrivateKey):
        return key.sign(data, _HASHES[digest])
    return bytes(key.sign(data))
