# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of hosts. PRIVATE to the collection."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}


def is_address(host: str) -> bool:
    """Tell whether a host is given by its IP address, not by a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def canonical_server(url: str) -> str:
    """Return the URL of a server in the one spelling by which two can be compared."""
    parts = urlsplit(url.strip())
    try:
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"
