# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for debugging share of their options. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

from .._errors import InvalidInput
from .._module import ArgumentSpec
from .._run import RUN_ID, absolute_directory
from .collector import PARTS, Collection, read_capture
from .dependencies import read_dependency
from .session import MODES, CleanupRequest, DebugRequest
from .target import Target, check_name, read_target

_MOST_TARGETS = 200
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,500}")


def debug_argument_spec() -> ArgumentSpec:
    """The options of debug_container that are its own."""
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "namespace": {"type": "str", "default": ""},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "runs": {"type": "list", "elements": "str", "default": []},
            "everybody": {"type": "bool", "default": False},
            "targets": {"type": "list", "elements": "str", "default": []},
            "container": {"type": "str", "default": ""},
            "mode": {"type": "str", "choices": list(MODES), "default": "auto"},
            "image": {"type": "str", "default": "docker.io/nicolaka/netshoot:v0.13"},
            "image_pull_policy": {
                "type": "str",
                "choices": ["Always", "IfNotPresent", "Never"],
                "default": "IfNotPresent",
            },
            "ttl": {"type": "int", "default": 3600},
            "collect": {"type": "list", "elements": "str", "default": ["network", "system", "kubernetes", "logs"]},
            "dependencies": {"type": "list", "elements": "str", "default": []},
            "capture": {
                "type": "dict",
                "options": {
                    "seconds": {"type": "int", "default": 0},
                    "filter": {"type": "str", "default": ""},
                    "interface": {"type": "str", "default": "any"},
                    "max_bytes": {"type": "int", "default": 1048576},
                },
            },
            "directory": {"type": "path"},
            "interactive": {"type": "bool", "default": False},
            "privileged": {"type": "bool", "default": False},
            "reuse_age": {"type": "int", "default": 300},
            "max_ephemeral": {"type": "int", "default": 10},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60.0},
            "node_namespace": {"type": "str", "default": "sre-debug"},
            "copy_command": {"type": "list", "elements": "str", "default": []},
            "diagnose": {"type": "bool", "default": False},
            "tail_lines": {"type": "int", "default": 200},
            "run_id": {"type": "str", "default": ""},
        },
        required_if=[("state", "present", ("namespace", "targets"))],
    )


def debug_request(params: t.Mapping[str, t.Any], run_id: str) -> DebugRequest:
    """Return what is asked of each target; raise InvalidInput."""
    check_name(params["namespace"], "O(namespace)")
    check_name(params["node_namespace"], "O(node_namespace)")
    read_seconds("ttl", params["ttl"], 86_400)
    read_seconds("timeout", params["timeout"], 3_600)
    capture = read_capture(params["capture"])
    if capture:
        absolute_directory(params["directory"] or "", "O(directory)")
    collection = Collection(
        collect=read_collect(params["collect"]),
        dependencies=[read_dependency(each) for each in params["dependencies"]],
        capture=capture,
        interactive=params["interactive"],
    )
    same = ("namespace", "mode", "ttl", "container", "privileged", "reuse_age", "max_ephemeral", "force", "timeout")
    return DebugRequest(
        run_id=run_id,
        image=read_image(params["image"]),
        collection=collection,
        directory=params["directory"] or "",
        **{name: params[name] for name in (*same, "node_namespace", "copy_command", "image_pull_policy")},
    )


def read_tail_lines(number: int) -> int:
    if not 0 < number <= 10_000:
        raise InvalidInput(f"O(tail_lines) is {number}; allowed are 1 to 10,000 lines.")
    return number


def cleanup_request(params: t.Mapping[str, t.Any]) -> CleanupRequest:
    """Return what is to be cleaned up; raise InvalidInput."""
    for each in params["namespaces"]:
        check_name(each, "O(namespaces)")
    for each in params["runs"]:
        if not RUN_ID.fullmatch(each):
            raise InvalidInput(
                f"O(runs) has {each[:80]!r}; allowed are ids of runs such as 20261123t101500z-debug-pod-7f3a, with "
                "which the names of their sessions begin."
            )
    if params["everybody"] and params["runs"]:
        raise InvalidInput("O(runs) and O(everybody) are both given; give one of them.")
    if params["force"] and not params["runs"] and not params["everybody"]:
        raise InvalidInput(
            "O(force) would end the live sessions of everybody; name the runs whose sessions are meant in O(runs), or "
            "set O(everybody)=true."
        )
    return CleanupRequest(params["namespaces"], params["runs"], params["force"])


def read_targets(texts: t.Sequence[str]) -> list[Target]:
    """Return what is meant by each, once, however it is written; raise InvalidInput."""
    if not texts:
        raise InvalidInput("O(targets) is empty; name a pod, deployment/NAME, statefulset/NAME or a label selector.")
    if len(texts) > _MOST_TARGETS:
        raise InvalidInput(f"O(targets) has {len(texts)} entries; allowed are at most {_MOST_TARGETS}: name fewer.")
    found: dict[tuple[str, str, str], Target] = {}
    for target in map(read_target, texts):
        found.setdefault((target.kind, target.name, target.selector), target)
    return list(found.values())


def read_collect(parts: t.Sequence[str]) -> list[str]:
    unknown = [each for each in parts if each not in PARTS]
    if unknown:
        raise InvalidInput(f"O(collect) has {unknown[0][:80]!r}; allowed are {', '.join(PARTS)}.")
    return list(parts)


def read_image(image: str) -> str:
    """Return an image that is pinned: the newest of a name is another one each day."""
    if not _IMAGE.fullmatch(image):
        raise InvalidInput(
            f"O(image) is {image[:80]!r}; allowed is NAME:TAG or NAME@DIGEST, with its registry in front."
        )
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        raise InvalidInput(f"O(image) is {image!r}; allowed is one with a tag other than latest, or a digest: pin it.")
    return image


def read_seconds(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        raise InvalidInput(f"O({name}) is {value:g}; allowed is more than 0 and at most {most:g} seconds.")
