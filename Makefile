SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VENV := .venv
BIN := $(VENV)/bin
ARGS :=
STORIES := all# or brief: those that are told before each change is taken
PLANES := 3# control planes at a time, for tests that mostly wait: each takes a gigabyte and a half

# The first Python that is new enough; name another with `make install PYTHON=python3.12`.
SUITS = -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$each $(SUITS) 2>/dev/null && echo $$each && break; done)

.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv with the executables rollouts and kubectl-argo-rollouts

demo: install ## Watch a good release go out and two bad ones taken back (ARGS=--keep leaves it up)
	$(BIN)/rollouts demo $(ARGS)

sandbox: install ## Serve a cluster in a process, for kubectl (ARGS="--port 8001")
	$(BIN)/rollouts sandbox up $(ARGS)

test: install ## Run every test (ARGS="tests/decide -k canary" for some)
	$(BIN)/python -m pytest -q $(ARGS)

test-cluster: install ## Run the stories on a real API server, built with Go the first time (minutes)
	$(BIN)/python -m rollouts.sandbox.controlplane testenv .cache/controlplane
	$(BIN)/python -m pytest -q -m "cluster$(if $(filter brief,$(STORIES)), and not at_length)" -n $(PLANES) --dist worksteal \
		tests/cluster $(ARGS)

check: install ## Format, lint, types, layers, sizes: everything but the behaviour
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/test_architecture.py

fix: install ## Repair what `make check` can repair by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: install ## Generate crds/ from the models
	$(BIN)/python -m rollouts.api.crds crds

bench: install ## API calls, CPU and memory per updated rollout
	$(BIN)/rollouts bench $(ARGS)

bench-cluster: install ## The same on a real API server, built with Go the first time (ARGS="-n 500")
	$(BIN)/rollouts bench --cluster --standing 2000 -n 1 100 $(ARGS)

clean: ## Remove the virtual environment, caches and what a build leaves
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing the project and its tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -e '.[dev]'
	@touch $@

# Debian ships Python without ensurepip, and then `venv` cannot bring pip along: virtualenv can, or the pip we came with.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: install one, or name it: make install PYTHON=..." >&2; exit 1; }
	@$(PYTHON) $(SUITS) || { echo "$(PYTHON) is older than Python 3.11 or does not run: name another with PYTHON=..." >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -m virtualenv --version >/dev/null 2>&1; then $(PYTHON) -m virtualenv --quiet --clear $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --clear --without-pip $(VENV); \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; \
	else echo "$(PYTHON) has neither ensurepip nor pip: install python3-venv (apt-get install python3-venv)" >&2; exit 1; fi

.PHONY: help install demo sandbox test test-cluster check fix crds bench bench-cluster clean
