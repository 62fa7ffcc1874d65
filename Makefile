# `make help` lists the targets. Nothing here needs root; the network is used for PyPI alone.

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := demo test dev bench docs
JOBS := 2 # of the test suite: files of tests side by side
tests_in = $(shell find $(1) -name "test_*.py" 2>/dev/null)
LAWS := $(call tests_in,tests/laws tests/spike tests/engine)
FAULTS := $(call tests_in,tests/faults)
BENCHES := $(filter-out bench/_%,$(wildcard bench/*.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # one pip at a time
.PHONY: help setup run test check laws faults bench bench-tiny docs wheel

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.has-demo,test,dev,bench,docs ## make .venv with all that developing needs
	@touch $(EXTRAS:%=$(VENV)/.has-%)

run: $(VENV)/.has-demo ## the demo: a year of real flights, clustered
	@$(BIN)/nacre demo

test: $(VENV)/.has-test ## the test suite; at its end it lists what it did not run, and why
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(VENV)/.has-test $(VENV)/.has-dev $(VENV)/.has-docs ## format, lint, types, and who may import whom
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layers.py

laws: $(VENV)/.has-test ## the laws alone: every learner and every engine
	@$(if $(LAWS),$(BIN)/python -m pytest $(LAWS),echo "no tests of laws yet")

faults: $(VENV)/.has-test ## killed, full, torn: the fault matrix
	@$(if $(FAULTS),NACRE_FAULTS=all $(BIN)/python -m pytest $(FAULTS),echo "got no tests/faults/test_*.py" >&2; exit 1)

bench: $(VENV)/.has-bench ## every benchmark in full, beside its peers
	@$(if $(BENCHES),,echo "no benchmarks yet")
	@set -e; for file in $(BENCHES); do echo "== $$file $(ROWS)"; $(BIN)/python $$file $(ROWS); done

bench-tiny: ## every benchmark on a few rows: does it run?
	@$(MAKE) --no-print-directory bench ROWS=--tiny

docs: $(VENV)/.has-test $(VENV)/.has-docs ## build the site into site/; run what pages and docstrings show
	@$(BIN)/python -m pytest -q tests/test_readme.py tests/test_docs.py tests/learn/test_pages.py docs src
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@$(BIN)/python -m pytest -q -m site tests/test_site.py

wheel: $(VENV)/.has-test ## build the wheel, install it into an empty environment, try it there
	@$(BIN)/python -m pytest -m wheel tests/test_wheel.py

# .has-demo,test: those extras are installed, as pyproject.toml and constraints.txt now say.
$(VENV)/.has-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing nacre[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then echo "making $(VENV) with $$($$python -V)"; exec $$python -m venv $(VENV); fi; \
	done; \
	echo "got no Python 3.11 or later on the PATH; wanted one." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.12 setup" >&2; exit 1
