# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of ansible-core beside the one of the development environment; the oldest with the oldest libraries."""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.release import __version__ as development

from lab.debian import DebianMissing
from lab.place import NAMESPACE
from support.ansible import COLLECTIONS_PATH, Result, run_playbook
from support.certs import owner, read_kv, write_kv
from support.certs import variables as certificates
from support.environments import environment, run
from support.lab import Lab
from support.patients import pod, variables
from support.pods import Namespace
from support.servers import RedisServer
from tools.tree import ROOT

LIBRARIES = ("redis", "hiredis", "kubernetes", "cryptography", "hvac")


@dataclass(frozen=True)
class Version:
    """An exact version of ansible-core, the Pythons that it runs on, and libraries other than the newest ones."""

    core: str
    pythons: tuple[tuple[int, int], tuple[int, int]]
    libraries: tuple[str, ...] = ()


VERSIONS = {
    "2.17": Version(
        "2.17.14",
        ((3, 10), (3, 12)),
        ("redis==5.0.1", "hiredis==2.3.2", "kubernetes==24.2.0", "cryptography==42.0.0", "hvac==2.1.0"),
    ),
    "2.19": Version("2.19.14", ((3, 11), (3, 13))),
    "2.20": Version("2.20.10", ((3, 12), (3, 14))),
    "2.21": Version("2.21.5", ((3, 12), (3, 14))),
    "2.22": Version("2.22.0rc1", ((3, 13), (3, 14))),
}
DEVELOPMENT = ".".join(development.split(".")[:2])
"""What all other tests run on."""
# What the unit tests import beyond that, in the versions of the development environment.
TOOLS = ("pytest", "jsonschema", "markdown-it-py", "cryptography-vectors")
KEYS = 500
PASSWORD = "canary-6f1d-password"
SAY_VERSIONS = f"""
import json, platform
from importlib.metadata import version
print(json.dumps([platform.python_version(), *(name + " " + version(name) for name in {LIBRARIES!r})]))
"""


@pytest.fixture(scope="module", params=[name for name in VERSIONS if name != DEVELOPMENT])
def core(request: pytest.FixtureRequest) -> Path:
    """The bin folder of an environment with that version; where there is no Python for it, say so, or fail in a CI."""
    version = VERSIONS[request.param]
    pinned = [
        pin
        for name in ("requirements-ansible.txt", "requirements-dev.txt")
        for pin in (ROOT / name).read_text().split()
        if pin.startswith(tuple(f"{tool}==" for tool in (*TOOLS, *LIBRARIES)))
    ]
    older = tuple(pin.split("==")[0] + "==" for pin in version.libraries)
    wanted = [f"ansible-core=={version.core}", *version.libraries]
    wanted += [pin for pin in pinned if not older or not pin.startswith(older)]
    try:
        return environment(f"core-{request.param}", wanted, *version.pythons)
    except DebianMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def play(core: Path, folder: Path, playbook: str, options: dict[str, Any], **more: Any) -> Result:
    """Run a playbook with that version; the collections we depend on are those of the development environment."""
    paths = f"{COLLECTIONS_PATH}:{sysconfig.get_paths()['purelib']}"
    env = {"ANSIBLE_COLLECTIONS_PATH": paths}
    done = run_playbook(playbook, options, cwd=folder, bin_dir=core, env=env, **more)
    assert done.rc == 0, done.output
    return done


def test_the_oldest_promised_version_is_the_oldest_tested_one() -> None:
    promised = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    assert promised == f">={next(iter(VERSIONS))}.0"
    assert DEVELOPMENT in VERSIONS


def test_unit_tests_pass(core: Path, record_property: Callable[[str, object], None]) -> None:
    version = VERSIONS[core.parent.name.split("-")[1]]
    # With the libraries of the development environment, engines give what they give in the stage of the unit tests.
    chosen = [] if version.libraries else ["--with-ansible"]
    output = run([str(core / "python"), "-m", "pytest", "-q", "-m", "not one_core", *chosen, "tests/unit"])
    assert " passed" in output.splitlines()[-1]
    assert "skipped" not in output.splitlines()[-1]
    python, *libraries = json.loads(run([str(core / "python"), "-c", SAY_VERSIONS]))
    release = run([str(core / "python"), "-c", "from ansible.release import __version__; print(__version__)"]).strip()
    record_property("tested with", f"ansible-core {release}: Python {python}, {', '.join(libraries)}")


def test_a_flush(core: Path, fresh_redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    server = fresh_redis(requirepass=PASSWORD)
    with server.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
        client.set("neighbour", "stays")
    options = {
        "flush_redis_url": server.url,
        "flush_redis_password": PASSWORD,
        "flush_redis_names": ["market-data"],
        "flush_redis_backup_dir": str(tmp_path / "backups"),
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_skip_prompt": True,
        "flush_redis_accept_ephemeral_storage": True,
        "flush_redis_recovery_timeout": 0,
    }
    server.reset_stats()
    planned = play(core, tmp_path, "flush_redis", options, check=True, args=["-vvv"])
    assert planned.changed == 1
    assert server.write_commands_called() == []
    done = play(core, tmp_path, "flush_redis", options, args=["-vvv"])
    assert done.changed == 1
    with server.client() as client:
        assert client.keys() == [b"neighbour"]
    # Versions differ in what they mask themselves.
    assert PASSWORD not in planned.output + done.output


@pytest.mark.lab
def test_a_check_of_certificates(core: Path, lab: Lab, tmp_path: Path) -> None:
    # Other tests have entries of their own in Vault meanwhile.
    prefix = f"certs/{owner(tmp_path)}"
    write_kv(lab, f"{prefix}/core-engine", read_kv(lab, "certs/core-engine")[1])
    scope = {"rotate_certs_check_namespaces": [NAMESPACE], "rotate_certs_vault_kv_prefix": prefix}
    options = certificates(lab, tmp_path, rotate_certs_check_vault=True, **scope)
    planned = play(core, tmp_path, "check_certs", options, check=True)
    done = play(core, tmp_path, "check_certs", options)
    assert (planned.changed, done.changed) == (0, 0)
    result = done.one("cert_info").result
    assert planned.one("cert_info").result["counts"] == result["counts"]
    found = json.loads(Path(result["paths"]["json"]).read_text())["certificates"]
    assert {"secret", "vault"} <= {each["id"].split(":")[0] for each in found}


@pytest.fixture(scope="module")
def patients(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as place:
        names = [f"on-{name.replace('.', '-')}" for name in VERSIONS]
        place.apply(*(pod(name) for name in names))
        place.wait_for(*names)
        yield place


@pytest.mark.lab
def test_a_diagnosis_of_a_pod(core: Path, patients: Namespace, tmp_path: Path) -> None:
    name = "on-" + core.parent.name.split("-")[1].replace(".", "-")
    options = variables(patients, tmp_path, name)
    assert play(core, tmp_path, "debug_pod", options, check=True).changed == 1
    about = patients.lab.get("pod", name, "-n", patients.name)["spec"]
    assert "ephemeralContainers" not in about
    done = play(core, tmp_path, "debug_pod", options)
    assert done.changed == 1
    (session,) = done.one("debug_container").result["sessions"]
    assert session["state"] == "collected"
    about = patients.lab.get("pod", name, "-n", patients.name)["spec"]
    assert len(about["ephemeralContainers"]) == 1
