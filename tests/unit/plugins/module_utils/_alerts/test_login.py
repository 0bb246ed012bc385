# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server that is asked may do wrong, and which login it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import login as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from support.alert_servers import AlertServers
from support.tls import make_certificates

PATH = "/api/v2/status"


@pytest.fixture
def servers() -> Iterator[AlertServers]:
    with AlertServers() as servers:
        yield servers


def login(url: str, **settings: Any) -> subject.HttpLogin:
    return subject.HttpLogin(subject.HttpSettings(url, **settings), "Prometheus", "market_intel.runbooks/run-1")


def ask(servers: AlertServers, **settings: Any) -> Any:
    return login(servers.url, **settings).get("show its status", PATH)


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"token": "canary"}, "Bearer canary"),
        ({"username": "sre", "password": "canary"}, "Basic c3JlOmNhbmFyeQ=="),
    ],
    ids=["bearer", "basic"],
)
def test_a_login_is_sent_and_a_wrong_one_is_one_sentence(
    servers: AlertServers, settings: dict[str, str], header: str
) -> None:
    servers.authorization = header
    assert ask(servers, **settings)["cluster"] == {"status": "ready"}
    with pytest.raises(
        subject.HttpError, match=r"does not let this login show its status \(401: Unauthorized\); check"
    ):
        ask(servers, token="wrong")


def test_a_certificate_of_the_client_is_a_login(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    given = {"ca_cert": str(certificates.ca_cert)}
    pair = {"client_cert": str(certificates.client_cert), "client_key": str(certificates.client_key)}
    with AlertServers(certificates) as servers:
        assert ask(servers, **given, **pair)["cluster"] == {"status": "ready"}
        assert ask(servers, validate_certs=False, **pair)["cluster"] == {"status": "ready"}
        with pytest.raises(subject.HttpUnavailable, match=r"cannot be reached \("):
            ask(servers, **given)
        with pytest.raises(subject.HttpUnavailable, match=r"name the authority that issued its certificate in O\(ca_"):
            ask(servers, ca_cert=str(certificates.other_ca), **pair)


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        ((200, "<html>Log in</html>"), subject.HttpUnavailable, r"answers with something else than JSON; check that O"),
        ((200, "[" * 100_000), subject.HttpUnavailable, "answers with something else than JSON"),
        ((200, "NaN"), subject.HttpUnavailable, "answers with something else than JSON"),
        ((200, " " * (subject.MAX_BYTES + 1)), subject.HttpUnavailable, r"\(an answer of more than 16 MiB\)"),
        ((302, ""), subject.HttpError, r"sends the request elsewhere \(302\), which is not followed; give its own"),
        ((503, "<h1>down</h1>"), subject.HttpError, r"refused to show its status \(503\)"),
        ((500, '{"error": "no space left. Sorry."}'), subject.HttpError, r"\(500: no space left: Sorry\)"),
    ],
    ids=["a page", "too deep", "no number", "too long", "a redirection", "an error", "an error with words"],
)
def test_what_is_no_answer_is_one_sentence(
    servers: AlertServers, answer: tuple[int, str], error: type[Exception], sentence: str
) -> None:
    servers.raw[PATH] = answer
    with pytest.raises(error, match=sentence):
        ask(servers)


def test_a_slow_answer_is_not_waited_for(servers: AlertServers) -> None:
    answered = threading.Event()

    def late() -> tuple[int, str]:
        answered.wait(30)
        return 200, "{}"

    servers.raw[PATH] = late
    with pytest.raises(subject.HttpUnavailable, match=r"has not answered within 0\.2 s; look at its load, or raise O"):
        ask(servers, timeout=0.2)
    answered.set()


def test_nobody_there_is_one_sentence() -> None:
    with pytest.raises(subject.HttpUnavailable, match=r"at http://127\.0\.0\.1:1 cannot be reached \(.*refused\)"):
        login("http://127.0.0.1:1").get("show its status", PATH)


def test_the_servers_clock_is_read(servers: AlertServers) -> None:
    servers.ahead = 3600.0
    found = login(servers.url)
    found.get("show its status", PATH)
    assert 3590 < found.skew < 3610


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "https://sre:canary@prometheus"}, r"O\(prometheus\.url\) has a login in it, or parameters"),
        ({"url": "https://prometheus?token=canary"}, r"O\(prometheus\.url\) has a login in it, or parameters"),
        ({"url": "prometheus:9090"}, r"O\(prometheus\.url\) is 'prometheus:9090'; allowed is an address such as"),
        ({"url": "file:///etc/passwd"}, "allowed is an address such as"),
        ({"url": "http://a", "timeout": 0}, r"O\(prometheus\.timeout\) is 0; allowed is more than 0 s"),
        ({"url": "http://a", "token": "t", "username": "u"}, r"are both given; give one login"),
        ({"url": "https://a", "ca_cert": "/nowhere"}, r"O\(prometheus\.ca_cert\) names /nowhere, which cannot be read"),
        ({"url": "https://a", "ca_cert": __file__}, r"O\(prometheus\.ca_cert\) names .*, which holds no certificate"),
        ({"url": "https://a", "client_cert": __file__}, r"O\(prometheus\.client_cert\) and .* cannot be used"),
    ],
)
def test_a_wrong_option_is_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as caught:
        login(**settings, prefix="prometheus.")
    assert "canary" not in str(caught.value)
