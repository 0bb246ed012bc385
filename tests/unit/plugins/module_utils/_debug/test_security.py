# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The security contexts of ephemeral containers."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.security import NOBODY, profiles


def container(**context: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "securityContext": context}]}}


def test_no_profile_is_privileged_unless_it_is_asked_for() -> None:
    assert [each.name for each in profiles(container(), "main", privileged=False)] == [
        "netadmin",
        "baseline",
        "restricted",
    ]
    assert profiles(container(), "main", privileged=True)[0].context["privileged"]


@pytest.mark.parametrize(("context", "user"), [({}, NOBODY), ({"runAsUser": 0}, NOBODY), ({"runAsUser": 1234}, 1234)])
def test_the_last_profile_has_the_user_of_the_container(context: dict[str, Any], user: int) -> None:
    last = profiles(container(**context), "main", privileged=False)[-1]
    assert (last.context["runAsUser"], last.context["runAsNonRoot"]) == (user, True)
    assert last.context["capabilities"] == {"drop": ["ALL"]}


def test_root_is_said_where_the_pod_forbids_it() -> None:
    # Both have to be there, or the kubelet refuses to start it.
    for each in profiles(container(runAsNonRoot=True), "main", privileged=True)[:-1]:
        assert (each.context["runAsUser"], each.context["runAsNonRoot"]) == (0, False)
