# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures of a Redis server, by the options of redis_cache_info. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import InvalidInput
from .._run import Progress, Stop

_INTERVAL = 1.0

Figures = Mapping[str, t.Any]


def redis_figures(given: Mapping[str, t.Any], stop: Stop) -> t.Callable[[], tuple[Figures, Figures]]:
    """Return what reads health and traffic of the server that is meant; raise InvalidInput."""
    # Only here, because its library takes a tenth of a second to import.
    from .._redis.options import redis_argument_spec, redis_settings
    from .._redis.stats import run_stats

    spec = redis_argument_spec()
    checked = ArgumentSpecValidator(spec.argument_spec, **spec.rules).validate(dict(given))
    if checked.error_messages:
        raise InvalidInput(f"O(redis) cannot be used ({checked.error_messages[0]}); correct it.")
    settings = redis_settings(checked.validated_parameters)

    def read() -> tuple[Figures, Figures]:
        found = run_stats(settings, [], stop, Progress(None), interval=_INTERVAL)
        return found.health, found.traffic

    return read
