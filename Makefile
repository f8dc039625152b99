# `make help` lists the targets. A fresh machine needs python3, make and the way to a package index.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Tests start many processes. Without bytecode files each of them would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
READY  := .venv/ready
# uv makes the environment; any release will do. Requirements are compiled by the pinned one inside it.
UV     := $(or $(shell command -v uv 2>/dev/null),.tools/uv/bin/uv)

COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --annotation-style line \
           --custom-compile-command "make requirements"
# Developers run the very pins that Azure installs, hence the constraint.
COMPILE_RUNTIME := $(COMPILE) pyproject.toml
COMPILE_DEV     := $(COMPILE) pyproject.toml --extra serve --group dev --constraint requirements.txt
COMPILE_FUZZ    := $(COMPILE) --group fuzz

.PHONY: help setup serve test soak bench check check-format check-requirements doctor lint types imports secrets format \
        requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with Python 3.13 and everything in it; quick when nothing changed
	@echo "$$($(PYTHON) --version) and everything else is ready in .venv"

$(READY): requirements-dev.txt pyproject.toml .python-version | $(UV)
	@.ci/make-venv $(UV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(PYTHON) --require-hashes requirements-dev.txt
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

.tools/uv/bin/uv:
	@.ci/get-uv

serve: $(READY) ## Serve SCIM on this machine; ARGS="--port 8080 --data scim.db" passes options
	@.venv/bin/scim serve $(ARGS)

# A file's tests stay together, because they share servers.
test: $(READY) ## Run the test suite, several files at once; ARGS="-k filter" passes options
	@.venv/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

soak: $(READY) ## Run the long tests; on Linux on x86-64, where atheris can be installed
	@$(UV) pip install --quiet --python $(PYTHON) --require-hashes --requirement requirements-fuzz.txt
	@.venv/bin/pytest -m soak -o faulthandler_timeout=0 $(ARGS)

bench: $(READY) ## Run the benchmarks; ARGS passes options
	@$(PYTHON) -m benchmarks $(ARGS)

check: check-format lint types imports secrets check-requirements doctor test ## Everything CI asks for

check-format: $(READY) ## Does every file stand as `make format` leaves it?
	@.venv/bin/ruff format --check .

lint: $(READY) ## Ruff's rules
	@.venv/bin/ruff check .

types: $(READY) ## mypy --strict
	@.venv/bin/mypy

imports: $(READY) ## Which room may import which
	@.venv/bin/lint-imports --no-logo

secrets: $(READY) ## Is a key, a token or a password in any file?
	@$(PYTHON) .ci/find_secrets.py

check-requirements: $(READY) ## Do the pinned requirements follow from pyproject.toml? A newer release alone is no failure
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && cp requirements*.txt "$$new" && \
	$(COMPILE_RUNTIME) --output-file "$$new/requirements.txt" && \
	$(COMPILE_DEV) --output-file "$$new/requirements-dev.txt" && \
	$(COMPILE_FUZZ) --output-file "$$new/requirements-fuzz.txt" && \
	( for file in requirements*.txt; do diff -u "$$file" "$$new/$$file" || exit 1; done ) && \
	{ ! grep -nE '://|^-' requirements*.txt; } && \
	echo "requirements follow from pyproject.toml" || \
	{ echo "requirements don't follow from pyproject.toml, or name an address: run make requirements" >&2; exit 1; }

doctor: $(READY) ## Does azure-functions-doctor find fault with the app? A warning is one
	@found=$$(mktemp -d) && trap 'rm -rf "$$found"' EXIT && \
	.venv/bin/azure-functions-doctor doctor --profile deploy --hosting-plan flex-consumption --verbose \
	    --target-python "$$(cat .python-version)" --summary-json "$$found/summary" >"$$found/report" 2>&1 && \
	grep -q '"warned": 0,' "$$found/summary" && echo "azure-functions-doctor finds no fault" || \
	{ cat "$$found/report" >&2; exit 1; }

format: $(READY) ## Format and sort imports
	@.venv/bin/ruff check --quiet --fix --select I .
	@.venv/bin/ruff format .

requirements: $(READY) ## Compile the requirements files anew, with the newest releases
	@$(COMPILE_RUNTIME) --upgrade --output-file requirements.txt
	@$(COMPILE_DEV) --upgrade --output-file requirements-dev.txt
	@$(COMPILE_FUZZ) --upgrade --output-file requirements-fuzz.txt

clean: ## Remove everything that make has made
	rm -rf .venv .tools .python_packages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
