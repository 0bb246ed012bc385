# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What looks like a secret in logs, events, variables and captured output, taken out and counted. PRIVATE."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

HIDDEN = "***HIDDEN***"

_WORDS = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|"
    r"credentials?)"
)
_SECRET_NAME = re.compile(_WORDS + r"|(?:^|_)(?:pass|auth|dsn|key)(?:$|_)", re.IGNORECASE)
# Before and after the value of a name that promises a secret; a reference to another place stays.
_NAMED = re.compile(
    rf"(?P<head>[\w.-]*{_WORDS}[\w.-]*\\?[\"']?\s*(?::=|=>|[=:])\s*)"
    r"(?P<value>\\?\"(?:[^\"\\]|\\(?!\")|\\\\)*\\?\"|'[^']*'|(?:(?:bearer|basic)\s+)?[^\s,;&\"'}\])]+)",
    re.IGNORECASE,
)
# Where a secret is, is none.
_PLACE = re.compile(r"(?:file|path|dir|name|ref|url)\W*$", re.IGNORECASE)
_NO_SECRETS = ("true", "false", "null", "none")
# From the most specific to the least: what one has taken out is not counted again by another.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "private keys",
        re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    (
        # The last lines of a log may begin in the middle of one.
        "private keys",
        re.compile(
            r"(?:^[A-Za-z0-9+/=]{16,}\s*\n){0,200}[A-Za-z0-9+/=]*-----END [A-Z0-9 ]*PRIVATE KEY-----", re.MULTILINE
        ),
        HIDDEN,
    ),
    (
        "passwords in URLs",
        re.compile(r"\b([a-z][a-z0-9+.-]*://[^\s/:@\"']*):(?!\*\*\*)[^\s/@\"']+@", re.IGNORECASE),
        rf"\1:{HIDDEN}@",
    ),
    (
        "passwords in DSNs",
        re.compile(r"\b([\w.-]+):(?!\*\*\*)[^\s:@/\"']+@(tcp|udp|unix)\(", re.IGNORECASE),
        rf"\1:{HIDDEN}@\2(",
    ),
    ("web tokens", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), HIDDEN),
    (
        "bearer tokens",
        re.compile(r"\b(bearer|basic)\s+(?!\*)[\w.~+/=-]{8,}", re.IGNORECASE),
        rf"\1 {HIDDEN}",
    ),
    (
        "cloud keys",
        re.compile(
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bgh[pousr]_[A-Za-z0-9]{36,}|\bglpat-[\w-]{20,}"
            r"|\bxox[abeoprs]-[\w-]{10,}|\b[sr]k_live_[A-Za-z0-9]{16,}|\bhv[sbr]\.[\w-]{20,}"
        ),
        HIDDEN,
    ),
    (
        "bearer tokens",
        re.compile(r"\b(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!\*|bearer|basic)[^\s\"']{4,}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    ("cookies", re.compile(r"\b((?:set-)?cookie:\s*)(?!\*)\S[^\r\n]*", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        "passwords in arguments",
        re.compile(rf"(--?[\w-]*{_WORDS}[\w-]*\s+|\bredis-cli\b[^\n]*?\s-a\s+|\bAUTH\s+)(?![-*])[^\s\"']+"),
        rf"\1{HIDDEN}",
    ),
)


def is_secret_name(name: str) -> bool:
    """Tell whether the name of a variable promises a secret."""
    return _SECRET_NAME.search(name) is not None


class Redactor:
    """Takes secrets out of texts; ``counts`` says how many of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Return a text without what looks like a secret."""
        for name, pattern, replacement in _RULES:
            text, number = pattern.subn(replacement, text)
            self.counts[name] += number
        text = _NAMED.sub(self._named, text)
        self.counts = +self.counts
        return text

    def _named(self, match: re.Match[str]) -> str:
        value = match["value"]
        bare = value.strip("\\\"'")
        if HIDDEN in value or not bare or bare.startswith(("$", "{{", "<")) or bare.lower() in _NO_SECRETS:
            return match[0]
        if _PLACE.search(match["head"]):
            return match[0]
        self.counts["values of secret names"] += 1
        quote = value[: len(value) - len(value.lstrip("\\\"'"))]
        return f"{match['head']}{quote}{HIDDEN}{quote}"

    def variable(self, name: str, value: str) -> str:
        """Return the value of a variable, without what its name or its look says is a secret."""
        if value and is_secret_name(name):
            self.counts["variables"] += 1
            return HIDDEN
        return self.text(value)

    def plain(self, value: t.Any) -> t.Any:
        """Return plain data with each of its texts redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        return value
