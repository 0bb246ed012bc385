# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module of the collection shares: argument specs, error handling, secrets. PRIVATE to the collection."""

from __future__ import annotations

import traceback
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._deps import Library
from ._errors import RunbookError, render

try:
    from ansible.module_utils.secrets import register_secret as _register_secret  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # ansible-core < 2.22 masks ``no_log`` options itself

    def _register_secret(secret: str) -> str:
        return secret


class ArgumentSpec:
    """An argument spec that is put together from parts."""

    def __init__(self, argument_spec: t.Mapping[str, t.Any] | None = None, **rules: t.Sequence[t.Any]) -> None:
        """``rules`` are the keyword arguments of AnsibleModule that hold lists, such as ``mutually_exclusive``."""
        self.argument_spec: dict[str, t.Any] = dict(argument_spec or {})
        self.rules: dict[str, list[t.Any]] = {name: list(entries) for name, entries in rules.items()}

    def merge(self, other: ArgumentSpec) -> ArgumentSpec:
        """Return a spec with the options and rules of both."""
        clash = self.argument_spec.keys() & other.argument_spec.keys()
        if clash:
            raise AssertionError(f"options defined twice: {sorted(clash)}")
        merged = ArgumentSpec({**self.argument_spec, **other.argument_spec}, **self.rules)
        for name, entries in other.rules.items():
            merged.rules.setdefault(name, []).extend(entries)
        return merged

    def create_module(self) -> AnsibleModule:
        return AnsibleModule(argument_spec=self.argument_spec, supports_check_mode=True, **self.rules)


def register_secrets(values: t.Iterable[str | None]) -> None:
    """Have every output of this process masked for these values (ansible-core 2.22 and later; no effect before)."""
    for value in values:
        if value:
            _register_secret(value)


def _secrets(spec: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> t.Iterator[str | None]:
    for name, option in spec.items():
        if option["type"] == "dict" and params[name]:
            yield from _secrets(option.get("options", {}), params[name])
        elif option.get("no_log") and option["type"] == "str":
            yield params[name]


# Given, it holds whatever sys.tracebacklimit says.
_LAST_LINES = -50


def run_module(
    spec: ArgumentSpec,
    body: t.Callable[[AnsibleModule], dict[str, t.Any]],
    libraries: t.Sequence[Library] = (),
) -> t.NoReturn:
    """Create the module, run ``body``, and end with its result or with the one sentence of a RunbookError."""
    module = spec.create_module()
    for library in libraries:
        if library.error:
            module.fail_json(msg=missing_required_lib(library.requirement), exception=library.error)
    register_secrets(_secrets(spec.argument_spec, module.params))
    names = (module.params.get("progress") or {}).get("names") or {}
    try:
        result = body(module)
    except RunbookError as exc:
        failed = {"changed": False, "state": exc.state, **exc.result, "msg": str(exc)}
        module.fail_json(**render(failed, spec.argument_spec, names))
    except Exception as exc:
        # Its message may hold anything, the lines of the program do not.
        lines = traceback.extract_tb(exc.__traceback__, limit=_LAST_LINES)
        where = lines[-1]
        run_id = {"run_id": module.params["run_id"]} if module.params.get("run_id") else {}
        module.fail_json(
            **run_id,
            state="failed",
            msg=f"An unexpected {type(exc).__name__} ended the module in {where.name} ({Path(where.filename).name}, "
            f"line {where.lineno}); that is an error of the collection: report it with the output of a run with -vvv.",
            exception="".join(traceback.format_list(lines)),
        )
    # What was not possible for one of several targets is a sentence in the result of a run that went on.
    module.exit_json(**render(result, spec.argument_spec, names))
    raise AssertionError("exit_json returned")
