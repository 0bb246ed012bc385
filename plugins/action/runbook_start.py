# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a role's variables, and says which cluster and which environment the run is about."""

from __future__ import annotations

import os
import typing as t
from dataclasses import asdict
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.market_intel.runbooks.plugins.module_utils._confirm import is_production
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError, render
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.kubeconfig import expand_path
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, refuse_unwritable
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._cluster import (
    LOGIN,
    identify,
    refuse_elsewhere,
    refuse_unnamed,
    settle_login,
)
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._extra_vars import checked_extra_vars
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._host_variables import (
    variables_of,
    without_blank,
)
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._inputs import Reader
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._module_action import refuse_argument_files
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._roles import (
    Role,
    Variables,
    load_role,
    login_of,
    refuse_same,
    refuse_unnamed_redis,
    scope_of,
)

Plain = dict[str, t.Any]


class ActionModule(ActionBase):
    """Does all of it in the controller's process, which knows the caller's folder; what is wrong becomes a sentence.

    The task has no_log, since the options hold passwords. So it never fails: the next one does, with the sentence.
    """

    _VALID_ARGS = frozenset(("role", "entry_point"))
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Plain | None = None) -> Plain:
        result: Plain = super().run(tmp, task_vars)
        arguments = self._task.args
        missing = self._VALID_ARGS - arguments.keys()
        if missing:
            raise AnsibleActionFail(f"{min(missing)} is missing; name a role of this collection and its entry point.")
        role = load_role(arguments["role"], arguments["entry_point"])
        result.update(changed=False, refused="", role=role.name, entry_point=role.entry_point)
        try:
            extra_vars = checked_extra_vars()
            refuse_argument_files(self)
            reader = Reader(caller_folder())
            variables = self._own_variables(role, extra_vars, task_vars or {}, reader)
            # A report tells of what is refused from here on.
            result.update(_given(variables))
            refuse_unnamed_redis((task_vars or {})["inventory_hostname"], variables)
            options = result["options"]
            login = self._login(login_of(role, options), task_vars or {})
            result["login"] = {} if "kubernetes" in options else login
            if login and "kubernetes" in options:
                # A Redis in pods takes its login with its own option.
                options["kubernetes"] = {**options["kubernetes"], **login}
            elif login:
                # The command that undoes the run names it.
                found = {"kubeconfig": "kubeconfig", "context": "context", "api_host": "host"}
                options.update({name: login.get(option) for name, option in found.items()})
            result["guard"] = self._guard(options, login, task_vars or {})
            if login is not None:
                result["cluster"] = self._cluster(role, options, login, task_vars or {}, reader)
        except RunbookError as exc:
            names = role.variables()
            if f"{role.prefix}kubernetes" in role.options:
                names.update({name: f"{role.prefix}kubernetes.{name}" for name in LOGIN})
            result["refused"] = render(str(exc), LOGIN, names)
        return result

    def _own_variables(self, role: Role, extra_vars: Plain, task_vars: Plain, reader: Reader) -> Variables:
        names = (f"{role.prefix}environment", "runbooks_environment")
        # An unset variable of a shell must not hide that this is production.
        raw = without_blank(names, extra_vars, task_vars["inventory_hostname"], self._task, task_vars)
        return self._variables(role, raw, reader)

    def _login(self, given: Plain | None, task_vars: Plain) -> Plain | None:
        """Return the login that all steps of the run have; None for a run without one."""
        if given is None:
            return None
        host, environment = task_vars["inventory_hostname"], self._environment()
        refuse_unnamed(host, given, environment)
        refuse_elsewhere(host, self._connection.transport)
        return settle_login(given, environment)

    def _environment(self) -> dict[str, str]:
        """Return the environment that modules will have, to which a play may add."""
        added: Plain = {}
        self._compute_environment_string(added)
        return {**os.environ, **{name: str(value) for name, value in added.items()}}

    def _guard(self, options: Plain, login: Plain | None, task_vars: Plain) -> Plain:
        """Return the namespace whose guard is to be told of (``note``), and how to ask the one to be obeyed (``ask``).

        A run that another one has started, which has asked, does neither.
        """
        nobody: Plain = {"note": "", "ask": {}}
        started = self._templar.template(task_vars["__run_guard"]) if "__run_guard" in task_vars else {}
        if login is None or started or not options.get("guard_namespace"):
            return nobody
        if options["obey_guard"]:
            return {**nobody, "ask": {"namespace": options["guard_namespace"], "login": login}}
        return {**nobody, "note": options["guard_namespace"]}

    def _cluster(self, role: Role, options: Plain, login: Plain, task_vars: Plain, reader: Reader) -> Plain:
        """Return the cluster that the run is about."""
        host = task_vars["inventory_hostname"]
        agent = f"market_intel.runbooks/{options.get('run_id') or 'start'}"
        found = identify(login, agent)
        allowed = reader.read(
            self._templar.template(task_vars.get("runbooks_same_cluster")), {"type": "bool"}, "runbooks_same_cluster"
        )
        others = [name for name in task_vars.get("ansible_play_hosts_all") or [] if name != host]
        for other in others if not allowed else []:
            # Its own start says what is wrong with its variables, or that its cluster cannot be reached.
            try:
                theirs = self._place_of(role, other, task_vars, reader)
                if theirs is None or not found.is_same(identify(theirs[0], agent)):
                    continue
            except RunbookError:
                continue
            mine = scope_of(options)
            if not mine or not theirs[1] or mine & theirs[1]:
                refuse_same(host, other, found.server)
        return {name: value for name, value in asdict(found).items() if value}

    def _place_of(self, role: Role, host: str, task_vars: Plain, reader: Reader) -> tuple[Plain, frozenset[str]] | None:
        """Return the login and the scope of another host of the play, which may come later, or never."""
        options = self._variables(role, variables_of(host, self._task, task_vars), reader).read_all()
        login = login_of(role, options)
        return None if login is None else (settle_login(login, self._environment()), scope_of(options))

    def _variables(self, role: Role, raw: Plain, reader: Reader) -> Variables:
        return Variables(role, raw, self._templar.copy_with_new_env(available_variables=raw), reader)


def _given(variables: Variables) -> Plain:
    """Return what of a result the variables tell."""
    role, options = variables.role, variables.read_all()
    if options.get("run_id"):
        check_run_id(options["run_id"])
    if options.get("reports_dir"):
        # What was found and done would else be told nobody in the end.
        refuse_unwritable(Path(expand_path(options["reports_dir"])))
    emptied = [name for name in role.options if role.options[name]["type"] == "list" and variables.is_emptied(name)]
    vault = {name[6:]: value for name, value in options.items() if name.startswith("vault_") and value is not None}
    return {
        "options": options,
        "emptied": [name[len(role.prefix) :] for name in emptied],
        "vault_login": vault.pop("login", {}),
        "vault": vault,
        "production": is_production(options.get("environment") or ""),
        "cluster": {},
        "guard": {"note": "", "ask": {}},
        "folder": caller_folder(),
    }


def caller_folder() -> str:
    """Return the folder in which ansible-playbook was started, empty where it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
