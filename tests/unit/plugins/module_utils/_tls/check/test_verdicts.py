# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the check says of Secrets of all kinds, against what OpenSSL says of the same bytes: no false ok."""

from __future__ import annotations

import base64
import functools
import ipaddress
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, pkcs7

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import parse_der
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.flaws import covers
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Inventory
from support.forge import (
    AKI,
    BC,
    EKU,
    KU,
    NC,
    NO_NAME,
    NOW,
    SAN,
    SKI,
    Forged,
    block,
    common_name,
    dns_names,
    forge,
    general_names,
    integer,
    key_of,
    oid,
    sequence,
    tlv,
)
from support.inventories import look

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
WEB = "web.example.com"
OK, WARNING, UNKNOWN, CRITICAL = "ok", "warning", "unknown", "critical"
SERVER, CLIENT = x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH
ANY = x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


@dataclass(frozen=True)
class Given:
    """The data of a Secret, with what OpenSSL is asked: which one to verify, and whom to trust."""

    data: dict[str, str]
    leaf: Forged | None = None
    untrusted: tuple[Forged, ...] = ()
    trusted: tuple[Forged, ...] = ()
    purpose: str = "sslserver"
    # The text that OpenSSL reads in place of the leaf.
    file: str = ""


@dataclass(frozen=True)
class Row:
    name: str
    make: Callable[[], Given]
    severity: str
    sentence: str = ""
    # What must not be said, because nothing shows that it is true.
    unsaid: tuple[str, ...] = field(default=())


@functools.cache
def root(**how: Any) -> Forged:
    return forge("root", **{"ca": True, "days": 3650, **how})


@functools.cache
def middle(**how: Any) -> Forged:
    return forge("middle", **{"ca": True, "days": 1500, "signer": root(), **how})


def web(**how: Any) -> Forged:
    return forge(WEB, **{"signer": middle(), **how})


def pair(
    leaf: Forged,
    *chain: Forged,
    ca: Forged | None = None,
    key: str | None = None,
    purpose: str = "sslserver",
) -> Given:
    """A Secret of a leaf with its chain; what is trusted is `ca.crt` or, without one, the end of the chain."""
    data = {"tls.crt": "".join(each.pem for each in (leaf, *chain))}
    if key != "":
        data["tls.key"] = leaf.key_pem if key is None else key
    if ca:
        data["ca.crt"] = ca.pem
    top = chain[-1] if chain else leaf
    trusted = (ca or (root() if top is middle() else top),)
    return Given(data, leaf, chain, trusted, purpose)


def usual(purpose: str = "sslserver", **how: Any) -> Given:
    return pair(web(**how), middle(), ca=root(), purpose=purpose)


def under(authority: Forged, **how: Any) -> Given:
    """A leaf that an authority of its own signs, which the root has signed."""
    return pair(forge(WEB, signer=authority, **how), authority, ca=root())


def text(content: str, key: str = "", **more: str) -> Given:
    return Given({"tls.crt": content, **({"tls.key": key} if key else {}), **more})


def written(change: Callable[[str], str]) -> Given:
    """A leaf whose text was changed, beside what is in order."""
    content = change(web().pem)
    given = pair(web(), middle(), ca=root())
    data = {**given.data, "tls.crt": content + middle().pem}
    return Given(data, given.leaf, given.untrusted, given.trusted, file=content)


def usage(*uses: Any) -> bytes:
    return x509.ExtendedKeyUsage(uses).public_bytes()


def key_usage(bits: int, unused: int = 0) -> tuple[bool, bytes]:
    return True, tlv(0x03, bytes((unused, bits)))


def limits(*permitted: x509.GeneralName, excluded: tuple[x509.GeneralName, ...] = ()) -> tuple[bool, bytes]:
    return True, x509.NameConstraints(permitted or None, excluded or None).public_bytes()


def limited(by: tuple[bool, bytes], **how: Any) -> Given:
    """A leaf below an authority that may sign for some names only."""
    return under(forge("limited", ca=True, signer=root(), days=1500, extensions={NC: by}), **how)


def directory(name: str, value: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(getattr(x509.NameOID, name), value)]))


def subject(**parts: str) -> bytes:
    return x509.Name(
        [x509.NameAttribute(getattr(x509.NameOID, each), value) for each, value in parts.items()]
    ).public_bytes()


def issuer_named(name: bytes, serial: int) -> dict[str, bytes]:
    """An identifier of the authority's key that names the authority's certificate, too."""
    return {AKI: sequence(tlv(0x80, middle().key_id), tlv(0xA1, tlv(0xA4, name)), b"\x82" + integer(serial)[1:])}


def constraints(permitted: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> tuple[bool, bytes]:
    made = x509.NameConstraints(
        [x509.DNSName(name) for name in permitted] or None, [x509.DNSName(name) for name in excluded] or None
    )
    return True, made.public_bytes()


def huge_key() -> bytes:
    """A public key of 9,216 bits, of which nobody needs the private one."""
    return (
        rsa.RSAPublicNumbers(65537, (1 << 9215) + 1)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def unknown_key(algorithm: str = "2b0601040182371501") -> bytes:
    return sequence(sequence(oid(algorithm)), tlv(0x03, b"\x00" + b"\x01" * 32))


def pss_key() -> bytes:
    """The public key of RSA 2048 as one that signs with RSASSA-PSS only."""
    numbers = key_of("rsa 2048").public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return sequence(sequence(oid("2a864886f70d01010a")), tlv(0x03, b"\x00" + numbers))


def pss_algorithm(salt: int) -> bytes:
    """RSASSA-PSS with SHA-256 and a salt of so many octets."""
    sha256 = sequence(oid("608648016503040201"), b"\x05\x00")
    mask = sequence(oid("2a864886f70d010108"), sha256)
    parts = tlv(0xA0, sha256), tlv(0xA1, mask), tlv(0xA2, integer(salt))
    return sequence(oid("2a864886f70d01010a"), sequence(*parts))


def spelled_out_key() -> bytes:
    """A public key of P-256 whose curve is written out."""
    prime = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    base = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    seed = tlv(0x03, bytes.fromhex("00c49d360886e704936a6678e1139d26b7819f7e90"))
    curve = sequence(*(tlv(0x04, number.to_bytes(32, "big")) for number in (prime - 3, b)), seed)
    field_ = sequence(oid("2a8648ce3d0101"), integer(prime))
    parameters = sequence(integer(1), field_, curve, tlv(0x04, base), integer(order), integer(1))
    point = key_of(f"ec SECP256R1 {WEB}").public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return sequence(sequence(oid("2a8648ce3d0201"), parameters), tlv(0x03, b"\x00" + point))


def large_exponent() -> bytes:
    numbers = key_of("rsa 2048").public_key().public_numbers()
    made = rsa.RSAPublicNumbers((1 << 32) + 15, numbers.n).public_key()
    return made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def other_algorithm() -> bytes:
    return sequence(oid("2a8648ce3d040303"))


def request() -> str:
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key_of("ec SECP256R1"), hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def bag() -> str:
    loaded = x509.load_der_x509_certificate(web().der)
    return pkcs7.serialize_certificates([loaded], Encoding.PEM).decode()


def trusted_block(leaf: Forged) -> str:
    return leaf.block("TRUSTED CERTIFICATE", leaf.der + sequence(sequence(oid("2b06010505070301"))))


def corrupted(forged: Forged) -> str:
    """A certificate whose extensions break off, so that no library reads it as a whole."""
    return block("CERTIFICATE", forged.der[:40] + b"\xff" * 8 + forged.der[48:])


def _own_server(usages: tuple[bool, bytes]) -> Forged:
    return forge(WEB, ca=True, days=3650, extensions={SAN: dns_names(WEB), KU: usages})


def key_pem(name: str) -> str:
    return key_of(f"ec SECP256R1 {name}").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _fine(part: str) -> str:
    return web().pem + middle().pem if part == "crt" else web().key_pem


def _wrapped(pem: str, width: int) -> str:
    body = "".join(pem.splitlines()[1:-1])
    return "\n".join((BEGIN, *textwrap.wrap(body, width), END, ""))


def _base64(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


def _under_root(leaf_days: float = 365, **how: Any) -> Given:
    short = forge("short root", **{"ca": True, "days": 3650, **how})
    return pair(forge(WEB, signer=short, days=leaf_days), ca=short)


def _by_rsa(**how: Any) -> Given:
    authority = forge("rsa", ca=True, signer=root(), days=1500, key="rsa 2048 ca")
    return under(authority, **how)


def _beside(ca: str) -> Given:
    given = pair(web(), middle())
    return Given({**given.data, "ca.crt": ca}, given.leaf, given.untrusted, (root(),))


def _with_root_in_chain(**how: Any) -> Given:
    old = forge("old root", ca=True, **how)
    given = pair(forge(WEB, signer=old), old)
    return Given(given.data, given.leaf, (), (old,))


def _expired_root_beside() -> Given:
    old = forge("old root", ca=True, days=9)
    above = forge("above", ca=True, signer=old, days=1500)
    leaf = forge(WEB, signer=above)
    data = {"tls.crt": leaf.pem, "tls.key": leaf.key_pem, "ca.crt": above.pem + old.pem}
    return Given(data, leaf, (), (above, old))


def _same_name() -> Given:
    rolled = forge("root", ca=True, signer=root(), days=1500, key="ec SECP256R1 rolled")
    return pair(forge(WEB, signer=rolled), rolled, ca=root())


def _signed_by_nobody() -> Given:
    broken = web().broken_signature()
    return pair(broken, middle(), ca=root())


def _middle_with(extensions: dict[str, Any]) -> Given:
    return under(forge("special", ca=True, signer=root(), days=1500, extensions=extensions))


def _rolled_over(**how: Any) -> Given:
    """A leaf below an authority that was signed by another one of the same name."""
    rolled = forge("root", ca=True, signer=root(), days=1500, key="ec SECP256R1 rolled", **how)
    return pair(forge(WEB, signer=rolled), rolled, ca=root())


def _rolled_over_below_none() -> Given:
    extensions = {BC: (True, sequence(tlv(1, b"\xff"), integer(0)))}
    upper = forge("same", ca=True, signer=root(), days=2000, extensions=extensions)
    lower = forge("same", ca=True, signer=upper, days=1500, key="ec SECP256R1 lower")
    return pair(forge(WEB, signer=lower), lower, upper, ca=root())


def _deep(number: int) -> Given:
    above = [root()]
    for each in range(number):
        above.append(forge(f"authority {each}", ca=True, signer=above[-1], days=1500 - 40 * each))
    return pair(forge(WEB, signer=above[-1], days=100), *above[:0:-1], ca=root())


def _limited_below_itself() -> Given:
    """A root of a new key below the old one, whose limits are for others."""
    upper = forge("roll", ca=True, signer=root(), days=2000, extensions={NC: limits(x509.DNSName("example.com"))})
    lower = forge("roll", ca=True, signer=upper, days=1500, key="ec SECP256R1 lower", names=["roll.invalid"])
    return pair(forge(WEB, signer=lower), lower, upper, ca=root())


def _too_deep() -> Given:
    upper = forge(
        "upper", ca=True, signer=root(), days=2000, extensions={BC: (True, sequence(tlv(1, b"\xff"), integer(0)))}
    )
    lower = forge("lower", ca=True, signer=upper, days=1500)
    return pair(forge(WEB, signer=lower), lower, upper, ca=root())


def _swapped(**how: Any) -> Given:
    leaf = web(**how)
    return text(middle().pem + leaf.pem, leaf.key_pem, **{"ca.crt": root().pem})


def _twice() -> Given:
    leaf = web()
    return pair(leaf, leaf, middle(), ca=root())


ROWS = [
    # What is in order.
    Row("leaf, intermediate and root beside it", usual, OK),
    Row("no root beside it", lambda: pair(web(), middle()), OK),
    Row("signed by the root itself", lambda: pair(forge(WEB, signer=root()), ca=root()), OK),
    Row("the root in the chain as well", lambda: pair(web(), middle(), root()), OK),
    Row("self-signed server", lambda: pair(forge(WEB)), OK),
    Row("self-signed server that may sign", lambda: pair(_own_server(key_usage(0x84, 2))), OK),
    Row("an authority with names", lambda: pair(_own_server(key_usage(0x06, 1)), purpose="any"), OK),
    Row("RSA 2048", lambda: usual(key="rsa 2048"), OK),
    Row("RSA 2048 signs", lambda: under(forge("rsa", ca=True, signer=root(), days=1500, key="rsa 2048 ca")), OK),
    Row("P-384", lambda: usual(key="ec SECP384R1"), OK),
    Row("P-521", lambda: usual(key="ec SECP521R1"), OK),
    Row("Ed25519", lambda: usual(key="ed25519"), OK),
    Row("signed by Ed25519", lambda: under(forge("ed", ca=True, signer=root(), days=1500, key="ed25519")), OK),
    Row("wildcard", lambda: usual(names=[f"*.{WEB}"]), OK),
    Row("underscore in a name", lambda: usual(names=["my_app.example.com"]), OK),
    Row(
        "address", lambda: usual(extensions={SAN: general_names(x509.IPAddress(ipaddress.ip_address("10.0.0.1")))}), OK
    ),
    Row(
        "SPIFFE",
        lambda: usual(extensions={SAN: general_names(x509.UniformResourceIdentifier("spiffe://a/b"))}),
        OK,
    ),
    Row("client without names", lambda: usual(purpose="sslclient", extensions={SAN: None, EKU: usage(CLIENT)}), OK),
    Row("no extended key usage", lambda: usual(extensions={EKU: None}), OK),
    Row("year 2060", lambda: pair(forge(WEB, days=12500)), OK),
    Row("no subject, critical names", lambda: usual(subject=NO_NAME, extensions={SAN: (True, dns_names(WEB))}), OK),
    Row(
        "text before the block", lambda: text(f"subject=x\n{_fine('crt')}", _fine("key"), **{"ca.crt": root().pem}), OK
    ),
    Row("CRLF", lambda: text(_fine("crt").replace("\n", "\r\n"), _fine("key")), OK),
    Row(
        "parameters before the key",
        lambda: text(_fine("crt"), f"{block('EC PARAMETERS', oid('2a8648ce3d030107'))}{_fine('key')}"),
        OK,
    ),
    # Dates.
    Row("expired", lambda: usual(days=8), CRITICAL, "it expired 2 d ago"),
    Row("expires in a day", lambda: usual(days=11), CRITICAL, "it expires in 24 h"),
    Row("expires in ten days", lambda: usual(days=20, age=10, extensions={}), OK),
    Row("a month of a year left", lambda: usual(days=370, age=350), WARNING, "it expires in 20 d"),
    Row("not valid yet", lambda: usual(age=-3), CRITICAL, "it becomes valid only in 3 d"),
    Row("ends before it begins", lambda: usual(days=-20), CRITICAL, "it expired"),
    Row(
        "ca.crt ends in an hour",
        lambda: _under_root(days=10 + 1 / 24),
        CRITICAL,
        "ca.crt beside it (CN=short root): it expires in 60 min",
    ),
    Row(
        "ca.crt has ended",
        lambda: _under_root(days=9),
        CRITICAL,
        "ca.crt beside it (CN=short root): it expired 24 h ago",
    ),
    Row(
        "ca.crt is not valid yet",
        lambda: _under_root(age=-2),
        CRITICAL,
        "ca.crt beside it (CN=short root): it becomes valid",
    ),
    Row("ca.crt ends before the leaf", lambda: _under_root(days=300), CRITICAL, "it ends before what it has signed"),
    Row(
        "ca.crt ends in five months",
        lambda: _under_root(days=1000, age=850, leaf_days=60),
        WARNING,
        "it expires in 150 d",
    ),
    Row(
        "another authority in ca.crt has ended",
        lambda: _beside(root().pem + forge("gone", ca=True, days=5).pem),
        WARNING,
        "(CN=gone) has expired, and no chain here needs it",
    ),
    Row(
        "the intermediate has ended",
        lambda: under(forge("gone", ca=True, signer=root(), days=9)),
        CRITICAL,
        "certificate 2 of its chain (CN=gone): it expired 24 h ago",
    ),
    Row(
        "the intermediate ends in half a day",
        lambda: under(forge("soon", ca=True, signer=root(), days=10.5), days=10.4),
        CRITICAL,
        "certificate 2 of its chain (CN=soon): it expires in 12 h",
    ),
    Row(
        "the root in the chain has ended",
        lambda: _with_root_in_chain(days=9),
        CRITICAL,
        "certificate 2 of its chain (CN=old root): it expired 24 h ago",
    ),
    # Names.
    Row("no names", lambda: usual(extensions={SAN: None}), CRITICAL, "it has no subject alternative name"),
    Row(
        "no names, no usage", lambda: usual(extensions={SAN: None, EKU: None}), CRITICAL, "no subject alternative name"
    ),
    Row("version 1", lambda: usual(version=1), CRITICAL, "it has no subject alternative name"),
    Row("empty names", lambda: usual(names=[]), CRITICAL, "its subject alternative name is empty"),
    Row(
        "an address of mail as the only name",
        lambda: usual(extensions={SAN: general_names(x509.RFC822Name("a@example.com"))}),
        CRITICAL,
        "none of its names is a DNS name or an address",
    ),
    Row(
        "an otherName as the only name, for both sides",
        lambda: usual(
            extensions={
                SAN: general_names(x509.OtherName(x509.ObjectIdentifier("1.2.3"), tlv(0x0C, b"x"))),
                EKU: usage(SERVER, CLIENT),
            }
        ),
        WARNING,
        "none of its names is a DNS name or an address",
    ),
    Row(
        "an address in the web as the only name",
        lambda: usual(extensions={SAN: general_names(x509.UniformResourceIdentifier(f"https://{WEB}/"))}),
        CRITICAL,
        "none of its names is a DNS name or an address",
    ),
    Row(
        "a wildcard beside an underscore",
        lambda: usual(names=["*.my_app.example.com"]),
        CRITICAL,
        "has a wildcard beside what is not a host name: OpenSSL never accepts it",
    ),
    Row("hyphens at the ends of a label", lambda: usual(names=["-web-.example.com"]), OK),
    Row(
        "NUL in a name",
        lambda: usual(names=["web.example.com\0.evil.org"]),
        CRITICAL,
        r'"web.example.com\x00.evil.org" holds a NUL',
    ),
    Row("NUL in the common name", lambda: usual(subject=common_name("a\0b")), CRITICAL, "its common name"),
    Row("blank behind a name", lambda: usual(names=[f"{WEB} "]), CRITICAL, "holds a blank"),
    Row("blank in a name", lambda: usual(names=["web example.com"]), CRITICAL, "holds a blank"),
    Row("tab in a name", lambda: usual(names=[WEB, "web\t.example.com"]), CRITICAL, "holds a blank"),
    Row("dot behind a name", lambda: usual(names=[f"{WEB}."]), CRITICAL, "ends with a dot"),
    Row("URL as a name", lambda: usual(names=[f"https://{WEB}"]), CRITICAL, "is not a host name"),
    Row("port in a name", lambda: usual(names=[f"{WEB}:443"]), CRITICAL, "is not a host name"),
    Row("empty name", lambda: usual(names=[""]), CRITICAL, "is not a host name"),
    Row(
        "address as a name",
        lambda: usual(names=["10.0.0.1"]),
        CRITICAL,
        "is an address, but stands there as a DNS name",
    ),
    Row("wildcard in the middle", lambda: usual(names=["web.*.example.com"]), CRITICAL, "has a wildcard that is not"),
    Row("wildcard in a part", lambda: usual(names=["w*.example.com"]), CRITICAL, "has a wildcard that is not"),
    Row("wildcard for all", lambda: usual(names=["*.com"]), CRITICAL, "a whole top-level domain"),
    Row("label of 64", lambda: usual(names=[f"{'a' * 64}.example.com"]), CRITICAL, "longer than a host name may be"),
    Row(
        "name that is not ASCII",
        lambda: usual(extensions={SAN: dns_names("wéb.example.com".encode())}),
        CRITICAL,
        "is not a host name",
    ),
    # Serial numbers.
    Row("negative serial number", lambda: usual(serial=-5), CRITICAL, "its serial number is negative"),
    Row("serial number zero", lambda: usual(serial=0), WARNING, "its serial number is zero"),
    Row("serial number of 21 octets", lambda: usual(serial=1 << 166), WARNING, "longer than 20 octets"),
    Row("serial number with a zero too many", lambda: usual(serial=tlv(2, b"\0\0\1")), UNKNOWN, "cannot be read"),
    # Keys and signatures.
    Row("RSA 1024", lambda: usual(key="rsa 1024"), CRITICAL, "its key is weak (RSA 1024, at least 2048"),
    Row(
        "RSA 9216", lambda: pair(web(public_key=huge_key()), middle(), ca=root(), key=""), CRITICAL, "at most 8192 bits"
    ),
    Row("P-192", lambda: usual(key="ec SECP192R1"), CRITICAL, "its key is weak (EC 192"),
    Row("brainpool", lambda: usual(key="ec BrainpoolP256R1"), CRITICAL, "the curve of its key is brainpoolP256r1"),
    Row("secp256k1", lambda: usual(key="ec SECP256K1"), CRITICAL, "the curve of its key is secp256k1"),
    Row("Ed448", lambda: usual(key="ed448"), CRITICAL, "its key is Ed448"),
    Row("DSA", lambda: usual(key="dsa"), CRITICAL, "TLS clients refuse DSA"),
    Row(
        "P-224", lambda: usual(key="ec SECP224R1"), CRITICAL, "the curve of its key is secp224r1, which clients refuse"
    ),
    Row(
        "signed by P-224",
        lambda: under(forge("small", ca=True, signer=root(), days=1500, key="ec SECP224R1 ca")),
        OK,
    ),
    Row(
        "a curve that is written out",
        lambda: pair(web(public_key=spelled_out_key()), middle(), ca=root(), key=""),
        CRITICAL,
        "its key spells out the parameters of its curve instead of naming it: clients refuse it",
    ),
    Row(
        "a key for RSASSA-PSS",
        lambda: pair(web(public_key=pss_key()), middle(), ca=root(), key=""),
        CRITICAL,
        "its key is for RSASSA-PSS only, which browsers and clients written in Go refuse",
    ),
    Row(
        "a large exponent",
        lambda: pair(web(public_key=large_exponent()), middle(), ca=root(), key=""),
        CRITICAL,
        "the exponent of its key has more than 31 bits",
    ),
    Row("SHA-224", lambda: usual(digest="sha224"), CRITICAL, "it is signed with SHA224, which browsers and clients"),
    Row("SHA-3", lambda: usual(digest="sha3-256"), CRITICAL, "it is signed with SHA3-256, which browsers and clients"),
    Row("SHA-224 with RSA", lambda: _by_rsa(digest="sha224"), CRITICAL, "it is signed with SHA224"),
    Row(
        "RSASSA-PSS with a short salt",
        lambda: usual(inner=pss_algorithm(30), outer=pss_algorithm(30)),
        CRITICAL,
        "unusual parameters of RSASSA-PSS, which browsers and clients written in Go refuse",
    ),
    Row("SHA-1", lambda: usual(digest="sha1"), CRITICAL, "the broken hash SHA1"),
    Row("MD5", lambda: _by_rsa(digest="md5"), CRITICAL, "the broken hash MD5"),
    Row("SHA-1 in a root", lambda: _under_root(digest="sha1"), OK),
    Row(
        "SHA-1 in an intermediate",
        lambda: under(forge("sha1", ca=True, signer=root(), days=1500, digest="sha1")),
        CRITICAL,
        "certificate 2 of its chain (CN=sha1): it is signed with the broken hash SHA1",
    ),
    Row(
        "a weak key in an intermediate",
        lambda: under(forge("weak", ca=True, signer=root(), days=1500, key="rsa 1024 ca")),
        CRITICAL,
        "certificate 2 of its chain (CN=weak): its key is weak",
    ),
    Row(
        "broken signature", _signed_by_nobody, CRITICAL, "its signature is not by the key of CN=middle, which it names"
    ),
    Row(
        "broken signature of an intermediate",
        lambda: under(forge("broken", ca=True, signer=root(), days=1500).broken_signature()),
        CRITICAL,
        "the signature of certificate 2 of its chain (CN=broken) is not by the key of CN=root, which it names",
        ("does not hold",),
    ),
    Row("twelve authorities", lambda: _deep(12), OK),
    Row(
        "thirty authorities",
        lambda: _deep(30),
        UNKNOWN,
        "its chain was not verified: it is longer than 20 certificates",
        ("does not hold",),
    ),
    Row("other algorithm inside", lambda: usual(inner=other_algorithm()), CRITICAL, "is not the one of its signature"),
    Row(
        "key of an unknown algorithm",
        lambda: usual(public_key=unknown_key()),
        UNKNOWN,
        "its public key cannot be read",
        ("belongs to another",),
    ),
    Row(
        "signature of an unknown algorithm",
        lambda: usual(inner=sequence(oid("2b0601040182371502")), outer=sequence(oid("2b0601040182371502"))),
        UNKNOWN,
        "its chain was not verified: the signature of CN=middle (1.3.6.1.4.1.311.21.2, key EC 256)",
        ("has not signed", "does not hold"),
    ),
    # Extensions.
    Row(
        "unknown critical extension",
        lambda: usual(extensions={"1.2.3.4": (True, b"\5\0")}),
        CRITICAL,
        "critical extension that clients do not know (1.2.3.4)",
    ),
    Row("unknown extension", lambda: usual(extensions={"1.2.3.4": b"\5\0"}), OK),
    Row("an extension twice", lambda: usual(twice=SAN), UNKNOWN, "its extensions cannot be read"),
    Row("names in another form", lambda: usual(extensions={SAN: b"\x04\x01\x00"}), UNKNOWN, "cannot be read"),
    Row(
        "a key usage for certificates only",
        lambda: usual(extensions={KU: key_usage(0x04, 2)}),
        CRITICAL,
        "allows no TLS",
    ),
    Row(
        "a key usage for certificates too",
        lambda: usual(extensions={KU: key_usage(0x84, 2)}),
        WARNING,
        "its key usage is to sign certificates, but it is not an authority",
    ),
    Row(
        "no identifier of the authority's key",
        lambda: usual(extensions={AKI: None}),
        WARNING,
        "strict clients, such as Python since 3.13, refuse it: the identifier of its authority's key is missing",
    ),
    Row(
        "another identifier of the authority's key",
        lambda: usual(extensions={AKI: sequence(tlv(0x80, b"other"))}),
        CRITICAL,
        "has signed it, but with another key identifier than it names",
    ),
    Row(
        "critical identifier of the authority's key",
        lambda: usual(extensions={AKI: (True, sequence(tlv(0x80, middle().key_id)))}),
        CRITICAL,
        "critical extension that clients do not know",
    ),
    Row("no subject, names not critical", lambda: usual(subject=NO_NAME), WARNING, "its subject is empty"),
    Row("path length in a leaf", lambda: usual(extensions={BC: sequence(integer(0))}), UNKNOWN, ""),
    Row(
        "the issuer's name in another encoding",
        lambda: usual(issuer=common_name("middle", 0x13)),
        CRITICAL,
        "its name is written otherwise there: clients written in Go refuse it",
    ),
    Row(
        "the issuer's name in upper case",
        lambda: usual(issuer=common_name("MIDDLE")),
        CRITICAL,
        "its name is written otherwise there",
    ),
    Row(
        "a key usage without signatures, RSA",
        lambda: usual(key="rsa 2048", extensions={KU: key_usage(0x20, 5)}),
        WARNING,
        "its key usage (key_encipherment) lacks digital_signature: browsers refuse it in TLS 1.3",
    ),
    Row(
        "a key usage without signatures, EC",
        lambda: usual(extensions={KU: key_usage(0x28, 3)}),
        CRITICAL,
        "lacks digital_signature, which is all that a key of the type EC does in TLS",
    ),
    Row(
        "a key usage without signatures, Ed25519",
        lambda: usual(key="ed25519", extensions={KU: key_usage(0x08, 3)}),
        CRITICAL,
        "lacks digital_signature",
    ),
    Row(
        "an empty key usage",
        lambda: usual(extensions={KU: key_usage(0x00, 7)}),
        CRITICAL,
        "its key usage (empty) allows no TLS",
    ),
    Row(
        "an empty key usage of an authority",
        lambda: _middle_with({KU: key_usage(0x00, 7)}),
        CRITICAL,
        "may not sign by its key usage",
    ),
    Row(
        "any extended key usage",
        lambda: usual(extensions={EKU: usage(ANY)}),
        CRITICAL,
        "its extended key usage is anyExtendedKeyUsage without that of a server: clients of OpenSSL refuse it",
    ),
    Row("any extended key usage, and that of a server", lambda: usual(extensions={EKU: usage(ANY, SERVER)}), OK),
    Row("an empty extended key usage", lambda: usual(extensions={EKU: sequence()}), UNKNOWN, "cannot be read"),
    Row(
        "an extended key usage for code",
        lambda: usual(extensions={EKU: usage(x509.ExtendedKeyUsageOID.CODE_SIGNING)}),
        WARNING,
        "its extended key usage (codeSigning) is not one for TLS",
    ),
    Row(
        "a Netscape type for clients",
        lambda: usual(extensions={"2.16.840.1.113730.1.1": tlv(0x03, b"\x07\x80")}),
        CRITICAL,
        "its Netscape certificate type is not that of a server",
    ),
    Row(
        "a Netscape type for servers",
        lambda: usual(extensions={"2.16.840.1.113730.1.1": tlv(0x03, b"\x06\x40")}),
        OK,
    ),
    Row(
        "a critical Netscape type",
        lambda: usual(extensions={"2.16.840.1.113730.1.1": (True, tlv(0x03, b"\x06\x40"))}),
        CRITICAL,
        "critical extension that clients written in Go do not know",
    ),
    Row(
        "its authority's certificate by name and number",
        lambda: usual(extensions=issuer_named(root().subject, 0x1234567890ABCDEF)),
        OK,
    ),
    Row(
        "another number of its authority's certificate",
        lambda: usual(extensions=issuer_named(root().subject, 77)),
        CRITICAL,
        "another name or serial number of its authority's certificate stands in it: clients of OpenSSL refuse it",
    ),
    Row(
        "another name of its authority's certificate",
        lambda: usual(extensions=issuer_named(common_name("else"), 0x1234567890ABCDEF)),
        CRITICAL,
        "another name or serial number of its authority's certificate",
    ),
    # Authorities.
    Row("an authority that was rolled over", _rolled_over, OK),
    Row(
        "an authority that was rolled over without an identifier",
        lambda: _rolled_over(extensions={AKI: None}),
        CRITICAL,
        "nothing in it names that key: clients of OpenSSL take it for a root",
    ),
    Row(
        "an authority that was rolled over below a path length of none",
        _rolled_over_below_none,
        CRITICAL,
        "and there are 1 with those that have signed for themselves, which clients written in Go count",
    ),
    Row(
        "an authority without key usage",
        lambda: _middle_with({KU: None}),
        WARNING,
        "it is an authority without key usage",
    ),
    Row(
        "basic constraints that are not critical",
        lambda: _middle_with({BC: sequence(tlv(1, b"\xff"))}),
        WARNING,
        "its basic constraints are not critical",
    ),
    Row(
        "no identifier of its own key",
        lambda: _middle_with({SKI: None}),
        WARNING,
        "the identifier of its own key is missing",
    ),
    Row(
        "an authority that may not sign",
        lambda: _middle_with({KU: key_usage(0x80, 7)}),
        CRITICAL,
        "may not sign by its key usage",
    ),
    Row(
        "an issuer that is not an authority",
        lambda: _middle_with({BC: None, KU: None}),
        CRITICAL,
        "has signed it, but is not an authority: clients refuse it",
    ),
    Row(
        "basic constraints that say no",
        lambda: _middle_with({BC: (True, sequence()), KU: None}),
        CRITICAL,
        "but is not an authority",
    ),
    Row("a root of version 1", lambda: _under_root(version=1), WARNING, "is not an authority by itself (version 1)"),
    Row(
        "an intermediate of version 1",
        lambda: under(forge("v1", ca=True, signer=root(), days=1500, version=1)),
        CRITICAL,
        "not an authority",
    ),
    Row("path length exceeded", _too_deep, CRITICAL, "allows 0 authorities below it, and there are 1"),
    Row(
        "an authority for clients only",
        lambda: _middle_with({EKU: usage(CLIENT)}),
        CRITICAL,
        "may not sign for servers",
    ),
    Row(
        "an authority for clients only, and a leaf without usage",
        lambda: under(
            forge("special", ca=True, signer=root(), days=1500, extensions={EKU: usage(CLIENT)}), extensions={EKU: None}
        ),
        WARNING,
        "may not sign for servers (clientAuth): clients refuse it as a server's",
    ),
    Row(
        "a policy that is demanded, and is not there",
        lambda: _middle_with({"2.5.29.36": (True, x509.PolicyConstraints(0, None).public_bytes())}),
        CRITICAL,
        "demands a policy, and there is none: clients written in Go refuse it",
    ),
    Row(
        "a policy that is demanded of others",
        lambda: _middle_with({"2.5.29.36": (True, x509.PolicyConstraints(3, None).public_bytes())}),
        OK,
    ),
    Row("limits of one that signs for itself", _limited_below_itself, OK),
    Row(
        "a common name that is not permitted beside an address",
        lambda: limited(
            limits(x509.DNSName("example.org")),
            extensions={SAN: general_names(x509.IPAddress(ipaddress.ip_address("10.0.0.1")))},
        ),
        CRITICAL,
        "may not sign for the name web.example.com",
    ),
    Row(
        "an address of mail in the subject that is not permitted",
        lambda: limited(
            limits(x509.RFC822Name("example.org")), subject=subject(EMAIL_ADDRESS="a@example.com", COMMON_NAME=WEB)
        ),
        CRITICAL,
        "may not sign for the name a@example.com",
    ),
    Row(
        "a wildcard for a name that is excluded",
        lambda: limited(limits(excluded=(x509.DNSName("login.example.com"),)), names=["*.example.com"]),
        CRITICAL,
        "may not sign for the name *.example.com",
    ),
    Row(
        "a subject that is permitted in other letters",
        lambda: limited(
            (False, limits(directory("ORGANIZATION_NAME", "ACME  Inc"))[1]),
            subject=subject(ORGANIZATION_NAME="Acme Inc"),
        ),
        OK,
    ),
    Row(
        "a subject that is not permitted",
        lambda: limited(
            (False, limits(directory("ORGANIZATION_NAME", "Other"))[1]), subject=subject(ORGANIZATION_NAME="Acme")
        ),
        CRITICAL,
        "may not sign for the name O=Acme",
    ),
    Row(
        "a subject that is permitted by a critical extension",
        lambda: limited(limits(directory("ORGANIZATION_NAME", "Acme")), subject=subject(ORGANIZATION_NAME="Acme")),
        CRITICAL,
        "limits names of kinds that clients written in Go do not know",
    ),
    Row(
        "a URI that is permitted",
        lambda: limited(
            limits(x509.UniformResourceIdentifier("example.com")),
            extensions={SAN: general_names(x509.UniformResourceIdentifier("spiffe://example.com/a"))},
        ),
        OK,
    ),
    Row(
        "a URI that is not permitted",
        lambda: limited(
            limits(x509.UniformResourceIdentifier("example.org")),
            extensions={SAN: general_names(x509.UniformResourceIdentifier("spiffe://example.com/a"))},
        ),
        CRITICAL,
        "may not sign for the name spiffe://example.com/a",
    ),
    Row("names that are permitted", lambda: _middle_with({NC: constraints(("example.com",))}), OK),
    Row(
        "names that are not permitted",
        lambda: _middle_with({NC: constraints(("example.org",))}),
        CRITICAL,
        "may not sign for the name web.example.com",
    ),
    Row(
        "names that are excluded",
        lambda: _middle_with({NC: constraints((), ("example.com",))}),
        CRITICAL,
        "may not sign for the name web.example.com",
    ),
    # Order and what belongs to nothing.
    Row(
        "intermediate before the leaf",
        _swapped,
        CRITICAL,
        "its leaf (CN=web.example.com) is certificate 2, not the first",
        ("another certificate",),
    ),
    Row(
        "intermediate before a leaf that has expired",
        lambda: _swapped(days=8),
        CRITICAL,
        "it expired 2 d ago",
        ("another certificate",),
    ),
    Row(
        "root before the leaf, no key",
        lambda: text(root().pem + forge(WEB, signer=root()).pem),
        CRITICAL,
        "is certificate 2, not the first",
    ),
    Row(
        "root before the intermediate",
        lambda: pair(web(), root(), middle()),
        WARNING,
        "its chain is in the wrong order after certificate 1",
    ),
    Row(
        "a certificate of somebody else behind it",
        lambda: pair(web(), middle(), forge("stranger")),
        WARNING,
        "certificate 3 of its chain (CN=stranger) has not signed",
    ),
    Row("the leaf twice", _twice, WARNING, "certificate 2 of its chain (CN=web.example.com) is there twice"),
    Row(
        "the intermediate is missing",
        lambda: pair(web(), ca=root()),
        WARNING,
        "ca.crt beside it does not hold the authority",
    ),
    Row(
        "ca.crt of somebody else",
        lambda: pair(web(), middle(), ca=forge("other", ca=True, days=3650)),
        WARNING,
        "ca.crt beside it does not hold the authority",
    ),
    # How it is written.
    Row("lines of 76", lambda: written(lambda pem: _wrapped(pem, 76)), OK),
    Row("one long line", lambda: written(lambda pem: _wrapped(pem, 5000)), OK),
    Row("indented body", lambda: written(lambda pem: pem.replace("\nMI", "\n  MI")), OK),
    Row("blanks behind the lines", lambda: written(lambda pem: pem.replace("\n", "  \n")), OK),
    Row("headers", lambda: written(lambda pem: pem.replace(f"{BEGIN}\n", f"{BEGIN}\nfoo: bar\n\n")), OK),
    Row(
        "indented",
        lambda: written(lambda pem: "".join(f"  {line}\n" for line in pem.splitlines())),
        CRITICAL,
        "certificate 1 does not begin at the start of a line",
    ),
    Row("behind a text", lambda: written(lambda pem: f"x {pem}"), CRITICAL, "does not begin at the start of a line"),
    Row(
        "quoted", lambda: written(lambda pem: f'"{pem.rstrip()}"\n'), CRITICAL, "does not begin at the start of a line"
    ),
    Row(
        "behind another without a line's end",
        lambda: text(web().pem.rstrip() + middle().pem, web().key_pem),
        CRITICAL,
        "certificate 2 does not begin at the start of a line",
    ),
    Row(
        "all in one line",
        lambda: written(lambda pem: pem.replace("\n", "") + "\n"),
        CRITICAL,
        "has something else in the line that begins it",
    ),
    Row(
        "blanks instead of lines",
        lambda: written(lambda pem: pem.replace("\n", " ") + "\n"),
        CRITICAL,
        "has something else in the line that begins it",
    ),
    Row(
        "CR alone",
        lambda: written(lambda pem: pem.replace("\n", "\r") + "\n"),
        CRITICAL,
        "has something else in the line that begins it",
    ),
    Row(
        "END in the last line",
        lambda: written(lambda pem: pem.replace(f"\n{END}", END)),
        CRITICAL,
        "does not end with a line of its own",
    ),
    Row(
        "text behind END",
        lambda: written(lambda pem: pem.replace(END, f"{END} x")),
        CRITICAL,
        "has something else in the line that ends it",
    ),
    Row(
        "an empty line inside",
        lambda: written(lambda pem: f"{pem[:93]}\n\n{pem[93:]}"),
        CRITICAL,
        "has an empty line inside",
    ),
    Row(
        "an empty line before its end",
        lambda: written(lambda pem: pem.replace(f"\n{END}", f"\n\n{END}")),
        CRITICAL,
        "has an empty line before its end",
    ),
    Row("byte order mark", lambda: written(lambda pem: f"\ufeff{pem}"), CRITICAL, "stands behind a byte order mark"),
    Row("escaped line ends", lambda: written(lambda pem: pem.replace("\n", "\\n") + "\n"), CRITICAL, "cannot be read"),
    Row("a stray character", lambda: written(lambda pem: f"{pem[:80]}!{pem[80:]}"), UNKNOWN, "cannot be read"),
    Row(
        "lower case",
        lambda: written(lambda pem: pem.replace("CERTIFICATE", "certificate")),
        UNKNOWN,
        "the line that begins the block CERTIFICATE is not written as one",
    ),
    Row("four hyphens", lambda: written(lambda pem: pem.replace("-----", "----")), UNKNOWN, "is not written as one"),
    Row(
        "base64 twice",
        lambda: written(lambda pem: _base64(pem) + "\n"),
        CRITICAL,
        "its private key belongs to another certificate",
    ),
    Row(
        "an indented key",
        lambda: pair(web(), middle(), ca=root(), key=f"  {web().key_pem}"),
        CRITICAL,
        "its private key does not begin at the start of a line",
    ),
    Row(
        "an indented ca.crt",
        lambda: _beside(f" {root().pem}"),
        CRITICAL,
        "a certificate in ca.crt beside it does not begin at the start of a line",
    ),
    Row(
        "an intermediate alone in ca.crt",
        lambda: pair(web(), ca=middle()),
        WARNING,
        "its chain ends with ca.crt beside it (CN=middle), which is not a root",
    ),
    Row(
        "an intermediate beside a root that has expired in ca.crt",
        _expired_root_beside,
        CRITICAL,
        "ca.crt beside it (CN=old root): it expired 24 h ago",
        ("no chain here needs it",),
    ),
    Row("an intermediate with the name of its root", _same_name, OK),
    Row(
        "the key of the intermediate",
        lambda: pair(web(), middle(), ca=root(), key=middle().key_pem),
        CRITICAL,
        "its private key belongs to certificate 2 of its chain (CN=middle), not to its leaf",
    ),
    Row(
        "a block of another kind without an end",
        lambda: text(_fine("crt") + request()[:80], _fine("key")),
        UNKNOWN,
        "the block CERTIFICATE REQUEST has no end",
        ("not all of its certificates",),
    ),
    Row(
        "an attribute certificate",
        lambda: text(_fine("crt") + block("ATTRIBUTE CERTIFICATE", b"\x30\x00"), _fine("key")),
        WARNING,
        "there is a block ATTRIBUTE CERTIFICATE in it, which is not a certificate",
    ),
    # Private keys.
    Row(
        "key of another certificate",
        lambda: pair(web(), middle(), ca=root(), key=forge("x").key_pem),
        CRITICAL,
        "its private key belongs to another certificate",
    ),
    Row("no key", lambda: pair(web(), middle(), ca=root(), key=""), WARNING, "there is no private key beside it"),
    Row(
        "encrypted key",
        lambda: pair(web(), middle(), ca=root(), key=web().encrypted_key_pem),
        UNKNOWN,
        "the private key is encrypted with a passphrase",
        ("belongs to another",),
    ),
    Row(
        "broken key",
        lambda: pair(web(), middle(), ca=root(), key=block("PRIVATE KEY", b"abc")),
        UNKNOWN,
        "whether its private key belongs to it was not verified",
        ("belongs to another",),
    ),
    Row(
        "key beside an unreadable leaf",
        lambda: text(corrupted(web()) + middle().pem, web().key_pem),
        UNKNOWN,
        "certificate 1 cannot be read",
        ("belongs to another",),
    ),
    Row(
        "key inside tls.crt",
        lambda: text(_fine("crt") + web().key_pem, _fine("key")),
        WARNING,
        "there is a private key in it",
    ),
    Row(
        "key inside ca.crt", lambda: _beside(root().pem + key_pem("root")), WARNING, "there is a private key in ca.crt"
    ),
    # Blocks.
    Row("nothing", lambda: text("", _fine("key")), UNKNOWN, "there is no PEM certificate in it"),
    Row("no PEM", lambda: text("hello", _fine("key")), UNKNOWN, "there is no PEM certificate in it"),
    Row(
        "TRUSTED CERTIFICATE",
        lambda: text(trusted_block(web()) + middle().pem, web().key_pem),
        WARNING,
        "certificate 1 is written as TRUSTED CERTIFICATE",
    ),
    Row(
        "a trusted intermediate",
        lambda: text(web().pem + trusted_block(middle()), web().key_pem),
        WARNING,
        "certificate 2 is written as TRUSTED CERTIFICATE",
    ),
    Row(
        "a trusted one that has expired",
        lambda: text(web().pem + middle().pem + trusted_block(forge("x", days=5)), web().key_pem),
        WARNING,
        "certificate 3",
    ),
    Row(
        "X509 CERTIFICATE",
        lambda: text(web().block("X509 CERTIFICATE") + middle().pem, web().key_pem),
        WARNING,
        "is written as X509 CERTIFICATE",
    ),
    Row("PKCS#7", lambda: text(_fine("crt") + bag(), _fine("key")), UNKNOWN, "what its block PKCS7 holds was not read"),
    Row(
        "a request",
        lambda: text(_fine("crt") + request(), _fine("key")),
        WARNING,
        "there is a block CERTIFICATE REQUEST in it",
    ),
    Row("only a request", lambda: text(request(), _fine("key")), UNKNOWN, "there is no PEM certificate in it"),
    Row(
        "a block without an end",
        lambda: text(_fine("crt") + middle().pem[:200], _fine("key")),
        UNKNOWN,
        "certificate 3",
    ),
    Row(
        "only a block without an end",
        lambda: text(web().pem[:200], web().key_pem),
        UNKNOWN,
        "the block CERTIFICATE has no end",
    ),
    Row(
        "an unreadable one",
        lambda: text(block("CERTIFICATE", b"\x30\x03\x02\x01\x05"), _fine("key")),
        UNKNOWN,
        "cannot be read",
    ),
    Row(
        "an unreadable one that has expired",
        lambda: text(corrupted(web(days=8)), web().key_pem),
        CRITICAL,
        "it expired 2 d ago",
    ),
    Row(
        "an unreadable intermediate",
        lambda: text(web().pem + corrupted(middle()), web().key_pem),
        UNKNOWN,
        "certificate 2 cannot be read",
        ("has not signed",),
    ),
    Row(
        "an unreadable intermediate of a leaf that has expired",
        lambda: text(web(days=8).pem + corrupted(middle()), web().key_pem),
        CRITICAL,
        "it expired 2 d ago",
    ),
    Row(
        "an unreadable ca.crt",
        lambda: _beside(corrupted(root())),
        UNKNOWN,
        "ca.crt beside it: the certificate cannot be read",
        ("does not hold",),
    ),
    Row(
        "a ca.crt without a certificate",
        lambda: _beside("hello"),
        UNKNOWN,
        "ca.crt beside it: there is no PEM certificate in it",
    ),
]


def judged(given: Given) -> Inventory:
    data = {name: _base64(content) for name, content in given.data.items()}
    secret = {"metadata": {"namespace": "shop", "name": "web"}, "type": "kubernetes.io/tls", "data": data}
    return look(secrets=[secret])


def sentences(inventory: Inventory) -> list[str]:
    return [finding.text for entry in inventory.entries for finding in entry.findings]


def openssl(folder: Path, given: Given, *more: str) -> str:
    """Return why OpenSSL refuses a chain, nothing if it accepts it."""
    files = {"leaf": (given.leaf,), "untrusted": given.untrusted, "trusted": given.trusted}
    options = []
    for name, members in files.items():
        content = "".join(each.pem for each in members if each)
        (folder / name).write_text(given.file if given.file and name == "leaf" else content, newline="")
        if name != "leaf" and members:
            options += [f"-{name}", str(folder / name)]
    command = ["openssl", "verify", "-x509_strict", "-purpose", given.purpose, "-attime", str(int(NOW.timestamp()))]
    run = subprocess.run([*command, *more, *options, str(folder / "leaf")], capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stderr + run.stdout


def test_the_table_is_long_enough() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 80


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdict_and_sentence(row: Row, tmp_path: Path) -> None:
    given = row.make()
    inventory = judged(given)
    said = sentences(inventory)
    assert inventory.severity == row.severity, said
    assert row.severity == OK or [text for text in said if row.sentence in text], said
    assert not [text for text in said for word in row.unsaid if word in text], said
    refusal = openssl(tmp_path, given) if given.leaf else ""
    assert not (refusal and inventory.severity == OK), f"a false ok: {refusal}"


HOSTS = [
    ((WEB,), WEB, True),
    ((WEB,), WEB.upper(), True),
    ((WEB.upper(),), WEB, True),
    ((WEB,), "example.com", False),
    ((WEB,), f"a.{WEB}", False),
    ((WEB,), f"{WEB}.", False),
    (("*.example.com",), WEB, True),
    (("*.example.com",), "example.com", False),
    (("*.example.com",), "a.b.example.com", False),
    (("*.example.com",), "*.example.com", True),
    (("*.example.com", "example.com"), "example.com", True),
    (("w*.example.com",), WEB, False),
    (("web.*.com",), WEB, False),
    (("*",), WEB, False),
    (("*.com",), "example.com", False),
    (("other.example.com", WEB), WEB, True),
    ((f"{WEB}\0.evil.org",), WEB, False),
    ((f"{WEB} ",), WEB, False),
    (("10.0.0.1",), "10.0.0.1", False),
    (("localhost",), "localhost", True),
    (("*.example.com",), "my_app.example.com", False),
    (("*.my_app.example.com",), "web.my_app.example.com", False),
    (("xn--bcher-kva.example",), "bücher.example", True),
    (("my_app.example.com",), "my_app.example.com", True),
    (("xn--bcher-kva.example",), "xn--bcher-kva.example", True),
    ((), WEB, False),
]


@pytest.mark.parametrize(("names", "host", "expected"), HOSTS)
def test_host_names_as_clients_compare_them(names: tuple[str, ...], host: str, expected: bool, tmp_path: Path) -> None:
    leaf = forge(WEB, names=names)
    assert covers(parse_der(leaf.der), host) is expected
    option = "-verify_ip" if host[0].isdigit() else "-verify_hostname"
    if expected and "*" not in host and host.isascii():
        assert openssl(tmp_path, Given({}, leaf, (), (leaf,)), option, host) == ""


@pytest.mark.parametrize("host", ["10.0.0.1", "2001:db8::1", "[2001:db8:0::1]"])
def test_addresses_as_clients_compare_them(host: str, tmp_path: Path) -> None:
    names = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("10.0.0.1", "2001:db8::1")]
    leaf = forge(WEB, extensions={SAN: general_names(*names)})
    assert covers(parse_der(leaf.der), host)
    assert not covers(parse_der(leaf.der), "10.0.0.2")
    assert openssl(tmp_path, Given({}, leaf, (), (leaf,)), "-verify_ip", host.strip("[]")) == ""
