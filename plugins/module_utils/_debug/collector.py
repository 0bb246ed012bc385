# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command of a debug container: it looks around, prints what it sees, and ends. PRIVATE to the collection.

It needs a POSIX shell, awk and ``timeout``; what else is missing in the image is missing in the report. Values from
outside reach it as variables of its environment, never as a part of the script.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._addresses import is_address
from .._errors import InvalidInput

PARTS = ("network", "system", "kubernetes", "logs")
REQUEST = "RUNBOOKS_REQUEST"
SESSION = "RUNBOOKS_SESSION"
EXPIRES = "RUNBOOKS_EXPIRES_AT"
_TLS_PORTS = (443, 636, 853, 5671, 6443, 8443, 8883, 9443)
_MOST_DEPENDENCIES = 12
_MOST_CAPTURE = 4 << 20
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,30}")
# The words of pcap-filter(7) need no more.
_FILTER = re.compile(r"[A-Za-z0-9(!][A-Za-z0-9 .:/()\[\]&|!=<>+*-]{0,500}")
# Probes run side by side: a line is printed in one piece as long as it is shorter than a pipe takes at once.
_LINE = 3500

SCRIPT = rf"""
exec 5>&1
p() {{ awk -v s="$1" '{{ print "@" s " " substr($0, 1, {_LINE}); fflush() }}' >&5; }}
t() {{ s=$1; l=$2; shift 2; {{ timeout -k 1 "$l" "$@" 2>&1 </dev/null; echo "=$?"; }} | p "$s" & }}
n() {{ s=$1; l=$2; shift 2; t "$s" "$l" $N "$@"; }}
P=1
if [ -n "$CONTAINER_ID" ]; then
  q=$(grep -l "$CONTAINER_ID" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 | sort -n | head -n 1)
  [ -z "$q" ] || P=$q
fi
DIG="dig +search +noall +comments +answer +stats +time=2 +tries=1"
# From a node, the network of the pod has to be entered.
N=
[ -z "$ENTER" ] || N="nsenter -t $P -n"
echo "$$ $P" | p begin
if [ -n "$CAPTURE_SECONDS" ]; then
  {{ {{ timeout "$CAPTURE_SECONDS" $N tcpdump -Z root -i "$CAPTURE_INTERFACE" -U -s 128 -w - -- "$CAPTURE_FILTER" |
    head -c "$CAPTURE_BYTES" | base64 >&4; }} 2>&1 | p capture; }} 4>&1 | p pcap &
  sleep 0.5
fi
case " $COLLECT " in *" network "*)
  n addresses 5 ip -s addr
  n routes 5 ip route show table all
  n rules 5 ip rule
  n sockets 5 ss -tanpH
  n datagrams 5 ss -uanpH
  n summary 5 ss -s
  t resolver 2 cat /etc/resolv.conf
  t hosts 2 cat /etc/hosts
  for n in $NAMES; do n "dns:$n" 8 $DIG "$n" A "$n" AAAA; done
  for o in $OWN_TLS; do
    n "tls:127.0.0.1:$o" 5 openssl s_client -connect "127.0.0.1:$o" -servername "$SERVER_NAME" -showcerts
  done
  for d in $DEPENDENCIES; do
    h=${{d%%:*}}; r=${{d#*:}}; o=${{r%%:*}}
    n "tcp:$h:$o" 6 socat -u OPEN:/dev/null "TCP:$h:$o,connect-timeout=4"
    case $r in *:tls) n "tls:$h:$o" 8 openssl s_client -connect "$h:$o" -servername "$h" -showcerts ;; esac
    case " $H " in *" $h "*) ;; *)
      H="$H $h"
      n "ping:$h" 6 ping -c 3 -i 0.3 -W 1 "$h"
      n "trace:$h" 8 traceroute -n -q 1 -w 1 -m 6 "$h" ;;
    esac
  done
esac
case " $COLLECT " in *" system "*)
  t processes 5 ps -ww -eo pid,ppid,user:20,stat,nlwp,rss,etimes,args
  t status 2 cat "/proc/$P/status"
  t limits 2 cat "/proc/$P/limits"
  t files 4 ls -l "/proc/$P/fd"
  t mounts 2 cat "/proc/$P/mounts"
  t disk 4 df -Pk "/proc/$P/root"
  t memory 2 head -n 5 /proc/meminfo
  t load 2 cat /proc/loadavg
  t cgroup 4 sh -c 'cd "/proc/$1/root/sys/fs/cgroup" && shift && grep -Hs "" "$@"' - "$P" \
    memory.max memory.current memory.events memory.pressure cpu.max cpu.stat cpu.pressure io.pressure \
    pids.max pids.current memory/memory.limit_in_bytes memory/memory.usage_in_bytes memory/memory.failcnt \
    cpu/cpu.stat cpu/cpu.cfs_quota_us pids/pids.max pids/pids.current
esac
wait
echo done | p end
"""

# Time counts from when it was asked for, also if the image comes late; the node's clock may not make it longer.
_BOUND = r"""
n=$((EXPIRES_EPOCH - $(date +%s)))
[ "$n" -le "$1" ] || n=$1
[ "$n" -gt 0 ] || exit 0
shift
"""
_RUN = f"""{_BOUND}
exec timeout -k 5 "$n" sh -c "$1"
"""
# ``timeout`` would put the shell into the background of its own terminal. What is killed is not the container's first
# process, which a kernel protects from its own namespace, but whose end it waits for.
_HOLD = f"""{_BOUND}
sh -c '( sleep "$0"; kill -KILL $$ ) </dev/null >/dev/null 2>&1 & exec "$@"' "$n" "$@"
exit $?
"""


@dataclass(frozen=True)
class Dependency:
    """A host and TCP port that the pod talks to; ``tls`` asks it for its certificate."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{':tls' if self.tls else ''}"


@dataclass(frozen=True)
class Capture:
    """How packets are captured; ``filter`` is in the language of pcap-filter(7)."""

    seconds: int
    filter: str = ""
    interface: str = "any"
    max_bytes: int = 1 << 20


@dataclass(frozen=True)
class Collection:
    """What a debug container is to do."""

    collect: Sequence[str] = ("network", "system")
    dependencies: Sequence[Dependency] = ()
    own_tls: Sequence[int] = ()
    capture: Capture | None = None
    interactive: bool = False

    def digest(self, *more: str) -> str:
        """Return what tells this request from others."""
        asked = [sorted(self.collect), [str(each) for each in self.dependencies], repr(self.capture), self.interactive]
        return hashlib.sha256(json.dumps([asked, more]).encode()).hexdigest()[:16]

    def command(self, ttl: int) -> list[str]:
        """Return the container's command, which ends by itself after ``ttl`` seconds whoever watches."""
        if self.interactive:
            return ["sh", "-c", _quoted(_HOLD), "hold", str(ttl), "sh"]
        return ["sh", "-c", _quoted(_RUN), "run", str(ttl), _quoted(SCRIPT)]

    def variables(self) -> dict[str, str]:
        names = dict.fromkeys(each.host for each in self.dependencies if not is_address(each.host))
        values = {
            "COLLECT": " ".join(each for each in self.collect if each in ("network", "system")),
            "DEPENDENCIES": " ".join(str(each) for each in self.dependencies),
            "NAMES": " ".join(["kubernetes.default.svc", *names]),
            "OWN_TLS": " ".join(map(str, self.own_tls)),
        }
        if self.capture:
            values["CAPTURE_SECONDS"] = str(self.capture.seconds)
            values["CAPTURE_FILTER"] = self.capture.filter
            values["CAPTURE_INTERFACE"] = self.capture.interface
            values["CAPTURE_BYTES"] = str(self.capture.max_bytes)
        return values


def _quoted(script: str) -> str:
    """Return a script as it has to stand in a container's command, where Kubernetes expands ``$(NAME)`` and ``$$``."""
    return script.replace("$", "$$")


def read_dependency(text: str) -> Dependency:
    """Return what ``host:port`` or ``host:port:tls`` means; raise InvalidInput."""
    host, _colon, rest = text.partition(":")
    port, _colon, tls = rest.partition(":")
    if not _HOST.fullmatch(host) or not port.isdigit() or not 0 < int(port) < 65536 or tls not in ("", "tls"):
        raise InvalidInput(f"The dependency {text[:80]!r} is none; allowed is HOST:PORT or HOST:PORT:tls.")
    return Dependency(host, int(port), bool(tls) or int(port) in _TLS_PORTS)


def read_capture(option: Mapping[str, t.Any] | None) -> Capture | None:
    """Return how packets are captured, None if they are not; raise InvalidInput."""
    if not option or not option.get("seconds"):
        return None
    capture = Capture(
        option["seconds"],
        option.get("filter") or "",
        option.get("interface") or "any",
        option.get("max_bytes") or 1 << 20,
    )
    if not 0 < capture.seconds <= 600:
        raise InvalidInput(f"capture.seconds is {capture.seconds}; allowed are 1 to 600.")
    if not 0 < capture.max_bytes <= _MOST_CAPTURE:
        raise InvalidInput(
            f"capture.max_bytes is {capture.max_bytes}; allowed are 1 to {_MOST_CAPTURE} (a log holds no more)."
        )
    if capture.filter and not _FILTER.fullmatch(capture.filter):
        raise InvalidInput(
            f"capture.filter is {capture.filter[:80]!r}; allowed is an expression of pcap-filter(7), as in tcp port 80."
        )
    if not _INTERFACE.fullmatch(capture.interface):
        raise InvalidInput(
            f"capture.interface is {capture.interface[:80]!r}; allowed is the name of one, such as any or eth0."
        )
    return capture


_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@]*@)?([A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?", re.IGNORECASE)
_PAIR = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]):(\d{2,5})")
_SCHEMES = {
    "http": 80,
    "https": 443,
    "redis": 6379,
    "rediss": 6379,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "nats": 4222,
    "kafka": 9092,
}
_TLS_SCHEMES = ("https", "rediss", "amqps", "ldaps", "wss")
# What kubelet puts into every container, and nobody has to be asked for.
_OWN = ("localhost", "127.0.0.1", "0.0.0.0")


def dependencies_of(container: Mapping[str, t.Any]) -> list[Dependency]:
    """Return what the variables and arguments of a container name: URLs, HOST:PORT, and pairs of _HOST and _PORT."""
    plain = {each["name"]: each["value"] for each in container.get("env") or [] if each.get("value")}
    found: list[Dependency] = []

    def add(host: str, port: str | int, tls: bool) -> None:
        if host.lower() not in _OWN and 0 < int(port) < 65536 and (re.search("[A-Za-z]", host) or is_address(host)):
            found.append(Dependency(host, int(port), tls or int(port) in _TLS_PORTS))

    for text in [*plain.values(), *(container.get("command") or []), *(container.get("args") or [])]:
        urls = list(_URL.finditer(text))
        for scheme, host, port in (each.groups() for each in urls):
            if port or scheme.lower() in _SCHEMES:
                add(host, port or _SCHEMES[scheme.lower()], scheme.lower() in _TLS_SCHEMES)
        if not urls and (pair := _PAIR.fullmatch(text.rpartition("=")[2])):
            add(pair[1], pair[2], False)
    for name, value in plain.items():
        port = plain.get(f"{name[:-5]}_PORT", "") if name.endswith("_HOST") else ""
        if port.isdigit() and _HOST.fullmatch(value):
            add(value, port, False)
    return list(dict.fromkeys(found))[:_MOST_DEPENDENCIES]


def tls_ports_of(container: Mapping[str, t.Any]) -> list[int]:
    """Return the ports of a container that say of themselves that they speak TLS."""
    return [
        port["containerPort"]
        for port in container.get("ports") or []
        if port["containerPort"] in _TLS_PORTS or port.get("name", "").startswith(("https", "tls", "grpcs"))
    ]


def parse(text: str) -> dict[str, list[str]]:
    """Return what the collector printed, by section; what is not of it (an error of the shell) is in ``other``."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, blank, rest = line.partition(" ")
        if name.startswith("@") and blank:
            sections.setdefault(name[1:], []).append(rest)
        elif line.strip():
            sections.setdefault("other", []).append(line)
    return sections
