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
PYTHON ?= python3
# Scenarios of molecule that need the lab; in a CI it has to come up.
IN_LAB := flush_redis_in_pods rotate_certs debug_pod
# One file or several: make integration T=tests/integration/test_packaging.py
T ?=

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

STAGES := lint types sanity unit integration molecule lab

.PHONY: help venv runtime servers lab-up lab-down lab-status lab-env lab-kubectl lab-cycles demo unit integration molecule lab lint sanity types bench kills test clean format

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: .venv/.dev $(LINK) ## the development environment in .venv (exact versions, about a minute)

runtime: .venv/.runtime $(LINK) ## the small environment that runs the playbooks (about ten seconds)

.venv/.created:
	@echo "  making .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: ansible-core 2.19 needs Python 3.11 or newer; name one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "error: $(PYTHON) cannot make a venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/.runtime: requirements.txt requirements-ansible.txt | .venv/.created
	@echo "  installing ansible-core and the Redis client into .venv"
	@$(BIN)/python -m pip install -q -r requirements-ansible.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@echo "  installing the development tools into .venv (once, about a minute)"
	@$(BIN)/python -m pip install -q -r requirements-dev.txt
	@touch $@

# The checkout loads by its full name, as an installed collection does.
$(LINK):
	@mkdir -p $(@D)
	@ln -sfn ../../../.. $@

servers: .venv/.created ## fetch the servers that the tests run on, where the machine has none
	@$(BIN)/python tests/tools/servers_install.py

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
	@$(BIN)/python -m pytest $(or $(T),tests/unit)

integration: venv servers ## tests on private real servers                                [T=file]
	@$(BIN)/python -m pytest $(or $(T),-n 2 --dist loadfile -m "not alone and not lab" tests/integration)
	@$(if $(T),,$(BIN)/python -m pytest -m alone tests/integration)

molecule: venv servers ## one scenario per runbook: check, converge, idempotence, verify [T=scenario]
ifdef T
	@MOLECULE_LAB=$(if $(filter $(IN_LAB),$(T)),yes,no) $(BIN)/molecule test -s $(T)
else
	@if [ -n "$${CI:-}" ] || LAB_KUBECONFIG= LAB_CONTEXT= $(LAB) check; then $(BIN)/molecule test --all; else \
	  echo "left out for want of a lab: $(IN_LAB)"; MOLECULE_LAB=no $(BIN)/molecule test --all $(IN_LAB:%=--exclude %); fi
endif

lab: venv ## tests of and in the lab                                           [T=file]
	@$(BIN)/python -m pytest $(or $(T),-n 2 --dist loadfile) -m lab $(if $(T),,tests/integration)

lint: venv ## ruff, yamllint, ansible-lint (profile production), changelog, plugin docs
	@$(BIN)/python tests/tools/lint.py

types: venv ## mypy --strict on module_utils
	@$(BIN)/python -m mypy

sanity: venv ## ansible-test sanity on a copy of the files git knows
	@$(BIN)/python tests/tools/sanity.py

bench: venv servers ## speed, latency and memory against the alternatives         [T=part]
	@$(BIN)/python tests/bench/bench.py $(T)

kills: venv servers ## 200 flushes killed at seeded moments while a writer writes: what was lost?
	@$(BIN)/python tests/bench/kills.py

lab-cycles: venv ## 30 labs up and down, 10 interrupted: how long, and what was left?
	@$(BIN)/python tests/bench/lab_cycles.py

test: venv ## everything that has to pass; .ci/run calls exactly this
	@$(BIN)/python tests/tools/stages.py $(STAGES)

format: venv ## let ruff format and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove everything that make has made
	@[ ! -d .cache/lab ] || $(MAKE) lab-down
	@rm -rf .venv .cache .ansible build tests/output
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
