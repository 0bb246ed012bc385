# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of an AWX, as far as the modules of awx.awx use it, with its objects in memory.

It refuses what AWX refuses: a second object of a name, what is not there, a playbook that the project lacks, a survey
that is not one. Secrets are returned as $encrypted$. It runs no job.

`with AwxServer(playbooks) as awx: ...; awx.objects("job_templates")["Flush Redis caches"]["job_type"]`
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .environments import CACHE

ANSIBLE = "12.3.0"
"""The last ansible of PyPI, as a whole, that has awx.awx in it."""
VERSION = "24.6.1"
TOKEN = "token-of-the-tests"
ENCRYPTED = "$encrypted$"

_API = "/api/v2/"
_TEMPLATES = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
_IDENTITY = {"workflow_job_template_nodes": "identifier"}
_WEBHOOK = {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": "", "headers": {}}
_QUESTION_TYPES = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": float,
}


def awx_collection() -> Path:
    """Return a collections folder that has awx.awx, which is taken out of the wheel once and kept under .cache."""
    folder = CACHE / f"awx-{ANSIBLE}"
    if not folder.is_dir():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            wheel = f"ansible=={ANSIBLE}"
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--only-binary=:all:",
                "-d",
                name,
                wheel,
            ]
            subprocess.run(command, check=True)
            (path,) = Path(name).glob("*.whl")
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.namelist() if member.startswith("ansible_collections/awx/")]
                archive.extractall(Path(name, "part"), members)
            shutil.move(Path(name, "part"), folder)
    return folder


class Refusal(Exception):
    """What AWX answers with a status of 400 and more."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class AwxServer:
    """An AWX that has an organization, and whose project consists of these playbooks."""

    def __init__(self, playbooks: Iterable[str]) -> None:
        self.playbooks = set(playbooks)
        self.writes: list[str] = []
        self._objects: dict[int, dict[str, Any]] = {}
        self._surveys: dict[int, dict[str, Any]] = {}
        self._links: dict[tuple[int, str], list[int]] = {}
        self._lock = threading.Lock()
        self.add("organizations", {"name": "Default"})
        handler = type("Handler", (_Handler,), {"awx": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> AwxServer:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def env(self) -> dict[str, str]:
        """The variables with which the modules of awx.awx find it."""
        host = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"CONTROLLER_HOST": host, "CONTROLLER_OAUTH_TOKEN": TOKEN}

    def objects(self, endpoint: str) -> dict[str, dict[str, Any]]:
        """Return the objects of a kind by their names; those that belong to another one by both."""
        found = {}
        for entry in self._objects.values():
            if entry["endpoint"] == endpoint:
                fields = entry["fields"]
                owner = self._objects.get(fields.get("workflow_job_template", 0))
                name = fields.get(_IDENTITY.get(endpoint, "name"))
                found[f"{owner['fields']['name']}: {name}" if owner else name] = fields
        return found

    def add(self, endpoint: str, fields: dict[str, Any]) -> int:
        """Have an object, and return its number."""
        number = len(self._objects) + 1
        self._objects[number] = {"endpoint": endpoint, "fields": fields}
        return number

    def survey(self, name: str) -> dict[str, Any]:
        """Return the survey of a template."""
        (number,) = [number for number, entry in self._objects.items() if entry["fields"].get("name") == name]
        return self._surveys[number]

    def linked(self, endpoint: str, name: str, relation: str) -> list[str]:
        """Return the names of what an object is associated with."""
        (number,) = [
            number
            for number, entry in self._objects.items()
            if entry["endpoint"] == endpoint and entry["fields"] is self.objects(endpoint)[name]
        ]
        found = [self._objects[each] for each in self._links.get((number, relation), [])]
        return [entry["fields"].get(_IDENTITY.get(entry["endpoint"], "name")) for entry in found]

    def answer(self, method: str, path: str, query: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        """Return status and content for a request; raise Refusal."""
        with self._lock:
            if method != "GET":
                self.writes.append(f"{method} {path}")
            parts = path.removeprefix(_API).strip("/").split("/")
            if parts in (["ping"], ["me"], ["config"]):
                return 200, {"count": 1, "results": [{"id": 1}], "version": VERSION}
            if len(parts) == 1:
                return self._list(parts[0], query) if method == "GET" else (201, self._create(parts[0], data))
            number = int(parts[1])
            if number not in self._objects:
                raise Refusal(404, "Not found.")
            if len(parts) == 2:
                return 200, self._shown(number) if method == "GET" else self._change(number, data)
            if parts[2] == "survey_spec":
                return 200, self._survey(number, method, data)
            if parts[2] == "create_approval_template":
                return 201, self._create_approval(number, data)
            return self._relation(number, parts[2], method, data)

    def _list(self, endpoint: str, query: dict[str, str]) -> tuple[int, Any]:
        endpoints = _TEMPLATES if endpoint == "unified_job_templates" else (endpoint,)
        found = [
            number
            for number, entry in self._objects.items()
            if entry["endpoint"] in endpoints
            and all(str(entry["fields"].get(name, "")) == value for name, value in query.items() if name != "page_size")
        ]
        return 200, _page([self._shown(number) for number in found])

    def _create(self, endpoint: str, data: dict[str, Any]) -> dict[str, Any]:
        identity = _IDENTITY.get(endpoint, "name")
        owner = ("organization", "workflow_job_template", "inventory")
        for entry in self._objects.values():
            same = all(entry["fields"].get(field) == data.get(field) for field in (identity, *owner))
            if entry["endpoint"] == endpoint and same:
                raise Refusal(400, f"{endpoint} with this {identity} already exists.")
        self._check(endpoint, data)
        return self._shown(self.add(endpoint, data))

    def _change(self, number: int, data: dict[str, Any]) -> dict[str, Any]:
        entry = self._objects[number]
        fields = {**entry["fields"], **data}
        self._check(entry["endpoint"], fields)
        entry["fields"].update(fields)
        return self._shown(number)

    def _check(self, endpoint: str, data: dict[str, Any]) -> None:
        references = {
            "organization": ("organizations",),
            "project": ("projects",),
            "source_project": ("projects",),
            "inventory": ("inventories",),
            "execution_environment": ("execution_environments",),
            "unified_job_template": _TEMPLATES,
            "workflow_job_template": ("workflow_job_templates",),
        }
        for field, kinds in references.items():
            if data.get(field) is not None and self._objects.get(data[field], {}).get("endpoint") not in kinds:
                raise Refusal(400, f'Invalid pk "{data[field]}" for {field} - object does not exist.')
        if endpoint == "job_templates" and data["playbook"] not in self.playbooks:
            raise Refusal(400, "Playbook not found for project.")
        if endpoint == "workflow_job_template_nodes" and data.get("job_type"):
            template = self._objects[data["unified_job_template"]]["fields"]
            if not template.get("ask_job_type_on_launch"):
                raise Refusal(400, "Field is not configured to prompt on launch.")
        if endpoint == "schedules" and not re.fullmatch(
            r"DTSTART:\d{8}T\d{6}Z RRULE:FREQ=(MINUTELY|HOURLY|DAILY|WEEKLY);INTERVAL=\d+", data["rrule"]
        ):
            raise Refusal(400, "rrule parsing failed validation.")
        if endpoint == "inventories" and data.get("kind") is None:
            raise Refusal(400, "kind: This field may not be null.")
        if endpoint == "notification_templates" and data["notification_type"] == "webhook":
            data["notification_configuration"] = {**_WEBHOOK, **data["notification_configuration"]}
        if endpoint == "credential_types":
            _check_credential_type(data)

    def _shown(self, number: int) -> dict[str, Any]:
        entry = self._objects[number]
        url = f"{_API}{entry['endpoint']}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/"} if "job_templates" in entry["endpoint"] else {}
        target = entry["fields"].get("unified_job_template")
        if target and entry["endpoint"] == "workflow_job_template_nodes":
            related["unified_job_template"] = f"{_API}{self._objects[target]['endpoint']}/{target}/"
        return {
            "id": number,
            "url": url,
            "type": entry["endpoint"].removesuffix("s"),
            "related": related,
            "summary_fields": {},
            **({"scm_revision": ""} if entry["endpoint"] == "projects" else {}),
            **_without_secrets(entry["fields"]),
        }

    def _survey(self, number: int, method: str, data: dict[str, Any]) -> dict[str, Any]:
        if method == "GET":
            return self._surveys.get(number, {})
        _check_survey(data)
        self._surveys[number] = data
        return {}

    def _create_approval(self, node: int, data: dict[str, Any]) -> dict[str, Any]:
        number = self.add("workflow_approval_templates", {**data})
        self._objects[node]["fields"]["unified_job_template"] = number
        return self._shown(number)

    def _relation(self, number: int, relation: str, method: str, data: dict[str, Any]) -> tuple[int, Any]:
        linked = self._links.setdefault((number, relation), [])
        if method == "GET":
            return 200, _page([self._shown(each) for each in linked])
        if data.get("disassociate"):
            linked.remove(data["id"])
        elif data["id"] not in self._objects:
            raise Refusal(400, "Invalid pk.")
        else:
            linked.append(data["id"])
        return 204, None


class _Handler(BaseHTTPRequestHandler):
    awx: AwxServer

    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refusal(401, "Authentication credentials were not provided.")
            data = json.loads(text) if text else {}
            status, content = self.awx.answer(self.command, url.path, dict(parse_qsl(url.query)), data)
        except Refusal as refusal:
            status, content = refusal.status, {"detail": str(refusal), "__all__": [str(refusal)], "error": str(refusal)}
        body = b"" if status == 204 else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def _page(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(results), "next": None, "previous": None, "results": results}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: ENCRYPTED if key in ("token", "password", "url_password") and each else _without_secrets(each)
            for key, each in value.items()
        }
    return value


def _check_credential_type(data: dict[str, Any]) -> None:
    fields = {field["id"] for field in data["inputs"]["fields"]}
    known = {*fields, "tower.filename.kubeconfig"}
    for name in re.findall(r"\{\{\s*([\w.]+)\s*\}\}", json.dumps(data["injectors"])):
        if name not in known:
            raise Refusal(400, f"{name} uses an undefined field.")
    if set(data["injectors"]) - {"env", "extra_vars", "file"}:
        raise Refusal(400, "Additional properties are not allowed.")


def _check_survey(data: dict[str, Any]) -> None:
    """Raise Refusal for what AWX does not take as a survey."""
    if not (isinstance(data.get("name"), str) and isinstance(data.get("description"), str) and data.get("spec")):
        raise Refusal(400, "Field is missing from survey spec.")
    variables = [question["variable"] for question in data["spec"]]
    if len(variables) != len(set(variables)):
        raise Refusal(400, "A variable is duplicated in the survey.")
    for question in data["spec"]:
        kind, default = question["type"], question.get("default", "")
        if not isinstance(question["required"], bool) or not isinstance(question["question_name"], str):
            raise Refusal(400, "A field of a survey question has another type.")
        if kind not in _QUESTION_TYPES:
            raise Refusal(400, f"{kind!r} is not one of the allowed question types.")
        if default != "" and not isinstance(default, _QUESTION_TYPES[kind]):
            raise Refusal(400, f"Default value {default!r} expected to be {kind}.")
        if kind.startswith("multi") and (not question["choices"] or default not in ("", *question["choices"])):
            raise Refusal(400, "The default has to be one of the choices.")
