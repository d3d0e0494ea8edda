# `make demo` and `make test` are all a newcomer needs; both set everything up first.
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=
# Tests start hundreds of processes, which need not all translate the same files, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# Whole files of tests run side by side, one more than there are processors, since many wait, and four at most.
# SPREAD= runs them one after the other.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n + 1 : 4)))
SPREAD ?= -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: help setup demo up test test-fast check bench soak setup-verl test-verl

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything (PYTHON=... chooses the interpreter); safe to repeat

$(READY): pyproject.toml constraints.txt scripts/setup scripts/torch.sh scripts/python.sh
	@PYTHON="$(PYTHON)" scripts/setup
	@touch $@

demo: setup ## Run the small experiment for real and serve its results (ARGS="--seed 1 ...")
	@$(BIN)/python manage.py demo $(ARGS)

up: setup ## Start the platform (ARGS="--port 9000 ...")
	@$(BIN)/python manage.py up $(ARGS)

test: setup ## All tests but those that need verl
	$(BIN)/python -m pytest -m "not verl" $(SPREAD) $(ARGS)

test-fast: setup ## The tests that take seconds
	$(BIN)/python -m pytest -m "not verl and not slow and not browser" $(SPREAD) $(ARGS)

check: setup ## Format, lint, types, import rules, Django's checks, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djangofmt --check templates
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py check
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run  # warns without a database

bench: setup ## Measure speed; prints tables
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || test $$? -eq 77; done

soak: setup ## A suite under twenty kills and more must end like an undisturbed one (ARGS="--seed 1 --seconds 600")
	$(BIN)/python -m scripts.soak $(ARGS)

setup-verl: .venv-verl/.ready ## Make .venv-verl with verl and vLLM for the CPU (Python 3.11, 4 GB)

.venv-verl/.ready: pyproject.toml constraints-verl.txt scripts/setup-verl scripts/torch.sh
	@PYTHON="$(PYTHON)" scripts/setup-verl
	@touch $@

test-verl: setup-verl ## The tests that need verl
	@scripts/test-verl $(ARGS)
