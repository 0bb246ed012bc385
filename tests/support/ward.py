# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of `cases.py`, all at once in two namespaces of a lab, and what a diagnosis gets for each.

```python
with Ward(lab) as ward:
    ward.settle()
    print(ward.judge().share)
```
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .ansible import run_module
from .cases import CASES, WELL, Case, Object, Seen, ready
from .lab import Lab
from .pods import Namespace
from .processes import wait_until

_SETTLE_SECONDS = 300.0
# Of 160 pods at once, the API server of a small machine would answer nobody for a minute.
_AT_ONCE, _WAVE_SECONDS = 16, 15.0
_POINTS = 2


@dataclass(frozen=True)
class Points:
    """What a case has got: 2 for cause and next step first, 1 for the cause among the findings."""

    case: Case
    points: int
    diagnosis: Object

    def __str__(self) -> str:
        first = self.diagnosis["findings"][0]
        said = f"{first['what']} ({first['evidence']}) -> {first['next_step']}"
        return f"{self.case.asked}: {self.points} of {_POINTS}: {said}"


@dataclass(frozen=True)
class Judgement:
    cases: tuple[Points, ...]
    well: dict[str, Object]
    seconds: float
    run_ids: tuple[str, ...]

    @property
    def share(self) -> float:
        return sum(each.points for each in self.cases) / (_POINTS * len(self.cases))

    @property
    def missed(self) -> list[str]:
        return [str(each) for each in self.cases if each.points < _POINTS]

    @property
    def false_alarms(self) -> list[str]:
        return [
            f"{asked}: {each['what']} ({each['evidence']})"
            for asked, found in self.well.items()
            for each in found["findings"]
            if each["severity"] != "info"
        ]

    @property
    def false_all_clears(self) -> list[str]:
        return [str(each) for each in self.cases if each.diagnosis["severity"] == "ok" and each.points < _POINTS]


class Ward:
    """A context manager that has all cases, and removes them."""

    def __init__(self, lab: Lab) -> None:
        self.seconds = 0.0
        self._lab = lab
        self._place, self._strict = Namespace(lab), Namespace(lab)

    def __enter__(self) -> Ward:
        self._place.__enter__()
        self._strict.__enter__()
        limit = {"type": "Container", "max": {"cpu": "1"}}
        self._strict.label(**{"pod-security.kubernetes.io/enforce": "restricted"})
        self._strict.apply(
            {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "most"}, "spec": {"limits": [limit]}}
        )
        for each in self._of_the_cluster():
            self._lab.api.apply(each)
        return self

    def __exit__(self, *exc: object) -> None:
        for each in self._of_the_cluster():
            self._lab.api.delete(each["kind"], each["metadata"]["name"])
        if not self._place.gone("pod", "leaving-finalizer"):
            self._place.patch("pod", "leaving-finalizer", {"metadata": {"finalizers": None}}, how="merge")
        self._place.__exit__(*exc)
        self._strict.__exit__(*exc)

    def _of_the_cluster(self) -> list[Object]:
        """Return what has no namespace: a class of Ingresses, and a webhook for one case."""
        name, group = self._place.name, "admissionregistration.k8s.io"
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        webhook = {
            "name": f"deny.{name}.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"service": {"namespace": name, "name": "no-webhook"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "objectSelector": {"matchLabels": {"app": "no-webhook"}},
            "rules": [rule],
        }
        return [
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": name},
                "spec": {"controller": "example.com/none"},
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [webhook],
            },
        ]

    def settle(self) -> None:
        """Make all of them, and wait until each is, or was, what it is to be.

        What crashes again and again runs for a moment now and then; it is not waited for once more.
        """
        started = time.monotonic()
        wanted = [(case, case.objects) for case in CASES] + [(None, objects) for objects in WELL.values()]
        for number, (case, objects) in enumerate(wanted, 1):
            self._apply(case, objects)
            if number % _AT_ONCE == 0:
                self._let_start()
        left, early = list(CASES), [case.name for case in CASES if case.before]
        unready = [_label(asked) for asked in WELL]

        def settled() -> bool:
            seen = {False: self._seen(self._place), True: self._seen(self._strict)}
            for case in list(left):
                if case.name not in early:
                    if case.state(seen[case.strict], case.name):
                        left.remove(case)
                elif case.before and case.before(seen[case.strict], case.name):
                    self._apply(case, case.later)
                    if case.leaves:
                        self._place.delete("pod", case.name)
                    early.remove(case.name)
            unready[:] = [name for name in unready if not ready(seen[False], name)]
            return not left and not unready

        try:
            wait_until(settled, _SETTLE_SECONDS, "the cases", 2.0)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {', '.join([*(case.name for case in left), *unready])}") from error
        self.seconds = time.monotonic() - started

    def _let_start(self) -> None:
        """Wait a little while until most of what was made has been started, so that other tests get an answer, too."""

        def few() -> bool:
            pods = self._lab.get("pods", "-n", self._place.name)["items"]
            states = [each["state"] for pod in pods for each in pod["status"].get("containerStatuses") or ()]
            waiting = [each.get("waiting", {}).get("reason") for each in states]
            return waiting.count("ContainerCreating") <= _AT_ONCE // 2

        with contextlib.suppress(TimeoutError):
            wait_until(few, _WAVE_SECONDS, "a few pods at most that are being started", 1.0)

    def _apply(self, case: Case | None, objects: Iterable[Object]) -> None:
        place = self._strict if case and case.strict else self._place
        for each in objects:
            place.apply(_named(each, self._place.name))

    def _seen(self, place: Namespace) -> Seen:
        def items(kind: str) -> list[Object]:
            return list(self._lab.get(kind, "-n", place.name)["items"])

        kinds = ("deployment", "job", "resourcequota")
        return Seen(items("pods"), items("events"), {kind: items(kind) for kind in kinds})

    def judge(self) -> Judgement:
        """Judge all of a namespace in one call of the module."""
        started = time.monotonic()
        asked = {strict: [case.asked for case in CASES if case.strict is strict] for strict in (False, True)}
        found = [self.diagnose(*asked[False], *WELL), self._diagnose(self._strict, asked[True])]
        seconds = time.monotonic() - started
        diagnoses = {each["asked"]: each for result in found for each in result["diagnoses"]}
        points = [_points(case, diagnoses[case.asked], self._place.name) for case in CASES]
        well = {asked: diagnoses[asked] for asked in WELL}
        return Judgement(tuple(points), well, seconds, tuple(each["run_id"] for each in found))

    def diagnose(self, *targets: str) -> Object:
        return self._diagnose(self._place, targets)

    def _diagnose(self, place: Namespace, targets: Sequence[str]) -> Object:
        options = {"kubeconfig": str(self._lab.state / "kubeconfig"), "namespace": place.name}
        return run_module("pod_diagnosis_info", {**options, "targets": list(targets)})


def _label(asked: str) -> str:
    return re.split("[/=]", asked)[-1]


def _named(content: Any, name: str) -> Any:
    """Return an object with the name of the namespace where it says WARD."""
    if isinstance(content, dict):
        return {key: _named(value, name) for key, value in content.items()}
    if isinstance(content, list):
        return [_named(each, name) for each in content]
    return content.replace("WARD", name) if isinstance(content, str) else content


def _points(case: Case, diagnosis: Object, name: str) -> Points:
    cause = re.compile(case.first.replace("WARD", name), re.IGNORECASE)
    told_in = [bool(cause.search(each["what"])) for each in diagnosis["findings"]]
    step = re.search(case.step, diagnosis["findings"][0]["next_step"], re.IGNORECASE)
    return Points(case, _POINTS if told_in[0] and step else int(any(told_in)), diagnosis)
