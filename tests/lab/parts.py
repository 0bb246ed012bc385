# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the cluster: how each is called, what it needs to be there first, and when it is ready."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .pki import Authority
from .place import (
    ALERTMANAGER,
    API,
    API_SERVICE,
    BRIDGE,
    BRIDGE_ADDRESS,
    INSIDE,
    NAMESPACE,
    NODE,
    POD_NETWORK,
    PROMETHEUS,
    ROOT,
    SERVICE_NETWORK,
    VAULT,
)

_ETCD = "http://127.0.0.1:2379"
_SOCKET = INSIDE / "containerd" / "containerd.sock"
_ISSUER = "https://kubernetes.default.svc"
# What people are given as examples is what the lab runs with.
_EXAMPLES = {
    name: (ROOT / "docs" / "examples" / name).read_text(encoding="utf-8")
    for name in ("prometheus-rules.yml", "alertmanager.yml")
}
# Alertmanager looks for the token and the authority of its webhook below /etc, which is another one for it.
_ENTER = 'mount -t tmpfs lab /etc && mkdir /etc/alertmanager && mount --bind "$0" /etc/alertmanager && exec "$@"'


@dataclass(frozen=True)
class Part:
    """A program that is started again when it ends.

    After each start `is_ready` is asked until it says so, and then `prepare` does what only a running one can be told.
    One that ``forgets`` loses that, and what it has handed out, when it ends.
    """

    name: str
    command: list[str]
    is_ready: Callable[[], bool]
    needs: tuple[str, ...] = ()
    prepare: Callable[[], None] = lambda: None
    forgets: bool = False


class Tools:
    """The programs that the parts are made of: ours, and Debian's in a tree of their own."""

    def __init__(self, lab: Path, debian: Path) -> None:
        self.lab = lab
        self.debian = debian
        libraries = [debian / "usr" / "lib" / "x86_64-linux-gnu", debian / "lib" / "x86_64-linux-gnu"]
        self.environment = {
            "PATH": f"{INSIDE}/bin:{debian}/usr/sbin:{debian}/usr/bin:{debian}/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "XTABLES_LIBDIR": f"{debian}/usr/lib/x86_64-linux-gnu/xtables",
            "HOME": str(INSIDE),
        }

    def kubectl(self, *arguments: str, content: str | None = None) -> str:
        """Run kubectl as the administrator; raise CalledProcessError with what it said."""
        command = [str(self.lab), "kubectl", f"--kubeconfig={INSIDE / 'conf' / 'admin.conf'}", *arguments]
        return self._run(command, content)

    def ctr(self, *arguments: str) -> str:
        return self._run(["ctr", "-a", str(_SOCKET), "-n", "k8s.io", *arguments])

    def _run(self, command: list[str], content: str | None = None) -> str:
        done = subprocess.run(
            command, env=self.environment, input=content, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[1:6])} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


def write_configuration(tools: Tools, cgroup: str) -> Authority:
    """Write certificates and configuration files of all parts below INSIDE; return who has issued the certificates."""
    pki, conf = INSIDE / "pki", INSIDE / "conf"
    authority = Authority(pki)
    authority.new_key("service-accounts")
    names = ["127.0.0.1", API_SERVICE, BRIDGE_ADDRESS, "localhost", "kubernetes.default.svc", "kubernetes.default"]
    authority.issue("apiserver", user="kube-apiserver", addresses=names)
    authority.issue("admin", user="admin", groups=["system:masters"])
    authority.issue("kubelet", user=f"system:node:{NODE}", groups=["system:nodes"])
    conf.mkdir()
    for user in ("admin", "kubelet"):
        (conf / f"{user}.conf").write_text(authority.kubeconfig(user, f"https://127.0.0.1:{API}"))
    files = {
        "audit-policy.json": {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        },
        "kubelet.json": _kubelet(cgroup),
        "cni/10-lab.conflist": _cni(),
    }
    (conf / "cni").mkdir()
    for name, content in files.items():
        (conf / name).write_text(json.dumps(content, indent=2))
    (conf / "containerd.toml").write_text(_containerd(tools.debian))
    (conf / "Corefile").write_text(_COREFILE)
    (conf / "resolv.conf").write_text(f"nameserver {BRIDGE_ADDRESS}\n")
    (conf / "no-resolv.conf").touch()
    (conf / "prometheus.yml").write_text(_PROMETHEUS)
    for name, text in _EXAMPLES.items():
        (conf / name).write_text(text, encoding="utf-8")
    (conf / "alertmanager").mkdir()
    (conf / "alertmanager" / "runbooks-token").write_text("lab")
    (conf / "alertmanager" / "runbooks-ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    return authority


def parts(tools: Tools, fill_vault: Callable[[], None]) -> list[Part]:
    """Return all parts; a Vault that keeps everything in memory is filled after each start."""
    pki, conf, lab = INSIDE / "pki", INSIDE / "conf", str(tools.lab)
    admin = f"--kubeconfig={conf / 'admin.conf'}"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def own(name: str, *arguments: str) -> list[str]:
        return [lab, name, *arguments]

    def answers(url: str) -> Callable[[], bool]:
        return lambda: _answers(url, context if url.startswith("https") else None)

    return [
        Part(
            "containerd",
            ["containerd", "-c", str(conf / "containerd.toml")],
            lambda: _connects(_SOCKET),
        ),
        Part(
            "etcd",
            own(
                "etcd",
                f"--data-dir={INSIDE / 'etcd'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={_ETCD}",
                f"--advertise-client-urls={_ETCD}",
                "--listen-peer-urls=http://127.0.0.1:2380",
                "--log-level=warn",
            ),
            answers(f"{_ETCD}/health"),
        ),
        Part(
            "kube-apiserver",
            own(
                "kube-apiserver",
                f"--etcd-servers={_ETCD}",
                f"--secure-port={API}",
                f"--advertise-address={BRIDGE_ADDRESS}",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                f"--tls-cert-file={pki / 'apiserver.crt'}",
                f"--tls-private-key-file={pki / 'apiserver.key'}",
                f"--client-ca-file={pki / 'ca.crt'}",
                f"--service-account-key-file={pki / 'service-accounts.key'}",
                f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
                f"--service-account-issuer={_ISSUER}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged",
                f"--kubelet-client-certificate={pki / 'admin.crt'}",
                f"--kubelet-client-key={pki / 'admin.key'}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--audit-policy-file={conf / 'audit-policy.json'}",
                f"--audit-log-path={INSIDE / 'audit' / 'kubernetes.log'}",
            ),
            answers(f"https://127.0.0.1:{API}/readyz"),
            needs=("etcd",),
        ),
        Part(
            "kube-controller-manager",
            own(
                "kube-controller-manager",
                admin,
                f"--service-account-private-key-file={pki / 'service-accounts.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                f"--cluster-signing-cert-file={pki / 'ca.crt'}",
                f"--cluster-signing-key-file={pki / 'ca.key'}",
                "--leader-elect=false",
                # With what it may ask by default, its controllers begin five seconds later.
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                "--bind-address=127.0.0.1",
                # A claim that came a moment before its volume waits for so long.
                "--pvclaimbinder-sync-period=1s",
            ),
            lambda: _listens(10257),
            needs=("kube-apiserver",),
        ),
        Part(
            "kube-scheduler",
            own("kube-scheduler", admin, "--leader-elect=false", "--bind-address=127.0.0.1"),
            lambda: _listens(10259),
            needs=("kube-apiserver",),
        ),
        Part(
            "kubelet",
            own(
                "kubelet",
                f"--config={conf / 'kubelet.json'}",
                f"--kubeconfig={conf / 'kubelet.conf'}",
                f"--hostname-override={NODE}",
                f"--node-ip={BRIDGE_ADDRESS}",
                f"--cert-dir={INSIDE / 'kubelet-pki'}",
            ),
            lambda: "True" in tools.kubectl("get", "node", NODE, "-o", _READY),
            needs=("kube-apiserver", "containerd", "images"),
        ),
        Part(
            "kube-proxy",
            own(
                "kube-proxy",
                admin,
                "--proxy-mode=iptables",
                f"--cluster-cidr={POD_NETWORK}",
                f"--hostname-override={NODE}",
                "--conntrack-max-per-core=0",
                "--healthz-bind-address=127.0.0.1:10256",
                "--metrics-bind-address=127.0.0.1:10249",
            ),
            answers("http://127.0.0.1:10256/livez"),
            needs=("kubelet",),
        ),
        Part(
            "coredns",
            own("coredns", f"-conf={conf / 'Corefile'}"),
            answers("http://127.0.0.1:8181/ready"),
            needs=("kube-apiserver",),
        ),
        Part(
            "cert-manager",
            own("cert-manager", f"-kubeconfig={conf / 'admin.conf'}"),
            lambda: True,
            needs=("crds",),
        ),
        Part(
            "vault",
            own("vault", f"-listen=0.0.0.0:{VAULT}", f"-keys={INSIDE / 'vault-keys.json'}"),
            answers(f"http://127.0.0.1:{VAULT}/v1/sys/health"),
            prepare=fill_vault,
            forgets=True,
        ),
        Part(
            "prometheus",
            [
                "prometheus",
                f"--config.file={conf / 'prometheus.yml'}",
                f"--storage.tsdb.path={INSIDE / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS}",
                "--web.enable-lifecycle",
                "--log.level=warn",
            ],
            answers(f"http://127.0.0.1:{PROMETHEUS}/-/ready"),
        ),
        Part(
            "alertmanager",
            [
                *("unshare", "--mount", "sh", "-c", _ENTER, str(conf / "alertmanager")),
                "prometheus-alertmanager",
                f"--config.file={conf / 'alertmanager.yml'}",
                f"--storage.path={INSIDE / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{ALERTMANAGER}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            answers(f"http://127.0.0.1:{ALERTMANAGER}/-/ready"),
        ),
    ]


_READY = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'


def _kubelet(cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": BRIDGE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(INSIDE / "pki" / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "clusterDNS": [BRIDGE_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%"},
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        # As many as the network of pods has addresses for, nearly.
        "maxPods": 240,
        "localStorageCapacityIsolation": False,
        "resolvConf": str(INSIDE / "conf" / "no-resolv.conf"),
        "staticPodPath": str(INSIDE / "static-pods"),
        "syncFrequency": "2s",
        "volumePluginDir": str(INSIDE / "volume-plugins"),
    }


def _cni() -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "0.4.0",
        "name": "lab",
        "plugins": [
            {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True}
            | {"ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _containerd(debian: Path) -> str:
    # A machine that may not raise its processes' claim to memory (no CAP_SYS_RESOURCE) may not lower it, either; and
    # its kernel may have no overlay file system.
    return f"""version = 2
root = "{INSIDE}/containerd/root"
state = "{INSIDE}/containerd/state"
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{debian}/usr/lib/cni"
    conf_dir = "{INSIDE}/conf/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""


_COREFILE = f"""cluster.local:53 {{
    bind {BRIDGE_ADDRESS}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local {{
        kubeconfig {INSIDE}/conf/admin.conf lab
    }}
    cache 5
}}
"""

# Debian's Prometheus does not know Kubernetes, so that it finds the pods by the names of headless services.
_PROMETHEUS = json.dumps(
    {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(INSIDE / "conf" / "prometheus-rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ALERTMANAGER}"]}]}]},
        "scrape_configs": [
            {
                "job_name": name,
                "dns_sd_configs": [
                    {
                        "names": [f"{name}-metrics.{NAMESPACE}.svc.cluster.local"],
                        "type": "A",
                        "port": 9090,
                        "refresh_interval": "2s",
                    }
                ],
                "relabel_configs": [{"target_label": "namespace", "replacement": NAMESPACE}],
            }
            for name in ("api-gateway", "core-engine")
        ],
    },
    indent=2,
)


def _answers(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
