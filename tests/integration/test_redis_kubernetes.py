# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in the pods of a real Kubernetes, through its API server: what is found, what breaks, what is not allowed."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from lab.place import NAMESPACE
from support import loss
from support.ansible import run_module, run_playbook, start_module
from support.audit import kubernetes_writes
from support.lab import Lab
from support.pods import Namespace, PodServer, api_port, kubeconfig, password_of, platform_redis, wait_for_primary
from support.processes import wait_until
from support.proxy import Proxy
from support.rights import rights
from support.servers import RedisServer, ServerClients
from support.writer import Writer

pytestmark = pytest.mark.lab
(ROLE,) = rights("redis")
TLS_FILES = {"cert": "tls.crt", "key": "tls.key", "ca-cert": "ca.crt"}
CREATE = ("redis-cli", "--cluster", "create")
AUDIT = "audit/kubernetes.log"


@pytest.fixture(scope="module")
def scratch() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def platform(lab: Lab) -> Iterator[PodServer]:
    """Return the empty Redis of the platform, which has a replica and keeps its data on a volume."""
    with platform_redis(lab) as server:
        wait_for_primary(server, replicas=1)
        with server.client() as client:
            client.flushall()
            client.config_resetstat()
        yield server
        wait_for_primary(server, replicas=1)
        with server.client() as client:
            client.flushall()


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with two unrelated primaries and a replica that nobody serves."""
    with Namespace(lab) as namespace:
        namespace.start_redis("one", labels={"app": "redis", "name": "one"})
        namespace.start_redis("two", labels={"app": "redis", "name": "two"})
        namespace.wait_for("one", "two")
        arguments = ["--replicaof", namespace.address("one"), "6379"]
        namespace.start_redis("copy", *arguments, labels={"app": "redis", "name": "copy"})
        namespace.wait_for("copy")
        yield namespace


def place(lab: Lab, **options: Any) -> dict[str, Any]:
    """Return the option that leads to the platform's Redis, or to what the options say instead."""
    usual = {"service": "redis", "password_secret": "redis"} if "namespace" not in options else {}
    config = {} if "host" in options else {"kubeconfig": str(lab.state / "kubeconfig")}
    return {"namespace": NAMESPACE, **usual, **config, **options}


def arguments(kubernetes: dict[str, Any], folder: Path, **options: Any) -> dict[str, Any]:
    return {
        "kubernetes": kubernetes,
        "patterns": ["market:data:*"],
        "backup_dir": str(folder / "backups"),
        "accept_ephemeral_storage": True,
        "max_share": 1.0,
        "big_key_bytes": loss.BIG_KEY_BYTES,
        **options,
    }


def sentence(result: dict[str, Any]) -> str:
    assert loss.not_one_sentence(result) == ""
    assert not result.get("changed")
    return str(result["msg"])


def removed_for_good(result: dict[str, Any], cache: loss.Cache) -> None:
    assert not result.get("failed"), result["msg"]
    assert (result["remaining"], result["state"]) == (0, "done")
    assert cache.left() == []


# -- through the tunnel ----------------------------------------------------------------------------------------------


def test_a_playbook_flushes_and_its_undo_restores(
    lab: Lab, platform: PodServer, namespace: Namespace, tmp_path: Path
) -> None:
    cache = loss.Cache(platform, keys=76, big_keys=7)
    before = cache.fill()
    platform.reset_stats()
    variables = {
        "flush_redis_kubernetes": json.dumps(place(lab)),
        "flush_redis_names": "market-data",
        "flush_redis_max_share": "1",
        "flush_redis_skip_prompt": "true",
        "flush_redis_accept_ephemeral_storage": "true",
        "flush_redis_recovery_timeout": "0",
        "flush_redis_backup_dir": str(tmp_path / "backups"),
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_guard_namespace": namespace.name,
    }
    control = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "runbooks-control"}}
    namespace.apply({**control, "data": {"stop": "true", "reason": "an audit"}})
    checked = run_playbook("flush_redis", variables, check=True, cwd=tmp_path)
    namespace.delete("configmap", "runbooks-control")
    assert checked.rc == 0, checked.output
    assert checked.changed == 1
    note = f"The guard in {namespace.name}, which this run does not obey: all runbooks are stopped: an audit."
    assert any(note in task.result.get("msg", ()) for task in checked.by_action("debug"))
    assert platform.write_commands_called() == []
    assert cache.now() == before
    planned = checked.one("redis_flush").result
    assert kubernetes_writes(lab.state / AUDIT, planned["run_id"]) == []
    assert (
        "redis://redis.market-intel-brain.svc:6379/0 (service redis in market-intel-brain at https://" in checked.output
    )

    flushed = run_playbook("flush_redis", {**variables, "flush_redis_obey_guard": "true"}, cwd=tmp_path)
    assert flushed.rc == 0, flushed.output
    result = flushed.by_action("redis_flush")[-1].result
    removed_for_good(result, cache)
    # Nothing but what the guard keeps.
    written = kubernetes_writes(lab.state / AUDIT, result["run_id"])
    assert [each for each in written if f"/namespaces/{namespace.name}/" not in each] == []
    (run,) = json.loads(lab.get("configmap", "runbooks-guard", "-n", namespace.name)["data"]["runs"])
    assert (run["run_id"], run["target"], run["outcome"]) == (result["run_id"], f"{NAMESPACE}/redis", "done")
    assert password_of(lab, NAMESPACE, "redis") not in flushed.output
    again = run_playbook("flush_redis", variables, cwd=tmp_path)
    assert (again.rc, again.changed) == (0, 0)

    words = shlex.split(result["report"]["undo"]["command"])
    extra = [word for flag, word in zip(words, words[1:]) if flag == "-e"]
    undone = run_playbook(words[1].rpartition(".")[2], [*extra, "flush_redis_reports_dir=reports"], cwd=tmp_path)
    assert undone.rc == 0, undone.output
    assert cache.now() == before


def test_ten_cuts_of_the_tunnel_are_normal(lab: Lab, platform: PodServer, scratch: RedisServer, tmp_path: Path) -> None:
    cache = loss.Cache(platform)
    before = cache.fill()
    with Proxy(api_port(lab)) as proxy, Writer(platform, loss.LIVE, rate=200) as writer:
        config = kubeconfig(lab, tmp_path / "kubeconfig", server=f"https://127.0.0.1:{proxy.port}")
        args = arguments(place(lab, kubeconfig=str(config)), tmp_path, rate_limit=60)
        with start_module("redis_flush", args) as module:
            wait_until(lambda: bool(loss.parts(loss.runs_in(tmp_path / "backups"))), 60, "the first part")
            for _cut in range(10):
                connections = proxy.connections
                proxy.drop()
                wait_until(lambda before=connections: proxy.connections > before, 30, "another tunnel")
                gone = removals(platform)
                wait_until(lambda before=gone: removals(platform) > before, 60, "the flush to go on")
            result = module.wait(240).result
            log = writer.stop()
    assert not result.get("failed"), result["msg"]
    assert [name for name in cache.left() if not name.startswith(loss.LIVE)] == []
    assert result["reconnects"] >= 10
    assert result["failovers"] == 0
    with scratch.admin() as admin:
        admin.flushall()
        expected = log.expected(before, admin)
    assert loss.lost(expected, cache, loss.runs_in(tmp_path / "backups"), scratch) == []


def removals(server: PodServer) -> int:
    return server.commandstats().get("unlink", 0)


@pytest.mark.parametrize("how", [["--grace-period=5"], ["--grace-period=0", "--force"]], ids=["deleted", "killed"])
def test_nothing_is_lost_when_the_pod_of_the_primary_is_deleted(
    lab: Lab, platform: PodServer, scratch: RedisServer, tmp_path: Path, how: list[str]
) -> None:
    cache = loss.Cache(platform)
    before = cache.fill()
    with platform.admin() as admin:
        # What is replayed gives consumers other times; the base of the file keeps them.
        admin.bgrewriteaof()
        wait_until(lambda: not admin.info("persistence")["aof_rewrite_in_progress"], 30, "the new base file")
    with start_module("redis_flush", arguments(place(lab), tmp_path, rate_limit=60)) as module:
        wait_until(lambda: bool(loss.parts(loss.runs_in(tmp_path / "backups"))), 60, "the first part")
        lab.run("kubectl", "delete", "pod", "redis-primary-0", "-n", NAMESPACE, "--wait=false", *how)
        result = module.wait(240).result
    wait_for_primary(platform)
    removed_for_good(result, cache)
    assert result["failovers"] == 1
    assert loss.lost(before, cache, loss.runs_in(tmp_path / "backups"), scratch) == []


def test_a_promoted_replica_is_the_heir(namespace: Namespace, lab: Lab, scratch: RedisServer, tmp_path: Path) -> None:
    labels = {"app": "pair"}
    namespace.start_redis("first", labels=labels)
    namespace.wait_for("first")
    namespace.start_redis("second", "--replicaof", namespace.address("first"), "6379", labels=labels)
    namespace.wait_for("second")
    kubernetes = place(lab, namespace=namespace.name, selector="app=pair")
    with namespace.redis("first") as first, namespace.redis("second") as second:
        wait_for_primary(first, replicas=1)
        before = loss.Cache(first).fill()
        cache = loss.Cache(second)
        wait_until(lambda: _size(second) == _size(first) > 0, 30, "the replica to have it all")
        with start_module("redis_flush", arguments(kubernetes, tmp_path, rate_limit=60)) as module:
            wait_until(lambda: bool(loss.parts(loss.runs_in(tmp_path / "backups"))), 60, "the first part")
            namespace.delete("pod", "first", grace=0)
            second.client().replicaof("NO", "ONE")
            result = module.wait(240).result
        removed_for_good(result, cache)
        assert (result["failovers"], result["nodes"][0]["url"]) == (1, "redis://second:6379/0")
        assert loss.lost(before, cache, loss.runs_in(tmp_path / "backups"), scratch) == []
    namespace.delete("pod", "second", grace=1)


def _size(server: ServerClients) -> int:
    """Return how many keys there are, 0 while they are loaded."""
    with contextlib.suppress(redis.BusyLoadingError):
        return int(server.client().dbsize())
    return 0


def test_tls_and_an_acl_user_work_inside(namespace: Namespace, lab: Lab, tmp_path: Path) -> None:
    namespace.order_certificate("redis", f"secure.{namespace.name}.svc")
    namespace.wait_ready("certificate", "redis")
    files = [f"--tls-{name}-file /secret/{file}" for name, file in TLS_FILES.items()]
    options = ["--port 0 --tls-port 6390 --tls-auth-clients no", *files, "--user default off"]
    options.append("--user ops on >open-sesame-94 ~* &* +@all")
    namespace.start_redis(
        "secure", *shlex.split(" ".join(options)), labels={"app": "secure"}, port=6390, secret="redis-tls"
    )
    namespace.service("secure", {"app": "secure"}, 6379, "redis")
    namespace.secret("login", opened="open-sesame-94")
    namespace.wait_for("secure")
    data = lab.get("secret", "redis-tls", "-n", namespace.name)["data"]
    ca_cert = tmp_path / "ca.pem"
    ca_cert.write_bytes(base64.b64decode(data["ca.crt"]))
    kubernetes = place(lab, namespace=namespace.name, service="secure", password_secret="login")
    args = arguments(kubernetes, tmp_path, ca_cert=str(ca_cert), username="ops", url="rediss://localhost")
    assert run_module("redis_flush", args)["state"] == "unchanged"
    other = {**args, "url": "rediss://elsewhere.example.com"}
    assert "is not accepted" in sentence(run_module("redis_flush", other))
    plain = {**args, "url": "redis://localhost"}
    assert "answers as Redis" in sentence(run_module("redis_flush", plain))


def test_sentinels_in_pods_are_asked(namespace: Namespace, lab: Lab, tmp_path: Path) -> None:
    namespace.start_redis("watched", labels={"app": "watched"})
    namespace.wait_for("watched")
    watch = f"sentinel monitor main {namespace.address('watched')} 6379 1"
    settings = f"protected-mode no\\n{watch}\\n"
    script = f"printf '{settings}' > /tmp/sentinel.conf; exec redis-server /tmp/sentinel.conf --sentinel"
    namespace.start_redis("sentinel", labels={"app": "sentinel"}, port=26379, script=script)
    namespace.wait_for("sentinel")
    kubernetes = place(lab, namespace=namespace.name, selector="app=sentinel", port="redis")
    with namespace.redis("watched") as server:
        server.client().mset({f"market:data:{number}": "x" for number in range(50)})
        result = run_module("redis_flush", arguments(kubernetes, tmp_path))
        assert (result["removed"], result["plan"]["topology"]) == (50, "sentinel")
        assert server.client().dbsize() == 0


def test_a_cluster_in_pods_is_flushed_on_all_nodes(namespace: Namespace, lab: Lab, tmp_path: Path) -> None:
    pods = [f"node-{number}" for number in range(3)]
    for pod in pods:
        namespace.start_redis(pod, "--cluster-enabled", "yes", labels={"app": "cluster"})
    namespace.wait_for(*pods)
    places = [f"{namespace.address(pod)}:6379" for pod in pods]
    namespace.kubectl("exec", "-n", namespace.name, "node-0", "--", *CREATE, *places, "--cluster-yes")
    with ExitStack() as stack:
        nodes = [stack.enter_context(namespace.redis(pod)).client() for pod in pods]
        for number in range(300):
            wait_until(
                lambda key=f"market:data:{number}": any(was_set(node, key) for node in nodes), 60, "a cluster", 0.5
            )
    kubernetes = place(lab, namespace=namespace.name, selector="app=cluster")
    result = run_module("redis_flush", arguments(kubernetes, tmp_path))
    assert (result["removed"], result["remaining"], result["plan"]["topology"]) == (300, 0, "cluster")
    assert len(result["nodes"]) == 3
    undone = run_module("redis_restore", {"kubernetes": kubernetes, "path": result["backup"]["path"]})
    assert undone["restored"] == 300
    refused = run_module("redis_flush", arguments(kubernetes, tmp_path, topology="standalone"))
    assert "3 of the pods behind app=cluster" in sentence(refused)


def was_set(node: redis.Redis, key: str) -> bool:
    try:
        return bool(node.set(key, "x"))
    except redis.ResponseError:
        return False


# -- rights ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(namespace: Namespace) -> Namespace:
    """Return the namespace with a Service and a Secret as the documented Role names them."""
    namespace.start_redis("guarded", "--requirepass", "open-sesame-94", labels={"app": "guarded"})
    namespace.service("redis", {"app": "guarded"}, 6379, "redis")
    namespace.secret("redis", password="open-sesame-94")
    namespace.wait_for("guarded")
    return namespace


def test_the_documented_role_suffices(guarded: Namespace, lab: Lab, tmp_path: Path) -> None:
    config = guarded.login(tmp_path, "flusher", ROLE)
    kubernetes = place(
        lab, namespace=guarded.name, service="redis", password_secret="redis", kubeconfig=str(config), port="redis"
    )
    with guarded.redis("guarded", "open-sesame-94") as server:
        server.client().mset({f"market:data:{number}": "x" for number in range(50)})
        assert run_module("redis_cache_info", {"kubernetes": kubernetes, "patterns": ["market:data:*"]})["caches"]
        result = run_module("redis_flush", arguments(kubernetes, tmp_path))
        assert (result["removed"], server.client().dbsize()) == (50, 0)
        undone = run_module("redis_restore", {"kubernetes": kubernetes, "path": result["backup"]["path"]})
        assert (undone["restored"], server.client().dbsize()) == (50, 50)


@pytest.mark.parametrize("rule", range(len(ROLE["rules"])))
def test_without_one_rule_nothing_is_touched_and_it_is_named(
    guarded: Namespace, lab: Lab, tmp_path: Path, rule: int
) -> None:
    rules = [kept for number, kept in enumerate(ROLE["rules"]) if number != rule]
    without = ROLE["rules"][rule]
    config = guarded.login(tmp_path, f"lacks-{rule}", {**ROLE, "rules": rules})
    kubernetes = place(lab, namespace=guarded.name, service="redis", password_secret="redis", kubeconfig=str(config))
    with guarded.redis("guarded", "open-sesame-94") as server:
        server.client().set("market:data:1", "x")
        server.reset_stats()
        said = sentence(run_module("redis_flush", arguments(kubernetes, tmp_path)))
        for verb in without["verbs"]:
            name = "".join(f" {name}" for name in without.get("resourceNames", []))
            assert f"{verb} {without['resources'][0]}{name}" in said
        # The connections of this test itself ask for nothing but this.
        assert set(server.commandstats()) <= {"auth", "config|resetstat", "info", "ping", "client|setinfo"}
        assert server.client().get("market:data:1") == b"x"


# -- bad input -------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no pod matches": ({"service": "", "selector": "app=nothing"}, "No pod matches app=nothing"),
    "no such service": ({"service": "nothing"}, "no service nothing"),
    "no Redis": (
        {"service": "", "selector": "app=api-gateway"},
        "None of the pods behind app=api-gateway.*answers as Redis",
    ),
    "another protocol": (
        {"service": "", "selector": "app=api-gateway", "port": "https"},
        "None of the pods behind app=api-gateway.*answers as Redis",
    ),
    "a replica": ({"service": "redis-replica"}, "is a replica of redis:6379"),
    "two ways": ({"selector": "app=redis"}, "both a service and a selector"),
    "no way": ({"service": ""}, "neither a service nor a selector"),
    "no such secret": ({"password_secret": "nothing"}, "no secret nothing"),
    "no such key": ({"password_secret_key": "nothing"}, "name one of password"),
    "no password": ({"password_secret": ""}, "refused the login"),
    "no such port": ({"port": "nothing"}, "it has redis"),
    "an impossible port": ({"port": "70000"}, "allowed is 1 to 65535"),
    "no such container": ({"container": "nothing", "port": "redis"}, "no container nothing"),
    "no such kubeconfig": ({"kubeconfig": "/nothing"}, "cannot be read"),
    "a relative kubeconfig": ({"kubeconfig": "some/config"}, "cannot be read|relative"),
    "no such context": ({"context": "production"}, "with the context production"),
    "nobody listens": ({"host": "https://127.0.0.1:1", "api_key": "x"}, "cannot be reached"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_one_sentence_says_what_is_wrong(lab: Lab, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    started = time.monotonic()
    said = sentence(run_module("redis_flush", arguments(place(lab, **options), tmp_path)))
    assert re.search(words, said), said
    assert time.monotonic() - started < 30


def test_several_primaries_are_named(namespace: Namespace, lab: Lab, tmp_path: Path) -> None:
    kubernetes = place(lab, namespace=namespace.name, selector="app=redis")
    said = sentence(run_module("redis_flush", arguments(kubernetes, tmp_path)))
    assert "2 of the pods behind app=redis" in said
    assert "redis://one:6379/0, redis://two:6379/0" in said
    only = place(lab, namespace=namespace.name, selector="app=redis,name in (one,copy)")
    assert run_module("redis_flush", arguments(only, tmp_path))["state"] == "unchanged"


def test_an_expired_login_is_named(lab: Lab, tmp_path: Path) -> None:
    config = kubeconfig(lab, tmp_path / "kubeconfig", token="expired")
    kubernetes = place(lab, kubeconfig=str(config))
    refusal = sentence(run_module("redis_flush", arguments(kubernetes, tmp_path)))
    assert "does not accept the login (401" in refusal
    assert "renew it (kubernetes.kubeconfig or kubernetes.api_key)" in refusal


def test_an_api_server_that_is_silent_is_not_waited_for(lab: Lab, tmp_path: Path) -> None:
    with Proxy(api_port(lab)) as proxy:
        proxy.stall(after_bytes=0, repeats=True)
        config = kubeconfig(lab, tmp_path / "kubeconfig", server=f"https://127.0.0.1:{proxy.port}")
        args = arguments(place(lab, kubeconfig=str(config)), tmp_path, connect_timeout=2, timeout=4)
        started = time.monotonic()
        assert "cannot be reached" in sentence(run_module("redis_flush", args))
        assert time.monotonic() - started < 15


def test_an_authority_that_is_unknown_is_named(lab: Lab, tmp_path: Path) -> None:
    server = yaml.safe_load((lab.state / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    kubernetes = place(lab, host=server, api_key="x")
    assert "authority" in sentence(run_module("redis_flush", arguments(kubernetes, tmp_path)))
