# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of a server's certificate, whatever the server makes of us."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.handshake import (
    HandshakeFailed,
    SpeaksNoTls,
    dial,
)
from support.issued import Issued, issue

CHAIN_IS_SEEN = sys.version_info >= (3, 10)


@pytest.fixture(scope="module")
def pair() -> tuple[Issued, Issued]:
    authority = issue("authority", ca=True)
    return issue("web.example.com", signer=authority), authority


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yield the port of a server that treats one connection so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            connection, _address = listener.accept()
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("demanding", [False, True], ids=["anybody", "only known clients"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_leaf_and_chain_are_seen(
    pair: tuple[Issued, Issued], tmp_path: Path, version: ssl.TLSVersion, demanding: bool
) -> None:
    leaf, authority = pair
    (tmp_path / "chain.pem").write_text(leaf.pem + authority.pem)
    (tmp_path / "key.pem").write_text(leaf.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    context.minimum_version = context.maximum_version = version
    if demanding:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    with listening(serve) as port:
        shown = dial("127.0.0.1", port, "web.example.com", 5)
    assert shown.leaf.fingerprint == hashlib.sha256(leaf.certificate.public_bytes(Encoding.DER)).hexdigest()
    assert [each.subject for each in shown.chain] == ["CN=web.example.com", "CN=authority"][: 2 if CHAIN_IS_SEEN else 1]
    if version == ssl.TLSVersion.TLSv1_3:
        assert shown.tls_version == "TLSv1.3"
    else:
        assert shown.tls_version == ("" if demanding else "TLSv1.2")
    assert asked == ["web.example.com"]


def plain(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


OTHERS: dict[str, tuple[Callable[[socket.socket], None], type[Exception], str]] = {
    "plain HTTP": (plain, SpeaksNoTls, "speaks no TLS"),
    "says nothing": (silent, HandshakeFailed, "does not answer"),
    "hangs up": (lambda connection: None, HandshakeFailed, "ends instead of an answer"),
}


@pytest.mark.parametrize(("serve", "error", "words"), OTHERS.values(), ids=OTHERS)
def test_what_shows_no_certificate_says_why(
    serve: Callable[[socket.socket], None], error: type[Exception], words: str
) -> None:
    with listening(serve) as port, pytest.raises(error, match=words):
        dial("127.0.0.1", port, "", 0.5)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HandshakeFailed, match=f"127.0.0.1:{port} cannot be reached"):
        dial("127.0.0.1", port, "", 1)
