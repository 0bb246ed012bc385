# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that all redis modules share; in step with doc_fragments/_redis.py. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._deps_redis import HIREDIS, REDIS
from .._errors import InvalidInput
from .._k8s.options import LOGIN_SECRETS, login_argument_spec, login_options
from .._module import ArgumentSpec
from .catalogue import caches_to_save, select_caches
from .connection import RedisSettings, url_of
from .plan import FlushRequest

LIBRARIES = (REDIS, HIREDIS)


def redis_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "url": {"type": "str"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["REDISCLI_AUTH"])},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "validate_certs": {"type": "bool", "default": True},
            "check_hostname": {"type": "bool", "default": True},
            "tls_min_version": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
            "connect_timeout": {"type": "float", "default": 5.0},
            "timeout": {"type": "float", "default": 30.0},
            "topology": {"type": "str", "choices": ["auto", "standalone", "sentinel", "cluster"], "default": "auto"},
            "nodes": {"type": "list", "elements": "str", "default": []},
            "sentinel_service": {"type": "str", "default": ""},
            "sentinel_username": {"type": "str"},
            "sentinel_password": {
                "type": "str",
                "no_log": True,
                "fallback": (env_fallback, ["REDIS_SENTINEL_PASSWORD"]),
            },
            "address_map": {"type": "dict", "default": {}},
            "kubernetes": _kubernetes_option(),
        },
        required_together=[("client_cert", "client_key")],
        required_one_of=[("url", "kubernetes")],
    )


def _kubernetes_option() -> dict[str, t.Any]:
    spec = ArgumentSpec(
        {
            "namespace": {"type": "str", "required": True},
            "selector": {"type": "str", "default": ""},
            "service": {"type": "str", "default": ""},
            "port": {"type": "str", "default": ""},
            "container": {"type": "str", "default": ""},
            "password_secret": {"type": "str", "default": "", "no_log": False},
            "password_secret_key": {"type": "str", "default": "", "no_log": False},
        }
    ).merge(login_argument_spec())
    return {"type": "dict", "options": spec.argument_spec, **spec.rules}


def caches_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "caches": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "pattern": {"type": "str"},
                    "prefix": {"type": "str"},
                    "backup": {"type": "bool", "default": True},
                    "environments": {"type": "list", "elements": "str", "default": []},
                },
            },
            "names": {"type": "list", "elements": "str", "default": []},
            "patterns": {"type": "list", "elements": "str", "default": []},
        }
    )


def flush_argument_spec() -> ArgumentSpec:
    """The options that say what a flush does and what it may not do; the fields of FlushRequest."""
    return ArgumentSpec(
        {
            "mode": {"type": "str", "choices": ["delete", "expire"], "default": "delete"},
            "expire_window": {"type": "int", "default": 300},
            "batch_size": {"type": "int", "default": 700},
            "rate_limit": {"type": "int", "default": 0},
            "max_latency_ms": {"type": "float", "default": 20.0},
            "max_replica_lag_bytes": {"type": "int", "default": 67108864},
            "big_key_bytes": {"type": "int", "default": 1048576, "no_log": False},
            "max_keys": {"type": "int", "default": 1000000, "no_log": False},
            "max_share": {"type": "float", "default": 0.5},
            "allow_broad": {"type": "bool", "default": False},
            "allow_sensitive": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "environment": {"type": "str", "default": ""},
            "confirm": {"type": "str", "default": ""},
            "expected_run_id": {"type": "str", "default": ""},
            "recovery_timeout": {"type": "float", "default": 0.0},
        }
    )


def flush_request(params: t.Mapping[str, t.Any]) -> FlushRequest:
    """Return what the operator asked for; raise InvalidInput or Refused where the catalogue does not have it."""
    given = {name: params[name] for name in flush_argument_spec().argument_spec}
    patterns = select_caches(
        params["caches"],
        params["names"],
        params["patterns"],
        backup=params["backup"],
        environment=params["environment"],
    )
    return FlushRequest(
        patterns=patterns,
        saved=caches_to_save(params["caches"], patterns) if params["backup"] else (),
        **{**given, "allow_sensitive": tuple(given["allow_sensitive"])},
    )


def redis_settings(params: dict[str, t.Any]) -> RedisSettings:
    """Return the settings, and take credentials out of the URL that the result will show."""
    given = {name: params[name] for name in redis_argument_spec().argument_spec}
    if params["url"]:
        params["url"] = RedisSettings(params["url"]).display_url
    given["nodes"] = tuple(given["nodes"])
    given["address_map"] = {str(name): str(place) for name, place in given["address_map"].items()}
    kubernetes = given.pop("kubernetes")
    if kubernetes:
        given.update(_in_pods(given, kubernetes))
    settings = RedisSettings(**given)
    params["url"] = settings.display_url
    settings.endpoint()
    try:
        settings.check_addresses()
    except InvalidInput:
        # A result shows what a module was given.
        params.update(nodes=[], address_map={})
        raise
    return settings


def _in_pods(given: t.Mapping[str, t.Any], kubernetes: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the settings that reach servers in pods; the Kubernetes client is loaded for nothing else."""
    from .._k8s.client import ApiSettings
    from .._k8s.pods import PodSelection
    from .pods import PasswordSecret, PodNetwork

    namespace, service = kubernetes["namespace"], kubernetes["service"]
    if bool(service) == bool(kubernetes["selector"]):
        raise InvalidInput(
            f"O(kubernetes) names {'both a service and' if service else 'neither a service nor'} a selector; allowed "
            "is "
            "one of them, to say which pods Redis runs in."
        )
    # What a bastion calls localhost is no name of a server in a pod.
    url = given["url"] or "redis://localhost"
    settings = RedisSettings(url)
    scheme, address, database = settings.endpoint()
    if address.get("host") == "localhost":
        host = f"{service}.{namespace}.svc" if service else f"pods.{namespace}"
        url = url_of(scheme, (host, address["port"]), database)
    timeouts = {name: given[name] for name in ("connect_timeout", "timeout")}
    secret = kubernetes["password_secret"]
    shown = {name: value for name, value in kubernetes.items() if value not in (None, "") and name not in LOGIN_SECRETS}
    network = PodNetwork(
        ApiSettings(**login_options(kubernetes), **timeouts, prefix="kubernetes."),
        PodSelection(
            **{name: kubernetes[name] for name in ("namespace", "selector", "service", "port", "container")},
            default_port=address.get("port", 0),
        ),
        PasswordSecret(secret, kubernetes["password_secret_key"]) if secret else None,
        shown,
    )
    return {"url": url, "network": network}
