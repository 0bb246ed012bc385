# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login that all steps of a run have is settled once, whatever their environment and other people do meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin, ApiSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import Cluster
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._cluster import refuse_unnamed, settle_login
from support.api_server import write_kubeconfig

EU, US = "https://eu.example.com:6443", "https://us.example.com"
IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return kubeconfigs by name; each has a current context but the last one."""
    first = write_kubeconfig(tmp_path / "first", {"eu": EU, "both": EU}, current="eu")
    second = write_kubeconfig(tmp_path / "second", {"us": US, "both": US}, current="us")
    none = write_kubeconfig(tmp_path / "none", {"eu": EU, "us": US})
    found = {path.name: str(path) for path in (first, second, none)}
    return {**found, "missing": str(tmp_path / "missing"), "home": str(tmp_path)}


# what is given, what is in the environment, and the kubeconfig and context that each step gets
SETTLED: dict[str, tuple[dict[str, str], dict[str, str], str, str]] = {
    "the current context": ({"kubeconfig": "{first}"}, {}, "{first}", "eu"),
    "as kubectl, the first of several files": ({}, {"KUBECONFIG": "{first}:{second}"}, "{first}:{second}", "eu"),
    "the first that has one": ({}, {"KUBECONFIG": "{missing}:{none}:{second}"}, "{none}:{second}", "us"),
    "a file beside the caller": ({}, {"KUBECONFIG": "first"}, "{first}", "eu"),
    "the file that counts": ({}, {"KUBECONFIG": "{first}", "K8S_AUTH_KUBECONFIG": "{second}"}, "{second}", "us"),
    "a context of the environment": ({"kubeconfig": "{none}"}, {"K8S_AUTH_CONTEXT": "us"}, "{none}", "us"),
    "the given before all": ({"context": "eu"}, {"KUBECONFIG": "{none}", "K8S_AUTH_CONTEXT": "us"}, "{none}", "eu"),
    "a pod with a kubeconfig": ({"context": "eu"}, {**IN_A_POD, "KUBECONFIG": "{first}"}, "{first}", "eu"),
    "a pod without one": ({"context": "eu"}, {**IN_A_POD, "HOME": "{home}"}, "{home}/.kube/config", "eu"),
    "another home": ({"kubeconfig": "~/second"}, {"HOME": "{home}"}, "{home}/second", "us"),
}


def filled(texts: dict[str, str], files: dict[str, str]) -> dict[str, str]:
    return {name: text.format(**files) for name, text in texts.items()}


@pytest.mark.parametrize("case", SETTLED)
def test_each_step_gets_the_file_and_the_context(
    case: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, environment, kubeconfig, context = SETTLED[case]
    monkeypatch.chdir(files["home"])
    found = settle_login(filled(given, files), filled(environment, files))
    assert (found["kubeconfig"], found["context"]) == (kubeconfig.format(**files), context)


def test_a_pod_without_a_context_is_its_own_cluster(files: dict[str, str]) -> None:
    assert settle_login({}, {**IN_A_POD, "HOME": files["home"]}) == {}


def test_a_client_without_a_context_takes_the_one_that_kubectl_takes(files: dict[str, str]) -> None:
    several = f"{files['first']}:{files['second']}"
    assert ApiLogin(ApiSettings(kubeconfig=several), "test").server == EU
    assert ApiLogin(ApiSettings(kubeconfig=several, context="us"), "test").server == US


def test_a_context_is_never_looked_for_in_the_pod_that_this_runs_in(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**IN_A_POD, "HOME": files["home"]}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(InvalidInput, match="cannot be read"):
        ApiLogin(ApiSettings(context="eu"), "test")


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ({"kubeconfig": "{none}", "context": "us"}, {"K8S_AUTH_HOST": EU}),
        ({"kubeconfig": "{second}"}, {"K8S_AUTH_HOST": EU}),
        ({"kubeconfig": "{none}", "context": "us", "host": EU}, {}),
        ({}, {"K8S_AUTH_KUBECONFIG": "{none}", "K8S_AUTH_CONTEXT": "us", "K8S_AUTH_HOST": EU}),
    ],
    ids=["context", "kubeconfig", "both given", "both in the environment"],
)
def test_a_context_and_an_address_that_differ_are_refused(
    given: dict[str, str], environment: dict[str, str], files: dict[str, str]
) -> None:
    with pytest.raises(Refused, match=r"The context us leads to https://us\.example\.com, and O\(host\) is https://eu"):
        settle_login(filled(given, files), filled(environment, files))


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ({"host": EU}, {"K8S_AUTH_CONTEXT": "us", "K8S_AUTH_KUBECONFIG": "{none}"}),
        ({"kubeconfig": "{none}", "context": "eu"}, {"K8S_AUTH_HOST": f"{EU.upper().replace('HTTPS', 'https')}/"}),
        ({"kubeconfig": "{none}", "context": "us"}, {"K8S_AUTH_HOST": f"{US}:443"}),
        # A credential of AWX, where the inventory names contexts of the bastion.
        ({"kubeconfig": "{missing}", "context": "us"}, {"K8S_AUTH_HOST": EU}),
    ],
    ids=["given before the environment", "the same", "the usual port", "no kubeconfig"],
)
def test_an_address_that_nothing_contradicts_counts(
    given: dict[str, str], environment: dict[str, str], files: dict[str, str]
) -> None:
    found = settle_login(filled(given, files), filled(environment, files))
    assert found["host"] == given.get("host", environment.get("K8S_AUTH_HOST"))
    assert found.get("context") in (None, given.get("context"))
    assert found.get("context") is None or given["kubeconfig"] != "{missing}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost.localdomain", "LOCALHOST", "bastion"])
@pytest.mark.parametrize("environment", [{}, {"K8S_AUTH_CONTEXT": "eu"}], ids=str)
def test_only_localhost_stands_for_the_current_context(
    host: str, environment: dict[str, str], files: dict[str, str]
) -> None:
    given: dict[str, Any] = {"kubeconfig": files["first"]}
    refuse_unnamed("localhost", given, environment)
    with pytest.raises(Refused, match=f"The host {host} names no cluster, and the current context eu may be another"):
        refuse_unnamed(host, given, environment)


def test_one_server_in_two_spellings_is_the_same_cluster() -> None:
    for other in ("https://EU.example.com:6443/", " https://eu.example.com:6443"):
        assert Cluster(server=EU).is_same(Cluster(server=other))
    assert Cluster(server=US).is_same(Cluster(server=f"{US}:443/"))
    assert not Cluster(server=EU).is_same(Cluster(server="https://eu.example.com:6444"))
