# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that all redis modules share; in step with doc_fragments/_redis.py. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._deps import HIREDIS, REDIS
from .._module import ArgumentSpec
from .._run import Progress, Stop
from .connection import RedisSettings

LIBRARIES = (REDIS, HIREDIS)


def redis_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "url": {"type": "str", "required": True},
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
        },
        required_together=[("client_cert", "client_key")],
    )


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


def redis_settings(params: dict[str, t.Any]) -> RedisSettings:
    """Return the settings, and take credentials out of the URL that the result will show."""
    given = {name: params[name] for name in redis_argument_spec().argument_spec}
    given["nodes"] = tuple(given["nodes"])
    given["address_map"] = {str(name): str(place) for name, place in given["address_map"].items()}
    settings = RedisSettings(**given)
    params["url"] = settings.display_url
    return settings


def progress_argument_spec() -> ArgumentSpec:
    """The option by which the action plugin hears of a module's progress, and the module of the plugin's end."""
    return ArgumentSpec(
        {
            "progress": {
                "type": "dict",
                "options": {"path": {"type": "path"}, "controllers": {"type": "list", "elements": "int"}},
            }
        }
    )


def stop_and_progress(params: t.Mapping[str, t.Any]) -> tuple[Stop, Progress]:
    """Return the module's stop request, with its signal handlers installed, and its progress."""
    progress = params["progress"] or {}
    stop = Stop(progress.get("controllers") or ())
    stop.install()
    return stop, Progress(progress.get("path"))
