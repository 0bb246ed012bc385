# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one gate for what changes production: which environment that is, and the hash of a plan. PRIVATE."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
import unicodedata
from datetime import timedelta

from ._errors import InvalidInput, Refused
from ._report.model import StepReport
from ._time import compact, parse_compact, utc_now

# Letters around "live" would make another word of it.
_PRODUCTION = re.compile(r"[^a-z0-9]*(prod|live(?![a-z]))")
VALID = timedelta(minutes=30)
_FORM = re.compile(r"([0-9a-f]{16})-([0-9]+)-([0-9]{8}T[0-9]{6}Z)")


def is_production(environment: str) -> bool:
    """Tell whether a name means production: ``live``, and all that begin with ``prod``, in whatever case.

    What nobody sees, or what a copy has brought along (quotes, wide letters, marks without a width), makes it no other.
    """
    letters = (each for each in unicodedata.normalize("NFKC", environment) if unicodedata.category(each) != "Cf")
    return bool(_PRODUCTION.match("".join(letters).casefold()))


def plan_content(*parts: t.Any) -> str:
    """Return what identifies a plan: what is plain in JSON, without how much it is and when it was made."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def make_confirmation(content: str, count: int) -> str:
    """Return the hash of a plan of now, which an operator gives back."""
    stamp = compact(utc_now()).upper()
    return f"{_digest(content, count, stamp)}-{count}-{stamp}"


def check_confirmation(given: str, content: str, count: int, what: str, *, growth: float = 1.0) -> None:
    """Raise Refused unless ``given`` is the hash of this plan, of less than 30 minutes ago.

    ``count`` is how much is planned now, at most ``growth`` times what was planned then. ``what`` says it in words.
    """
    advice = f"look at the plan, then run again with O(confirm)={make_confirmation(content, count)}"
    if not given:
        raise Refused(f"This is production, where the plan must be confirmed ({what}); {advice}.")
    form = _FORM.fullmatch(given)
    planned = parse_compact(form[3]) if form else None
    if not form or not planned:
        raise InvalidInput(f"The confirmation {given!r} has not the form of a plan's hash; {advice}.")
    then = int(form[2])
    if form[1] != _digest(content, then, form[3]):
        raise Refused(f"The confirmation is for another plan (target, selection or options differ); {advice}.")
    age = utc_now() - planned
    if not timedelta(0) <= age <= VALID:
        raise Refused(f"The confirmation is {age} old, it is valid for {VALID}; {advice}.")
    if count > growth * then:
        raise Refused(
            f"The plan has grown since it was confirmed ({what}, {then} were planned then, allowed is {growth:g} times "
            f"as many); {advice}."
        )


def check_answer(answer: str, what: str) -> None:
    """Raise Refused unless somebody has typed yes; ``what`` says in words what was to be done."""
    answer = answer.strip()
    if answer == "yes":
        return
    refusal = Refused(
        f"The plan was not confirmed ({what}); answer yes at the prompt, or set O(skip_prompt)=true where nobody can "
        "answer."
    )
    who = "the operator stopped it" if answer else "nobody confirmed the plan"
    refusal.report = StepReport(state=refusal.state, headline=f"{who}, and nothing was changed")
    raise refusal


def _digest(content: str, count: int, stamp: str) -> str:
    return hashlib.sha256(json.dumps([content, count, stamp]).encode()).hexdigest()[:16]
