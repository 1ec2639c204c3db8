# `make demo` and `make test` need Python 3.11 or newer and a network for pip; nothing else.
# Everything is installed into .venv; `make clean` removes it.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
MINUTES ?= 10
DEMO_FLAGS ?=
TEST_FLAGS ?=
FUZZ_FLAGS ?=
# The least branch coverage that `make test` accepts, in percent.
COVERAGE_FLOOR := 93

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
USER_STAMP := $(VENV)/.installed-user
DEV_STAMP := $(VENV)/.installed-dev
FUZZ_STAMP := $(VENV)/.installed-fuzz
JS := clients/javascript
JS_STAMP := $(JS)/node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench fuzz docs clean

help:
	@echo 'make demo    five daemons on this machine train one model beside an attacker (about 1 minute)'
	@echo 'make test    the whole test suite with branch coverage'
	@echo 'make lint    ruff, mypy, import-linter'
	@echo 'make bench   every benchmark: qrfl bench all, and those in benchmarks/'
	@echo 'make fuzz    every target in fuzz/, MINUTES=$(MINUTES) for all together; see docs/fuzzing.md'
	@echo 'make docs    rewrite the generated tables, then check links, commands and figures'
	@echo 'make clean   remove .venv and every cache'
	@echo 'Variables: PYTHON=$(PYTHON) VENV=$(VENV) WORKERS=$(WORKERS) MINUTES=$(MINUTES)'
	@echo '  DEMO_FLAGS= TEST_FLAGS= FUZZ_FLAGS='

demo: $(USER_STAMP)
	$(BIN)/qrfl demo $(DEMO_FLAGS)

# Tests of one file stay in one worker: they share daemons and ports. Without npm, those of the
# JavaScript client are skipped.
test: $(DEV_STAMP) $(if $(shell command -v npm),$(JS_STAMP))
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile \
	  --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR) $(TEST_FLAGS)

lint: $(DEV_STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP)
	@set -e; for script in benchmarks/*.py; do \
	  echo "== $$script"; $(BIN)/python "$$script"; done
	$(BIN)/qrfl bench all

fuzz: $(FUZZ_STAMP)
	$(BIN)/python -m fuzz --minutes $(MINUTES) --workers $(WORKERS) $(FUZZ_FLAGS)

docs: $(DEV_STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest -q tests/test_docs.py

clean:
	rm -rf $(VENV) $(JS)/node_modules build dist htmlcov *.egg-info .coverage .coverage.* \
	  .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find qrfld tests fuzz benchmarks docs examples -name __pycache__ -type d -prune -exec rm -rf {} +

# One rule makes the environment. It fails before it writes anything when Python is too old, and
# leaves no half-made .venv behind when the venv module or ensurepip is missing (Debian splits them
# into the package python3-venv).
$(BIN)/python:
	@'$(PYTHON)' -c '' 2>/dev/null || { \
	  echo 'make: $(PYTHON) does not run here.' \
	    'Install Python 3.11 or newer, or name one: make PYTHON=python3.12' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$('$(PYTHON)' --version 2>&1), too old for qrfld (3.11 or newer)." \
	    'Name another one: make PYTHON=python3.12' >&2; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo 'make: $(PYTHON) has no venv or no ensurepip module.' \
	    'On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo "Creating $(VENV) with $$('$(PYTHON)' --version)"
	@'$(PYTHON)' -m venv '$(VENV)' || { rm -rf '$(VENV)'; exit 1; }

$(USER_STAMP): pyproject.toml | $(BIN)/python
	@echo 'Installing qrfld and the data of the demo into $(VENV) (once; about a minute)'
	@$(PIP) install -e '.[data]'
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/python
	@echo 'Installing qrfld and its tools into $(VENV) (once; about a minute)'
	@$(PIP) install -e '.[dev,data]'
	@touch $@ $(USER_STAMP)

$(FUZZ_STAMP): $(DEV_STAMP)
	@echo 'Installing atheris into $(VENV) (once; 35 MB)'
	@$(PIP) install -e '.[dev,data,fuzz]'
	@touch $@

$(JS_STAMP): $(JS)/package-lock.json
	@echo 'Installing the packages of the JavaScript client (once; a few seconds)'
	@npm --prefix $(JS) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
