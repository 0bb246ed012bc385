# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the pages, typed to the letter: what the pages say happens."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bastion import Bastion
from support.certs import ALWAYS_DUE, PASSWORD, variables
from support.documented import COLLECTION, PAGES, blocks, programs, shape_of
from support.issued import issue, secret
from support.lab import Lab
from support.patients import DEBUG, container, pod
from support.pods import Namespace
from support.proofs import LAB, PROOFS, REDIS, SETUP
from support.servers import RedisServer, binaries
from tools.tree import ROOT

KEYS = 20
# So many that a flush is a small share of the database.
OTHERS = 4 * KEYS
_RUN = r"20261123t\d{6}z-flush-redis-[0-9a-f]{4}"
# The hash of a plan, which only the plan itself can say.
_HASH = r"(?<=flush_redis_confirm=)[0-9a-f]+-\d+-\w+"


OF_THE_LAB = (
    "ops-cli cert rotate api-gateway --method cert-manager",
    "ops-cli debug create api-gateway-12345",
    "ops-cli debug cleanup",
)


def lines(proof: str) -> list[str]:
    """Return the lines of the pages that one of the tests here runs: one of a kind, with and without check mode."""
    found: dict[tuple[Any, ...], str] = {}
    for block in (block for page in PAGES for block in blocks(page) if block.has_commands):
        for line in block.lines():
            kinds = [shape_of(words) for words in programs(line)]
            if proof in [PROOFS[kind] for kind in kinds]:
                found.setdefault((*kinds, "--check" in line), line)
    return list(found.values())


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("redis-7.0") as made:
        yield made


@pytest.fixture(scope="module")
def bastion(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Bastion:
    """A machine on which one flush has been made."""
    here = {
        "flush_redis_url": server.url,
        **dict.fromkeys(("flush_redis_username", "flush_redis_password", "flush_redis_ca_cert"), ""),
        "flush_redis_skip_prompt": True,
        "flush_redis_accept_ephemeral_storage": True,
        "flush_redis_recovery_timeout": 0,
        "runbooks_backup_dir": "~/runbooks/backups",
        "runbooks_reports_dir": "~/runbooks/reports",
    }
    made = Bastion(tmp_path_factory.mktemp("bastion"), here)
    made.program("redis-cli", f"exec {binaries('redis-7.0')['cli']} -p {server.port} --pipe")
    fill(server)
    done = made.type(f"ansible-playbook {COLLECTION}flush_redis -e flush_redis_names=market-data")
    assert done.status == 0, done.output
    return made


def fill(server: RedisServer) -> None:
    server.reset()
    with server.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
        client.mset({f"other:{number}": "stays" for number in range(OTHERS)})


def the_flush(bastion: Bastion) -> Path:
    return min((bastion.home / "runbooks" / "backups" / "redis").glob("2*"))


@pytest.mark.parametrize("line", lines(REDIS))
def test_a_command_for_redis_does_what_its_page_says(line: str, bastion: Bastion, server: RedisServer) -> None:
    fill(server)
    if "restore" in line or "zcat" in line:
        with server.client() as client:
            client.delete(*(f"market:data:{number}" for number in range(KEYS)))
    typed = re.sub(_RUN, the_flush(bastion).name, line)
    if "zcat part" in typed:
        typed = f"cd {the_flush(bastion)} && {typed}"
    if re.search(_HASH, typed):
        planned = bastion.type(re.sub("-e flush_redis_confirm=.*", "--check", typed))
        typed = re.sub(_HASH, re.findall(_HASH, planned.stdout)[0], typed)
    done = bastion.type(typed)
    assert done.status == 0, done.output
    changes = "--check" not in line and "redis_stats" not in line
    expired = "expire" in line
    with server.client() as client:
        there = sum(bool(client.exists(f"market:data:{number}")) for number in range(KEYS))
        assert client.exists(*(f"other:{number}" for number in range(OTHERS))) == OTHERS
        assert not expired or 0 < client.pttl("market:data:1") <= 600_000
    gone = "restore_redis" in line or ("flush_redis" in line and changes and not expired)
    assert there == (0 if gone else KEYS)


def test_the_old_commands_for_redis_are_typed_as_before(redis70: RedisServer, tmp_path: Path) -> None:
    """By the name that the command had, with the configuration of the page."""
    fill(redis70)
    page = ROOT / "docs" / "guide_migration.md"
    (text,) = [block.text for block in blocks(page) if block.text.startswith("# config.yaml")]
    here = {"flush_redis_accept_ephemeral_storage": True, "flush_redis_recovery_timeout": 0}
    bastion = Bastion(tmp_path / "bastion", here, {"BROWSER": f"sh {tmp_path}/show %s"})
    for name, content in re.findall(r"^# (\w+\.yaml)\n(.*?)(?=^# \w+\.yaml|\Z)", text, re.DOTALL | re.MULTILINE):
        (bastion.folder / name).write_text(content.replace("redis://cache.example.com:6379/0", redis70.url))
    (bastion.bin / "ops-cli").symlink_to(ROOT / "bin" / "ops")
    (tmp_path / "show").write_text(f'echo "$1" >>{tmp_path}/shown\n')
    shown = bastion.type("ops-cli redis list")
    assert shown.status == 0 and f"market-data: {KEYS} keys" in shown.output, shown.output
    flushed = bastion.type("ops-cli redis flush market-data --force")
    assert flushed.status == 0, flushed.output
    assert redis70.client().dbsize() == OTHERS
    assert bastion.type("ops-cli report latest --open").status == 0
    assert (tmp_path / "shown").read_text().strip().endswith("/localhost.html")


def test_the_command_is_linked_and_completes(tmp_path: Path) -> None:
    bastion = Bastion(tmp_path / "bastion", {})
    installed = bastion.home / ".ansible" / "collections" / "ansible_collections" / "market_intel"
    completions = bastion.home / ".local" / "share" / "bash-completion" / "completions"
    for folder in (installed, bastion.home / ".local" / "bin", completions, bastion.home / ".config/fish/completions"):
        folder.mkdir(parents=True)
    (installed / "runbooks").symlink_to(ROOT)
    typed = lines(SETUP)
    assert len(typed) == 5
    for line in typed:
        # Only zsh has a list of this name.
        done = bastion.type(f"fpath=(- {tmp_path}); {line}")
        assert done.status == 0, done.output
        assert "--help" not in line or "ops redis flush" in done.stdout
    made = [completions / "ops", tmp_path / "_ops", bastion.home / ".config/fish/completions/ops.fish"]
    assert all(path.stat().st_size for path in made)


@pytest.mark.parametrize(("word", "status"), [("OK", 0), ("WARNING", 1), ("CRITICAL", 2), ("UNKNOWN", 3), ("", 3)])
def test_a_plugin_of_monitoring_says_what_the_check_has_said(word: str, status: int, tmp_path: Path) -> None:
    (script,) = [
        block.text
        for block in blocks(ROOT / "docs" / "guide_certificate_check.md")
        if block.text.startswith("#!/bin/sh")
    ]
    path = tmp_path / "eu-1.certificates.nagios"
    if word:
        path.write_text(f"CERTIFICATES {word} - 3 certificates of eu-1 | ok=3\n")
    done = subprocess.run(["sh", "-c", script, "plugin", str(path)], check=False, text=True, stdout=subprocess.PIPE)
    assert (done.returncode, word in done.stdout) == (status, True)


@pytest.mark.lab
def test_certificates_and_pods_as_the_pages_say(lab: Lab, tmp_path: Path) -> None:
    """A check by cron with what Prometheus reads of it, a plan, and the old commands."""
    with Namespace(lab) as place:
        place.order_certificate("api-gateway", "api-gateway.example.com")
        place.apply(secret(place.name, "old-tls", issue("old.example.com", days=30, age=31)))
        place.apply(pod("api-gateway-12345", container()))
        (tmp_path / "inventory").mkdir()
        (tmp_path / "inventory" / "hosts.yml").write_text("clusters: {hosts: {cache-eu-1: {}}}\n")
        here = variables(
            lab,
            tmp_path,
            runbooks_kubeconfig=str(lab.state / "kubeconfig"),
            runbooks_context="lab",
            runbooks_namespace=place.name,
            rotate_certs_check_namespaces=[place.name],
            rotate_certs_issued_before=ALWAYS_DUE,
            debug_pod_image=DEBUG,
        )
        del here["rotate_certs_backup_password"]
        bastion = Bastion(tmp_path / "bastion", here, inventory=tmp_path / "inventory")
        here_is = {"/srv/runbooks": str(tmp_path), "/var/lib": str(tmp_path)}
        bastion.program("mail", f"cat >{tmp_path}/mail")
        (tmp_path / "node_exporter").mkdir()

        for line in (line for line in lines(LAB) if "check_certs" in line):
            for there, path in here_is.items():
                line = line.replace(there, path)
            assert bastion.type(line).status == 0, line
        assert "old-tls" in (tmp_path / "mail").read_text()
        (metrics,) = (tmp_path / "node_exporter").iterdir()
        assert "market_intel_certificate_severity" in metrics.read_text()

        assert {bastion.type(line).status for line in lines(LAB) if line.startswith("export")} == {0}
        (bastion.folder / "secrets.yml").write_text(f"rotate_certs_backup_password: {PASSWORD}\n")
        assert bastion.type("ansible-vault encrypt --vault-password-file password secrets.yml").status == 0
        place.wait_ready("certificate", "api-gateway")
        (look,) = [line for line in lines(LAB) if "--ask-vault-pass" in line and "--check" in line]
        planned = bastion.type(look)
        assert planned.status == 0 and "PLANNED" in planned.output, planned.output

        (bastion.bin / "ops-cli").symlink_to(ROOT / "bin" / "ops")
        (bastion.folder / "certs.yaml").write_text(f"rotate_certs_backup_password: {PASSWORD}\n")
        place.wait_for("api-gateway-12345")
        for old in OF_THE_LAB:
            done = bastion.type(old)
            assert done.status == 0, done.output
        assert place.gone("pod", "api-gateway-12345") is False
