# Everything runs in .venv, which is made on first use. It is brought up to date when pyproject.toml or what the web pages
# are made from changes; hatch_build.py then builds the pages again.

PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
WORKERS ?= 2
ARGS ?=
BENCHES ?=
NPM := $(BIN)/python hatch_build.py npm
SOURCES := pyproject.toml hatch_build.py $(shell find web -name node_modules -prune -o -name dist -prune -o -name tests -prune \
	-o -type f ! -name '*.test.ts' ! -name '*.test.tsx' ! -name openapi.json ! -name '* *' -print)

.DEFAULT_GOAL := help
.PHONY: help run test check bench simulate dev docs clean

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Install what is missing and serve the demo on http://127.0.0.1:8402 (ARGS="--port 9000")
	$(BIN)/bursar serve --demo $(ARGS)

test: $(VENV)/.installed-dev ## Install what is missing and run every test (WORKERS=2, ARGS="-k name")
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not simulate" $(ARGS)

check: $(VENV)/.installed-dev ## Formatting, lint, types, import contracts, lengths of files and functions; the same for web/
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 0 --durations=0 --durations-min=5 tests/architecture
	$(NPM) run --silent check
	$(BIN)/pytest -q -n 0 tests/web/test_types.py

bench: $(VENV)/.installed-dev ## Run the benchmarks side by side and write docs/benchmarks.md (BENCHES="ledger peers")
	$(BIN)/python -m bench --arguments="$(ARGS)" $(BENCHES)

simulate: $(VENV)/.installed-dev ## Run the long seeded simulations
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m simulate --timeout 3600 $(ARGS)

dev: $(VENV)/.installed-dev ## Install everything for development and serve the demo with debug logs
	BURSAR_LOG_LEVEL=debug $(BIN)/bursar serve --demo $(ARGS)

docs: $(VENV)/.installed-dev ## Write the pages that are made from code, and the types by which the web pages call the API
	$(BIN)/python -m bursar.foundation.settings_document > docs/settings.md
	$(BIN)/python -m bursar.identity.roles_document > docs/roles.md
	$(BIN)/python -m bursar.api_document > web/openapi.json
	$(NPM) run --silent types

clean: ## Remove .venv, caches and what was built (never a data directory)
	rm -rf $(VENV) build dist web/dist web/node_modules src/bursar/pages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Bursar needs Python 3.11 or later: install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@# Debian packs venv's own pip separately.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } \
		|| { echo "$(PYTHON) has no ensurepip: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	@echo "Installing into $(VENV) and building the web pages: a minute or two the first time"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(SOURCES) | $(VENV)/bin/python
	@echo "Installing into $(VENV) for development and building the web pages"
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/.installed $@
