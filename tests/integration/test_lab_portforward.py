# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to a Redis in a pod through the real API server and kubelet."""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator

import kubernetes
import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.portforward import (
    PortForwardFailed,
    connect_to_pod,
)
from lab.place import NAMESPACE
from support.lab import Lab
from support.processes import wait_until

pytestmark = pytest.mark.lab
POD = "redis-primary-0"
PORT = 6379


@pytest.fixture(scope="module")
def lab(breakable_lab: Lab) -> Lab:
    return breakable_lab


@pytest.fixture
def client(lab: Lab) -> Iterator[kubernetes.client.ApiClient]:
    with kubernetes.config.new_client_from_config(str(lab.state / "kubeconfig")) as client:
        yield client


@pytest.fixture
def redis(lab: Lab, client: kubernetes.client.ApiClient) -> Iterator[socket.socket]:
    """Return a connection to the Redis of the platform that has logged in."""
    password = base64.b64decode(lab.get("secret", "redis", "-n", NAMESPACE)["data"]["password"])
    with connect_to_pod(client, NAMESPACE, POD, PORT, 10) as connection:
        connection.settimeout(30)
        connection.sendall(b"AUTH %b\r\n" % password)
        assert receive(connection, 5) == b"+OK\r\n"
        yield connection


def receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError(f"the connection ended after {len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def bulk(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


def test_every_byte_arrives(redis: socket.socket) -> None:
    value = random.Random(1).randbytes(3_000_001)
    redis.sendall(b"*2\r\n" + bulk(b"ECHO") + bulk(value))
    assert receive(redis, len(bulk(value))) == bulk(value)


def test_requests_and_replies_larger_than_all_buffers_do_not_block_each_other(redis: socket.socket) -> None:
    """Nobody reads a reply before the last request is out."""
    value = b"x" * 1_000
    one = b"*2\r\n" + bulk(b"ECHO") + bulk(value)
    replies = len(bulk(value)) * 20_000
    sending = threading.Thread(target=redis.sendall, args=(one * 20_000,))
    sending.start()
    assert receive(redis, replies) == bulk(value) * 20_000
    sending.join(10)
    assert not sending.is_alive()


def test_descriptors_above_1023_work(client: kubernetes.client.ApiClient) -> None:
    with socket.socket() as some:
        many = [os.dup(some.fileno()) for _number in range(1_100)]
        try:
            with connect_to_pod(client, NAMESPACE, POD, PORT, 10) as connection:
                assert connection.fileno() > 1_023
                connection.settimeout(10)
                connection.sendall(b"PING\r\n")
                assert receive(connection, 7) == b"-NOAUTH"
        finally:
            for descriptor in many:
                os.close(descriptor)


def test_no_thread_outlives_its_connection(client: kubernetes.client.ApiClient) -> None:
    def pumps() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("port-forward")]

    # Those of other tests may be on their way out.
    wait_until(lambda: not pumps(), 10, "other threads to end")
    connections = [connect_to_pod(client, NAMESPACE, POD, PORT, 10) for _number in range(3)]
    assert len(pumps()) == 3
    for connection in connections:
        connection.close()
    wait_until(lambda: not pumps(), 10, "the threads to end")


def test_a_port_where_nobody_listens_ends_the_connection(client: kubernetes.client.ApiClient) -> None:
    with connect_to_pod(client, NAMESPACE, POD, 1, 10) as connection:
        connection.settimeout(10)
        assert connection.recv(1) == b""


def test_an_api_server_that_dies_ends_the_connection(lab: Lab, redis: socket.socket) -> None:
    os.kill(lab.pid("kube-apiserver"), signal.SIGKILL)
    assert redis.recv(1) == b""
    lab.run("up")


@pytest.mark.parametrize(
    ("namespace", "pod", "words"),
    [(NAMESPACE, "nonsense", "there is no such pod"), ("nowhere", POD, "there is no such pod")],
)
def test_what_is_not_there_is_one_sentence(
    client: kubernetes.client.ApiClient, namespace: str, pod: str, words: str
) -> None:
    with pytest.raises(PortForwardFailed, match=words):
        connect_to_pod(client, namespace, pod, PORT, 10)


def test_a_missing_right_is_named(lab: Lab, client: kubernetes.client.ApiClient) -> None:
    client.configuration.cert_file = client.configuration.key_file = None
    token = lab.run("kubectl", "create", "token", "runbooks", "-n", NAMESPACE).strip()
    # The key's name depends on the version of the client.
    client.configuration.api_key = dict.fromkeys(("BearerToken", "authorization"), f"Bearer {token}")
    with pytest.raises(PortForwardFailed, match="grant the right to create and get pods/portforward"):
        connect_to_pod(client, NAMESPACE, POD, PORT, 10)


def test_an_api_server_that_is_not_there_is_one_sentence(client: kubernetes.client.ApiClient) -> None:
    client.configuration.host = "https://127.0.0.1:1"
    with pytest.raises(PortForwardFailed, match="check the API server's address"):
        connect_to_pod(client, NAMESPACE, POD, PORT, 5)
