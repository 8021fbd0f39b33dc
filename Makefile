# The short commands, the same for people and for CI. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: two processes are faster than two threads here, and the results are the same bits.
export OMP_NUM_THREADS ?= 1
export MPLBACKEND := Agg
PYTEST := $(BIN)/python -m pytest
# What runs without anything but Python, and in seconds.
QUICK := not (realdata or browser or qgis or gdal or slow or soak or gpu)
WORKERS ?= 2
SOAK_SHARE ?= 1.0

.DEFAULT_GOAL := help
.PHONY: help demo test test-all soak bench docs check format clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gossan needs Python 3.11 or later, $(PYTHON) is older: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs,explain,scale]'
	touch $@

demo: $(VENV)/.core  ## the whole main job on the built-in survey
	$(BIN)/gossan demo --out demo

test: $(VENV)/.dev  ## every test that needs only Python (minutes)
	$(PYTEST) -n $(WORKERS) -m "$(QUICK)"

test-all: $(VENV)/.dev  ## also real data, browser, QGIS, GDAL and slow tests
	$(PYTEST) -n $(WORKERS) -m "not soak and not gpu"

soak: $(VENV)/.dev  ## the long ones (20 minutes); SOAK_SHARE=0.1 runs a tenth
	rm -f $(VENV)/soak.jsonl
	start=$$(date +%s); GOSSAN_SOAK_SHARE=$(SOAK_SHARE) GOSSAN_SOAK_FIGURES=$(CURDIR)/$(VENV)/soak.jsonl \
	  $(PYTEST) -n $(WORKERS) --dist worksteal -m soak tests && \
	  $(BIN)/python scripts/soak_figures.py $(VENV)/soak.jsonl $(SOAK_SHARE) $$(($$(date +%s) - start))

check: $(VENV)/.dev  ## format, lint, types
	$(BIN)/ruff format --check src tests scripts benchmarks examples
	$(BIN)/ruff check src tests scripts benchmarks examples
	$(BIN)/mypy

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

bench: $(VENV)/.bench  ## speed and memory beside the peers (an hour); BENCH="idw faults" runs some
	@command -v gdal_grid > /dev/null && command -v gdal_proximity.py > /dev/null || \
	  { echo "the peers' programs are missing: apt-get install gdal-bin python3-gdal" >&2; exit 2; }
	env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks $(BENCH)

docs: $(VENV)/.dev  ## build the documentation; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.dev  ## put the code in form
	$(BIN)/ruff format src tests scripts benchmarks examples
	$(BIN)/ruff check --fix src tests scripts benchmarks examples

clean:  ## remove what the commands above made
	rm -rf $(VENV) demo site .pytest_cache .mypy_cache .ruff_cache .hypothesis
