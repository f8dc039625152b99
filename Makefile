# `make help` lists the targets. A new machine needs python3, make and access to a Python package index.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Tests start many processes. Without bytecode files, each process would compile all modules that it imports.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
READY  := .venv/ready
# Any release of uv can create the environment. The pinned release inside the environment compiles the requirements.
UV     := $(or $(shell command -v uv 2>/dev/null),.tools/uv/bin/uv)

COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --annotation-style line \
           --custom-compile-command "make requirements"
# The constraint gives developers the same versions that Azure installs.
COMPILE_RUNTIME := $(COMPILE) pyproject.toml
COMPILE_DEV     := $(COMPILE) pyproject.toml --extra serve --group dev --constraint requirements.txt
COMPILE_FUZZ    := $(COMPILE) --group fuzz

.PHONY: help setup serve test soak bench check check-format check-requirements check-function-app lint types imports \
        secrets format requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with Python 3.13 and all packages; fast if they are installed already
	@echo "$$($(PYTHON) --version) and all packages are installed in .venv"

$(READY): requirements-dev.txt pyproject.toml .python-version | $(UV)
	@.ci/make-venv $(UV)
	@$(UV) pip sync --quiet --compile-bytecode --python $(PYTHON) --require-hashes requirements-dev.txt
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation --editable .
	@touch $@

.tools/uv/bin/uv:
	@.ci/get-uv

serve: $(READY) ## Run the service on this machine; ARGS="--port 8080 --data scim.db" passes options
	@.venv/bin/scim serve $(ARGS)

# One process runs all tests of a file (loadfile), because they share servers.
test: $(READY) ## Run the test suite, several files in parallel; ARGS="-k filter" passes options
	@.venv/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

soak: $(READY) ## Run the long tests; needs Linux on x86-64 for atheris; ARGS passes options
	@$(UV) pip install --quiet --python $(PYTHON) --require-hashes --requirement requirements-fuzz.txt
	@.venv/bin/pytest -m soak -o faulthandler_timeout=0 $(ARGS)

bench: $(READY) ## Run the benchmarks; ARGS passes options
	@$(PYTHON) -m benchmarks $(ARGS)

check: check-format lint types imports secrets check-requirements check-function-app test ## Run all checks of CI

check-format: $(READY) ## Check that all files are formatted as by `make format`
	@.venv/bin/ruff format --check .

lint: $(READY) ## Check the code with Ruff
	@.venv/bin/ruff check .

types: $(READY) ## Check the types with mypy --strict
	@.venv/bin/mypy

imports: $(READY) ## Check the import rules between packages
	@.venv/bin/lint-imports --no-logo

secrets: $(READY) ## Search all files for keys, tokens and passwords
	@$(PYTHON) .ci/find_secrets.py

check-requirements: $(READY) ## Check that the pinned requirements match pyproject.toml; newer releases don't matter
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && cp requirements*.txt "$$new" && \
	$(COMPILE_RUNTIME) --output-file "$$new/requirements.txt" && \
	$(COMPILE_DEV) --output-file "$$new/requirements-dev.txt" && \
	$(COMPILE_FUZZ) --output-file "$$new/requirements-fuzz.txt" && \
	( for file in requirements*.txt; do diff -u "$$file" "$$new/$$file" || exit 1; done ) && \
	{ ! grep -nE '://|^-' requirements*.txt; } && \
	echo "The requirements match pyproject.toml." || \
	{ echo "The requirements don't match pyproject.toml, or contain an address. Run make requirements." >&2; exit 1; }

check-function-app: $(READY) ## Check the function app with azure-functions-doctor; a warning is a failure
	@found=$$(mktemp -d) && trap 'rm -rf "$$found"' EXIT && \
	.venv/bin/azure-functions-doctor doctor --profile deploy --hosting-plan flex-consumption --verbose \
	    --target-python "$$(cat .python-version)" --summary-json "$$found/summary" >"$$found/report" 2>&1 && \
	grep -q '"warned": 0,' "$$found/summary" && echo "azure-functions-doctor found no problems." || \
	{ cat "$$found/report" >&2; exit 1; }

format: $(READY) ## Format and sort imports
	@.venv/bin/ruff check --quiet --fix --select I .
	@.venv/bin/ruff format .

requirements: $(READY) ## Compile the requirements files again, with the newest releases
	@$(COMPILE_RUNTIME) --upgrade --output-file requirements.txt
	@$(COMPILE_DEV) --upgrade --output-file requirements-dev.txt
	@$(COMPILE_FUZZ) --upgrade --output-file requirements-fuzz.txt

clean: ## Remove all files that make created
	rm -rf .venv .tools .python_packages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
