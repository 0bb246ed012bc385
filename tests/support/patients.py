# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of a lab that each have one thing wrong with them.

```python
namespace.apply(pod("crash", container("exit 3")), pod("web", labels={"app": "web"}))
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .issued import issue
from .pods import Namespace

BUSYBOX = "localhost/busybox:1"
DEBUG = "localhost/debug:1"
REDIS = "localhost/redis:7.0"
STAY = "trap 'exit 0' TERM; while :; do sleep 1; done"
# What the level "restricted" of Pod Security asks for.
TIGHT = {
    "runAsNonRoot": True,
    "runAsUser": 12345,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "readOnlyRootFilesystem": True,
}


def container(script: str = STAY, name: str = "main", image: str = BUSYBOX, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], **more}


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod; without containers it has one that stays."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"containers": list(containers) or [container()], "terminationGracePeriodSeconds": 1, **spec},
    }


def expired_pair() -> dict[str, str]:
    """Return a certificate that expired two days ago, and its key."""
    issued = issue("expired.example.com", days=28, age=30)
    return {"tls.crt": issued.pem, "tls.key": issued.key_pem}


def variables(place: Namespace, folder: Path, targets: str, **more: Any) -> dict[str, Any]:
    """Return the variables of debug_pod for targets in a namespace, with its reports below a folder."""
    return {
        "debug_pod_kubeconfig": str(place.lab.state / "kubeconfig"),
        "debug_pod_skip_prompt": True,
        "debug_pod_namespace": place.name,
        "debug_pod_targets": targets,
        "debug_pod_image": DEBUG,
        "debug_pod_reports_dir": str(folder / "reports"),
        **more,
    }
