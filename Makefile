# The platform in a few words: `make setup`, `make demo`, `make dev`. Needs Python 3.11, make and a C compiler.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOME_DIR := $(or $(ML_PLATFORM_HOME),.ml_platform)
UV_VERSION := 0.13.9
# On local files. PROFILE=s3 keeps tables on an S3 server of this machine, PROFILE=server the history of runs in PostgreSQL
# and experiments on an MLflow server besides, each in a home of its own below the local one.
PROFILE := local
USE_CASE := flights
ON_s3 := $(BIN)/ml-platform with-s3 --
ON_server := $(BIN)/ml-platform with-servers --
ON = $(if $(filter local s3 server,$(PROFILE)),$(ON_$(PROFILE)),$(error PROFILE is local, s3 or server, not '$(PROFILE)'))
CHECKED := ml_platform ml_platform_tests benchmarks

.PHONY: help setup demo summary replay dev cluster test test-ui faults drills check bench bench-storage bench-serve clean

help: ## What can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: $(READY) ## Make the virtual environment, once

demo: $(READY) ## A year of real flights, from landing to predictions, with a summary; or USE_CASE=bike_demand, car_parks
	@$(ON) $(BIN)/ml-platform demo $(USE_CASE)

summary: $(READY) ## What the last demo left
	@$(ON) $(BIN)/ml-platform summary $(USE_CASE)

replay: $(READY) ## A month of flights, a day at a time, with the platform doing the rest by itself
	@$(ON) $(BIN)/ml-platform replay --alone

dev: $(READY) ## Dagster's UI on the same history, at http://localhost:3000
	@echo "History is kept in $(HOME_DIR)/$(if $(ON),$(PROFILE)/)dagster, whatever Dagster says below of a temporary directory."
	@PYTHONWARNINGS=ignore:Function exec $(ON) $(BIN)/dagster dev

cluster: $(READY) ## The whole profile `server` on this machine, with broker and workers, until Ctrl-C
	@exec $(BIN)/ml-platform cluster

test: $(READY) ## All tests, recorded for `ml-platform score`
	@$(BIN)/pytest -q -n auto --dist loadfile -p ml_platform_tests.recording

test-ui: $(READY) ## The browser test of the UI alone, with Debian's chromium; leaves screenshots
	@rm -rf build/ui
	@$(BIN)/pytest -q -n 0 ml_platform_tests/ui
	@if [ -d build/ui ]; then echo "Screenshots: $$(echo build/ui/*.png)"; fi

faults: $(READY) ## Every operation on storage, interrupted at every request: takes hours
	@$(BIN)/python -m ml_platform_tests.faults.report

drills: $(READY) ## Kill, starve and refuse a real platform of processes; the table of docs/recovery.md
	@$(BIN)/python -W ignore -m ml_platform_tests.drills

check: $(READY) ## Lint, format, types, architecture, definitions, and known vulnerabilities of the pinned packages
	@echo "ruff" && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "mypy" && $(BIN)/mypy --no-error-summary
	@echo "imports" && $(BIN)/lint-imports --no-logo
	@echo "definitions" && PYTHONWARNINGS=ignore:Function $(BIN)/dagster definitions validate --log-level warning -w workspace.yaml
	@echo "dg" && VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/dg check defs
	@$(BIN)/python -m ml_platform_tests.security.audit

bench: $(READY) ## The platform measured against a plain script
	@$(BIN)/python -m benchmarks

bench-storage: $(READY) ## Tables measured as they grow to ten years of days, on local files and on S3
	@$(BIN)/python -m benchmarks.storage

bench-serve: $(READY) ## The online service against the least that serves and `mlflow models serve`, with the model of the last demo
	@PYTHONWARNINGS=ignore $(BIN)/python -m benchmarks.serving

clean: ## Remove all local state: tables, runs, models (keeps the virtual environment)
	rm -rf -- "$(HOME_DIR)"

# Debian's python3 may be another version, so the name that says 3.11 comes first.
$(READY): pyproject.toml constraints.txt
	@python=""; \
	for candidate in python3.11 python3 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 is needed, and neither python3.11 nor python3 is it. Install it, or put it on PATH." >&2; exit 1; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "Making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV); \
	fi
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null; then \
	  echo "Installing with uv"; $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  echo "Installing with pip, which takes some minutes: uv cannot be had"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@
