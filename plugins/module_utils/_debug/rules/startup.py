# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a pod or its containers from starting. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.objects import container_named, containers
from ..._severity import CRITICAL, WARNING
from ..._time import parse_time, span
from ..causes import typo
from ..collector_output import Sections
from ..finding import Finding
from ..logs import Log
from ..observed import Facts
from ..statuses import WRONG_CONFIG, WRONG_IMAGE, container_statuses, is_running, last_end, waiting
from .common import (
    CANNOT_RUN,
    as_evidence,
    condition,
    container_states,
    event_time,
    events_of,
    exit_words,
    last_message,
    log_of_end,
    shorten,
    told,
    told_of_name,
    words_of_end,
)
from .logs import OF_PEERS, told_of_wait
from .peers import why_silent

_IMAGE = (*WRONG_IMAGE, "RegistryUnavailable", "SignatureValidationFailed", "ImageInspectError")
# After its grace period, a pod that is still there hangs.
_LATE_SECONDS = 60.0
# An init container that takes longer is stuck rather than slow.
_INIT_SECONDS = 60.0


def evicted(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    status = facts.pod.get("status") or {}
    message = str(status.get("message") or "")
    if status.get("reason") == "Evicted":
        yield Finding(
            "evicted",
            CRITICAL,
            f"the pod was evicted from its node{_why_evicted(message)}",
            shorten(message),
            _step_of_eviction(message),
        )


def _why_evicted(message: str) -> str:
    """Return what the node lacked, or what the pod itself took too much of, as the rest of a sentence."""
    low = re.search(r"low on resource: ([\w./-]+\w)", message)
    if low:
        return f", which was low on {low[1]}"
    return ": it took more than its limit" if re.search(r"exceed(?:s|ed) (?:the|its) [^.]*limit", message) else ""


def _step_of_eviction(message: str) -> str:
    volume = re.search(r"EmptyDir volume \"([^\"]+)\" exceeds the limit", message)
    if volume:
        return f"raise sizeLimit of the volume {volume[1]}, or write less to it"
    if "ephemeral" in message and "limit" in message:
        return "raise its limit for ephemeral-storage, or write less to its own disk: logs, caches, /tmp"
    if "ephemeral-storage" in message:
        return "free the disk of the node (images, logs), and give the pod a request for ephemeral-storage"
    if "memory" in message:
        return "give it a memory request that fits what it uses, so that it is not the first to go"
    return "give it requests that fit what it uses, and look at the node's disk and memory"


def disrupted(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A pod that was ended for the sake of another one, or with its node."""
    found = condition(facts.pod, "DisruptionTarget")
    reason = found.get("reason", "")
    if found.get("status") == "True" and reason in _DISRUPTIONS:
        what, step = _DISRUPTIONS[reason]
        preempted = last_message(events_of(facts, "Preempted"))
        yield Finding("disrupted", CRITICAL, what, shorten(preempted or found.get("message", "")), step)


_DISRUPTIONS = {
    "PreemptionByScheduler": (
        "the pod was preempted: a pod of a higher priority took its place",
        "give it a priority class as high, or the cluster more room; a bare pod has to be made again",
    ),
    "DeletionByTaintManager": (
        "the pod was evicted because its node has a taint that it does not tolerate",
        "find out why the node was tainted (kubectl describe node), or add a toleration",
    ),
    "EvictionByEvictionAPI": (
        "the pod was evicted on request, as in a drain of its node",
        "find out who drains its node (kubectl get nodes)",
    ),
    "DeletionByPodGC": ("the pod was removed because its node is gone", "find out what became of its node"),
    "TerminationByKubelet": (
        "the kubelet ended the pod: its node was short of something, or was shut down",
        "look at the node's events and conditions",
    ),
}


def terminating(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    metadata, status = facts.pod["metadata"], facts.pod.get("status") or {}
    deleted = parse_time(metadata.get("deletionTimestamp"))
    if not deleted or status.get("reason") == "Evicted":
        return
    # The time of deletion is that by which it should have ended.
    late = (facts.now - deleted).total_seconds()
    finalizers, running = (
        metadata.get("finalizers") or [],
        [each["name"] for each in container_statuses(facts.pod) if is_running(each)],
    )
    hooks = [
        each["name"]
        for each in containers(facts.pod)
        if (each.get("lifecycle") or {}).get("preStop") and each["name"] in running
    ]
    hangs = late > _LATE_SECONDS or bool(finalizers and not running)
    left = f"until {span(-late)} from now at the latest" if late < 0 else f"it should have ended {span(late)} ago"
    if finalizers:
        why = f" and waits for its finalizers: {', '.join(finalizers)}"
        step = (
            f"look at the controller that removes {finalizers[0]}; if it is gone for good, remove the finalizer "
            f"(kubectl patch pod {facts.chosen.name} -n {facts.namespace} --type=json "
            """-p '[{"op":"remove","path":"/metadata/finalizers"}]')"""
        )
    elif hooks:
        why = f" and runs the preStop hook of {', '.join(hooks)}"
        step = "wait for its end, or shorten the hook or terminationGracePeriodSeconds"
    else:
        why = f", and should have ended {span(late)} ago" if hangs else ""
        step = "check whether its node is alive" if hangs else "wait for its end"
    failed_hook = last_message(events_of(facts, "FailedPreStopHook"))
    evidence = f"{left}; running: {', '.join(running) or 'no container'}; finalizers: {', '.join(finalizers) or 'none'}"
    yield Finding(
        "terminating",
        CRITICAL if hangs else WARNING,
        f"the pod is being deleted{why}",
        f"{evidence}; {failed_hook}" if failed_hook else evidence,
        step,
    )


# Why a pod has failed as a whole, and what to do.
_DELETE = "delete it, so that its owner makes another"
_FAILURES = {
    "DeadlineExceeded": (
        "it took longer than its activeDeadlineSeconds",
        "raise activeDeadlineSeconds, or find why it took longer",
    ),
    "NodeAffinity": ("its node does not match its node selector any more", _DELETE),
    "NodeLost": ("its node was lost", "look at its node; its owner makes another pod"),
    "Shutdown": ("its node was shut down", _DELETE),
    "Terminated": ("its node was shut down", _DELETE),
    "UnexpectedAdmissionError": (
        "its kubelet did not admit it",
        "find out what its node lacks (devices, CPUs): its kubelet did not admit it",
    ),
    "SysctlForbidden": (
        "its node does not allow a sysctl that it sets",
        "allow it at the kubelet of the node (allowedUnsafeSysctls), or leave it out of securityContext.sysctls",
    ),
}
_OUT_OF = re.compile(r"OutOf(\S+)")


def failed(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    status = facts.pod.get("status") or {}
    deleted = facts.pod["metadata"].get("deletionTimestamp")
    if status.get("phase") == "Failed" and status.get("reason") != "Evicted" and not deleted:
        why, step = _why_failed(str(status.get("reason") or ""))
        yield Finding(
            "failed",
            CRITICAL,
            f"the pod has failed, and is not started again{f': {why}' if why else ''}",
            shorten(f"{status.get('reason', '')} {status.get('message', '')}") or _exit_codes(facts),
            step,
        )


def _why_failed(reason: str) -> tuple[str, str]:
    if out_of := _OUT_OF.fullmatch(reason):
        return f"its node had no {out_of[1].replace('cpu', 'CPU')} left when it came", _DELETE
    return _FAILURES.get(reason, ("", "look at the last lines of its log"))


def _exit_codes(facts: Facts) -> str:
    ends = [(name, last_end(status)) for name, status, _init in container_states(facts)]
    return "; ".join(f"{name}: exit code {end['exitCode']}" for name, end in ends if end.get("exitCode"))


# Why a registry gives no image, as a part of a sentence, and what to do.
_PULLS = (
    (
        r"toomanyrequests|429|rate limit",
        "the registry limits how often it may be pulled",
        "log in to the registry with a pull secret, or pull from a mirror",
    ),
    (
        r"no match for platform|no matching manifest|exec format",
        "it is not made for the processor of the node",
        "build the image for the architecture of the node, or choose other nodes",
    ),
    (
        r"repository does not exist or may require|pull access denied",
        "the registry denies access, or has no such name",
        "correct the name of the image; if it is private, give the pod a pull secret for its registry "
        "(imagePullSecrets)",
    ),
    (
        r"manifest unknown|manifest for \S+ not found|: not found|404 Not Found|does not exist(?! or may)",
        "the registry has no such name or tag",
        "correct the name or the tag of the image",
    ),
    (
        r"401|403|unauthorized|denied|authentication required|no basic auth|insufficient_scope|may require",
        "the registry denies access",
        "give the pod a pull secret for this registry (imagePullSecrets) whose login may pull it",
    ),
    (
        r"no such host|server misbehaving|name resolution",
        "the name of its registry cannot be resolved",
        "correct the host in the name of the image, or the name servers of the node",
    ),
    (
        r"HTTP response to HTTPS client",
        "its registry speaks plain HTTP, and the node asks it by HTTPS",
        "give the registry a certificate, or make it known to the container runtime of the node as one of plain HTTP",
    ),
    (
        r"x509|certificate|tls:",
        "the node does not trust the certificate of the registry",
        "make the CA of the registry known to the container runtime of the node",
    ),
    (
        r"connection refused|i/o timeout|deadline exceeded|no route|timed? ?out|connection reset|unreachable",
        "the node does not reach the registry",
        "look at the way from the node to the registry: proxy, firewall, whether it runs",
    ),
    (r"no space left", "the disk of the node is full", "free the disk of the node (images, logs)"),
    (
        r"context canceled",
        "the pull was broken off before its end",
        "look again in a minute; if it stays, look at the size of the image, the way to the registry, and the runtime",
    ),
)


def image_pull(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, status, _init in container_states(facts):
        reason = waiting(status).get("reason")
        if reason not in _IMAGE:
            continue
        pulls = [
            str(each.get("message") or "")
            for each in events_of(facts, "Failed", container=name)
            if "pull" in each.get("message", "") and not each.get("message", "").startswith("Error: ")
        ]
        message = pulls[-1] if pulls else waiting(status).get("message") or reason
        image = container_named(facts.pod, name).get("image", "")
        why, step = _why_no_image(reason, message, image)
        secret = last_message(events_of(facts, "FailedToRetrieveImagePullSecret"))
        if secret and "denies" in why:
            named = re.search(r"\(([^)]+)\)", secret)
            why += f"; its pull secret {named[1]} cannot be read" if named else ""
            step = f"create the pull secret that is missing, or correct its name: {secret}"
        yield Finding(
            "image_pull",
            CRITICAL,
            f"the image of container {name} cannot be pulled{why}: {image}",
            shorten(message, 500),
            step,
        )


def _why_no_image(reason: str, message: str, image: str) -> tuple[str, str]:
    if reason == "ErrImageNeverPull":
        return ", because imagePullPolicy is Never and the node has none", "load it into the node, or let it be pulled"
    if reason == "SignatureValidationFailed":
        return (
            ", because its signature is not accepted",
            "sign the image, or correct the policy of signatures on the node (policy.json)",
        )
    if reason == "InvalidImageName":
        return ", because its name is not valid", "correct the name of the image"
    # Parts of the name may look like a cause.
    words = message.replace(image, "")
    for pattern, why, step in _PULLS:
        if re.search(pattern, words, re.IGNORECASE):
            return f", because {why}", step
    return "", "check the name and tag, the pull secret, and whether the node reaches the registry"


# Why a container cannot be created, as the rest of a sentence about it, and what to do.
_CONFIGS = (
    (
        r"runAsNonRoot and image (?:will run as root|has non-numeric user)",
        "container {name} may not run as root (runAsNonRoot), and its image says no other user",
        "set runAsUser to a user of the image (securityContext), or build the image with a numeric USER",
    ),
    (
        r"runAsUser breaks (?:the )?(?:non-root|runAsNonRoot)|runAsNonRoot and (?:runAsUser|"
        r"container's runAsUser) breaks",
        "container {name} may not run as root (runAsNonRoot), and its runAsUser is 0",
        "set another runAsUser, or remove runAsNonRoot",
    ),
    (
        r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?:\S+/)?(?P<object>[^\s/]+)",
        "the {kind} {object} has no key {key}, which container {name} needs",
        "add the key {key} to the {kind} {object}, or correct the key in the pod's template",
    ),
    (
        r"failed to reserve container name|is reserved for",
        "container {name} cannot be created: the runtime of its node still has one of that name, from an attempt that "
        "it did not finish",
        "look at the load and the container runtime of its node (containerd, its disk); delete the pod if that does "
        "not pass in some minutes",
    ),
    (
        r"^(?:rpc error: code = )?(?:context deadline exceeded|DeadlineExceeded)",
        "container {name} cannot be created: the runtime of its node does not answer in time",
        "look at the load, the disk and the container runtime (containerd, CRI-O) of its node",
    ),
    (
        r"no command specified",
        "container {name} cannot be created: neither its template nor its image names a command",
        "set command in the template, or give the image an ENTRYPOINT or CMD; look whether it is the right image",
    ),
    (
        r"(?i)(?P<kind>apparmor|seccomp)[^\n]{0,20} profile",
        "container {name} cannot be created: its node does not have its profile of {kind}",
        "put the profile onto the node, or correct the security context (seccompProfile, appArmorProfile)",
    ),
    (
        r"subPath (?:directory )?for volumeMount \"(?P<volume>[^\"]+)\"",
        "container {name} cannot be created: the subPath of its volume mount {volume} cannot be prepared",
        "look whether the subPath exists in the volume, may be written there, and is a folder or a file as the mount "
        "is; a ConfigMap that has changed below it needs a new pod",
    ),
)


def container_config(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, status, _init in container_states(facts):
        waits = waiting(status)
        if waits.get("reason") in WRONG_CONFIG:
            message = waits.get("message", "")
            what = f"container {name} cannot be created"
            step = "correct what the message names: a Secret, a ConfigMap, a key in it, or the security context"
            for pattern, better, its_step in _CONFIGS:
                if found := re.search(pattern, message):
                    values = {"name": name, **found.groupdict()}
                    what, step = better.format(**values), its_step.format(**values)
            yield Finding("container_config", CRITICAL, what, shorten(f"{waits['reason']}: {message}"), step)


# What the runtime says of a program that it could not start; the first group is the program or the path.
_STARTS = (
    (
        r"not a directory: .*mount|mounting .*\bto rootfs at \\?\"([^\"\\]+)|mount a directory onto a file",
        "a volume is mounted onto a file",
        "mount it at a folder, or one key of it with subPath: {0} is a file in the image, or a folder in the volume",
    ),
    (
        r"exec: \\?\"([^\s\"\\]+ [^\n]{1,200}?)\\?\": (?:executable file not found|stat .*no such file)",
        "its command is one text, {0}, of which no program has the name",
        "give command as a list with one word in each entry, or as [sh, -c, the whole text]",
    ),
    (
        r"exec: \\?\"([^\"\\]+)\\?\": (?:executable file not found|stat .*no such file|.*no such file or directory)|"
        r"\bstat (\S+): no such file or directory",
        "its program {0} is not in the image",
        "correct the command of the container{1}, or take an image that has {0}",
    ),
    (
        r"exec: \\?\"([^\"\\]+)\\?\": permission denied|exec (\S+): permission denied",
        "its program {0} may not be executed",
        "make {0} executable in the image (chmod +x), or correct the command",
    ),
    (
        r"exec format error",
        "its program is made for another processor, or is a script without its first line",
        "take an image for the architecture of the node",
    ),
    (
        r"chdir to cwd \(\\?\"([^\"\\]+)[^\n]*permission denied",
        "its user may not enter its working directory {0}",
        "correct workingDir or runAsUser of the container, or the rights of {0} in the image",
    ),
    (
        r"chdir to cwd \(\\?\"([^\"\\]+)|Cwd must be an absolute path",
        "its working directory {0} does not exist",
        "correct workingDir of the container",
    ),
    (
        r"unable to find user (\S+)|no users found",
        "its user {0} is not in the image",
        "correct runAsUser, or the user of the image",
    ),
    (
        r"container init was OOM-killed|memory limit too low",
        "its memory limit is too low even to start it",
        "raise its memory limit: some ten MiB are the least, and the unit may be missing (128Mi, not 128)",
    ),
    (
        r"nvidia-container-cli|nvml error|driver not loaded|no such device",
        "the driver of a device that it asks for does not work on its node",
        "look at the driver and the device plugin of that node, and let the pod go to another one",
    ),
    (
        r"cgroup[^\n]{0,120}(?:no space left|cannot allocate|too many)|no space left on device",
        "its node has run out of something that the runtime needs (cgroups, memory, disk)",
        "look at the node (disk, inodes, number of cgroups), and let the pod go to another one",
    ),
)


def container_start(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, status, _init in container_states(facts):
        waits, end = waiting(status), last_end(status)
        if waits.get("reason") in CANNOT_RUN or (end.get("reason") in CANNOT_RUN and not is_running(status)):
            # Between two attempts, the kubelet tells of its patience only.
            message = end.get("message") if end.get("reason") in CANNOT_RUN else waits.get("message")
            message = message or waits.get("message") or waits.get("reason") or ""
            why, step = _why_no_start(message)
            yield Finding(
                "container_start",
                CRITICAL,
                f"container {name} cannot be started{why}",
                shorten(message, 500),
                step,
            )


def _why_no_start(message: str) -> tuple[str, str]:
    for pattern, why, step in _STARTS:
        if found := re.search(pattern, message):
            place = next(filter(None, found.groups()), "it")
            return f": {why.format(place)}", step.format(place, typo(place))
    return "", "correct its command or the image: what is to run is not there, or may not be run"


_SANDBOXES = (
    (
        r"no IP addresses available|range set is full|no IP ranges|failed to assign an IP|no available (?:ip|"
        r"address)|InsufficientFreeAddresses",
        "no IP address is free for it on its node",
        "end pods of that node, enlarge its range of addresses, or let the pod go to another node",
    ),
    (
        r"cni plugin not initialized|network plugin is not ready|no networks found|stat /var/lib/calico|"
        r"failed to find plugin",
        "the network plugin of its node is not ready",
        "look at the pods of the network plugin on that node (kubectl get pods -n kube-system -o wide)",
    ),
    (
        r"no runtime for \"(?P<what>[^\"]+)\" is configured",
        "its node has no container runtime {what}",
        "correct runtimeClassName, or let the pod go to nodes that have {what}",
    ),
)


def sandbox(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    events = _while_pending(facts, "FailedCreatePodSandBox")
    if events:
        other = (
            "the node cannot make the pod's network or sandbox",
            "look at the node's container runtime and network plugin",
        )
        what, step = _told(_SANDBOXES, str(events[-1].get("message") or ""), other)
        yield Finding("sandbox", CRITICAL, what, last_message(events), step)


# Why a volume cannot be mounted; ``what`` is the name of the object of the volume, if the message names a key only.
_MOUNTS = (
    (
        r"references non-existent (?:secret|config) key: (?P<key>\S+)",
        "{what} has no key {key}, which the volume {volume} needs",
        "add the key {key} to {what}, or correct the key in the pod's template",
    ),
    (
        r"(?i)(?P<kind>configmap|secret) \"(?P<object>[^\"]+)\" not found",
        "the {kind} {object} does not exist, which the volume {volume} needs",
        "create the {kind} {object}, or correct its name in the pod's template; the pod then starts by itself",
    ),
    (
        r"serviceaccounts? \"(?P<object>[^\"]+)\" not found",
        "its ServiceAccount {object} does not exist any more, whose token it is to have",
        "create the ServiceAccount {object} again",
    ),
    (
        r"kubernetes\.io~(?:projected|secret)[^\n]*no space left on device",
        "its memory limit is too low even for the files of its volumes, which are kept in memory",
        "raise its memory limit: the unit may be missing (128Mi, not 128)",
    ),
    (
        r"no space left on device",
        "the disk of its node is full",
        "free the disk of the node (images, logs), or let the pod go to another one",
    ),
    (
        r"hostPath type check failed: (?P<path>\S+) is not an? (?P<type>[\w ]+)",
        "the {type} {path} of its node does not exist, which the volume {volume} needs",
        "create it on the node, or correct the path or the type of the hostPath",
    ),
    (
        r"Multi-Attach error.*?(?:used by pod\(s\) (?P<pods>[^\n]+)|exclusively attached to one node)",
        "its volume is still attached to another node",
        "wait for the pod that has it to end{users}, or delete that; a Deployment with such a volume needs the "
        "strategy Recreate",
    ),
    (
        r"driver name (?P<driver>\S+) not found in the list of registered CSI drivers",
        "the driver {driver} of its volume does not run on its node",
        "look at the pods of the driver {driver} on that node (kubectl get csinodes)",
    ),
    (
        r"(?i)attachvolume.*(?:not ?found|does not exist)",
        "the disk of its volume is not there any more",
        "restore it from a backup, and make the volume and its claim again",
    ),
    (
        r"(?i)access denied by server|mount\.nfs.*(?:denied|not permitted)",
        "the file server denies the mount",
        "allow the addresses of the nodes at the export of the file server",
    ),
    (
        r"you might need a /sbin/mount\.<type> helper|unknown filesystem type",
        "its node lacks the program that mounts such a file system",
        "install it on the node (nfs-common, cifs-utils), or let the pod go to a node that has it",
    ),
    (
        r"(?i)mount\.nfs[^\n]*reason given by server: No such file",
        "the file server does not have the folder that its volume names",
        "make or export that folder on the file server, or correct the path of the volume",
    ),
    (
        r"(?i)mount\.nfs.*(?:timed out|refused|no route)|connection timed out",
        "the file server of its volume does not answer",
        "check whether the node reaches the server that the volume names",
    ),
    (
        r"unmounted volumes=\[(?P<names>[^\]]+)\].*timed out waiting for the condition",
        "its volumes are not mounted in time: {names}",
        "look at the other events of the pod, at kubectl get volumeattachments, and at the CSI driver of its node",
    ),
    (
        r"(?i)wrong fs type|bad superblock|structure needs cleaning|fsck found errors",
        "the file system of its volume is damaged, or of another type",
        "check the file system from another pod or the node (fsck), or correct fsType",
    ),
)


def mount(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    messages = [str(each.get("message") or "") for each in _while_pending(facts, "FailedMount", "FailedAttachVolume")]
    if messages:
        telling = [each for each in messages if any(re.search(pattern, each) for pattern, _what, _step in _MOUNTS)]
        message = (telling or messages)[-1]
        other = "a volume cannot be mounted", "look at the claim, the Secret or the ConfigMap that the message names"
        what, step = _told(_MOUNTS, message, other, _volume_of(facts, message))
        yield Finding("mount", CRITICAL, what, shorten(message), step)


def making(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Containers that are being made, and nothing says that something is wrong with it."""
    if (facts.pod.get("status") or {}).get("phase") != "Pending":
        return
    waits = {name: waiting(status).get("reason") for name, status, _init in container_states(facts)}
    last = events_of(facts)[-1:]
    when = event_time(last[0]) if last else None
    reason = last[0].get("reason", "") if last else ""
    if when is None or reason not in _STEPS or not waits or set(waits.values()) - set(_BEING_MADE):
        return
    what, step = _STEPS[reason]
    late = (facts.now - when).total_seconds()
    name, *_others = waits
    yield Finding(
        "making",
        WARNING,
        f"{what.format(name=name)}, since {span(late)}",
        last_message(last),
        step if late > _INIT_SECONDS else "wait, and look again in a minute",
    )


_BEING_MADE = ("ContainerCreating", "PodInitializing")
# What the node is at, by the last of its events, and what to do if that takes long.
_STEPS = {
    "Scheduled": (
        "the node makes the pod's network and volumes",
        "look at the kubelet, the network plugin and the CSI drivers of its node, which has not told anything since",
    ),
    "Pulling": (
        "the node pulls an image for the pod",
        "wait if the image is large; else look at the way from the node to the registry, and at the node's disk",
    ),
    "Pulled": (
        "the image is there, and the node makes container {name}",
        "look at the kubelet and the container runtime of its node, which has not told anything since",
    ),
    "SuccessfulAttachVolume": (
        "the volume is attached, and the node mounts it",
        "look at the CSI driver of its node; a check or a change of owners (fsGroup) of many files takes long",
    ),
    "VolumePermissionChangeInProgress": (
        "the node changes the owner of all files of a volume (fsGroup)",
        "wait; fsGroupChangePolicy OnRootMismatch does so only once",
    ),
}


_Table = tuple[tuple[str, str, str], ...]


def _told(table: _Table, message: str, other: tuple[str, str], values: dict[str, str] | None = None) -> tuple[str, str]:
    """Return what a message tells, and what to do."""
    for pattern, what, step in table:
        if found := re.search(pattern, message):
            groups = {"pods": "", **{key: value for key, value in found.groupdict().items() if value}}
            groups["kind"] = {"configmap": "ConfigMap", "secret": "Secret"}.get(groups.get("kind", "").lower(), "")
            groups["users"] = f" ({groups['pods'].strip()})" if groups["pods"] else ""
            return what.format(**{**(values or {}), **groups}), step.format(**{**(values or {}), **groups})
    return other


def _volume_of(facts: Facts, message: str) -> dict[str, str]:
    """Return the name of the volume that a message is about, and what it is made of."""
    found = re.search(r"for volume \"([^\"]+)\"", message)
    name = found[1] if found else ""
    volume: Object = next((each for each in facts.pod["spec"].get("volumes") or [] if each["name"] == name), {})
    secret, settings = volume.get("secret") or {}, volume.get("configMap") or {}
    what = (
        f"the Secret {secret['secretName']}" if secret else f"the ConfigMap {settings.get('name')}" if settings else ""
    )
    return {"volume": name, "what": what or "what it is made of"}


def _while_pending(facts: Facts, *reasons: str) -> list[Object]:
    pending = (facts.pod.get("status") or {}).get("phase") == "Pending"
    return events_of(facts, *reasons) if pending else []


class _Init(t.NamedTuple):
    """An init container that fails, or that has been running for some seconds; ``end`` is its last one.

    ``words`` are what it said of its end, or says while it runs.
    """

    name: str
    failing: bool
    running: float
    restarts: int
    end: Object
    words: str
    log: Log | None


def _inits(facts: Facts) -> Iterator[_Init]:
    for name, status, is_init in container_states(facts):
        if not is_init:
            continue
        state, end, restarts = status.get("state") or {}, last_end(status), status.get("restartCount", 0)
        started = parse_time((state.get("running") or {}).get("startedAt"))
        backs_off = waiting(status).get("reason") == "CrashLoopBackOff"
        failing = backs_off or bool(end.get("exitCode") and ("terminated" not in state or restarts))
        failing = failing and end.get("reason") not in ("OOMKilled", *CANNOT_RUN)
        if failing or started:
            running = (facts.now - started).total_seconds() if started else 0.0
            log = log_of_end(facts, status) if failing else facts.logs.get((name, False))
            words = words_of_end(facts, status) if failing else _words_so_far(log)
            yield _Init(name, failing, running, restarts, end, words, log)


def _words_so_far(log: Log | None) -> str:
    bad = [each.example for each in log.groups if each.bad] if log else []
    return (bad[0] if bad else log.tail[-1]) if log and log.tail else ""


def _why_init(facts: Facts, each: _Init) -> tuple[str, str]:
    """Return the cause that an init container tells, as the rest of a sentence, and what to do; both may be empty."""
    cause = told(each.words)
    if cause is None and each.log and each.log.waits and not each.failing:
        cause = told_of_wait(each.log)
    if cause is None:
        return "", ""
    if cause.kind == "unknown_name":
        more, step = told_of_name(facts, cause)
        return f": it {cause.what}{more}", step
    silent = why_silent(facts, each.name, cause.peer) if cause.kind in OF_PEERS else None
    return f": it {cause.what}{f'; it calls {silent[0]}' if silent else ''}", silent[2] if silent else cause.step


def init_failing(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for each in _inits(facts):
        if each.failing:
            code, (why, step) = each.end.get("exitCode", 0), _why_init(facts, each)
            yield Finding(
                "init_failing",
                CRITICAL,
                f"init container {each.name} fails again and again, and no other container starts before it has "
                f"succeeded{why}",
                f"exit code {code} ({exit_words(code)}), {each.restarts} restarts{as_evidence(each.words, each.log)}",
                step or f"read its log (kubectl logs {facts.chosen.name} -c {each.name} -n {facts.namespace})",
            )


def init_stuck(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for each in _inits(facts):
        if not each.failing and each.running > _INIT_SECONDS:
            why, step = _why_init(facts, each)
            yield Finding(
                "init_stuck",
                CRITICAL,
                f"init container {each.name} has been running for {span(each.running)}, and no other container starts "
                f"before it has ended{why}",
                as_evidence(each.words, each.log).lstrip("; ") or "its log was not read",
                step or "find what it waits for: a service, a migration, a lock",
            )


def init_running(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for each in _inits(facts):
        if not each.failing and each.running <= _INIT_SECONDS:
            why, step = _why_init(facts, each)
            yield Finding(
                "init_running",
                WARNING,
                f"init container {each.name} is still running, and no other container starts before it has ended" + why,
                f"since {span(each.running)}{as_evidence(each.words, each.log)}",
                step or "wait for its end, or find what it waits for",
            )
