# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Secrets and ConfigMaps a pod names, and how it gets them. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .client import Object

SECRET, CONFIGMAP = "Secret", "ConfigMap"
VOLUME, PROJECTED, CSI, ENV, ENV_FROM = "volume", "projected", "csi", "env", "envfrom"

_LASTING = ("initContainers", "containers")
_ALL = (*_LASTING, "ephemeralContainers")


class Reference(t.NamedTuple):
    """One place of a pod's spec that names an object.

    ``volume`` is the name of the volume, ``container`` that of the container whose environment it is. ``keys`` are the
    keys that are taken, by their paths in a volume; None means all of them. A pod starts without what is ``optional``.
    """

    kind: str
    name: str
    way: str
    volume: str = ""
    container: str = ""
    keys: t.Mapping[str, str] | None = None
    optional: bool = False


def references(spec: Object, *, ephemeral: bool = True) -> t.Iterator[Reference]:
    """Yield what a pod's spec names, volumes first; ``ephemeral`` takes ephemeral containers along."""
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)
    for group in _ALL if ephemeral else _LASTING:
        for container in spec.get(group) or []:
            yield from _of_container(container)


def ingress_secrets(ingress: Object) -> list[str]:
    """Return the names of the Secrets that an Ingress serves, each once."""
    return list(
        dict.fromkeys(each["secretName"] for each in ingress["spec"].get("tls") or [] if each.get("secretName"))
    )


def _of_volume(volume: Object) -> t.Iterator[Reference]:
    name = volume["name"]
    sources = [
        (volume.get("secret"), SECRET, "secretName", VOLUME),
        (volume.get("configMap"), CONFIGMAP, "name", VOLUME),
    ]
    for each in (volume.get("projected") or {}).get("sources") or []:
        sources += [
            (each.get("secret"), SECRET, "name", PROJECTED),
            (each.get("configMap"), CONFIGMAP, "name", PROJECTED),
        ]
    sources.append(((volume.get("csi") or {}).get("nodePublishSecretRef"), SECRET, "name", CSI))
    for source, kind, key, way in sources:
        if source and source.get(key):
            items = source.get("items")
            keys = {item["path"]: item["key"] for item in items} if items else None
            yield Reference(kind, source[key], way, volume=name, keys=keys, optional=bool(source.get("optional")))


def _of_container(container: Object) -> t.Iterator[Reference]:
    name = container["name"]
    for variable in container.get("env") or []:
        source = variable.get("valueFrom") or {}
        for kind, entry in ((SECRET, source.get("secretKeyRef")), (CONFIGMAP, source.get("configMapKeyRef"))):
            if entry and entry.get("name"):
                key = entry.get("key", "")
                yield Reference(
                    kind, entry["name"], ENV, container=name, keys={key: key}, optional=bool(entry.get("optional"))
                )
    for source in container.get("envFrom") or []:
        for kind, entry in ((SECRET, source.get("secretRef")), (CONFIGMAP, source.get("configMapRef"))):
            if entry and entry.get("name"):
                yield Reference(kind, entry["name"], ENV_FROM, container=name, optional=bool(entry.get("optional")))
