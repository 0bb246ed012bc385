# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that people have becomes variables of the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops import config
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.completion import candidates
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.config import (
    read_config,
    usual_inventories,
    write_inventory,
)
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.errors import OpsError

EXAMPLE = {
    "config.yaml": """
namespace: "market-intel-brain"
debug_image: "nicolaka/netshoot"
debug_ttl: 3600
backup_dir: "./backups"
reports_dir: "./reports"
scripts_dir: "./scripts"
""",
    "certs.yaml": """
certificates:
  - {name: "api-gateway", secret_name: "api-gateway-tls", cert_manager: true, vault: false, backup: true}
""",
    "redis.yaml": """
redis_caches:
  - {name: "market-data", pattern: "market:data:*", backup: true}
flush_redis_url: redis://cache.example.com:6379/0
""",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("ANSIBLE_INVENTORY", "ANSIBLE_CONFIG", "OPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "work"
    place.mkdir()
    for name, content in EXAMPLE.items():
        (place / name).write_text(content)
    monkeypatch.chdir(place)
    return place


def test_every_key_becomes_a_variable(folder: Path) -> None:
    found = read_config(None)
    assert found.variables == {
        "runbooks_namespace": "market-intel-brain",
        "rotate_certs_check_namespaces": ["market-intel-brain"],
        "debug_pod_namespaces": ["market-intel-brain"],
        "debug_pod_ttl": 3600,
        "runbooks_backup_dir": str(folder / "backups"),
        "runbooks_reports_dir": str(folder / "reports"),
        "rotate_certs_certificates": [
            {
                "name": "api-gateway",
                "secret_name": "api-gateway-tls",
                "cert_manager": True,
                "vault": False,
                "backup": True,
            }
        ],
        "flush_redis_caches": [{"name": "market-data", "pattern": "market:data:*", "backup": True}],
        "flush_redis_url": "redis://cache.example.com:6379/0",
    }
    assert found.notes == (
        "config.yaml: debug_image nicolaka/netshoot has no tag, so that the version of the role is used.",
        "config.yaml: scripts_dir is ignored, since playbooks take the place of the scripts.",
    )


def test_a_pinned_image_is_used(folder: Path) -> None:
    (folder / "config.yaml").write_text("debug_image: nicolaka/netshoot:v0.12")
    assert read_config(None).variables["debug_pod_image"] == "nicolaka/netshoot:v0.12"


def test_the_folder_is_named_or_a_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, namespace in (("named", "one"), ("environment", "two"), ("home/.config/ops", "three")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config.yaml").write_text(f"namespace: {namespace}")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert read_config(None).variables["runbooks_namespace"] == "three"
    monkeypatch.setenv("OPS_CONFIG", str(tmp_path / "environment"))
    assert read_config(None).variables["runbooks_namespace"] == "two"
    assert read_config(str(tmp_path / "named")).variables["runbooks_namespace"] == "one"
    with pytest.raises(OpsError, match=r"empty has none of config\.yaml, certs\.yaml, redis\.yaml; name the folder"):
        read_config(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("nmespace: x", r"has the unknown key 'nmespace'; allowed are namespace, "),
        ("- x", r"is not a mapping; give KEY: VALUE in each line\."),
        ("a: [", r"cannot be read \("),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, content: str, sentence: str) -> None:
    (folder / "config.yaml").write_text(content)
    with pytest.raises(OpsError, match=sentence) as caught:
        read_config(None)
    assert caught.value.status == 78


def test_an_empty_file_says_nothing(folder: Path) -> None:
    for name in EXAMPLE:
        (folder / name).write_text("# nothing yet\n")
    assert dict(read_config(None).variables) == {}


def test_this_machine_is_the_host_where_no_inventory_is(tmp_path: Path) -> None:
    assert '"localhost"' in write_inventory({"a": 1}, [], tmp_path).read_text()
    assert '"localhost"' not in write_inventory({"a": 1}, ["hosts.yml"], tmp_path).read_text()


def test_an_inventory_that_ansible_would_read_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "_USUAL_INVENTORY", str(tmp_path / "hosts"))
    assert usual_inventories() == []
    (tmp_path / "hosts").touch()
    assert usual_inventories() == [str(tmp_path / "hosts")]
    (folder / "ansible.cfg").write_text("[defaults]\ninventory = inventory/a, /etc/b ; the second one\n")
    assert usual_inventories() == [str(folder / "inventory/a"), "/etc/b"]
    monkeypatch.setenv("ANSIBLE_INVENTORY", "x,y")
    assert usual_inventories() == ["x", "y"]


def test_a_shell_completes_verbs_options_and_names(folder: Path) -> None:
    (folder / "reports" / "20261123t101500z-flush-redis-e288").mkdir(parents=True)
    (folder / "reports" / "20261123t101500z-flush-redis-e288" / "index.json").touch()
    assert candidates(["re"]) == ["redis", "report"]
    assert candidates(["prepare", "--runbook", "f"]) == ["flush_redis"]
    assert candidates(["redis", "f"]) == ["flush"]
    assert candidates(["redis", "flush", ""]) == ["market-data"]
    assert candidates(["redis", "flush", "market-data", ""]) == []
    assert candidates(["cert", "rotate", "--method", ""]) == ["auto", "cert-manager", "vault"]
    assert candidates(["cert", "rotate", ""]) == ["api-gateway"]
    assert candidates(["redis", "restore", "2026"]) == ["20261123t101500z-flush-redis-e288"]
    assert candidates(["undo", ""]) == ["20261123t101500z-flush-redis-e288", "latest"]
    assert candidates(["cert", "check", "--na"]) == ["--nagios", "--namespace"]
    assert candidates(["cert", "check", "-i", ""]) == []
    assert candidates(["completion", ""]) == ["bash", "fish", "zsh"]
