# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration that people have, as variables of the inventory. PRIVATE to the collection."""

from __future__ import annotations

import configparser
import json
import os
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .errors import CONFIG, OpsError

FILES = ("config.yaml", "certs.yaml", "redis.yaml")
_PREFIXES = ("flush_redis_", "rotate_certs_", "debug_pod_", "alert_response_", "prepare_cluster_", "runbooks_")
# The variables that a key becomes.
_KEYS: dict[str, tuple[str, ...]] = {
    "namespace": ("runbooks_namespace", "rotate_certs_check_namespaces", "debug_pod_namespaces"),
    "debug_image": ("debug_pod_image",),
    "debug_ttl": ("debug_pod_ttl",),
    "backup_dir": ("runbooks_backup_dir",),
    "reports_dir": ("runbooks_reports_dir",),
    "scripts_dir": (),
    "certificates": ("rotate_certs_certificates",),
    "redis_caches": ("flush_redis_caches",),
}
_FOLDERS = ("backup_dir", "reports_dir")
# The role pins a version of this one itself.
_PINNED = "nicolaka/netshoot"
_USUAL_INVENTORY = "/etc/ansible/hosts"
_USUAL_COLLECTIONS = ("~/.ansible/collections", "/usr/share/ansible/collections")
REPORTS = "~/runbooks/reports"


@dataclass(frozen=True)
class Config:
    """Variables, and what has to be said of how they were read."""

    variables: t.Mapping[str, t.Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def entries(self, kind: str) -> list[dict[str, t.Any]]:
        """Return the entries of a catalogue; of one that is wrong, the run says what is wrong."""
        found = self.variables.get({"caches": "flush_redis_caches", "certificates": "rotate_certs_certificates"}[kind])
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def names(self, kind: str) -> list[str]:
        """Return the names in a catalogue."""
        return [str(each["name"]) for each in self.entries(kind) if each.get("name")]

    @property
    def reports(self) -> Path:
        return Path(str(self.variables.get("runbooks_reports_dir") or REPORTS)).expanduser()


def read_config(folder: str | None) -> Config:
    """Return what a folder says, or the first of the usual ones that has one of the files; raise OpsError."""
    named = folder or os.environ.get("OPS_CONFIG")
    usual = (Path.cwd(), Path("~/.config/ops").expanduser())
    for place in (Path(named).expanduser(),) if named else usual:
        paths = [place / name for name in FILES if (place / name).is_file()]
        if paths:
            return _read_files(place.resolve(), paths)
    if named:
        raise OpsError(f"{named} has none of {', '.join(FILES)}; name the folder that they are in.", CONFIG)
    return Config()


def _read_files(folder: Path, paths: t.Sequence[Path]) -> Config:
    variables: dict[str, t.Any] = {}
    notes: list[str] = []
    for path in paths:
        for key, value in _read_file(path).items():
            if key.startswith(_PREFIXES):
                variables[key] = value
            elif key not in _KEYS:
                raise OpsError(
                    f"{path} has the unknown key {key!r}; allowed are {', '.join(_KEYS)} and variables of the "
                    "runbooks: correct it, or name another folder with --config.",
                    CONFIG,
                )
            elif key == "scripts_dir":
                notes.append(f"{path.name}: scripts_dir is ignored, since playbooks take the place of the scripts.")
            elif key == "debug_image" and str(value).removeprefix("docker.io/") == _PINNED:
                notes.append(f"{path.name}: debug_image {value} has no tag, so that the version of the role is used.")
            else:
                variables.update(_variables(key, value, folder))
    return Config(variables, tuple(notes))


def _read_file(path: Path) -> dict[str, t.Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as exc:
        reason = " ".join(str(exc).split()).rstrip(".")
        raise OpsError(f"{path} cannot be read ({reason}); correct it.", CONFIG) from exc
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise OpsError(f"{path} is not a mapping; give KEY: VALUE in each line.", CONFIG)
    return {str(key): value for key, value in content.items()}


def _variables(key: str, value: t.Any, folder: Path) -> dict[str, t.Any]:
    if key in _FOLDERS and isinstance(value, str) and not value.startswith("~"):
        value = os.path.normpath(folder / value)
    return {name: [value] if name.endswith("_namespaces") else value for name in _KEYS[key]}


def write_inventory(variables: t.Mapping[str, t.Any], base: t.Sequence[str], folder: Path) -> Path:
    """Write the variables of all hosts; without another inventory, this machine is the only one."""
    everything = {"vars": variables, **({} if base else {"hosts": {"localhost": {}}})}
    path = folder / "config.json"
    path.write_text(json.dumps({"all": everything}), encoding="utf-8")
    return path


def usual_inventories() -> list[str]:
    """Return the inventories that Ansible reads where none is named, and which naming one would hide."""
    if os.environ.get("ANSIBLE_INVENTORY"):
        return os.environ["ANSIBLE_INVENTORY"].split(",")
    configured = _configured("inventory", ",")
    return configured or ([_USUAL_INVENTORY] if Path(_USUAL_INVENTORY).exists() else [])


def usual_collections() -> list[str]:
    """Return the folders in which Ansible looks for collections where nobody names one."""
    named = os.environ.get("ANSIBLE_COLLECTIONS_PATH")
    return named.split(":") if named else _configured("collections_path", ":") or list(_USUAL_COLLECTIONS)


def _configured(key: str, separator: str) -> list[str]:
    """Return the paths that Ansible's own configuration has under a key."""
    named = os.environ.get("ANSIBLE_CONFIG")
    places = [*([named] if named else []), "ansible.cfg", "~/.ansible.cfg", "/etc/ansible/ansible.cfg"]
    found = next((path for path in (Path(place).expanduser() for place in places) if path.is_file()), None)
    if not found:
        return []
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",), strict=False)
    try:
        parser.read(found, encoding="utf-8")
    except configparser.Error:
        # Ansible says better what is wrong with it.
        return []
    parts = [part.strip() for part in parser.get("defaults", key, fallback="").split(separator)]
    return [str(found.absolute().parent / Path(part).expanduser()) for part in parts if part]
