# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness itself: what the other tests conclude is worth no more than what it sees."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import support.ansible
from support import dataset
from support.ansible import run_module, run_playbook, start_module, start_playbook
from support.dataset import PREFIX, awkward_names, diff, fill, fill_all_types, restore_states, snapshot
from support.probe import LatencyProbe
from support.processes import wait_until
from support.proxy import Gate, Proxy
from support.resp import Damaged, commands, records, replay
from support.servers import RedisServer, wait_for_replica
from support.writer import Writer

Servers = Callable[..., RedisServer]

# -- servers ---------------------------------------------------------------------------------------------------------


def test_write_commands_are_told_from_reads(any_redis: RedisServer) -> None:
    client = any_redis.client()
    client.get("a")
    client.execute_command("DEBUG", "DIGEST-VALUE", "a")
    client.scan()
    client.eval("return redis.call('EXISTS', KEYS[1])", 1, "a")
    assert any_redis.write_commands_called() == []
    client.eval("return redis.call('SET', KEYS[1], 1)", 1, "a")
    client.unlink("nothing")
    assert any_redis.write_commands_called() == ["set", "unlink"]


def test_a_refused_write_counts_as_asked_for(fresh_redis: Servers) -> None:
    server = fresh_redis(users=["alice on >secret ~* +@read"])
    with pytest.raises(redis.exceptions.NoPermissionError):
        server.client(username="alice", password="secret").set("a", 1)
    assert server.write_commands_called() == ["set"]


def test_reset_leaves_nothing_of_a_test(any_redis: RedisServer) -> None:
    client = any_redis.client()
    client.set("a", 1)
    client.config_set("maxmemory", "20mb")
    client.execute_command("ACL", "SETUSER", "bob", "on")
    sha = client.script_load("return 1")
    client.execute_command("ACL", "SETUSER", "default", "-@all", "+ping")
    any_redis.reset()
    client = any_redis.client()
    assert client.dbsize() == 0
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.script_exists(sha) == [False]
    assert "bob" not in str(client.acl_list())


def test_reachable_over_its_socket_and_with_its_own_settings(any_redis: RedisServer, fresh_redis: Servers) -> None:
    server = fresh_redis(any_redis.flavour, requirepass="secret", maxmemory="33mb")
    client = redis.Redis(unix_socket_path=server.socket_path, password="secret", protocol=2)
    assert client.config_get("maxmemory") == {"maxmemory": str(33 << 20)}
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis.from_url(server.unix_url, protocol=2).ping()


def test_tls_with_a_certificate_demanded_from_the_client(fresh_redis: Servers) -> None:
    server = fresh_redis("redis-7.0", tls=True, tls_auth_clients="yes")
    assert server.certificates is not None
    trusting = {"protocol": 2, "ssl_ca_certs": str(server.certificates.ca_cert), "retry": Retry(NoBackoff(), 0)}
    shown = {"ssl_certfile": server.certificates.client_cert, "ssl_keyfile": server.certificates.client_key}
    assert redis.Redis.from_url(server.tls_url, **trusting, **shown).ping()
    with pytest.raises(redis.exceptions.ConnectionError):
        redis.Redis.from_url(server.tls_url, **trusting).ping()
    with pytest.raises(redis.exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        redis.Redis.from_url(server.tls_url, protocol=2, retry=Retry(NoBackoff(), 0), **shown).ping()


def test_a_replica_follows_its_primary(fresh_redis: Servers) -> None:
    primary = fresh_redis(requirepass="secret")
    primary.client().set("a", 1)
    replica = fresh_redis(replicaof=primary)
    wait_for_replica(replica)
    assert replica.client().get("a") == b"1"
    with pytest.raises(redis.exceptions.ReadOnlyError):
        replica.client().set("a", 2)


def test_a_server_ends_with_its_test_run(tmp_path: Path) -> None:
    code = (
        "from support.servers import RedisServer; import os; print(RedisServer().start().pid, flush=True); os._exit(1)"
    )
    tests = Path(support.ansible.ROOT, "tests")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tests, env=environment, capture_output=True, check=False)
    pid = int(done.stdout)
    wait_until(lambda: not _alive(pid), 10, "the end of the orphaned server")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# -- data ------------------------------------------------------------------------------------------------------------


def test_fill(any_redis: RedisServer) -> None:
    client = any_redis.client()
    fill(client, 10_000, ttl_share=0.25, value_bytes=50)
    keyspace = client.info("keyspace")["db0"]
    assert keyspace["keys"] == 10_000
    assert 2_300 < keyspace["expires"] < 2_700
    assert client.strlen(PREFIX + b"9999") == 50


def test_fill_stops_at_a_refused_key(redis70: RedisServer) -> None:
    redis70.client().config_set("maxmemory", "1")
    with pytest.raises(RuntimeError, match="OOM"):
        fill(redis70.client(), 10)


# What a server can hold that others cannot.
NEWER = {"redis-8.0": {"hash-field-expiry", "vector-set"}, "valkey-9.1": {"hash-field-expiry"}}


def test_all_types_survive_dump_and_restore(every_redis: RedisServer, fresh_redis: Servers) -> None:
    client, other = every_redis.client(), fresh_redis(every_redis.flavour).client()
    keys = fill_all_types(client, n=100)
    newer = NEWER.get(every_redis.flavour, set())
    assert newer == dataset.NEEDED.keys() & set(dataset.kinds(client))
    types = {b"string", b"list", b"set", b"zset", b"hash", b"stream"} | (
        {b"vectorset"} if "vector-set" in newer else set()
    )
    assert {client.type(key) for key in keys} == types
    before = snapshot(client, PREFIX + b"*")
    assert sorted(before) == sorted(keys)
    assert 0 < sum(state.expire_at > 0 for state in before.values()) < len(keys)
    restore_states(other, ((key, client.dump(key), before[key].expire_at) for key in keys))
    assert diff(before, snapshot(other), expiry_tolerance_ms=0) == []


CHANGES = {
    "string": lambda c, k: c.append(k, "x"),
    "bitmap": lambda c, k: c.setbit(k, 20_001, 1),
    "hyperloglog": lambda c, k: c.pfadd(k, "new"),
    "list-quicklist": lambda c, k: c.lset(k, 100, "new"),
    "set-intset": lambda c, k: c.sadd(k, 7),
    "zset-skiplist": lambda c, k: c.zincrby(k, 1e-6, c.zrange(k, 0, 0)[0]),
    "hash-hashtable": lambda c, k: c.hset(k, c.hkeys(k)[0], "new"),
    "stream": lambda c, k: c.xadd(k, {"a": 1}),
    "stream-groups": lambda c, k: c.xack(k, "workers", "1000-1"),
    "hash-field-expiry": lambda c, k: c.execute_command("HPERSIST", k, "FIELDS", 1, "f1"),
    "vector-set": lambda c, k: c.execute_command("VSETATTR", k, c.execute_command("VRANDMEMBER", k), ""),
}


def test_every_change_shows(every_redis: RedisServer) -> None:
    client = every_redis.client()
    here = dataset.kinds(client)
    keys = dict(zip(here, fill_all_types(client, n=len(here))))
    before = snapshot(client)
    for kind, change in CHANGES.items():
        if kind in keys:
            change(client, keys[kind])
    client.delete(keys["string-int"])
    client.set("new", 1)
    client.pexpire(keys["string-empty"], 1_000_000)
    found = {(item.key, item.what) for item in diff(before, snapshot(client))}
    assert found == {(keys[kind], "value") for kind in CHANGES if kind in keys} | {
        (keys["string-int"], "missing"),
        (b"new", "added"),
        (keys["string-empty"], "expiry"),
    }


def test_the_smallest_change_of_an_expiry_shows(any_redis: RedisServer) -> None:
    client = any_redis.client()
    moment = int(time.time() * 1000) + 1_000_000
    client.set("a", 1, pxat=moment)
    before = snapshot(client, [b"a", b"no such key"])
    assert before[b"a"].expire_at == moment
    assert list(before) == [b"a"]
    client.pexpireat("a", moment + 1)
    assert diff(before, snapshot(client)) == []
    client.pexpireat("a", moment + 2)
    assert [item.what for item in diff(before, snapshot(client))] == ["expiry"]
    client.persist("a")
    assert [item.what for item in diff(before, snapshot(client), expiry_tolerance_ms=1 << 50)] == ["expiry"]


def test_awkward_names_are_keys_of_their_own(redis70: RedisServer) -> None:
    names, client = awkward_names(), redis70.client()
    for number, name in enumerate(names):
        client.set(name, number)
    assert [int(client.get(name)) for name in names] == list(range(len(names)))
    assert set(client.scan_iter(match=PREFIX + b"*")) == set(names)


# -- proxy -----------------------------------------------------------------------------------------------------------


def _through(proxy: Proxy, **options: float) -> redis.Redis:
    client = redis.Redis(port=proxy.port, protocol=2, retry=Retry(NoBackoff(), 0), **options)
    client.ping()
    return client


def _count_to_100(client: redis.Redis) -> list[int]:
    pipe = client.pipeline(transaction=False)
    for _step in range(100):
        pipe.incr("n")
    return list(pipe.execute())


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("rule", "executed"),
    [
        ({"match": b"INCR", "occurrence": 50}, 49),
        ({"match": b"INCR", "occurrence": 50, "reply": "lost"}, 100),
        # redis-py sends INCRBY n 1, 30 bytes: the cut is inside the third
        ({"after_bytes": 75}, 2),
        ({"after_bytes": 50, "direction": "reply"}, 100),
    ],
)
def test_a_cut_executes_what_it_says(redis70: RedisServer, rule: dict[str, object], executed: int, reset: bool) -> None:
    with Proxy(redis70.port) as proxy:
        client = _through(proxy)
        fault = proxy.cut(**rule, reset=reset)
        with pytest.raises(redis.exceptions.ConnectionError):
            _count_to_100(client)
        assert fault.fired
        wait_until(lambda: proxy.open_connections == 0, 10, "the end of the cut connection")
        assert int(redis70.client().get("n")) == executed
        # it strikes once
        assert _count_to_100(client)[-1] == executed + 100
        assert proxy.connections == 2


def test_a_match_is_found_across_pieces_and_counted_once(redis70: RedisServer) -> None:
    with Proxy(redis70.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as raw:
        fault = proxy.cut(match=b"needle", occurrence=2)
        for piece in (b"PING need", b"needle\r\n", b"PING nee"):
            raw.sendall(piece)
            time.sleep(0.02)
        assert raw.recv(100) == b"$10\r\nneedneedle\r\n"
        assert not fault.fired
        raw.sendall(b"dle\r\n")
        fault.wait(10)
        assert raw.recv(100) == b""


def test_stalled_refused_and_dropped(redis70: RedisServer) -> None:
    with Proxy(redis70.port) as proxy:
        client = _through(proxy, socket_timeout=0.2)
        fault = proxy.stall(match=b"GET")
        with pytest.raises(redis.exceptions.TimeoutError):
            client.get("a")
        fault.wait(1)
        client = _through(proxy)
        proxy.refuse()
        client.ping()
        with pytest.raises(redis.exceptions.ConnectionError, match="refused"):
            _through(proxy)
        proxy.drop()
        with pytest.raises(redis.exceptions.ConnectionError):
            client.ping()
        proxy.accept()
        _through(proxy)
        proxy.delay = 0.05
        start = time.monotonic()
        client.ping()
        assert time.monotonic() - start >= 0.1


def test_a_gate_holds_all_requests_of_its_proxies_from_one_on(redis70: RedisServer) -> None:
    with Proxy(redis70.port) as one, Proxy(redis70.port) as other:
        clients = [_through(proxy, socket_timeout=0.2) for proxy in (one, other)]
        one.gate = other.gate = gate = Gate(lambda request: b"GET" in request)
        assert all(client.ping() for client in clients)
        assert not gate.reached
        with pytest.raises(redis.exceptions.TimeoutError):
            clients[0].get("a")
        gate.wait(1)
        with pytest.raises(redis.exceptions.TimeoutError):
            clients[1].set("a", "held")
        assert redis70.client().get("a") is None
        gate.open()
        wait_until(lambda: redis70.client().get("a") == b"held", 10, "the request that was held")
        assert _through(one).get("a") == b"held"


# -- writer ----------------------------------------------------------------------------------------------------------


def test_the_writer_knows_what_it_wrote(any_redis: RedisServer, fresh_redis: Servers) -> None:
    client, scratch = any_redis.client(), fresh_redis(any_redis.flavour).client()
    keys = fill_all_types(client, n=300)
    client.set("neighbour", 1)
    before = snapshot(client, PREFIX + b"*")
    # what a flush does, one key at a time and not to be interrupted
    flush = client.register_script(
        "local saved = redis.call('DUMP', KEYS[1]) if not saved then return false end"
        f" local at = {dataset.expire_at_expression(client)} redis.call('UNLINK', KEYS[1]) return {{saved, at}}"
    )
    saved = {}
    with Writer(any_redis, rate=0, seed=3) as writer:
        wait_until(lambda: writer.read().writes > 300, 60, "300 writes")
        for key in keys[::2]:
            answer = flush(keys=[key])
            if answer:
                saved[key] = answer
        flushed = writer.read().writes
        wait_until(lambda: writer.read().writes > flushed + 300, 60, "300 more writes")
        log = writer.stop()
    expected = log.expected(before, scratch)
    scratch.flushall()
    restore_states(scratch, ((key, payload, at) for key, (payload, at) in saved.items()))
    live, restored = snapshot(client, PREFIX + b"*"), snapshot(scratch)
    assert log.uncertain == set()
    assert diff(expected, {**restored, **live}, expiry_tolerance_ms=0) == []
    assert len({state.op for state in log.last.values()}) > 10
    assert any(key.startswith(PREFIX + b"writer:") for key in log.last)
    # the comparison can fail: some keys were written again after they had been flushed, most had changed before
    assert diff(expected, {**live, **restored})
    assert diff(before, {**restored, **live})
    assert client.get("neighbour") == b"1"


def test_the_writer_names_the_write_that_was_not_answered(fresh_redis: Servers) -> None:
    server = fresh_redis()
    fill_all_types(server.client(), n=50)
    with Writer(server, rate=0) as writer:
        server.kill()
        wait_until(lambda: bool(writer.read().uncertain), 60, "a write without an answer")
        log = writer.stop()
    assert log.uncertain
    assert log.writes


# -- probe -----------------------------------------------------------------------------------------------------------


def test_the_probe_feels_a_stall_and_nothing_else(any_redis: RedisServer) -> None:
    client = any_redis.client()
    with LatencyProbe(any_redis) as probe:
        start = probe.now()
        client.execute_command("DEBUG", "SLEEP", "0.3")
        stalled = probe.since(start)
        quiet = probe.measure(0.3)
    assert stalled.max_ms >= 250
    assert quiet.max_ms < 250
    assert quiet.requests > 50
    assert 0 < quiet.p50_ms <= quiet.p99_ms <= quiet.max_ms


# -- playbooks and modules -------------------------------------------------------------------------------------------

SAMPLE = """
import os, time
from ansible.module_utils.basic import AnsibleModule
def main():
    module = AnsibleModule({"folder": {"type": "path"}, "seconds": {"type": "float", "default": 0},
                            "size": {"type": "int", "default": 0}}, supports_check_mode=True)
    def note(name):
        with open(os.path.join(module.params["folder"], name), "w") as handle:
            handle.write("x" * module.params["size"])
    try:
        note("begun")
    except OSError as error:
        module.fail_json(msg=str(error))
    time.sleep(module.params["seconds"])
    note("ended")
    module.exit_json(changed=True, check=module.check_mode, home=os.environ["HOME"], pwd=os.environ["PWD"])
if __name__ == "__main__":
    main()
"""

PLAYBOOK = """
- name: Sample
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Sample
      sample:
        folder: "{{ folder }}"
        seconds: "{{ seconds | default(0) }}"
    - name: Publish
      ansible.builtin.set_stats:
        data:
          kind: "{{ seconds | default(0) | type_debug }}"
"""


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    """Return a playbook with a module beside it."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "sample.py").write_text("#!/usr/bin/python\n" + SAMPLE)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    return tmp_path / "play.yml"


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module in a collection that stands in for ours."""
    modules = tmp_path / "ansible_collections" / "market_intel" / "runbooks" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (modules / "sample.py").write_text(SAMPLE)
    monkeypatch.setattr(support.ansible, "COLLECTIONS_PATH", tmp_path)
    return "sample"


def test_a_playbook_run_tells_all(playbook: Path, tmp_path: Path) -> None:
    result = run_playbook(playbook, [f"folder={tmp_path}", "seconds=0"], cwd=tmp_path, check=True)
    assert result.rc == 0, result.output
    task = result.one("sample")
    assert task.changed and task.result["check"] and task.result["pwd"] == str(tmp_path)
    assert task.result["home"].startswith(str(tmp_path))
    assert result.changed == 1 and result.failures == []
    assert result.custom_stats == {"_run": {"kind": "str"}}
    assert "changed=1" in result.stdout


def test_a_failed_task_is_told(playbook: Path, tmp_path: Path) -> None:
    result = run_playbook(playbook, {"folder": str(tmp_path / "missing")}, cwd=tmp_path)
    assert result.rc == 2
    assert "No such file" in result.failures[0].msg


def _wait_for(path: Path) -> None:
    wait_until(path.exists, 60, path.name)


def test_killing_the_controller_leaves_the_module(playbook: Path, tmp_path: Path) -> None:
    with start_playbook(playbook, {"folder": str(tmp_path), "seconds": 1}, cwd=tmp_path) as run:
        module = run.module_pid("sample")
        _wait_for(tmp_path / "begun")
        run.kill_controller()
        assert _alive(module)
        run.wait_gone()
        assert (tmp_path / "ended").exists()
        assert run.wait().rc == -signal.SIGKILL


def test_killing_the_module_leaves_the_controller(playbook: Path, tmp_path: Path) -> None:
    with start_playbook(playbook, {"folder": str(tmp_path), "seconds": 60}, cwd=tmp_path) as run:
        _wait_for(tmp_path / "begun")
        run.kill_module("sample")
        result = run.wait()
    assert result.rc == 2
    assert [task.action for task in result.failures] == ["sample"]
    assert not (tmp_path / "ended").exists()


@pytest.mark.parametrize("how", ["kill_tree", "interrupt", "close"])
def test_ending_the_whole_run(playbook: Path, tmp_path: Path, how: str) -> None:
    with start_playbook(playbook, {"folder": str(tmp_path), "seconds": 60}, cwd=tmp_path) as run:
        module = run.module_pid("sample")
        _wait_for(tmp_path / "begun")
        getattr(run, how)()
        run.wait_rc(30)
        run.wait_gone(30)
        assert not _alive(module)
        assert not (tmp_path / "ended").exists()


def test_a_module_alone(sample: str, tmp_path: Path) -> None:
    result = run_module(sample, {"folder": str(tmp_path)}, check=True)
    assert result["changed"] and result["check"]
    assert run_module(sample, {"fold": 1})["failed"]


def test_a_module_alone_under_limits_and_signals(sample: str, tmp_path: Path) -> None:
    size = 50 << 20
    with start_module(sample, {"folder": str(tmp_path), "size": size}) as run:
        outcome = run.wait()
    assert outcome.rc == 0 and outcome.peak_rss is not None and size < outcome.peak_rss < 4 * size
    limited = run_module(sample, {"folder": str(tmp_path), "size": size}, limits={resource.RLIMIT_FSIZE: 1 << 20})
    assert limited["failed"] and "File too large" in limited["msg"]
    os.unlink(tmp_path / "begun")
    with start_module(sample, {"folder": str(tmp_path), "seconds": 60}) as run:
        _wait_for(tmp_path / "begun")
        run.signal(signal.SIGTERM)
        outcome = run.wait()
    assert (outcome.rc, outcome.result) == (-signal.SIGTERM, {})


# -- backups ---------------------------------------------------------------------------------------------------------


def _restore_commands(client: redis.Redis, before: dataset.Snapshot) -> list[bytes]:
    packed = []
    for key, state in before.items():
        words = [b"RESTORE", key, b"%d" % max(state.expire_at, 0), client.dump(key), b"ABSTTL"]
        packed.append(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    return packed


def test_backup_files_are_read_and_replayed(any_redis: RedisServer, fresh_redis: Servers, tmp_path: Path) -> None:
    client, other = any_redis.client(), fresh_redis(any_redis.flavour, requirepass="secret")
    fill_all_types(client, n=60)
    for name in awkward_names():
        client.set(name, b"value\r\n")
    before = snapshot(client)
    packed = _restore_commands(client, before)
    files = [tmp_path / "1.gz", tmp_path / "2.gz"]
    files[0].write_bytes(b"".join(gzip.compress(command) for command in packed[::2]))
    files[1].write_bytes(gzip.compress(b"".join(packed[1::2])))
    read = records(files)
    assert {key: (record.payload, record.expire_at or -1) for key, record in read.items()} == {
        key: (client.dump(key), state.expire_at) for key, state in before.items()
    }
    assert {record.options for record in read.values()} == {(b"ABSTTL",)}
    done = replay(files, other)
    assert (done.replies, done.errors) == (len(before), 0)
    assert diff(before, snapshot(other.client())) == []
    again = replay(files[:1], other)
    assert again.errors == again.said["BUSYKEY Target key name already exists."] == len(packed[::2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + gzip.compress(b"*1\r\n$4\r\nPIN"),
        lambda data: data + gzip.compress(b"PING\r\n"),
        lambda data: data[:-8] + b"\0" * 8,
    ],
)
def test_a_damaged_backup_is_not_read(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "1.gz"
    whole = gzip.compress(b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n")
    path.write_bytes(whole)
    assert list(commands([path])) == [[b"ECHO", b"abc"]]
    path.write_bytes(damage(whole))
    with pytest.raises(Damaged, match=r"1\.gz"):
        list(commands([path]))
