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
    r"credentials?|(?<![A-Za-z])(?:pass|auth|dsn)(?![A-Za-z]))"
)
_SECRET_NAME = re.compile(_WORDS + r"|(?<![A-Za-z])key(?![A-Za-z])", re.IGNORECASE)
# Before and after the value of a name that promises a secret; a reference to another place stays. All of it is bounded,
# and begins where a name begins, because a log line may be long.
_NAMED = re.compile(
    rf"(?P<head>(?<![\w.-])[\w.-]{{0,64}}?{_WORDS}[\w.-]{{0,64}}\\?[\"']?\s{{0,4}}(?:=>|[=:])\s{{0,4}})"
    r"(?P<value>\\?\"(?:[^\"\\]|\\(?!\")|\\\\){0,4000}(?:\\?\"|\Z)|'[^']{0,4000}'|[^\s&\"')}\]]{1,4000})",
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
            r"(?:^[A-Za-z0-9+/=]{16,80}\s{0,2}\n){0,100}[A-Za-z0-9+/=]{0,80}-----END [A-Z0-9 ]*PRIVATE KEY-----",
            re.MULTILINE,
        ),
        HIDDEN,
    ),
    (
        "passwords in URLs",
        re.compile(
            r"\b([a-z][a-z0-9+.-]{0,20}://[^\s/:@\"']{0,200}):(?!\*\*\*)[^\s\"']{1,400}@(?=[\w\[])", re.IGNORECASE
        ),
        rf"\1:{HIDDEN}@",
    ),
    (
        "passwords in URLs",
        re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/:@\"'*]{16,400}@(?=[\w\[])", re.IGNORECASE),
        rf"\1{HIDDEN}@",
    ),
    (
        "passwords in DSNs",
        re.compile(r"(?<![\w.-])([\w.-]{1,64}):(?!\*\*\*)[^\s:/\"']{1,200}@(tcp|udp|unix)\(", re.IGNORECASE),
        rf"\1:{HIDDEN}@\2(",
    ),
    (
        "bearer tokens",
        re.compile(
            r"\b(authorization\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?)(?![\s\"'\\]*\*)[^\r\n\"'\\]{4,4000}", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    ("web tokens", re.compile(r"\beyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?"), HIDDEN),
    ("bearer tokens", re.compile(r"\b(bearer|basic)\s{1,4}(?!\*)[\w.~+/=-]{8,4000}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        "cloud keys",
        re.compile(
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{20,}"
            r"|\bglpat-[\w-]{20,}|\bxox[abeoprs]-[\w-]{10,}|\b[sr]k_live_[A-Za-z0-9]{16,}|\bhv[sbr]\.[\w-]{20,}"
        ),
        HIDDEN,
    ),
    (
        "cookies",
        re.compile(r"\b((?:set-)?cookie:\s{0,4})(?![\s]*\*)[^\s=;]{1,100}=[^\r\n]{0,4000}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        "values of secret names",
        re.compile(
            rf"(\\?\"name\\?\"\s{{0,4}}:\s{{0,4}}\\?\"[^\"\\]{{0,64}}?{_WORDS}[^\"\\]{{0,64}}\\?\"\s{{0,4}},\s{{0,4}}"
            r"\\?\"value\\?\"\s{0,4}:\s{0,4}\\?\")(?!\*)[^\"\\]{1,4000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        "values of secret names",
        re.compile(rf"(<[\w:.-]{{0,64}}?{_WORDS}[\w:.-]{{0,64}}>)(?!\*)[^<]{{1,4000}}(?=</)", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        "passwords in arguments",
        re.compile(
            rf"((?<![\w-])--?[\w-]{{0,64}}?{_WORDS}[\w-]{{0,64}}\s{{1,4}}|\bredis-cli\b[^\n]{{0,400}}?\s-a\s{{1,4}}|"
            r"\b(?:requirepass|masterauth)\s{1,4}|\bcurl\b[^\n]{0,400}?\s(?:-u|--user)\s{1,4}|"
            r"\bmysql\w{0,10}\b[^\n]{0,400}?\s-p(?=\S))(?![-*/])[^\s\"']{1,400}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        "passwords in arguments",
        re.compile(r"\b(AUTH\s{1,4})(?![-*])[^\s\"']{1,400}(?:\s{1,4}(?![-*])[^\s\"']{1,400})?"),
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
