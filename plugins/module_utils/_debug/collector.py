# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command of a session's container: it looks around, prints what it sees, and ends. PRIVATE to the collection.

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
from .dependencies import Dependency

PARTS = ("network", "system", "kubernetes", "logs")
REQUEST = "RUNBOOKS_REQUEST"
SESSION = "RUNBOOKS_SESSION"
EXPIRES = "RUNBOOKS_EXPIRES_AT"
_MOST_CAPTURE = 4 << 20
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
# Without what the kernel keeps of files, and gives back when it is needed.
g() {{
  for f in memory.current memory/memory.usage_in_bytes; do
    read -r v 2>/dev/null <"/proc/$P/root/sys/fs/cgroup/$f" || continue
    c=$(awk '$1 ~ /^(in)?active_file$/ {{ n += $2 }} $1 ~ /^total_(in)?active_file$/ {{ t += $2 }}
      END {{ print t ? t : n + 0 }}' "/proc/$P/root/sys/fs/cgroup/${{f%memory.*}}memory.stat" 2>/dev/null)
    echo "$(date +%s) $((v - ${{c:-0}}))" | p growth && return
  done
}}
case " $COLLECT " in *" system "*) g 2>/dev/null ;; esac
DIG="dig +search +noall +comments +answer +stats +time=2 +tries=1"
# From a node, the network of the pod has to be entered.
N=
[ -z "$ENTER" ] || N="nsenter -t $P -n"
look() {{
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
  t disk 4 df -Pk "/proc/$P/root" $(awk -v p="/proc/$P/root" '$1 ~ "^/dev/" && $2 !~ "^/(etc|dev)/" {{ print p $2 }}' \
    "/proc/$P/mounts" 2>/dev/null | head -n 20)
  t memory 2 head -n 5 /proc/meminfo
  t load 2 cat /proc/loadavg
  t cgroup 4 sh -c 'cd "/proc/$1/root/sys/fs/cgroup" && shift && grep -Hs "" "$@"' - "$P" \
    memory.max memory.current memory.stat memory.events memory.pressure cpu.max cpu.stat cpu.pressure io.pressure \
    pids.max pids.current memory/memory.limit_in_bytes memory/memory.usage_in_bytes memory/memory.stat \
    memory/memory.oom_control \
    cpu/cpu.stat cpu/cpu.cfs_quota_us pids/pids.max pids/pids.current
esac
wait
}}
# How long the capture lasts is told by the kernel's clock, which nobody sets.
u() {{ read -r up _ </proc/uptime && echo "$1 $up" | p capture_time; }}
stop() {{
  trap 'kill "$nap"; exit' TERM
  sleep "$CAPTURE_SECONDS" & nap=$!
  wait "$nap"
  case $(cat "/proc/$1/comm") in timeout | nsenter | tcpdump) kill "$1" ;; esac
}}
# Time counts, and probes begin, when tcpdump listens, or when it turns out that it will not.
attend() {{
  while read -r line; do
    case $line in
      "pid "*) child=${{line#pid }}; continue ;;
      *"listening on "*) u from; stop "$child" >/dev/null 2>&1 4>&- 5>&- & timer=$!; look & ;;
      *" packets captured"*) u to; to=yes ;;
    esac
    echo "$line"
  done
  [ -n "$to" ] || u to
  # It may have ended before its time, with as many bytes as there may be.
  if [ -n "$timer" ]; then kill "$timer" 2>/dev/null; else look; fi
  wait
}}
echo "$$ $P" | p begin
if [ -n "$CAPTURE_SECONDS" ]; then
  {{ {{ sh -c 'echo "pid $$" >&2; exec "$@"' - timeout "$((CAPTURE_SECONDS + 30))" $N \
    tcpdump -Z root -i "$CAPTURE_INTERFACE" -U -s 128 -w - -- "$CAPTURE_FILTER" |
    head -c "$CAPTURE_BYTES" | base64 >&4; }} 2>&1 | attend | p capture; }} 4>&1 | p pcap
else
  look
fi
case " $COLLECT " in *" system "*) g 2>/dev/null ;; esac
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
class Capture:
    """How packets are captured; ``filter`` is in the language of pcap-filter(7)."""

    seconds: int
    filter: str = ""
    interface: str = "any"
    max_bytes: int = 1 << 20


@dataclass(frozen=True)
class Collection:
    """What the container of a session is to do."""

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
        raise InvalidInput(f"O(capture.seconds) is {capture.seconds}; allowed are 1 to 600.")
    if not 0 < capture.max_bytes <= _MOST_CAPTURE:
        raise InvalidInput(
            f"O(capture.max_bytes) is {capture.max_bytes}; allowed are 1 to {_MOST_CAPTURE} (a log holds no more)."
        )
    if capture.filter and not _FILTER.fullmatch(capture.filter):
        raise InvalidInput(
            f"O(capture.filter) is {capture.filter[:80]!r}; allowed is an expression of pcap-filter(7), as in tcp "
            "port 80."
        )
    if not _INTERFACE.fullmatch(capture.interface):
        raise InvalidInput(
            f"O(capture.interface) is {capture.interface[:80]!r}; allowed is the name of one, such as any or eth0."
        )
    return capture


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
