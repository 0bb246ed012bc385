# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ROOT := $(CURDIR)
CACHE := $(ROOT)/.cache
BIN := $(ROOT)/.venv/bin
LAB := PYTHONPATH=$(ROOT)/tests $(BIN)/python -m lab
LINK := .ansible/collections/ansible_collections/market_intel/runbooks
PYTHON ?= $(shell python3 $(ROOT)/tests/tools/pythons.py)
# Scenarios of molecule that need the lab; in a CI it has to come up.
IN_LAB := flush_redis_in_pods rotate_certs debug_pod
# What each test has spent its time on is kept for the table of "make test".
PYTEST = TEST_DURATIONS=$(CACHE)/test/$@.json $(BIN)/python -m pytest -o cache_dir=$(CACHE)/pytest/$@
# Tests of servers wait more than they compute.
IN_PARALLEL := -n 4 --no-loadscope-reorder
OF_A_RELEASE := $(addprefix tests/,unit/test_links.py unit/test_pages.py $(patsubst %,integration/test_%.py,packaging release execution_environment))
# One file or several: make integration T=tests/integration/test_packaging.py
T ?=
# Those that failed last, one after the other: make lab FAILED=yes
ONLY_FAILED = $(if $(FAILED),--last-failed --last-failed-no-failures none -n 0)

# Every cache stays in the checkout, so that an empty home folder stays empty and no user configuration leaks in.
export PATH := $(BIN):$(PATH)
export ANSIBLE_CONFIG := $(ROOT)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(ROOT)/.ansible/collections
export ANSIBLE_HOME := $(CACHE)/ansible
# Its own default asks the user database for the home folder, whatever HOME says.
export ANSIBLE_REMOTE_TEMP := $(CACHE)/ansible/tmp
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Colours are for terminals, not for a CI's log.
ifndef MAKE_TERMOUT
export NO_COLOR := 1
export PY_COLORS := 0
export ANSIBLE_NOCOLOR := 1
endif

.PHONY: help venv runtime servers programs lab-up lab-down lab-status lab-env lab-kubectl demo unit integration molecule lab latency lint sanity types bench soak test clean format pictures build release released release-check

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: .venv/.dev $(LINK) ## the development environment in .venv (exact versions, about a minute)

runtime: .venv/.runtime $(LINK) ## the small environment that runs the playbooks (half a minute)

.venv/.created:
	@python="$(PYTHON)"; [ -n "$$python" ] || { echo "error: there is no Python 3.11 or newer that can make a venv; on Debian: apt-get install python3-venv; or name one: make PYTHON=/path/to/python3.13 ..." >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: ansible-core 2.19 needs Python 3.11 or newer, and 2.21 Python 3.12; name one: make PYTHON=python3.13 ..." >&2; exit 1; }; \
	echo "  making .venv with $$("$$python" -c 'import platform; print("Python", platform.python_version())')"; \
	"$$python" -m venv .venv || { rm -rf .venv; echo "error: $$python cannot make a venv; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
	touch $@

# To compile a hundred collections takes most of an installation, and hardly any is imported, ever.
INSTALL := $(BIN)/python -m pip install -q --no-compile

.venv/.runtime: requirements.txt requirements-ansible.txt | .venv/.created
	@echo "  installing Ansible and the clients of Redis, Kubernetes and Vault into .venv (once, half a minute)"
	@$(INSTALL) -r requirements-ansible.txt
	@$(BIN)/python -m compileall -q -x '/(ansible_collections|pip)/' .venv/lib
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@echo "  installing the development tools into .venv (once, about a minute)"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

# The checkout loads by its full name, as an installed collection does.
$(LINK):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

servers: .venv/.created ## fetch the servers that the tests run on, where the machine has none
	@PYTHONPATH=$(ROOT)/tests $(BIN)/python -m tools.servers_install

# Before tests that need them, so that one sees how far that is; where there can be no lab, the tests say so as well.
programs: venv
	@LAB_KUBECONFIG= LAB_CONTEXT= $(LAB) build || [ -z "$${CI:-}" ]

lab-up: runtime ## a Kubernetes with cert-manager, Vault, Prometheus and Redis on this machine
	@$(LAB) up

lab-down: runtime ## end it and leave nothing behind
	@$(LAB) down

lab-status: runtime ## how each of its parts is
	@$(LAB) status

lab-env: runtime ## variables that find it, for eval
	@$(LAB) env

lab-kubectl: runtime ## its kubectl                                                   [ARGS="get pods -A"]
	@$(LAB) kubectl $(ARGS)

demo: runtime ## flush and restore 1,000,000 keys, then a Redis in a Kubernetes of its own    [LAB=no: without]
	@$(BIN)/python tests/demo/demo.py

unit: venv ## tests without a server, in seconds                             [T=file]
	@$(PYTEST) $(or $(T),tests/unit) $(ONLY_FAILED)

integration: venv servers ## tests on private real servers                                [T=file]
	@$(PYTEST) $(or $(T),$(IN_PARALLEL) -m "not alone and not lab" tests/integration) $(ONLY_FAILED)

latency: venv servers ## tests that measure milliseconds, with nothing beside them
	@$(PYTEST) -m alone tests/integration $(ONLY_FAILED)

molecule: venv servers ## one scenario per runbook: check, converge, idempotence, verify [T=scenario]
ifdef T
	@MOLECULE_LAB=$(if $(filter $(IN_LAB),$(T)),yes,no) $(BIN)/molecule test -s $(T)
else
	@if [ -n "$${CI:-}" ] || LAB_KUBECONFIG= LAB_CONTEXT= $(LAB) check; then \
	  $(MAKE) programs && $(BIN)/molecule test --all; else \
	  echo "left out for want of a lab: $(IN_LAB)"; MOLECULE_LAB=no $(BIN)/molecule test --all $(IN_LAB:%=--exclude %); fi
endif

lab: venv servers programs ## tests of and in the lab                                  [T=file]
	@$(PYTEST) -m lab $(or $(T),$(IN_PARALLEL) tests/integration) $(ONLY_FAILED)

lint: venv ## ruff, yamllint, ansible-lint (profile production), changelog, licences, plugin docs
	@$(BIN)/python tests/tools/lint.py

types: venv ## mypy --strict on plugins
	@$(BIN)/python -m mypy

sanity: venv ## ansible-test sanity on a copy of the files git knows
	@$(BIN)/python tests/tools/sanity.py

bench: venv servers ## speed, latency and memory against the alternatives         [T=part]
	@$(BIN)/python tests/bench/bench.py $(T)

soak: venv servers ## campaigns of hundreds of seeds; it goes on where it stopped  [PART=kills SEEDS=200]
	@PYTHONPATH=$(ROOT)/tests $(BIN)/python -m soak --part "$(PART)" --seeds "$(SEEDS)" --again "$(AGAIN)" --record "$(RECORD)"

test: venv servers ## everything that has to pass; .ci/run calls exactly this            [FROM=stage]
	@$(BIN)/python tests/tools/stages.py $(FROM)

pictures: venv servers ## those of the README, from a real run; draws with Chromium
	@$(BIN)/python tests/tools/pictures.py

build: venv ## the artefact for Galaxy, made of the files git knows, in build/
	@rm -rf build && mkdir build
	@PYTHONPATH=$(ROOT)/tests $(BIN)/python -c 'import pathlib; from support import packaging; print(packaging.build(pathlib.Path("build").resolve()))'

release: venv ## set the version and turn the fragments into the changelog         [VERSION=1.1.0]
	@$(BIN)/python tests/tools/release.py $(VERSION)

released: venv ## say whether that is done                                            [VERSION=1.1.0]
	@$(BIN)/python tests/tools/release.py --check $(VERSION)

release-check: lint sanity servers ## what a release has to pass: importer, lint, sanity, licences, links, a use of the artefact
	@$(PYTEST) $(OF_A_RELEASE)

format: venv ## let ruff format and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove everything that make has made
	@[ ! -d .cache/lab ] || $(MAKE) lab-down
	@rm -rf .venv .cache .ansible build tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
