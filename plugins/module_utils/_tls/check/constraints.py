# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names that an authority may sign for (RFC 5280, 4.2.1.10). PRIVATE to the collection."""

from __future__ import annotations

import ipaddress
import typing as t
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from ..._deps_tls import x509
from ..._severity import CRITICAL, UNKNOWN
from ..certificate import Certificate
from .severity import Finding

_KNOWN_TO_GO = ("DNSName", "IPAddress", "RFC822Name", "UniformResourceIdentifier")


def broken_constraints(issuer: Certificate, below: Sequence[Certificate], where: str) -> Iterator[Finding]:
    """Yield which names of the certificates below an authority it may not sign for; ``where`` is the authority.

    ``below`` begins with the leaf.
    """
    constraints = issuer.extension(x509.NameConstraints)
    if constraints is None:
        return
    permitted, excluded = (
        list(subtrees or ()) for subtrees in (constraints.value.permitted_subtrees, constraints.value.excluded_subtrees)
    )
    # Those that have signed for themselves are not held to it, but for the leaf.
    bound = [each for number, each in enumerate(below) if not number or not each.self_issued]
    for name in dict.fromkeys(name for certificate in bound for name in _names(certificate, certificate is below[0])):
        within = _KINDS.get(type(name).__name__)
        same = [each for each in permitted if type(each) is type(name)]
        against = [each for each in excluded if type(each) is type(name)]
        if within is None:
            if same or against:
                text = f"whether {where} may sign for the name {_shown(name)} was not verified"
                yield Finding(UNKNOWN, "unverified", text)
        elif (same and not any(within(name.value, each.value) for each in same)) or any(
            within(name.value, each.value) or _holds(name, each) for each in against
        ):
            text = f"{where} may not sign for the name {_shown(name)}: clients refuse it"
            yield Finding(CRITICAL, "name-constraint", text)
    kinds = {type(each).__name__ for each in (*permitted, *excluded)}
    if constraints.critical and not kinds <= set(_KNOWN_TO_GO):
        text = f"{where} limits names of kinds that clients written in Go do not know: they refuse it"
        yield Finding(CRITICAL, "name-constraint", text)


def _shown(name: t.Any) -> str:
    if isinstance(name, x509.DirectoryName):
        return str(name.value.rfc4514_string())
    return str(name.value if type(name).__name__ in _KINDS else name)


def _names(certificate: Certificate, is_leaf: bool) -> Iterator[t.Any]:
    """Yield the names of a certificate; those of its subject are held to the constraints as well."""
    found = certificate.extension(x509.SubjectAlternativeName)
    yield from found.value if found else ()
    if certificate.subject:
        yield x509.DirectoryName(certificate.loaded.subject)
    for each in certificate.loaded.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS):
        if str(each.value).isascii():
            yield x509.RFC822Name(each.value)
    common_name = certificate.common_name
    # Without a DNS name, OpenSSL takes a common name that could be one for it.
    if is_leaf and not certificate.dns_names and "." in common_name and _is_host(common_name):
        yield x509.DNSName(common_name)


def _is_host(text: str) -> bool:
    return text.isascii() and all(each.isalnum() or each in "-_." for each in text)


def _dns(name: str, constraint: str) -> bool:
    name, constraint = name.lower(), constraint.lower()
    if constraint.startswith("."):
        return name.endswith(constraint)
    return not constraint or name == constraint or name.endswith(f".{constraint}")


def _holds(name: t.Any, excluded: t.Any) -> bool:
    """Tell whether a wildcard name stands for one that is excluded."""
    if not isinstance(name, x509.DNSName) or not name.value.startswith("*."):
        return False
    return bool(excluded.value.lower().partition(".")[2] == name.value.lower().removeprefix("*."))


def _address(name: t.Any, constraint: t.Any) -> bool:
    if not isinstance(constraint, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return False
    return name in constraint


def _mail(name: str, constraint: str) -> bool:
    host, wanted = name.rpartition("@")[2].lower(), constraint.lower()
    if "@" in wanted:
        return name == constraint
    return host.endswith(wanted) if wanted.startswith(".") else host == wanted


def _uri(name: str, constraint: str) -> bool:
    host, wanted = (urlsplit(name).hostname or "").lower(), constraint.lower()
    return host.endswith(wanted) if wanted.startswith(".") else bool(host) and host == wanted


def _directory(name: t.Any, constraint: t.Any) -> bool:
    wanted = [_parts(each) for each in constraint.rdns]
    return [_parts(each) for each in name.rdns][: len(wanted)] == wanted


def _parts(name: t.Any) -> set[tuple[str, str]]:
    """Return the parts of a name as they are compared: however they are encoded, in whatever case."""
    return {(each.oid.dotted_string, " ".join(str(each.value).lower().split())) for each in name}


_KINDS: dict[str, Callable[[t.Any, t.Any], bool]] = {
    "DNSName": _dns,
    "IPAddress": _address,
    "RFC822Name": _mail,
    "UniformResourceIdentifier": _uri,
    "DirectoryName": _directory,
}
