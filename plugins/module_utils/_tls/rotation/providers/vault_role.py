# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role of Vault's PKI would make of the present certificate, and what it would not sign at all. PRIVATE.

The rules are those of ``sign``: a role gives the usages and most of the subject, the request the names and the rest.
"""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t
from dataclasses import replace

from ...._deps_tls import x509
from ...certificate import Certificate, oid_name
from ..attributes import OF_AUTHORITY, POLICIES, Attributes, attributes

Role = t.Mapping[str, t.Any]

_SUBJECT = {
    "2.5.4.6": "country",
    "2.5.4.10": "organization",
    "2.5.4.11": "ou",
    "2.5.4.7": "locality",
    "2.5.4.8": "province",
    "2.5.4.9": "street_address",
    "2.5.4.17": "postal_code",
}
# Parts of the subject that are taken from the request, where the role allows their value.
_ALLOWED_PARTS = {"2.5.4.5": "allowed_serial_numbers", "0.9.2342.19200300.100.1.1": "allowed_user_ids"}
_USAGES = {
    "digitalsignature": "digital_signature",
    "contentcommitment": "content_commitment",
    "keyencipherment": "key_encipherment",
    "dataencipherment": "data_encipherment",
    "keyagreement": "key_agreement",
    "certsign": "key_cert_sign",
    "crlsign": "crl_sign",
    "encipheronly": "encipher_only",
    "decipheronly": "decipher_only",
}
_PURPOSES = {
    "any": "2.5.29.37.0",
    "serverauth": "1.3.6.1.5.5.7.3.1",
    "clientauth": "1.3.6.1.5.5.7.3.2",
    "codesigning": "1.3.6.1.5.5.7.3.3",
    "emailprotection": "1.3.6.1.5.5.7.3.4",
    "ipsecendsystem": "1.3.6.1.5.5.7.3.5",
    "ipsectunnel": "1.3.6.1.5.5.7.3.6",
    "ipsecuser": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocspsigning": "1.3.6.1.5.5.7.3.9",
}
_FLAGS = {
    "server_flag": "serverauth",
    "client_flag": "clientauth",
    "code_signing_flag": "codesigning",
    "email_protection_flag": "emailprotection",
}
_KEYS = {"RSA": "rsa", "EC": "ec", "Ed25519": "ed25519"}
_OTHER_NAME = re.compile(r"otherName:([\d.]+);UTF8:(.*)", re.DOTALL)
_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_HOSTNAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?")


def foreseen(role: Role, leaf: Certificate, common_name: str) -> Attributes:
    """Return what a new certificate would have, if all that is asked for is allowed."""
    old = attributes(leaf)
    policies = _policies(role)
    return replace(
        old,
        # Of other kinds of names, only texts can be asked for.
        names=tuple(name for name in old.names if name not in leaf.other_names or _OTHER_NAME.fullmatch(name)),
        subject=tuple(
            part.rfc4514_string()
            for part in leaf.loaded.subject
            if part.oid != x509.NameOID.COMMON_NAME and _is_kept(part, role)
        ),
        common_name=common_name,
        key_usage=tuple(_USAGES[each] for each in _words(role, "key_usage") if each in _USAGES),
        extended_key_usage=_purposes(role),
        extensions={
            oid: policies if oid == POLICIES else values
            for oid, values in old.extensions.items()
            if oid in OF_AUTHORITY and (oid != POLICIES or policies)
        },
    )


def other_sans(leaf: Certificate) -> list[str]:
    """Return names of other kinds as the option ``other_sans`` of ``sign`` takes them."""
    found = (_OTHER_NAME.fullmatch(name) for name in leaf.other_names)
    return [f"{match[1]};UTF8:{match[2]}" for match in found if match]


def refusals(role: Role, leaf: Certificate, common_name: str, key: tuple[str, int]) -> list[str]:
    """Return why the role would not sign, as parts of a sentence; ``key`` are kind and bits of the new one."""
    fixed = ["its not_after is set, beside which no time to live can be asked for"] if role.get("not_after") else []
    return [*fixed, *_key_refusals(role, key), *_name_refusals(role, leaf, common_name), *_part_refusals(role, leaf)]


def _is_kept(part: t.Any, role: Role) -> bool:
    oid = part.oid.dotted_string
    return oid in _ALLOWED_PARTS or part.value in (role.get(_SUBJECT.get(oid, "")) or ())


def _policies(role: Role) -> frozenset[str]:
    """Return the policies of a role, which has them as OIDs, or as texts of JSON with more about each."""
    found: list[str] = []
    for each in role.get("policy_identifiers") or ():
        text = each if isinstance(each, str) else json.dumps(each)
        try:
            parsed = json.loads(text) if text.lstrip()[:1] in ("{", "[") else text
        except ValueError:
            continue
        for policy in parsed if isinstance(parsed, list) else [parsed]:
            found.append(str(policy.get("oid", "")) if isinstance(policy, dict) else str(policy))
    return frozenset(found)


def _words(role: Role, name: str) -> list[str]:
    return [str(each).lower().removeprefix("extkeyusage").removeprefix("keyusage") for each in role.get(name) or ()]


def _purposes(role: Role) -> tuple[str, ...]:
    words = [purpose for flag, purpose in _FLAGS.items() if role.get(flag)] + _words(role, "ext_key_usage")
    oids = [_PURPOSES[word] for word in words if word in _PURPOSES] + list(role.get("ext_key_usage_oids") or ())
    return tuple(sorted({oid_name(x509.ObjectIdentifier(oid)) for oid in oids}))


def _key_refusals(role: Role, key: tuple[str, int]) -> t.Iterator[str]:
    kind, bits = key
    wanted, least = role.get("key_type") or "any", int(role.get("key_bits") or 0)
    if kind not in _KEYS:
        yield f"Vault signs no requests with a key of the kind {kind}"
    elif wanted not in ("any", _KEYS[kind]):
        yield f"its key_type is {wanted}, and the key is {kind}"
    elif wanted != "any" and 0 < bits < least:
        yield f"its key_bits are {least}, and the key has {bits}"


def _name_refusals(role: Role, leaf: Certificate, common_name: str) -> t.Iterator[str]:
    if not common_name and role.get("require_cn", True):
        yield "its require_cn demands a common name, and the present certificate has none"
    hosts = [*leaf.dns_names, *leaf.emails]
    if common_name and role.get("cn_validations") != ["disabled"]:
        hosts.insert(0, common_name)
    denied = [name for name in dict.fromkeys(hosts) if not _allows_host(role, name)]
    if denied:
        yield f"its allowed_domains and the options beside it do not allow {', '.join(denied)}"
    if leaf.ip_addresses:
        networks = [ipaddress.ip_network(each, strict=False) for each in role.get("allowed_ip_sans_cidr") or ()]
        outside = [
            ip for ip in leaf.ip_addresses if networks and not any(ipaddress.ip_address(ip) in net for net in networks)
        ]
        if not role.get("allow_ip_sans", True):
            yield f"its allow_ip_sans does not allow {', '.join(leaf.ip_addresses)}"
        elif outside:
            yield f"its allowed_ip_sans_cidr does not allow {', '.join(outside)}"
    uris = [uri for uri in leaf.uris if not _allows(role, "allowed_uri_sans", uri)]
    if uris and not role.get("allowed_uri_sans_template"):
        yield f"its allowed_uri_sans does not allow {', '.join(uris)}"
    others = [name for name in other_sans(leaf) if not _allows_other(role, name)]
    if others:
        yield f"its allowed_other_sans does not allow {', '.join(others)}"


def _part_refusals(role: Role, leaf: Certificate) -> t.Iterator[str]:
    for part in leaf.loaded.subject:
        option = _ALLOWED_PARTS.get(part.oid.dotted_string)
        if option and not _allows(role, option, part.value):
            yield f"its {option} does not allow {part.value}"


def _allows(role: Role, option: str, value: str) -> bool:
    return any(_glob(str(pattern), value) for pattern in role.get(option) or ())


def _allows_other(role: Role, name: str) -> bool:
    if role.get("allowed_other_sans") == ["*"]:
        return True
    oid, _mark, text = name.partition(";UTF8:")
    for pattern in role.get("allowed_other_sans") or ():
        allowed, _mark, rest = str(pattern).partition(";")
        if allowed == oid and _glob(rest.partition(":")[2], text):
            return True
    return False


def _allows_host(role: Role, name: str) -> bool:
    """Tell whether a role lets a name or an address of mail be signed; what depends on the token counts as allowed."""
    local, is_mail, host = name.rpartition("@")
    wildcard = "*" in host
    if (wildcard and role.get("allow_wildcard_certificates") is False) or (is_mail and (wildcard or "@" in local)):
        return False
    label, _dot, rest = host.partition(".")
    reduced = (rest if "*" in label else host) if wildcard else host
    if role.get("enforce_hostnames", True) and reduced and not _HOSTNAME.fullmatch(reduced):
        return False
    if role.get("allow_any_name") or role.get("allow_token_displayname"):
        return True
    domains = [str(each) for each in role.get("allowed_domains") or () if each]
    if role.get("allowed_domains_template") and any("{{" in each for each in domains):
        return True
    below = bool(role.get("allow_subdomains"))
    if role.get("allow_localhost", True):
        for base in ("localhost", "localdomain"):
            if (reduced == base and (not wildcard or below)) or (below and reduced.endswith(f".{base}")):
                return True
    for domain in domains:
        bare = name.lower() == domain.lower() or (bool(is_mail) and host.lower() == domain.lower())
        if role.get("allow_bare_domains") and bare:
            return True
        if below and (reduced.endswith(f".{domain}") or (wildcard and reduced.lower() == domain.lower())):
            return True
        if role.get("allow_glob_domains") and "*" in domain and _glob(domain, name):
            return True
    return False


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
