# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role documents of its variables, and what they are for one host. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from ansible.errors import AnsibleError

from ..module_utils._errors import InvalidInput, Refused
from ._inputs import Option, Reader, as_mapping

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core < 2.19 trusts all texts

    def trust_as_template(value: str) -> str:
        return value


ROLES = Path(__file__).resolve().parents[2] / "roles"

# The login that all runbooks have in common, by its name in a role.
COMMON_LOGIN: dict[str, Option] = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "api_host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "ca_cert": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool"},
    "namespace": {"type": "str"},
}
# What a module calls otherwise than the role does, by module; "" is for all of them.
_OTHERWISE = {
    "": {"host": "api_host", "keep": "backup_keep", "directory": "reports_dir", "timeout": "issue_timeout"},
    "rollout_restart": {"timeout": "rollout_timeout"},
    "cert_probe": {"timeout": "probe_timeout"},
    "redis_restore": {"path": "restore_run"},
    "runbook_guard": {"by_hand": "obey_guard"},
    "runbook_report": {"keep": "reports_keep"},
}
# The names that variables had before.
FORMER = {
    "flush_redis_skip_prompt": "flush_redis_force",
    "rotate_certs_api_host": "rotate_certs_host",
    "debug_pod_api_host": "debug_pod_host",
    "debug_pod_new_session": "debug_pod_force",
}
# The longest waits of single steps of a run, in seconds.
_STEP_TIMEOUTS = ("issue_timeout", "rollout_timeout", "probe_timeout")
_INFIXES = ("", "check_", "restore_", "stats_")


@dataclass(frozen=True)
class Role:
    """A role's entry point; ``options`` are by the names of the variables, ``defaults`` are not evaluated."""

    name: str
    entry_point: str
    options: t.Mapping[str, Option]
    defaults: t.Mapping[str, t.Any]

    @property
    def prefix(self) -> str:
        return f"{self.name}_"

    def variables(self, module: str = "") -> dict[str, str]:
        """Return the role's variable for each option of a module, as far as there is one."""
        found = {}
        for infix in _INFIXES:
            # What belongs to one purpose alone has a name of its own.
            start = self.prefix + infix
            found.update({name[len(start) :]: name for name in self.options if name.startswith(start)})
        for which in ("", module):
            for option, name in _OTHERWISE.get(which, {}).items():
                if self.prefix + name in self.options and (which or option not in found):
                    found[option] = self.prefix + name
        vault = {name.replace("vault_", "vault.", 1): place for name, place in found.items() if name[:6] == "vault_"}
        return {**found, **vault}


@lru_cache(maxsize=64)
def load_role(name: str, entry_point: str) -> Role:
    content = yaml.load(
        (ROLES / name / "meta" / "argument_specs.yml").read_text(encoding="utf-8"),
        # In C where there is one.
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )
    options = content["argument_specs"][entry_point]["options"]
    defaults = {variable: option["default"] for variable, option in options.items()}
    templates = {variable: trust_as_template(text) for variable, text in defaults.items() if isinstance(text, str)}
    return Role(name, entry_point, options, {**defaults, **templates})


class Variables:
    """The variables of one host, evaluated one at a time, each converted by its documented type."""

    def __init__(self, role: Role, raw: t.Mapping[str, t.Any], templar: t.Any, reader: Reader) -> None:
        self.role = role
        self._raw = raw
        self._templar = templar
        self._reader = reader

    def read(self, name: str) -> t.Any:
        """Return the value of a variable of the role; what is not given has its default."""
        value = self.read_given(name)
        return self._convert(self.role.defaults[name], self.role.options[name], name) if value is None else value

    def read_given(self, name: str) -> t.Any:
        """Return what somebody has given for a variable of the role, None where nobody has."""
        given = self.given_as(name)
        return self._convert(self._raw.get(given), self.role.options[name], given)

    def read_all(self) -> dict[str, t.Any]:
        """Return all, without the role's prefix; raise InvalidInput."""
        prefix = self.role.prefix
        found = {name[len(prefix) :]: self.read(name) for name in self.role.options}
        pair = ("client_cert", "client_key")
        given = [name for name in pair if found.get(name) is not None]
        if len(given) == 1:
            missing = pair[1 - pair.index(given[0])]
            raise InvalidInput(f"{prefix}{given[0]} is given without {prefix}{missing}; give both, or none of them.")
        # What only later steps use must not turn out wrong when they come.
        if found.get("reports_keep", 0) < 0:
            raise InvalidInput(
                f"{prefix}reports_keep is {found['reports_keep']}; allowed are 0, which keeps all, and the number "
                "of runs whose reports are kept."
            )
        wrong = [prefix + name for name in _STEP_TIMEOUTS if found.get(name) is not None and not found[name] > 0]
        if wrong:
            raise InvalidInput(f"{' and '.join(wrong)} {'are' if wrong[1:] else 'is'} not above 0; give more seconds.")
        return found

    def given_as(self, name: str) -> str:
        """Return the name under which a value is given: a former name counts where the present one has none."""
        return FORMER[name] if name not in self._raw and FORMER.get(name) in self._raw else name

    def is_emptied(self, name: str) -> bool:
        """Tell whether somebody gave a variable, and nothing in it, as an unset variable of a shell does."""
        raw = self._raw.get(name)
        return raw is not None and raw != self.role.defaults[name] and not self.read(name)

    def common(self, name: str) -> t.Any:
        """Return what is common to all runbooks of a login, None where it is not given."""
        return self._convert(self._raw.get(f"runbooks_{name}"), COMMON_LOGIN[name], f"runbooks_{name}")

    def _convert(self, raw: t.Any, option: Option, name: str) -> t.Any:
        try:
            value = self._templar.template(raw)
            if name == "flush_redis_kubernetes":
                value = self._with_common_login(value, option, name)
            return self._reader.read(value, option, name)
        except AnsibleError as exc:
            reason = " ".join(str(exc).split()).rstrip(".")
            raise InvalidInput(f"{name} cannot be evaluated ({reason}); correct it where it is set.") from exc

    def _with_common_login(self, value: t.Any, option: Option, name: str) -> t.Any:
        if not value or (isinstance(value, str) and not value.strip()):
            return None
        given = {key: item for key, item in as_mapping(value, option, name).items() if item not in (None, "")}
        if not given:
            return None
        own = {"kubeconfig", "host", "api_key"} & given.keys()
        common = {key: self.common(key) for key in COMMON_LOGIN if not own or key == "namespace"}
        common["host"] = common.pop("api_host", None)
        return {**{key: item for key, item in common.items() if item is not None}, **given}


def login_of(role: Role, options: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the login at Kubernetes that a run's options name, as modules call it; None for a run without one."""
    if "kubernetes" in options:
        names = (*(name for name in COMMON_LOGIN if name not in ("api_host", "namespace")), "host")
        given = options["kubernetes"]
        return {name: given[name] for name in names if name in given} if given else None
    if role.entry_point == "check" and not any(
        options[f"check_{name}"] for name in ("secrets", "certificates", "configmaps", "unused")
    ):
        return None
    login = {name: options[name] for name in COMMON_LOGIN if name != "namespace" and options[name] is not None}
    if "api_host" in login:
        login["host"] = login.pop("api_host")
    # Only "no" is said; else it is what the kubeconfig says.
    if login.get("validate_certs"):
        del login["validate_certs"]
    return login


def scope_of(options: t.Mapping[str, t.Any]) -> frozenset[str]:
    """Return what a run is about inside of its cluster; nothing stands for all of it."""
    if "kubernetes" in options:
        # A namespace may hold several servers.
        given = options["kubernetes"]
        words = [given.get(name, "") for name in ("namespace", "service", "selector", "container", "port")]
        return frozenset([" ".join(map(str, [*words, options.get("url", "")]))])
    if "namespace" in options:
        return frozenset([options["namespace"]])
    return frozenset(options.get("namespaces") or options.get("check_namespaces") or ())


def refuse_unnamed_redis(host: str, variables: Variables) -> None:
    """Raise Refused for a host, other than localhost, that would be mapped to the Redis of this machine."""
    url, kubernetes = (f"{variables.role.prefix}{name}" for name in ("url", "kubernetes"))
    if kubernetes not in variables.role.options or host == "localhost":
        return
    if not variables.read_given(url) and not variables.read_given(kubernetes):
        raise Refused(
            f"The host {host} names no Redis, and {variables.role.defaults[url]} is on this machine; set {url} for it, "
            f"or {kubernetes} for one in pods."
        )


def refuse_same(host: str, other: str, server: str) -> t.NoReturn:
    raise Refused(
        f"The hosts {host} and {other} reach the same cluster ({server}) and the same part of it, so that it would be "
        "worked on twice; correct their logins, or set runbooks_same_cluster=true."
    )
