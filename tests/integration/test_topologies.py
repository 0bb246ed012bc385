# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness of failovers itself: what the other tests conclude is worth no more than what it sees."""

from __future__ import annotations

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, AuthenticationError, MovedError
from redis.retry import Retry

from support.cluster import SLOTS, RedisCluster
from support.dataset import awkward_names
from support.processes import wait_until
from support.sentinel import SentinelSet
from support.sequences import PREFIX, SequenceLog, SequenceWriter, lost, read_sequences, sequence_of

# -- Sentinel --------------------------------------------------------------------------------------------------------


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(sentinels: SentinelSet) -> None:
    sentinels.client().set("a", 1)
    killed = sentinels.kill_primary()
    promoted = sentinels.primary()
    sentinels.revive(killed)
    sentinels.wait_healthy()
    assert sentinels.primary() is promoted is not killed
    assert killed in sentinels.replicas()
    assert [server.client().get("a") for server in sentinels.servers] == [b"1"] * 3


def test_an_orderly_failover_leaves_the_old_primary_alive(sentinels: SentinelSet) -> None:
    old = sentinels.primary()
    new = sentinels.fail_over()
    assert new is not old and old.running
    sentinels.wait_healthy()
    assert sentinels.primary() is new


def test_reset_revives_everybody_and_leaves_no_key(sentinels: SentinelSet) -> None:
    client = sentinels.client()
    client.set("a", 1)
    client.config_set("maxmemory", "20mb")
    sentinels.kill_sentinel(0)
    for server in sentinels.servers:
        server.kill()
    sentinels.reset()
    assert [server.client().dbsize() for server in sentinels.servers] == [0] * 3
    assert sentinels.client().config_get("maxmemory") == {"maxmemory": "0"}
    assert sentinels.write_commands_called() == []


def test_passwords_of_servers_and_sentinels() -> None:
    with SentinelSet(password="of-data", sentinel_username="watch", sentinel_password="of-sentinels") as servers:
        host, port = servers.sentinels[0]
        with pytest.raises(AuthenticationError):
            redis.Redis(host=host, port=port, password="of-sentinels", protocol=2, retry=Retry(NoBackoff(), 0)).ping()
        servers.revive(servers.kill_primary())
        servers.wait_healthy()
        with pytest.raises(AuthenticationError):
            servers.client(password=None).ping()
        assert servers.client().ping()


# -- cluster ---------------------------------------------------------------------------------------------------------


def test_a_cluster_with_all_slots_and_a_replica_for_each_primary(cluster: RedisCluster) -> None:
    items = {b"market:data:%d" % number: b"x" * 100 for number in range(20_000)}
    cluster.mset(items)
    assert cluster.dbsize() == len(items)
    assert set(cluster.scan_all()) == items.keys()
    assert cluster.client().get(b"market:data:7") == items[b"market:data:7"]
    assert cluster.owner(b"market:data:7").client().get(b"market:data:7")
    assert len(cluster.primaries()) == len(cluster.replicas()) == 3
    assert cluster.commandstats()["set"] == 2 * len(items)
    assert cluster.write_commands_called() == ["set"]


def test_a_killed_node_is_replaced_and_comes_back_as_a_replica(cluster: RedisCluster) -> None:
    cluster.mset({b"market:data:%d" % number: b"x" for number in range(1000)})
    killed = cluster.primaries()[1]
    cluster.kill(killed)
    cluster.revive(killed)
    cluster.wait_healthy()
    assert killed in cluster.replicas()
    assert cluster.dbsize() == 1000
    assert killed.client().dbsize() == cluster.primaries()[1].client().dbsize()


def test_an_orderly_failover_of_one_shard(cluster: RedisCluster) -> None:
    old = cluster.primaries()[2]
    new = cluster.fail_over(2)
    cluster.wait_healthy()
    assert cluster.primaries()[2] is new
    assert old in cluster.replicas()


def test_a_slot_moves_with_its_keys(cluster: RedisCluster) -> None:
    names = [b"{tag}" + name for name in awkward_names(b"")]
    cluster.mset({name: b"value of " + name[:100] for name in names})
    slot, source = cluster.slot(b"tag"), cluster.owner(b"tag")
    target = next(node for node in cluster.primaries() if node is not source)
    cluster.begin_migration(slot, target)
    assert cluster.migrate_keys(slot, target, 5) == 5
    assert (source.client().dbsize(), target.client().dbsize()) == (len(names) - 5, 5)
    with pytest.raises(AskError):
        source.client().get(b"{tag}nobody")
    while cluster.migrate_keys(slot, target, 10):
        pass
    cluster.finish_migration(slot, target)
    assert cluster.owner(b"tag") is target
    assert (source.client().dbsize(), target.client().dbsize()) == (0, len(names))
    cluster.wait_healthy()


def test_reset_closes_a_move_and_undoes_another(cluster: RedisCluster) -> None:
    first, second, third = cluster.primaries()
    cluster.migrate(0, second)
    key = next(b"%d" % number for number in range(SLOTS) if cluster.owner(b"%d" % number) is first)
    cluster.mset({key: b"x"})
    cluster.begin_migration(cluster.slot(key), third)
    cluster.migrate_keys(cluster.slot(key), third, 10)
    cluster.kill(first)
    cluster.reset()
    assert cluster.dbsize() == 0
    assert cluster.owner(key) in cluster.shard_of(first)
    assert 0 in cluster._self(cluster.primaries()[0]).slots
    assert not any(cluster._self(node).moving for node in cluster.nodes)


def test_tls_and_a_password() -> None:
    with RedisCluster(tls=True, password="secret") as cluster:
        assert cluster.certificates is not None
        host, _colon, port = cluster.seeds[0].rpartition(":")
        trusting = {"ssl": True, "ssl_ca_certs": str(cluster.certificates.ca_cert), "protocol": 2}
        tls_ports = {node.tls_port for node in cluster.nodes}

        client = redis.cluster.RedisCluster(host=host, port=int(port), password="secret", **trusting)

        def knows_all() -> bool:
            client.nodes_manager.initialize()
            return {node.port for node in client.get_nodes()} == tls_ports

        # A replica is named once it has told its offset.
        wait_until(knows_all, 20, "all nodes to be named with their TLS ports")
        client.set(b"{tag}a", 1)
        target = next(node for node in cluster.primaries() if node is not cluster.owner(b"tag"))
        assert cluster.migrate(cluster.slot(b"tag"), target) == 1
        assert client.get(b"{tag}a") == b"1"


@pytest.mark.parametrize("host", ["node-{number}.invalid", "10.255.255.1"])
def test_nodes_that_announce_a_host_that_nobody_can_reach(host: str) -> None:
    with RedisCluster(announce_host=host, primaries=3, replicas=0) as cluster:
        slots = cluster.nodes[0].admin().execute_command("CLUSTER", "SLOTS")
        assert sorted(entry[2][0].decode() for entry in slots) == sorted(host.format(number=n) for n in range(3))
        with pytest.raises(MovedError, match=host.format(number=2)):
            cluster.nodes[0].client().get(next(k for k in (b"a", b"b", b"c") if cluster.owner(k) is cluster.nodes[2]))
        cluster.client().set(b"a", 1)
        assert cluster.dbsize() == 1


# -- a writer that survives ------------------------------------------------------------------------------------------


def test_confirmed_writes_survive_a_failover_and_moving_slots_of_a_cluster(cluster: RedisCluster) -> None:
    with SequenceWriter(cluster, seed=3) as writer:
        writer.wait_for_round()
        killed = cluster.primaries()[0]
        cluster.kill(killed)
        cluster.revive(killed)
        cluster.wait_healthy()
        writer.wait_for_round()
        key = PREFIX + b"0"
        target = next(node for node in cluster.primaries() if node is not cluster.owner(key))
        cluster.migrate(cluster.slot(key), target)
        cluster.fail_over(1)
        writer.wait_for_round()
        log = writer.stop()
    assert log.interruptions > 0
    assert len(log.confirmed) == 300
    assert lost(log, read_sequences(cluster), {}) == []


def test_confirmed_writes_survive_failovers_behind_sentinel(sentinels: SentinelSet) -> None:
    with SequenceWriter(sentinels, seed=4) as writer:
        writer.wait_for_round()
        sentinels.revive(sentinels.kill_primary())
        sentinels.wait_healthy()
        writer.wait_for_round()
        sentinels.fail_over()
        sentinels.wait_healthy()
        writer.wait_for_round()
        log = writer.stop()
    assert log.interruptions >= 2
    assert len(log.confirmed) == 300
    assert lost(log, read_sequences(sentinels), {}) == []


def test_what_is_lost_is_told(sentinels: SentinelSet) -> None:
    with SequenceWriter(sentinels, keys=6) as writer:
        writer.wait_for_round()
        log = writer.stop()
    gone, stale, same = (PREFIX + b"%d" % number for number in (0, 1, 2))
    client = sentinels.client()
    client.delete(gone)
    client.set(stale, b"%d:older" % (log.confirmed[stale] - 1))
    present = read_sequences(sentinels)
    assert [line.split(": ")[0].encode() for line in lost(log, present, {})] == [gone, stale]
    assert lost(log, present, {gone: log.confirmed[gone], stale: log.last[stale]}) == []
    assert present[same] >= log.confirmed[same]


def test_values_of_others_have_no_number(sentinels: SentinelSet) -> None:
    client = sentinels.client()
    client.set(PREFIX + b"a", "3")
    client.rpush(PREFIX + b"b", "3:x")
    client.hset(PREFIX + b"c", "other", "3:x")
    assert read_sequences(client) == {}
    assert [sequence_of(value) for value in (b"12:x", {b"seq": b"7:"}, {}, None, b"x")] == [12, 7, -1, -1, -1]
    assert lost(SequenceLog(), {}, {}) == []
