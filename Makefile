SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Make .venv with the executables rollouts and kubectl-argo-rollouts

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: install ## Watch a good release go out and two bad ones come back
	$(BIN)/rollouts demo

test: install ## Run every test
	$(BIN)/python -m pytest -q

check: install ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: install ## Repair what `make check` can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crds: install ## Generate crds/ from the models
	$(BIN)/python -m rollouts.api.crds crds

bench: install ## API calls, CPU and memory per updated rollout
	$(BIN)/python -m rollouts.sandbox.bench

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help install demo test check fix crds bench clean
