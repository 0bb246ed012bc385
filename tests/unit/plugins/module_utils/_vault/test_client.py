# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes over the wire to a Vault, and what becomes of its answers; the server is one of this test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _wait
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import (
    KvConflict,
    KvEntry,
    VaultError,
    VaultLogin,
    VaultSettings,
    VaultUnavailable,
)
from support.answers import Answers


class Server:
    """Answers as ``answers`` say, by method and path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                what = f"{self.command} {self.path.removeprefix('/v1/')}"
                outer.requests.append((what, body, dict(self.headers)))
                status, content = outer.answers.get(what, (404, {"errors": []}))
                text = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_LIST = answer

            def log_message(self, *_args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def login(self, **settings: Any) -> VaultLogin:
        return VaultLogin(VaultSettings(self.url, "s.secret", **settings), "market_intel.runbooks/run-1")

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(_wait.time, "sleep", seconds.append)
    return seconds


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        ("", "t", r"O\(vault.url\) is missing"),
        ("http://v", "", r"O\(vault.token\) is missing"),
        ("http://me:pass@v", "t", "has a login in it"),
        ("http://v?token=t", "t", "or parameters"),
    ],
)
def test_a_login_that_cannot_work_is_refused_before_anything_is_sent(url: str, token: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        VaultLogin(VaultSettings(url, token), "test")


def test_a_request_has_the_token_the_namespace_and_the_run(server: Server) -> None:
    server.answers["GET auth/token/lookup-self"] = (200, {"data": {"ttl": 60}})
    assert server.login(namespace="team").own_token() == {"ttl": 60}
    ((_what, _body, headers),) = server.requests
    assert headers["X-Vault-Token"] == "s.secret"
    assert headers["X-Vault-Namespace"] == "team"
    assert headers["User-Agent"] == "market_intel.runbooks/run-1"


@pytest.mark.parametrize(
    "answer",
    [(503, {"sealed": True, "initialized": True}), (501, {"initialized": False}), (200, {"sealed": True})],
    ids=["sealed", "not initialised", "sealed with another status"],
)
def test_a_sealed_vault_is_named(server: Server, answer: tuple[int, Any]) -> None:
    server.answers["GET sys/health"] = answer
    with pytest.raises(VaultUnavailable, match="is sealed or not initialised; unseal it"):
        server.login().health()


def test_a_standby_is_healthy(server: Server) -> None:
    server.answers["GET sys/health"] = (429, {"sealed": False, "standby": True})
    assert server.login().health()["standby"] is True


def test_a_vault_that_is_not_there_is_one_sentence(server: Server) -> None:
    login = server.login()
    server.stop()
    with pytest.raises(
        VaultUnavailable, match=r"^Vault at http://127.0.0.1:\d+ cannot be reached \(Connection refused\); check"
    ):
        login.own_token()


def test_a_denied_request_names_the_path_and_the_servers_message(server: Server) -> None:
    server.answers["GET kv/data/certs/web"] = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
    with pytest.raises(VaultError, match=r"let this token read certs/web .*\(kv/data/certs/web: 1 error") as caught:
        server.login().read_kv("kv", "certs/web")
    assert (caught.value.status, caught.value.server_message) == (403, "1 error occurred: * permission denied")
    assert "s.secret" not in str(caught.value)


def test_an_answer_that_is_no_json_is_an_error_with_its_status(server: Server, pauses: list[float]) -> None:
    server.answers["GET auth/token/lookup-self"] = (502, b"<html>bad gateway</html>")
    with pytest.raises(VaultUnavailable, match=r"502 auth/token/lookup-self: Bad Gateway"):
        server.login().own_token()
    assert len(pauses) == 5


def test_half_an_answer_is_none(server: Server, pauses: list[float]) -> None:
    server.answers["GET kv/data/certs/web"] = (200, b'{"data": {"da')
    with pytest.raises(VaultUnavailable, match="the answer is not complete, or not Vault's"):
        server.login().read_kv("kv", "certs/web")
    assert len(pauses) == 5


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "reset", "half"])
@pytest.mark.parametrize("what", ["read", "write", "sign"])
def test_what_passes_is_asked_for_again_but_nothing_is_signed_twice(
    what: str, fault: int | str, pauses: list[float]
) -> None:
    data = {"version": 3, "certificate": "leaf", "issuing_ca": "ca", "expiration": 1795428900, "ttl": 60}
    with Answers() as answers:
        login = VaultLogin(VaultSettings(answers.url, "s.secret"), "test")
        calls: dict[str, Callable[[], Any]] = {
            "read": login.own_token,
            "write": lambda: login.write_kv("kv", "certs/web", {}, 2),
            "sign": lambda: login.sign("pki", "web", {}),
        }
        answers.say(fault, (200, {"data": data}))
        if what == "sign" and fault != 429:
            with pytest.raises(VaultUnavailable):
                calls[what]()
            assert len(answers.requests) == 1
        else:
            calls[what]()
            assert len(answers.requests) == 2 and pauses == [0.25]


def test_a_sealed_vault_is_not_asked_again(pauses: list[float]) -> None:
    with Answers() as answers:
        answers.say((503, {"errors": ["Vault is sealed"]}))
        with pytest.raises(VaultUnavailable, match="is sealed or not initialised"):
            VaultLogin(VaultSettings(answers.url, "s.secret"), "test").own_token()
    assert pauses == []


def test_a_vault_that_has_never_answered_is_asked_once_more(pauses: list[float]) -> None:
    with Answers() as answers:
        answers.say("hang", "hang", (200, {"data": {}}))
        with pytest.raises(VaultUnavailable, match="cannot be reached"):
            VaultLogin(VaultSettings(answers.url, "s.secret", timeout=0.2), "test").own_token()
    assert pauses == [0.25]


def test_an_entry_whose_answer_was_lost_is_no_conflict_with_ourselves(server: Server) -> None:
    login = server.login()
    conflict = (400, {"errors": ["check-and-set parameter did not match the current version"]})
    server.answers["POST kv/data/certs/web"] = conflict
    server.answers["GET kv/data/certs/web"] = (200, {"data": {"data": {"a": "b"}, "metadata": {"version": 8}}})
    assert login.write_kv("kv", "certs/web", {"a": "b"}, 7) == 8
    with pytest.raises(KvConflict):
        login.write_kv("kv", "certs/web", {"a": "another"}, 7)


def test_an_entry_that_is_absent_deleted_or_there(server: Server) -> None:
    login = server.login()
    assert login.read_kv("kv", "certs/none") == KvEntry(0, {})
    server.answers["GET kv/data/certs/old"] = (404, {"data": {"data": None, "metadata": {"version": 3}}})
    assert login.read_kv("kv", "certs/old") == KvEntry(3, {})
    server.answers["GET kv/data/certs/web"] = (200, {"data": {"data": {"a": "b"}, "metadata": {"version": 7}}})
    assert login.read_kv("kv", "certs/web") == KvEntry(7, {"a": "b"})


def test_an_entry_is_written_only_over_the_version_that_was_read(server: Server) -> None:
    login = server.login()
    server.answers["POST kv/data/certs/web"] = (200, {"data": {"version": 8}})
    assert login.write_kv("kv", "certs/web", {"a": "b"}, 7) == 8
    assert server.requests[-1][1] == {"data": {"a": "b"}, "options": {"cas": 7}}
    message = "check-and-set parameter did not match the current version"
    server.answers["POST kv/data/certs/web"] = (400, {"errors": [message]})
    with pytest.raises(KvConflict, match=r"Somebody else has written kv/certs/web .*\(version 7\)"):
        login.write_kv("kv", "certs/web", {"a": "b"}, 7)
    server.answers["POST kv/data/certs/web"] = (400, {"errors": ["no data provided"]})
    with pytest.raises(VaultError, match="no data provided") as caught:
        login.write_kv("kv", "certs/web", {}, 7)
    assert not isinstance(caught.value, KvConflict)


def test_missing_capabilities_are_named_with_their_path(server: Server) -> None:
    found = {"pki/sign/web": ["update"], "kv/data/a": ["read"], "kv/data/b": ["root"], "capabilities": ["deny"]}
    server.answers["POST sys/capabilities-self"] = (200, {"data": found})
    wanted = {"pki/sign/web": ("update",), "kv/data/a": ("create", "update"), "kv/data/b": ("read",), "x": ("read",)}
    assert server.login().missing_capabilities(wanted) == ["create/update kv/data/a", "read x"]
    assert server.requests[-1][1] == {"paths": list(wanted)}


def test_what_a_token_may_not_see_is_unknown_and_not_absent(server: Server) -> None:
    login = server.login()
    for what in ("LIST kv/metadata/certs", "GET pki/roles/web", "GET pki/cert/0a-1b", "GET sys/internal/ui/mounts/kv"):
        server.answers[what] = (403, {"errors": ["permission denied"]})
    assert login.list_kv("kv", "certs") is None
    assert login.role("pki", "web") is None
    assert login.is_revoked("pki", "a1b") is None
    assert login.kv_version("kv") == ""
    with pytest.raises(InvalidInput, match="has no role other in pki"):
        login.role("pki", "other")
    server.answers["LIST kv/metadata/certs"] = (200, {"data": {"keys": ["web", "old/"]}})
    assert login.list_kv("kv", "certs") == ["web", "old/"]
    assert login.list_kv("kv", "none") == []


def test_a_signed_certificate_comes_with_its_chain(server: Server) -> None:
    data = {"certificate": "leaf", "issuing_ca": "ca", "expiration": 1795428900}
    server.answers["POST pki/sign/web"] = (200, {"data": data, "warnings": ["ttl was cut"]})
    signed = server.login().sign("pki", "web", {"csr": "request"})
    assert (signed.certificate, signed.chain, signed.warnings) == ("leaf", ("ca",), ("ttl was cut",))
    assert signed.expiration.isoformat() == "2026-11-23T10:15:00+00:00"
    server.answers["POST pki/sign/web"] = (200, {"data": {**data, "ca_chain": ["middle", "root"]}})
    assert server.login().sign("pki", "web", {"csr": "request"}).chain == ("middle", "root")


def test_every_error_is_of_the_one_family() -> None:
    assert all(issubclass(each, RunbookError) for each in (VaultError, VaultUnavailable, KvConflict))
