# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints as an operator names them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Endpoint


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("shop.example.com:443", Endpoint("shop.example.com", 443)),
        ("[::1]:8443", Endpoint("::1", 8443)),
        ({"address": "10.0.0.1:443", "server_name": "a", "secret": "b/c"}, Endpoint("10.0.0.1", 443, "a", "b/c")),
    ],
)
def test_endpoints(data: Any, expected: Endpoint) -> None:
    assert Endpoint.parse(data, "endpoints[0]") == expected


@pytest.mark.parametrize(
    "data", ["a", ":443", "a:0", "a:70000", "a b:1", "https://a:443", {}, {"address": "a:1", "x": 1}, None]
)
def test_an_endpoint_in_another_form(data: Any) -> None:
    with pytest.raises(InvalidInput, match=r"endpoints\[3\] is .*host:port"):
        Endpoint.parse(data, "endpoints[3]")
