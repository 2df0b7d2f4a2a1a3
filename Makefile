PYTHON ?= python3
LOCK ?= cpu
VENV := .venv
READY := $(VENV)/.ready
CLIENTS := $(VENV)/node/.ready
BIN := $(VENV)/bin
NEEDED = $(shell sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)

# Set-up leaves compiling to the first import, so that import has to be allowed to keep what it compiles.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run clients test check soak nano mgrd clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## the virtual environment in .venv (LOCK=cuda for NVIDIA GPUs); the others do it when needed

$(READY): pyproject.toml requirements/common.txt requirements/$(LOCK).txt requirements/dev.txt tools/setup.py
	@$(PYTHON) -c "import sys; sys.exit(list(sys.version_info) < [int(n) for n in '$(NEEDED)'.split('.')] and \
		'Python $(NEEDED) or newer is needed, this is ' + sys.version.split()[0] + ': make PYTHON=python$(NEEDED)')"
	@$(PYTHON) tools/setup.py $(VENV) $(LOCK)
	@touch $@

run: $(READY)  ## the server with the embedded model, talked to once; stays up until Ctrl-C
	@$(BIN)/soundmind serve --demo

clients: $(CLIENTS)  ## the stock clients for Node that the tests talk with; `make test` does it when needed

$(CLIENTS): $(READY) tests/clients/node/package-lock.json tools/clients.py
	@$(BIN)/python tools/clients.py $(@D)
	@touch $@

test: $(READY) $(CLIENTS)  ## all tests (ARGS="-k turn" for some)
	@$(BIN)/pytest $(ARGS)

check: $(READY)  ## style, types, import rules, versions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/check_versions.py

soak: $(READY)  ## two hours of callers, rude ones and killed engines (ARGS="--minutes 10" for less)
	@$(BIN)/python -m benchmarks.soak $(ARGS)

nano: $(READY)  ## trains the embedded model again, from nothing
	@$(BIN)/python -m model.training

mgrd: $(READY)  ## grounds its thoughts in what it hears: distillation and rewards (ARGS="--smoke" in small)
	@$(BIN)/python -m model.training.mgrd $(ARGS)

clean:  ## removes the virtual environment and every cache
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
