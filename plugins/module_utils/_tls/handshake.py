# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate a server shows, whoever trusts it. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import typing as t
from dataclasses import dataclass

from .._errors import RunbookError, as_clause
from .certificate import Certificate, parse_der

# What a server says that was talked to in another protocol, or that talks in another one.
_OTHER_PROTOCOL = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH")
# X509_V_FLAG_PARTIAL_CHAIN, which has a name since Python 3.10: whoever is trusted need not be a root.
_PARTIAL_CHAIN = 0x80000


class HandshakeFailed(RunbookError):
    """The server shows no certificate; the message is a part of a sentence."""


class NotTrusted(HandshakeFailed):
    """A client refuses what the server shows; ``code`` is OpenSSL's number of the reason (X509_V_ERR_*)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class SpeaksNoTls(HandshakeFailed):
    """Something answers, but not in TLS."""


@dataclass(frozen=True)
class Handshake:
    """What a server shows: its certificate, and the chain as it sent it, which begins with that one.

    ``tls_version`` is as in ``TLSv1.3``, empty if a server that demands a certificate of its clients sent us away.
    """

    leaf: Certificate
    chain: tuple[Certificate, ...]
    tls_version: str


def dial(host: str, port: int, server_name: str, timeout: float) -> Handshake:
    """Return what the server at an address shows; raise HandshakeFailed, or Unparsable for what it shows."""
    return handshake(_connect(host, port, timeout), server_name, timeout)


def verify(host: str, port: int, server_name: str, timeout: float, authorities: str = "") -> None:
    """Connect as a client that verifies the chain; return if it accepts what the server shows.

    ``authorities`` are those that it trusts, in PEM; without any, those of this system. Names are not compared. Raises
    NotTrusted, or HandshakeFailed where it did not come to that.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= _PARTIAL_CHAIN
    if authorities:
        context.load_verify_locations(cadata=authorities)
    else:
        context.load_default_certs()
        places = ssl.get_default_verify_paths()
        if not context.get_ca_certs() and not places.capath:
            raise HandshakeFailed("this system has no authorities to verify with")
    connection = _connect(host, port, timeout)
    with (
        contextlib.closing(connection),
        contextlib.closing(_wrapped(context, connection, server_name, timeout)) as secured,
    ):
        _shown(secured)


def system_authorities() -> list[str]:
    """Return those that this system trusts, in PEM, as far as they can be listed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return [ssl.DER_cert_to_PEM_cert(each) for each in context.get_ca_certs(binary_form=True)]


def _connect(host: str, port: int, timeout: float) -> socket.socket:
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as exc:
        raise HandshakeFailed(f"{host}:{port} cannot be reached ({as_clause(_reason(exc))})") from exc


def handshake(connection: socket.socket, server_name: str, timeout: float) -> Handshake:
    """Return what the server at the other end of a connection shows, and close the connection.

    ``server_name`` is the name that is asked for (SNI), if it is not empty; ``timeout`` are the seconds for each
    answer. Nothing is verified. Raises HandshakeFailed, or Unparsable for what it shows.
    """
    with (
        contextlib.closing(connection),
        contextlib.closing(_wrapped(_context(), connection, server_name, timeout)) as secured,
    ):
        shown, version = _shown(secured)
    chain = tuple(parse_der(each) for each in shown)
    return Handshake(chain[0], chain, version)


def _wrapped(context: ssl.SSLContext, connection: socket.socket, server_name: str, timeout: float) -> ssl.SSLSocket:
    connection.settimeout(timeout)
    try:
        return context.wrap_socket(connection, server_hostname=server_name or None, do_handshake_on_connect=False)
    # A name that is not a host name, such as one with an empty label.
    except (ValueError, OSError) as exc:
        raise HandshakeFailed(f"the connection cannot be used ({as_clause(_reason(exc))})") from exc


def _shown(secured: ssl.SSLSocket) -> tuple[list[bytes], str]:
    try:
        secured.do_handshake()
    except ssl.SSLCertVerificationError as exc:
        raise NotTrusted(exc.verify_message, exc.verify_code) from exc
    except ssl.SSLError as exc:
        # One that demands a certificate of its clients shows its own first, and has proven to hold the key by then.
        shown = _chain(secured) if "ALERT" in (exc.reason or "") else []
        if shown:
            return shown, ""
        if any(word in (exc.reason or "") for word in _OTHER_PROTOCOL):
            raise SpeaksNoTls("it speaks no TLS") from exc
        if isinstance(exc, ssl.SSLEOFError):
            raise HandshakeFailed("the connection ends instead of an answer") from exc
        raise HandshakeFailed(f"the handshake fails ({as_clause(_reason(exc))})") from exc
    except socket.timeout as exc:
        raise HandshakeFailed("it does not answer") from exc
    except OSError as exc:
        raise HandshakeFailed(f"the connection ends instead of an answer ({as_clause(_reason(exc))})") from exc
    shown = _chain(secured)
    if not shown:
        raise HandshakeFailed("it shows no certificate")
    return shown, secured.version() or ""


def _chain(secured: ssl.SSLSocket) -> list[bytes]:
    """Return the chain in DER; before Python 3.10, only the leaf can be had."""
    # Public since Python 3.13; before, its own object below has it.
    for place in (secured, getattr(secured, "_sslobj", None)):
        unverified: t.Callable[[], t.Any] | None = getattr(place, "get_unverified_chain", None)
        if unverified is not None:
            return [each if isinstance(each, bytes) else _der(each) for each in unverified() or []]
    with contextlib.suppress(ValueError):
        leaf = secured.getpeercert(binary_form=True)
        return [leaf] if leaf else []
    return []


def _der(certificate: t.Any) -> bytes:
    # As ``_ssl.ENCODING_DER``; its other form is text.
    found = certificate.public_bytes(2)
    return found if isinstance(found, bytes) else ssl.PEM_cert_to_DER_cert(found)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # What is served is to be seen, however old it is.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _reason(exc: BaseException) -> str:
    if isinstance(exc, ssl.SSLError) and exc.reason:
        return exc.reason.replace("_", " ").lower()
    return str(getattr(exc, "strerror", None) or exc)
