# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of certificates, and each mistake in it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import (
    choose,
    read_catalogue,
)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "not a list of mappings"),
        ("api-gateway", "not a list of mappings"),
        (["api-gateway"], "not a mapping"),
        ([{"name": "web"}], "secret_name"),
        ([{"name": "Web", "secret_name": "web-tls"}], "lower-case letters"),
        ([{"name": "web; touch /tmp/x", "secret_name": "web-tls"}], "lower-case letters"),
        ([{"name": "web", "secret_name": "web-tls", "secrets": 1}], "unknown key 'secrets'"),
        ([{"name": "web", "secret_name": "web-tls", "vault": "perhaps"}], "true and false"),
        ([{"name": "web", "secret_name": "web-tls", "ports": [70000]}], "1 to 65535"),
        ([{"name": "web", "secret_name": "web-tls", "vault": True, "cert_manager": "yes"}], "both"),
        ([{"name": "web", "secret_name": "a"}, {"name": "web", "secret_name": "b"}], "twice"),
    ],
)
def test_a_mistake_in_the_catalogue_gets_one_sentence(data: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_catalogue(data)


def test_an_unknown_name_lists_those_that_are_known() -> None:
    entries = read_catalogue([{"name": "web", "secret_name": "web-tls"}, {"name": "shop", "secret_name": "shop-tls"}])
    assert choose(entries, []) == entries
    assert [entry.name for entry in choose(entries, ["shop"])] == ["shop"]
    with pytest.raises(InvalidInput, match="'wob' in the catalogue; known are web, shop"):
        choose(entries, ["wob"])
