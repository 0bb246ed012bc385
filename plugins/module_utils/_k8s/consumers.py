# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a Secret, and how a new content of it gets there. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import re
import typing as t
from dataclasses import dataclass, field

from .._errors import InvalidInput
from .client import ApiLogin, Object, Right
from .objects import KINDS, collection, is_ready, selector_text, selects
from .references import SECRET, Reference, ingress_secrets, references
from .rollout_status import ON_DELETE, kept_pods, rollout_status, update_type, wanted_pods

RELOAD_ANNOTATION = "market-intel.runbooks/reload"
TRUST_KEY = "ca.crt"

HOT, RESTART, EXTERNAL, TRUST, NONE, OPERATOR = "hot", "restart", "external", "trust", "none", "operator"
# What an annotation or an override may say.
CHOICES = (HOT, RESTART, EXTERNAL, NONE)
ROLLING_KINDS = ("Deployment", "StatefulSet", "DaemonSet")

# What a running container keeps, whatever becomes of the Secret.
_FIXED_WAYS = {"env": "an environment variable", "envfrom": "environment variables", "subpath": "a subPath mount"}
_BUDGETS = ("/apis/policy/v1", "poddisruptionbudgets")
# Their owner is a consumer itself; of anything else, nobody here knows how it restarts what it owns.
_KNOWN_OWNERS = {"ReplicaSet": ("Deployment",), "Job": ("CronJob",)}
_POD_OWNERS = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
_RELOADER = "reloader.stakater.com"


class Use(t.NamedTuple):
    """How containers get a Secret: volume, projected, subpath, env, envfrom, csi, ingress or trust (only ca.crt)."""

    secret: str
    way: str
    containers: tuple[str, ...]


@dataclass(frozen=True)
class Consumer:
    """A workload, or an Ingress, that uses Secrets.

    ``reload`` says how a new content gets there: hot (it reads it again by itself), restart (ours to do), external
    (somebody else restarts it), trust (it needs only the authority's certificate), none (nothing is running that
    needs it) or operator (it has to be restarted, but not by us). ``why`` says why, as a part of a sentence;
    ``problems`` are sentences. ``owner`` is the custom resource that it belongs to. ``found`` is the object.
    """

    kind: str
    namespace: str
    name: str
    uses: tuple[Use, ...]
    reload: str
    why: str
    owner: str = ""
    problems: tuple[str, ...] = ()
    found: Object = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> str:
        """As people name it: ``deployment/api-gateway``."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def path(self) -> str:
        return f"{collection(KINDS[self.kind], self.namespace)}/{self.name}"

    @property
    def served(self) -> tuple[str, ...]:
        """The Secrets of which it takes more than the authority's certificate."""
        return tuple(dict.fromkeys(use.secret for use in self.uses if use.way != TRUST))

    def containers(self, secret: str) -> tuple[str, ...]:
        """Return the containers that take more of a Secret than the authority's certificate."""
        taking = (use.containers for use in self.uses if use.secret == secret and use.way != TRUST)
        return tuple(dict.fromkeys(name for names in taking for name in names))

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "reload": self.reload,
            "uses": [{"secret": use.secret, "way": use.way, "containers": list(use.containers)} for use in self.uses],
            "why": self.why,
            "owner": self.owner,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class ServingPod:
    """A running pod that is not about to end; ``ports`` are pairs of container and TCP port."""

    name: str
    uid: str
    ready: bool
    ports: tuple[tuple[str, int], ...]

    def ports_of(self, containers: t.Collection[str]) -> tuple[int, ...]:
        """Return the ports of some containers; those of all of them where these name none, as init containers do."""
        own = [port for container, port in self.ports if container in containers]
        return tuple(dict.fromkeys(own or [port for _container, port in self.ports]))


def rights(namespace: str) -> list[Right]:
    """Return what has to be allowed to find consumers, their pods and their disruption budgets."""
    places = (*KINDS.values(), _BUDGETS)
    return [Right("list", plural, namespace, group=_group(path)) for path, plural in places]


def find_consumers(
    login: ApiLogin,
    namespace: str,
    secrets: t.Collection[str],
    overrides: t.Mapping[str, str] | None = None,
) -> list[Consumer]:
    """Return who uses Secrets of a namespace, each once, with one LIST per kind.

    ``overrides`` say how to reload some of them, as in ``{"deployment/api-gateway": "hot"}``.
    """
    wanted = check_overrides(overrides or {})
    found = []
    for kind, place in KINDS.items():
        for each in login.items(f"list {place[1]} in {namespace}", collection(place, namespace)):
            uses = _uses(kind, each, secrets)
            if uses and not _is_of_another(kind, each) and not _is_over(kind, each):
                found.append(_judge(kind, namespace, each, uses, wanted))
    return found


def check_overrides(overrides: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return overrides with their keys in lower case; raise InvalidInput."""
    for key, value in overrides.items():
        kind, slash, name = str(key).partition("/")
        if not slash or not name or kind.lower() not in {kind.lower() for kind in KINDS} or value not in CHOICES:
            raise InvalidInput(
                f"O(overrides) has {key}: {value}, which is not valid; allowed is a kind and a name, as in "
                f"deployment/api-gateway, with one of {', '.join(CHOICES)}."
            )
    return {str(key).lower(): str(value) for key, value in overrides.items()}


def select_consumers(consumers: t.Sequence[Consumer], only: t.Collection[str], skip: t.Collection[str]) -> set[str]:
    """Return the keys of the consumers that are meant; raise InvalidInput if ``only`` names another."""
    known = {consumer.key for consumer in consumers}
    others = sorted({name.lower() for name in only} - known)
    if others:
        raise InvalidInput(
            f"{', '.join(others)} in O(only) is not a workload that uses these Secrets; allowed are "
            f"{', '.join(sorted(known)) or 'none, as nothing uses them'}."
        )
    chosen = {name.lower() for name in only} or known
    return chosen - {name.lower() for name in skip}


def exists(login: ApiLogin, namespace: str, key: str) -> bool:
    """Tell whether there is a workload of that name, as in ``deployment/api-gateway``."""
    kind, _slash, name = key.partition("/")
    places = [place for known, place in KINDS.items() if known.lower() == kind]
    return bool(places) and login.find(f"get {key}", f"{collection(places[0], namespace)}/{name}") is not None


def disruption_budgets(login: ApiLogin, namespace: str) -> list[Object]:
    return login.items(f"list {_BUDGETS[1]} in {namespace}", collection(_BUDGETS, namespace))


def pods_of(login: ApiLogin, consumer: Consumer) -> list[ServingPod]:
    """Return the running pods of a consumer, ordered by name; none for what has no pods of its own."""
    where = consumer.namespace
    if consumer.kind == "Pod":
        own = f"metadata.name={consumer.name}"
        found = login.items(f"list pods in {where}", collection(KINDS["Pod"], where), fieldSelector=own)
        return [_serving(pod) for pod in found if _is_serving(pod)]
    selector = selector_text(consumer.found["spec"].get("selector") or {})
    if not selector:
        return []
    owners = {consumer.found["metadata"]["uid"]}
    if consumer.kind == "Deployment":
        place = KINDS["ReplicaSet"]
        sets = login.items(f"list {place[1]} in {where}", collection(place, where), labelSelector=selector)
        owners = {each["metadata"]["uid"] for each in sets if _owner_uids(each) & owners}
    pods = login.items(f"list pods in {where}", collection(KINDS["Pod"], where), labelSelector=selector)
    mine = [_serving(pod) for pod in pods if _owner_uids(pod) & owners and _is_serving(pod)]
    return sorted(mine, key=lambda pod: pod.name)


# -- without downtime ------------------------------------------------------------------------------------------------


def downtime_reasons(consumer: Consumer, budgets: t.Sequence[Object]) -> list[str]:
    """Say why a restart could not be had, or not without a moment in which nothing serves; sentences.

    ``budgets`` are the PodDisruptionBudgets of the namespace. A rollout is not bound by them, but counts against them.
    """
    if consumer.kind not in ROLLING_KINDS or consumer.reload not in (RESTART, EXTERNAL):
        return []
    what = f"{consumer.kind} {consumer.name}"
    return [f"{what} {reason}." for reason in _reasons(consumer.kind, consumer.found, consumer, budgets)]


def _reasons(kind: str, found: Object, consumer: Consumer, budgets: t.Sequence[Object]) -> t.Iterator[str]:
    wanted = wanted_pods(kind, found)
    if update_type(kind, found) == "Recreate":
        yield "has the strategy Recreate, which ends all pods before new ones start"
    elif wanted and kept_pods(kind, found) < 1:
        pods = "its only pod" if wanted == 1 else f"all of its {wanted} pods at once"
        yield f"may lose {pods} during a restart: give it a second replica, or maxSurge with maxUnavailable 0"
    without = _without_readiness(consumer)
    if without:
        yield (
            f"has no readinessProbe for {', '.join(without)}, so that a new pod counts as ready before it serves and "
            "the old one ends too early"
        )
    status = rollout_status(kind, found)
    if not status.done and not found["spec"].get("paused"):
        yield f"has a rollout under way ({status.says})"
    labels = (template_of(kind, found).get("metadata") or {}).get("labels") or {}
    for budget in budgets:
        health = budget.get("status") or {}
        healthy, needed = health.get("currentHealthy", 0), health.get("desiredHealthy", 0)
        if healthy < needed and _is_counted(budget, labels):
            name = budget["metadata"]["name"]
            yield f"has a disruption budget that is not met now ({name}: {healthy} of {needed} pods are healthy)"


def _is_counted(budget: Object, labels: t.Mapping[str, str]) -> bool:
    """Tell whether a budget is about pods with these labels; one without a selector is about none."""
    selector = budget["spec"].get("selector")
    return selector is not None and selects(selector, labels)


def _without_readiness(consumer: Consumer) -> list[str]:
    containers = _lasting_containers(template_of(consumer.kind, consumer.found)["spec"])
    users = {name for secret in consumer.served for name in consumer.containers(secret)}
    serving = [each for each in containers if each["name"] in users] or containers
    return [each["name"] for each in serving if not each.get("readinessProbe")]


# -- what an object uses ---------------------------------------------------------------------------------------------


def _uses(kind: str, found: Object, secrets: t.Collection[str]) -> tuple[Use, ...]:
    if kind == "Ingress":
        return tuple(Use(name, "ingress", ()) for name in ingress_secrets(found) if name in secrets)
    return _pod_uses(template_of(kind, found).get("spec") or {}, secrets)


def _pod_uses(spec: Object, secrets: t.Collection[str]) -> tuple[Use, ...]:
    """Return how the containers of a pod's spec use some Secrets."""
    named = [each for each in references(spec) if each.kind == SECRET and each.name in secrets]
    found: dict[tuple[str, str], dict[str, None]] = {}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or []:
            for secret, way in _container_uses(container, named):
                found.setdefault((secret, way), {})[container["name"]] = None
    return tuple(Use(secret, way, tuple(names)) for (secret, way), names in found.items())


def _container_uses(container: Object, named: t.Sequence[Reference]) -> t.Iterator[tuple[str, str]]:
    for mount in container.get("volumeMounts") or []:
        for each in named:
            if each.volume == mount["name"]:
                way = _mounted(each, mount.get("subPath", ""), bool(mount.get("subPathExpr")))
                if way:
                    yield each.name, way
    for each in named:
        if each.container == container["name"]:
            yield each.name, TRUST if set((each.keys or {}).values()) == {TRUST_KEY} else each.way


def _mounted(source: Reference, sub_path: str, computed: bool) -> str:
    """Return the way in which a mount takes a part of a volume; empty if it takes nothing of this Secret."""
    keys = source.keys
    if sub_path:
        inside = f"{sub_path}/"
        paths = {sub_path: sub_path} if keys is None else keys
        taken = {key for path, key in paths.items() if path == sub_path or path.startswith(inside)}
        if not taken:
            return ""
    else:
        taken = set(keys.values()) if keys else {""}
    if taken == {TRUST_KEY}:
        return TRUST
    return "subpath" if sub_path or computed else source.way


# -- how it is reloaded ----------------------------------------------------------------------------------------------


def _judge(
    kind: str, namespace: str, found: Object, uses: tuple[Use, ...], overrides: t.Mapping[str, str] | None = None
) -> Consumer:
    """Return the consumer that an object is."""
    name, owner, problems = found["metadata"]["name"], _owner(found), []
    wanted, declared_by = _wanted(kind, found, overrides or {})
    if wanted and wanted not in CHOICES:
        problems.append(
            f"The annotation {RELOAD_ANNOTATION} of {kind} {name} is {wanted!r}; allowed are {', '.join(CHOICES)}."
        )
        wanted = ""
    fixed = sorted({use.way for use in uses if use.way in _FIXED_WAYS})
    copying = _copying(template_of(kind, found).get("spec") or {}, uses) if wanted == HOT else {}
    for secret, (names, alone) in copying.items():
        init = f"the init container {names[0]} of {kind} {name} takes the Secret {secret} once, when a pod starts"
        if alone:
            wanted = ""
            problems.append(
                f"{kind} {name} cannot be hot, as {declared_by} says: {init}, and no other container takes it; mount "
                "the volume where it is served, or have it restarted."
            )
        else:
            problems.append(
                f"{kind} {name} is hot, as {declared_by} says, but {init}: what that copies stays as it was; have it "
                "restarted if the copy is served."
            )
    if wanted == HOT and fixed:
        problems.append(
            f"{kind} {name} cannot be hot, as {declared_by} says: {' and '.join(_FIXED_WAYS[way] for way in fixed)} of "
            "a running container never changes; mount the whole volume, or have it restarted."
        )
        wanted = ""
    reload, why = _reload(kind, found, uses, wanted, declared_by)
    partition = partition_of(kind, found)
    if reload == RESTART and partition:
        problems.append(
            f"StatefulSet {name} has the partition {partition}, so that a restart leaves the pods below that number as "
            "they are; set it to 0."
        )
    return Consumer(kind, namespace, name, uses, reload, why, owner, tuple(problems), found)


def partition_of(kind: str, found: Object) -> int:
    """Return the number of the first pod of a StatefulSet that a rollout changes."""
    rolling = (found["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0) if kind == "StatefulSet" else 0


def _copying(spec: Object, uses: tuple[Use, ...]) -> dict[str, tuple[list[str], bool]]:
    """Return the init containers that take a Secret and end, by its name, and whether nobody else takes it."""
    lasting = {each["name"] for each in _lasting_containers(spec)}
    found = {}
    for secret in dict.fromkeys(use.secret for use in uses if use.way != TRUST):
        taking = [name for use in uses if use.secret == secret and use.way != TRUST for name in use.containers]
        ending = [name for name in taking if name not in lasting]
        if ending:
            found[secret] = (ending, len(ending) == len(taking))
    return found


def _wanted(kind: str, found: Object, overrides: t.Mapping[str, str]) -> tuple[str, str]:
    override = overrides.get(f"{kind}/{found['metadata']['name']}".lower(), "")
    if override:
        return override, "an override"
    for place in (found, template_of(kind, found)):
        declared = ((place.get("metadata") or {}).get("annotations") or {}).get(RELOAD_ANNOTATION, "")
        if declared:
            return str(declared), "its annotation"
    return "", ""


def _reload(kind: str, found: Object, uses: tuple[Use, ...], wanted: str, declared_by: str) -> tuple[str, str]:
    if kind == "Ingress":
        return NONE, "its controller reads the Secret by itself"
    if kind in ("Job", "CronJob"):
        return NONE, "its next run reads the Secret anew"
    if wanted in (HOT, EXTERNAL, NONE):
        return wanted, f"{declared_by} says so"
    if not wanted and all(use.way == TRUST for use in uses):
        return TRUST, f"it takes only {TRUST_KEY}"
    if kind == "Pod" and not _owner(found):
        return OPERATOR, "nobody would make this pod again: delete it and create it again"
    if kind not in ROLLING_KINDS:
        return OPERATOR, f"it belongs to {_owner(found) or 'nobody'}: restart it as is done there"
    if update_type(kind, found) == ON_DELETE:
        return OPERATOR, "its strategy is OnDelete: delete its pods one by one"
    if wanted:
        return wanted, f"{declared_by} says so"
    if _owner(found):
        return OPERATOR, f"it belongs to {_owner(found)}, which could undo a restart: restart it as is done there"
    annotations = _annotations(kind, found)
    if all(_reloader_restarts(annotations, use.secret) for use in uses if use.way != TRUST):
        return EXTERNAL, "Reloader restarts it, as its annotations say"
    fixed = next((use.way for use in uses if use.way in _FIXED_WAYS), "")
    if fixed:
        return RESTART, f"{_FIXED_WAYS[fixed]} of a running container never changes"
    return RESTART, f"nothing says that it reads the Secret again (annotation {RELOAD_ANNOTATION}: {HOT})"


def _annotations(kind: str, found: Object) -> dict[str, str]:
    template = (template_of(kind, found).get("metadata") or {}).get("annotations") or {}
    return {**template, **(found["metadata"].get("annotations") or {})}


def _reloader_restarts(annotations: t.Mapping[str, str], secret: str) -> bool:
    """Tell whether Stakater's Reloader restarts a workload for a Secret.

    The annotation of the Vault Secrets Operator says nothing here: it restarts for the Secrets only that it owns.
    """
    if _named(annotations.get(f"secret.{_RELOADER}/reload", ""), secret):
        return True
    automatic = (annotations.get(f"{_RELOADER}/auto"), annotations.get(f"secret.{_RELOADER}/auto"))
    return "true" in automatic and not _named(annotations.get(f"secrets.exclude.{_RELOADER}/reload", ""), secret)


def _named(patterns: str, secret: str) -> bool:
    """Tell whether a list of names, or of regular expressions, has a Secret."""
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        with contextlib.suppress(re.error):
            if pattern == secret or re.fullmatch(pattern, secret):
                return True
    return False


# -- objects ---------------------------------------------------------------------------------------------------------


def _group(path: str) -> str:
    return path.split("/")[2] if path.startswith("/apis/") else ""


def template_of(kind: str, found: Object) -> Object:
    """Return what the pods of an object are made from."""
    if kind in ("Pod", "Ingress"):
        return found
    spec = found["spec"]
    if kind == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return t.cast(Object, spec.get("template") or {})


def _lasting_containers(spec: Object) -> list[Object]:
    """Return the containers that run as long as their pod, sidecars among them."""
    sidecars = [each for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or []), *sidecars]


def _owners(found: Object) -> list[Object]:
    return found["metadata"].get("ownerReferences") or []


def _owner_uids(found: Object) -> set[str]:
    return {owner["uid"] for owner in _owners(found)}


def _owner(found: Object) -> str:
    """Return kind and name of the owner, of the controlling one if there are several; empty without one."""
    owners = sorted(_owners(found), key=lambda owner: not owner.get("controller"))
    return f"{owners[0]['kind']} {owners[0]['name']}" if owners else ""


def _is_of_another(kind: str, found: Object) -> bool:
    """Tell whether the owner of an object is looked at in its place."""
    known = _POD_OWNERS if kind == "Pod" else _KNOWN_OWNERS.get(kind, ())
    return any(owner["kind"] in known for owner in _owners(found))


def _is_over(kind: str, found: Object) -> bool:
    """Tell whether nothing of an object runs or will run."""
    status = found.get("status") or {}
    if kind == "Pod":
        return status.get("phase") in ("Succeeded", "Failed") or bool(found["metadata"].get("deletionTimestamp"))
    if kind == "Job":
        ended = ("Complete", "Failed")
        return any(each["type"] in ended and each["status"] == "True" for each in status.get("conditions") or [])
    # Old revisions of what is rolled out in another way than by a Deployment.
    return kind == "ReplicaSet" and not found["spec"].get("replicas") and not status.get("replicas")


def _is_serving(pod: Object) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") == "Running"


def _serving(pod: Object) -> ServingPod:
    ports = [
        (container["name"], int(port["containerPort"]))
        for container in _lasting_containers(pod["spec"])
        for port in container.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    ]
    return ServingPod(pod["metadata"]["name"], pod["metadata"]["uid"], is_ready(pod), tuple(ports))
