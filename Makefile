# Everything worth doing twice. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Daymark needs Python 3.11 or newer: make PYTHON=python3.13 …" >&2; exit 1; }
	@echo "preparing $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: venv
venv: $(READY) ## Prepare .venv/ with everything that is locked.

.PHONY: up
up: $(READY) ## Run everything on this machine; Ctrl-C ends it.
	@exec $(BIN)/daymark up

.PHONY: test
test: $(READY) ## Run the tests on a real Kafka and Valkey.
	@$(PYTEST) -m "not sdk"

.PHONY: test-sdks
test-sdks: $(READY) ## Run published SDKs against Daymark; installs them in a cache folder.
	@$(BIN)/python -m pytest -m sdk

.PHONY: bench
bench: $(READY) ## Measure a worker beside a pass-through that does nothing.
	@$(BIN)/python -m tests.bench

.PHONY: check
check: $(READY) ## Check format, style, types, imports and spelling.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell

.PHONY: format
format: $(READY) ## Format the code and mend what can be mended.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(READY) ## Write README's tables from the code.
	@$(BIN)/python -m tests.docs

.PHONY: lock
lock: $(READY) ## Lock the newest dependencies, with hashes and without registry addresses.
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) -o requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --extra local --group dev $(LOCK) -o requirements-dev.txt
	@$(BIN)/uv pip compile --group build $(LOCK) -o requirements-build.txt

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate

.PHONY: image
image: ## Build the container image.
	@docker build --tag daymark .
