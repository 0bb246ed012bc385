# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind go, and what only looks like one to a careless eye stays."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.redact import HIDDEN, Redactor

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabcdefghijklmnop\n-----END RSA PRIVATE KEY-----"
SECRETS = {
    "password=S3cr3t!": "S3cr3t!",
    "DB_PASSWORD: S3cr3t": "S3cr3t",
    '{"password": "S3cr3t with blanks", "user": "me"}': "S3cr3t with blanks",
    "{'api_key': 'S3cr3t'}": "S3cr3t",
    r'level=info msg="{\"token\": \"S3cr3t\"}"': "S3cr3t",
    "client_secret => S3cr3t": "S3cr3t",
    "aws_secret_access_key=S3cr3t": "S3cr3t",
    "AccountKey=S3cr3t==;EndpointSuffix=x": "S3cr3t",
    "postgres://shop:S3cr3t@db:5432/shop": "S3cr3t",
    "redis://:S3cr3t@cache:6379/0": "S3cr3t",
    "shop:S3cr3t@tcp(db:3306)/shop": "S3cr3t",
    "Authorization: Bearer S3cr3t.0123456789": "S3cr3t",
    "Authorization: Basic c2VjcmV0OnNlY3JldA==": "c2VjcmV0",
    "authorization: S3cr3tS3cr3t": "S3cr3t",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghij": "eyJzdWIi",
    "key AKIAABCDEFGHIJKLMNOP": "AKIAABCD",
    "AIza" + "0123456789abcdefghijklmnopqrstuvwxy": "0123456789abc",
    "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz": "0123456789abc",
    "hvs.CAESIJ0123456789abcdefghijkl": "CAESIJ",
    "Set-Cookie: session=S3cr3t; Path=/": "S3cr3t",
    "mysqld --password S3cr3t --port 1": "S3cr3t",
    "redis-cli -h cache -a S3cr3t ping": "S3cr3t",
    f"before\n{PEM}\nafter": "MIIabcdefghijklmnop",
    PEM.replace("\n", "\\n"): "MIIabcdefghijklmnop",
    "bcdefghijklmnopqrstu\nMIIabcdefghijklmnop\n-----END PRIVATE KEY-----": "MIIabcdefghijklmnop",
    "-----BEGIN PRIVATE KEY-----\nMIIabcdefghijklmnop": "MIIabcdefghijklmnop",
}
SECRETS.update(
    {
        "DB_PASS=S3cr3t": "S3cr3t",
        "REDISCLI_AUTH=S3cr3t": "S3cr3t",
        '"pass": "S3cr3t"': "S3cr3t",
        "redis-server --requirepass S3cr3t": "S3cr3t",
        "mysql -h db -pS3cr3t": "S3cr3t",
        "curl -u me:S3cr3t http://shop": "S3cr3t",
        "AUTH me S3cr3t": "S3cr3t",
        "Authorization: Token S3cr3tS3cr3t": "S3cr3t",
        "Authorization: ApiKey S3cr3tS3cr3t": "S3cr3t",
        '{"name":"DB_PASSWORD","value":"S3cr3t"}': "S3cr3t",
        "<password>S3cr3t</password>": "S3cr3t",
        "redis://:a/S3cr3t@cache": "S3cr3t",
        "https://me:p@S3cr3t@host/x": "S3cr3t",
        "https://S3cr3tS3cr3tS3cr3t@host/x": "S3cr3t",
        "password=abc,S3cr3t;def": "S3cr3t",
        "github_pat_" + "0123456789abcdefghijklmnop": "0123456789abc",
    }
)
PLAIN = [
    "token count: 5 items left",
    "-redis-password-file=/redis/password",
    "password=$REDIS_PASSWORD",
    "password: {{ vaulted }}",
    "no password given",
    "GET /login?next=/home HTTP/1.1",
    "http://shop:8080/path",
    'secret "web-tls" not found',
    "bearer of bad news",
    "--authorization-mode=Node,RBAC",
    "use_token=false",
    "; COOKIE: 0123456789abcdef01000000 (good)",
    "(the end) of a sentence",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_taken_out_and_counted(text: str) -> None:
    redactor = Redactor()
    redacted = redactor.text(text)
    assert SECRETS[text] not in redacted
    assert HIDDEN in redacted
    assert sum(redactor.counts.values()) == 1, redactor.counts


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    redactor = Redactor()
    assert redactor.text(text) == text
    assert not redactor.counts


@pytest.mark.parametrize("text", SECRETS)
def test_a_second_pass_finds_nothing_more(text: str) -> None:
    once = Redactor().text(text)
    again = Redactor()
    assert again.text(once) == once
    assert not again.counts


def test_a_variable_is_judged_by_its_name_too() -> None:
    redactor = Redactor()
    assert redactor.variable("DB_PASS", "plain words") == HIDDEN
    assert redactor.variable("SENTRY_DSN", "plain words") == HIDDEN
    assert redactor.variable("LOG_LEVEL", "info") == "info"
    assert redactor.variable("DATABASE_URL", "postgres://a:b@c/d") == f"postgres://a:{HIDDEN}@c/d"


@pytest.mark.parametrize(
    "text",
    [
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n" * 7_000,
        "a" * 250_000,
        "-" * 250_000,
        "a.b-" * 60_000,
        "x://" * 60_000,
        '"' * 250_000,
    ],
    ids=["base64", "one word", "dashes", "dots", "schemes", "quotes"],
)
def test_a_long_text_takes_no_time_of_its_own(text: str) -> None:
    # Would take hours if a rule went back over what it has read.
    assert Redactor().text(text) == text


def test_half_a_secret_is_taken_out_before_a_text_is_shortened() -> None:
    assert "S3cr3t" not in Redactor().text('password="S3cr3t that is cut')
