# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names that an authority may sign for (RFC 5280, 4.2.1.10). PRIVATE to the collection."""

from __future__ import annotations

import ipaddress
import typing as t
from collections.abc import Callable, Iterator, Sequence

from ..._deps_tls import x509
from ..._severity import CRITICAL, UNKNOWN
from ..certificate import Certificate
from .severity import Finding


def broken_constraints(issuer: Certificate, below: Sequence[Certificate], where: str) -> Iterator[Finding]:
    """Yield which names of the certificates below an authority it may not sign for; ``where`` is the authority."""
    constraints = issuer.extension(x509.NameConstraints)
    if constraints is None:
        return
    permitted, excluded = (
        list(subtrees or ()) for subtrees in (constraints.value.permitted_subtrees, constraints.value.excluded_subtrees)
    )
    for name in dict.fromkeys(name for certificate in below for name in _names(certificate)):
        within = _KINDS.get(type(name).__name__)
        same = [each for each in permitted if type(each) is type(name)]
        against = [each for each in excluded if type(each) is type(name)]
        if within is None:
            if same or against:
                text = f"whether {where} may sign for the name {name!r} was not verified"
                yield Finding(UNKNOWN, "unverified", text)
        elif (same and not any(within(name.value, each.value) for each in same)) or any(
            within(name.value, each.value) for each in against
        ):
            text = f"{where} may not sign for the name {name.value}: clients refuse it"
            yield Finding(CRITICAL, "name-constraint", text)


def _names(certificate: Certificate) -> t.Iterable[t.Any]:
    found = certificate.extension(x509.SubjectAlternativeName)
    # The subject of each is a name as well, if it is not empty.
    subject = [x509.DirectoryName(certificate.loaded.subject)] if certificate.subject else []
    return [*(found.value if found else ()), *subject]


def _dns(name: str, constraint: str) -> bool:
    name, constraint = name.lower(), constraint.lower()
    if constraint.startswith("."):
        return name.endswith(constraint)
    return not constraint or name == constraint or name.endswith(f".{constraint}")


def _address(name: t.Any, constraint: t.Any) -> bool:
    if not isinstance(constraint, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return False
    return name in constraint


def _mail(name: str, constraint: str) -> bool:
    host, wanted = name.rpartition("@")[2].lower(), constraint.lower()
    if "@" in wanted:
        return name == constraint
    return host.endswith(wanted) if wanted.startswith(".") else host == wanted


def _directory(name: t.Any, constraint: t.Any) -> bool:
    wanted = list(constraint.rdns)
    return list(name.rdns)[: len(wanted)] == wanted


_KINDS: dict[str, Callable[[t.Any, t.Any], bool]] = {
    "DNSName": _dns,
    "IPAddress": _address,
    "RFC822Name": _mail,
    "DirectoryName": _directory,
}
