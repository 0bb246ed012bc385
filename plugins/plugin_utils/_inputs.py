# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way in for what people give: text, JSON, null and lists of a survey, by the type that is documented. PRIVATE.

A role's variable has the type that its ``meta/argument_specs.yml`` names. Each mistake is one sentence with the name of
the variable, or of its part, as in ``flush_redis_caches[2].pattern``.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import shlex
import typing as t
import unicodedata

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._errors import InvalidInput

Option = t.Mapping[str, t.Any]

# Where commas are a part of the items, as in label selectors, or blanks set the items apart.
SEPARATORS = {"debug_pod_targets": r"[;\n]", "debug_pod_copy_command": r"\s"}
# Besides, all that a textarea, a spreadsheet or another system ends a line or a cell with.
_USUAL_SEPARATOR = r"[,\n\r\t\v\f\x85\u2028\u2029]"
# They look as if they set items apart, which would be one that matches nothing.
_NO_SEPARATORS = re.compile("[;\uff0c\uff1b\u3001]")
_ELSEWHERE = ("/", "~", "$")
_QUOTE = "YAML reads 2026:10, 0644, yes and 2026-01-01 as something else: put what was meant in quotes"


class Reader:
    """Converts values; ``folder`` is the caller's, which relative paths belong to, empty where nobody knows it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, value: t.Any, option: Option, name: str) -> t.Any:
        """Return what a value means, None where it is "not given" (null, blank text); raise InvalidInput."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        found = getattr(self, f"_{option.get('type', 'str')}")(value, option, name)
        choices = option.get("choices")
        for each in found if isinstance(found, list) else [found]:
            if choices and each not in choices:
                raise InvalidInput(f"{name} is {_shown(each, option)}; allowed are {', '.join(map(str, choices))}.")
        return found

    def _str(self, value: t.Any, option: Option, name: str) -> str:
        if not isinstance(value, str):
            what = f"{'' if option.get('no_log') else f'{value}, '}{_kind(value)}"
            raise InvalidInput(f"{name} is {what}; allowed is text, and {_QUOTE}.")
        if option.get("no_log"):
            # A password may begin or end with a blank.
            return str(value)
        hidden = next((each for each in value if unicodedata.category(each) == "Cf"), "")
        if hidden:
            raise InvalidInput(
                f"{name} holds the character U+{ord(hidden):04X}, which cannot be seen; type it anew, since a copy has "
                "brought it along."
            )
        return value.strip()

    def _path(self, value: t.Any, option: Option, name: str) -> str:
        path = self._str(value, option, name)
        if path.startswith(_ELSEWHERE):
            if not os.path.isabs(os.path.expanduser(os.path.expandvars(path))):
                raise InvalidInput(
                    f"{name} is {path!r}, which names a variable that is not set or a user that there is not; give an "
                    "absolute path."
                )
            return path
        if not self._folder:
            raise InvalidInput(
                f"{name} is the relative path {path!r}, and the folder in which ansible-playbook was started is gone; "
                "give an absolute path, or start it in another folder."
            )
        return f"{self._folder.rstrip('/')}/{path}"

    def _bool(self, value: t.Any, option: Option, name: str) -> bool:
        try:
            return bool(boolean(value.strip() if isinstance(value, str) else value))
        except TypeError:
            raise InvalidInput(f"{name} is {_shown(value, option)}; allowed are true and false.") from None

    def _int(self, value: t.Any, option: Option, name: str) -> int:
        number = self._number(value, option, name, "a whole number")
        if not number.is_integer():
            raise InvalidInput(f"{name} is {_shown(value, option)}; allowed is a whole number.")
        return (
            int(value) if isinstance(value, (int, str)) and str(value).strip().lstrip("+-").isdigit() else int(number)
        )

    def _float(self, value: t.Any, option: Option, name: str) -> float:
        return self._number(value, option, name, "a number")

    def _number(self, value: t.Any, option: Option, name: str, allowed: str) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InvalidInput(f"{name} is {_shown(value, option)}; allowed is {allowed}.")
        return number

    def _raw(self, value: t.Any, option: Option, name: str) -> t.Any:
        return value.strip() if isinstance(value, str) else value

    def _list(self, value: t.Any, option: Option, name: str) -> list[t.Any]:
        element = {**option, "type": option.get("elements", "str")}
        items = self._items(value, element, name)
        found = [self.read(item, element, f"{name}[{number}]") for number, item in enumerate(items)]
        return [each for each in found if each is not None]

    def _items(self, value: t.Any, element: Option, name: str) -> list[t.Any]:
        if isinstance(value, str):
            # Only JSON can be a list of mappings; a pattern may begin with a bracket, too.
            if element["type"] == "dict" or re.match(r"\s*\[\s*([\"\]{]|-?\d+\s*[],])", value):
                value = _json(value, element, name, "a list")
            else:
                return _split(value, name)
        if not isinstance(value, (list, tuple)):
            shown = "" if element["type"] == "dict" else f" ({_kind(value)})"
            raise InvalidInput(f"{name} is not a list{shown}; {_list_advice(element)}.")
        return list(value)

    def _dict(self, value: t.Any, option: Option, name: str) -> dict[str, t.Any]:
        mapping = as_mapping(value, option, name)
        parts = option.get("options")
        if parts is None:
            return {str(key): item for key, item in mapping.items()}
        unknown = sorted(str(key) for key in mapping if key not in parts)
        if unknown:
            raise InvalidInput(f"{name} has the unknown key {unknown[0]!r}; allowed are {', '.join(parts)}.")
        found = {key: self.read(item, parts[key], f"{name}.{key}") for key, item in mapping.items()}
        missing = [key for key, part in parts.items() if part.get("required") and found.get(key) is None]
        if missing:
            raise InvalidInput(f"{name}.{missing[0]} is missing; give it.")
        return {key: item for key, item in found.items() if item is not None}


def _split(text: str, name: str) -> list[str]:
    """Return the items of a text; raise InvalidInput for a notation whose marks would become a part of them."""
    separator = SEPARATORS.get(name, _USUAL_SEPARATOR)
    if separator == r"\s":
        try:
            return shlex.split(text)
        except ValueError:
            raise InvalidInput(f"{name} has a quote without its end; close it, or give a list as JSON text.") from None
    parts = [part.strip() for part in re.split(separator, text)]
    found = [part for part in parts if part]
    quoted = [part for part in found if len(part) > 1 and part[0] == part[-1] and part[0] in "'\""]
    # A pattern may begin with a bracket, too, and end with another.
    in_brackets = bool(found[1:]) and found[0][0] == "[" and "]" not in found[0] and found[-1][-1] == "]"
    if in_brackets or quoted or text.strip()[:2] == "['" or (found and all(part.startswith("- ") for part in found)):
        what = "has its items in quotes, in brackets or behind dashes"
    elif separator == _USUAL_SEPARATOR and _NO_SEPARATORS.search(text):
        what = f"holds {_NO_SEPARATORS.findall(text)[0]!r}, which sets no items apart"
    else:
        return parts
    raise InvalidInput(
        f"{name} {what}; write the items alone, with commas or newlines between them, or a list as JSON text such as "
        '["a", "b"].'
    )


def as_mapping(value: t.Any, option: Option, name: str) -> t.Mapping[str, t.Any]:
    """Return a mapping, or what JSON text holds; raise InvalidInput."""
    found = _json(value, option, name, "a mapping") if isinstance(value, str) else value
    if not isinstance(found, t.Mapping):
        keys = ", ".join(option.get("options") or ())
        raise InvalidInput(
            f"{name} is not a mapping; give one{f' with the keys {keys}' if keys else ''}, or the same as JSON text."
        )
    return found


def _json(text: str, option: Option, name: str, what: str) -> t.Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # A mapping may have a password in it.
        shown = "" if option.get("no_log") or "{" in text else f" ({text.strip()[:60]!r})"
        raise InvalidInput(f"{name} is not {what}{shown}; give one, or the same as JSON text.") from None


def _list_advice(element: Option) -> str:
    keys = [key for key, part in (element.get("options") or {}).items() if part.get("required")]
    if element["type"] == "dict":
        return f"give a list of mappings{f' with {chr(32).join(keys)}' if keys else ''}, or the same as JSON text"
    return "give a list, the same as JSON text, or text with commas between the items"


def _shown(value: t.Any, option: Option) -> str:
    return _kind(value) if option.get("no_log") else repr(str(value)[:80])


def _kind(value: t.Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, (datetime.date, datetime.datetime)):
        return "a date"
    return "a mapping" if isinstance(value, t.Mapping) else "a list" if isinstance(value, (list, tuple)) else "text"
