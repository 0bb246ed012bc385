# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""Words and numbers for people: visible control characters, hidden secrets, human units."""

from __future__ import annotations

import math
import re
import typing as t
from datetime import datetime

Scalar = t.Union[str, int, float, bool, None]

NOTHING = "–"  # en dash: an absent value, unlike 0 or ""

# Everything that moves a terminal's cursor, reorders a line (bidi) or cannot be seen.
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|token|private_key|secret_key|secret_id|client_secret|api_key|credentials?)$"
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]*@", re.IGNORECASE), rf"\1:{_HIDDEN}@"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        "(private key hidden)",
    ),
    (re.compile(r"\bhv[sbr]\.[\w-]{20,}|\b[sbr]\.[A-Za-z0-9]{24}\b"), _HIDDEN),
    (re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"), _HIDDEN),
    (re.compile(r"\b(bearer) [\w.~+/=-]{16,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    # A reference such as $REDIS_PASSWORD or {{ password }} is what a command should hold: it stays.
    (
        re.compile(
            r"((?:password|passwd|passphrase|token|secret_id|client_secret|api_key)=)"
            r"(?!['\"]?(?:\$|\{\{))(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{_HIDDEN}",
    ),
)


def is_secret_key(key: str) -> bool:
    """Whether the name of a field promises a secret as its value."""
    return _SECRET_KEY.search(key.lower().replace("-", "_")) is not None


def hide_secrets(text: str) -> str:
    """A last net: callers pass no secrets, but a server's error message may quote one."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8 (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return _SHORT_ESCAPES.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """One line in which every control, invisible and direction-changing character is spelled out."""
    # Most texts are plain, and a long list has many of them.
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub(_escape, text)


def encodable(text: str) -> str:
    """The text with lone surrogates spelled out, so that it can be stored as UTF-8."""
    return text if text.isascii() else re.sub("[\ud800-\udfff]", _escape, text)


def shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text):,} characters)"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def count(value: float) -> str:
    """12,345 or 0.0123: whole numbers exactly, others with three significant digits."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: float) -> str:
    """For an axis: 200k, 1.5M."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return count(value / size) + suffix
    return count(value)


def size(value: float) -> str:
    for power, suffix in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{count(value / 1024**power)} {suffix}"
    return f"{count(value)} B"


def duration(seconds: float) -> str:
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 0.001:
        return f"{count(seconds * 1e6)} µs"
    if seconds < 1:
        return f"{count(seconds * 1e3)} ms"
    if seconds < 60:
        return f"{count(seconds)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min" if whole % 3600 // 60 else f"{whole // 3600} h"
    return f"{whole // 86400} d {whole % 86400 // 3600} h" if whole % 86400 // 3600 else f"{whole // 86400} d"


_BYTES = frozenset(("B", "byte", "bytes"))
_SECONDS = frozenset(("s", "second", "seconds"))
_MILLISECONDS = frozenset(("ms", "millisecond", "milliseconds"))


def amount(value: Scalar, unit: str = "", short: bool = False) -> str:
    """A value with its unit as people write it; short is for the axes of a chart."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return f"{value} {unit}" if unit else value
    if short and value == 0:
        return "0"
    if unit in _BYTES:
        return size(value)
    if unit.endswith("/s") and unit[:-2] in _BYTES:
        return f"{size(value)}/s"
    if unit in _SECONDS:
        return duration(value)
    if unit in _MILLISECONDS:
        return duration(value / 1000)
    number = compact(value) if short else count(value)
    if unit == "%":
        return f"{number} %"
    return number if short or not unit else f"{number} {unit_of(value, unit)}"


def unit_of(value: Scalar, unit: str) -> str:
    """1 key, but 2 keys: a unit that is a word in the plural has a singular."""
    one = value in (1, -1) and not isinstance(value, bool)
    return unit[:-1] if one and len(unit) > 3 and unit.isalpha() and unit.endswith("s") else unit


def change(before: Scalar, after: Scalar, unit: str = "") -> str:
    """What happened between two values: a signed difference with its share, or whether they differ."""
    if before is None or after is None:
        return ""
    if isinstance(before, (str, bool)) or isinstance(after, (str, bool)):
        return "unchanged" if before == after else "changed"
    delta = after - before
    if delta == 0:
        return "unchanged"
    sign = "+" if delta > 0 else "−"
    if unit == "%":
        return f"{sign}{count(abs(delta))} points"
    text = sign + amount(abs(delta), unit)
    return f"{text} ({sign}{share(delta, before)})" if before else text


def share(part: float, whole: float) -> str:
    """A percentage that is 0 or 100 only if nothing or everything is meant."""
    percent = abs(part / whole) * 100
    if 0 < percent < 0.05:
        return "< 0.1 %"
    rounded = min(round(percent, 1), 99.9) if percent < 100 else round(percent, 1)
    return f"{count(rounded)} %"


_KEY_UNITS = (("_bytes", "B", "size"), ("_seconds", "s", "time"), ("_ms", "ms", "time"), ("_percent", "%", "share"))
_NEED_NOUN = ("estimated", "expected", "planned", "total", "min", "max")


def label(key: str) -> tuple[str, str]:
    """The words and the unit that the key of a mapping stands for: used_memory_bytes -> (used memory, B)."""
    for suffix, unit, noun in _KEY_UNITS:
        if key.endswith(suffix) and key != suffix:
            words = key[: -len(suffix)].replace("_", " ")
            return f"{words} {noun}" if words in _NEED_NOUN else words, unit
    return key.replace("_", " "), ""


def after(moment: datetime, start: datetime) -> float:
    """Seconds between the two, which a clock that was set back may not make negative."""
    return max(0.0, (moment - start).total_seconds())
