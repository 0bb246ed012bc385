# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of verbs: the playbook of each, and which variable each word on the command line becomes. PRIVATE."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Argument:
    """An option, or what stands without one where ``flag`` is empty.

    ``variable`` takes the value; without ``metavar`` it is an option without one, which gives ``value``. ``nargs`` is
    that of argparse, or "append" for an option that may be repeated; ``known`` names what a shell completes.
    """

    flag: str
    help: str
    variable: str = ""
    metavar: str = ""
    nargs: str = ""
    choices: tuple[str, ...] = ()
    known: str = ""
    value: t.Any = True

    @property
    def name(self) -> str:
        """What argparse calls the value."""
        return self.flag.lstrip("-").replace("-", "_") or self.metavar.lower()


@dataclass(frozen=True)
class Verb:
    """One verb; one without a playbook is answered from files alone.

    ``then`` is what is made of the run: a table, the line of a monitoring plugin, or a shell.
    """

    words: tuple[str, ...]
    help: str
    playbook: str = ""
    arguments: tuple[Argument, ...] = ()
    fixed: Mapping[str, t.Any] = field(default_factory=dict)
    then: str = ""

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def operands(self) -> tuple[Argument, ...]:
        return tuple(each for each in self.arguments if not each.flag)

    @property
    def options(self) -> tuple[Argument, ...]:
        common = COMMON if self.playbook else RUNNING if self.name == "undo" else ()
        return (*(each for each in self.arguments if each.flag), *common)


CONFIG = Argument("--config", "the folder of config.yaml, certs.yaml and redis.yaml", metavar="DIR", known="files")
# What every run of a playbook takes.
RUNNING = (
    Argument("--check", "change nothing, and say what would be done"),
    Argument("--diff", "show differences"),
    Argument("--inventory", "an inventory; may be repeated", metavar="PATH", nargs="append", known="files"),
    Argument("--json", "print the result as JSON, and everything else on the error output"),
    Argument("--extra-vars", "KEY=VALUE, JSON or @FILE, for ansible-playbook", metavar="VARS", nargs="append"),
    Argument("--ask-vault-pass", "ask for the password of ansible-vault"),
    Argument("--vault-password-file", "the file with that password", metavar="FILE", known="files"),
    CONFIG,
    Argument("--verbose", "show Ansible's own output; -vvv shows more of it"),
)
COMMON = (
    Argument("--limit", "hosts or groups of the inventory to act on", "runbooks_hosts", "HOSTS", "append"),
    Argument("--context", "the context of the kubeconfig", "runbooks_context", "NAME"),
    *RUNNING,
)
SHORT = {
    "--inventory": "-i",
    "--limit": "-l",
    "--extra-vars": "-e",
    "--verbose": "-v",
    "--namespace": "-n",
    "--container": "-c",
}


def _namespace(variable: str) -> Argument:
    what = "namespaces to look in; may be repeated" if variable != "runbooks_namespace" else "the namespace"
    return Argument("--namespace", what, variable, "NAME", "" if variable == "runbooks_namespace" else "append")


def _everywhere(variable: str) -> Argument:
    return Argument("--all-namespaces", "look in all namespaces, whatever the configuration names", variable, value=())


_CONFIRM = Argument("--confirm", "the hash of the plan, which production demands", "runbooks_confirm", "HASH")
_CACHES = Argument("", "names of caches", "flush_redis_names", "NAME", "*", known="caches")
_CERTIFICATES = Argument("", "names of certificates", "rotate_certs_names", "NAME", "*", known="certificates")
_SOME = Argument("", "names of certificates, of all if there is none", metavar="NAME", nargs="*", known="certificates")
_ONE = Argument("", "names of certificates", metavar="NAME", nargs="+", known="certificates")
_KEYS = Argument("--pattern", "keys that match; may be repeated", "flush_redis_patterns", "GLOB", "append")
_RUN = Argument("", "the id of a run, or latest", metavar="RUN", known="runs")
_REPORTS = Argument("--reports-dir", "where the reports are", metavar="DIR", known="files")
_CHECK = (_namespace("rotate_certs_check_namespaces"), _everywhere("rotate_certs_check_namespaces"))
_SESSIONS = (_namespace("debug_pod_namespaces"), _everywhere("debug_pod_namespaces"))
_MODES = ("auto", "report", "ephemeral", "copy", "node")
_DEBUG = (
    Argument("--mode", "how to look", "debug_pod_mode", "MODE", choices=_MODES),
    Argument("--container", "the container to look at", "debug_pod_container", "NAME"),
    Argument("--ttl", "seconds after which all of it has ended", "debug_pod_ttl", "SECONDS"),
    Argument("--force", "use no earlier session again", "debug_pod_new_session"),
    Argument("--yes", "do not ask", "debug_pod_skip_prompt"),
    _namespace("runbooks_namespace"),
    _CONFIRM,
)
_RUNBOOKS = ("flush_redis", "rotate_certs", "check_certs", "debug_pod", "cleanup_debug_pods")
_RIGHTS = ("ephemeral", "shell", "copy", "node")
_REPORT_ONLY = {"rotate_certs_check_fail_on": "never"}

VERBS = (
    Verb(
        ("redis", "list"), "the caches, with their keys and memory", "redis_stats", (_namespace("runbooks_namespace"),)
    ),
    Verb(
        ("redis", "flush"),
        "empty caches, with a backup",
        "flush_redis",
        (
            _CACHES,
            _KEYS,
            Argument("--yes", "do not ask", "flush_redis_skip_prompt"),
            Argument("--force", "the same as --yes", "flush_redis_skip_prompt"),
            _namespace("runbooks_namespace"),
            _CONFIRM,
        ),
    ),
    Verb(
        ("redis", "stats"),
        "figures of caches and of their server",
        "redis_stats",
        (_CACHES, _KEYS, _namespace("runbooks_namespace")),
    ),
    Verb(
        ("redis", "restore"),
        "put back what a flush has removed",
        "restore_redis",
        (
            Argument("", "the id of the flush", "flush_redis_restore_run", "RUN", known="runs"),
            Argument(
                "--pattern", "only keys that match; may be repeated", "flush_redis_restore_patterns", "GLOB", "append"
            ),
            _namespace("runbooks_namespace"),
        ),
    ),
    Verb(("cert", "list"), "all certificates, and when they end", "check_certs", _CHECK, _REPORT_ONLY, "table"),
    Verb(
        ("cert", "rotate"),
        "have certificates issued anew, and prove that they are served",
        "rotate_certs",
        (
            _CERTIFICATES,
            Argument(
                "--method", "who issues", "rotate_certs_method", "METHOD", choices=("auto", "cert-manager", "vault")
            ),
            Argument("--force", "rotate also what is not due", "rotate_certs_force"),
            Argument("--yes", "do not ask", "rotate_certs_skip_prompt"),
            _namespace("runbooks_namespace"),
            _CONFIRM,
        ),
    ),
    Verb(
        ("cert", "check"),
        "find certificates that will become a problem",
        "check_certs",
        (_SOME, Argument("--nagios", "print one line, and exit as a plugin of Nagios does"), *_CHECK),
        then="verdict",
    ),
    Verb(("cert", "validate"), "say whether a certificate is in order", "check_certs", (_ONE, *_CHECK), then="verdict"),
    Verb(
        ("cert", "rollback"),
        "put back what a rotation has replaced",
        "rollback_certs",
        (
            Argument("", "the id of the rotation", "rotate_certs_rollback_run", "RUN", known="runs"),
            _namespace("runbooks_namespace"),
        ),
    ),
    Verb(
        ("debug", "create"),
        "say what is wrong with pods",
        "debug_pod",
        (Argument("", "pods, deployment/NAME, or label selectors", "debug_pod_targets", "POD", "+"), *_DEBUG),
    ),
    Verb(
        ("debug", "interactive"),
        "a shell beside a pod, which ends with the session",
        "debug_pod",
        (Argument("", "a pod, deployment/NAME, or a label selector", "debug_pod_targets", "POD"), *_DEBUG),
        {"debug_pod_interactive": True},
        "shell",
    ),
    Verb(("debug", "list"), "the debug sessions that are left", "list_debug_pods", _SESSIONS),
    Verb(
        ("debug", "cleanup"),
        "end what has expired",
        "cleanup_debug_pods",
        (
            Argument("--force", "end also what is live, of --run or of --everybody", "debug_pod_force"),
            Argument("--run", "a run whose sessions are meant; may be repeated", "debug_pod_runs", "RUN", "append"),
            Argument("--everybody", "with --force, end the live sessions of everybody", "debug_pod_everybody"),
            *_SESSIONS,
        ),
    ),
    Verb(("alert", "assess"), "the alerts that fire, and what speaks for which runbook", "assess_alerts"),
    Verb(
        ("alert", "respond"),
        "take an alert to its runbook",
        "respond_to_alert",
        (
            Argument("", "the name of the alert", "alert_response_name", "ALERT"),
            Argument("--labels", "its labels", "alert_response_labels", "JSON"),
            Argument(
                "--fingerprint", "what tells it from others with the same labels", "alert_response_fingerprint", "TEXT"
            ),
        ),
    ),
    Verb(
        ("prepare",),
        "make the logins and rights that the others need in a cluster",
        "prepare_cluster",
        (
            Argument(
                "--runbook",
                "a runbook to prepare; may be repeated",
                "prepare_cluster_runbooks",
                "NAME",
                "append",
                _RUNBOOKS,
            ),
            Argument(
                "--debug-mode",
                "what debugging may do besides reading; may be repeated",
                "prepare_cluster_debug_modes",
                "MODE",
                "append",
                _RIGHTS,
            ),
            Argument("--absent", "remove all of it", "prepare_cluster_state", value="absent"),
            _namespace("runbooks_namespace"),
        ),
    ),
    Verb(
        ("report",),
        "list the reports of runs, or show one",
        arguments=(
            Argument(
                "", "the id of a run, or latest; all are listed without one", metavar="RUN", nargs="?", known="runs"
            ),
            Argument("--open", "open it in a browser"),
            Argument("--json", "print it as JSON"),
            _REPORTS,
            CONFIG,
        ),
    ),
    Verb(("undo",), "run the command that undoes a run", arguments=(_RUN, _REPORTS)),
    Verb(
        ("completion",),
        "print what completes the words of ops in a shell",
        arguments=(Argument("", "the shell", metavar="SHELL", choices=("bash", "zsh", "fish")),),
    ),
)
BY_WORDS = {verb.words: verb for verb in VERBS}
GROUPS = tuple(dict.fromkeys(verb.words[0] for verb in VERBS if len(verb.words) > 1))
