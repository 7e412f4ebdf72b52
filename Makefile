# Two commands for a newcomer: `make demo` shows what it does, `make test` shows that it does it.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo
TESTS ?= tests
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help:  ## Say what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[train,dev]'
	touch $@

demo: $(VENV)/done  ## Make look-alike releases, build the dataset and analyze it
	$(BIN)/rafce synth --out $(DEMO)/look-alike --images 4601
	cd $(DEMO) && ../$(BIN)/rafce build --raf-ml look-alike/RAF-ML --raf-au look-alike/RAF-AU
	cd $(DEMO) && ../$(BIN)/rafce analyze

lint: $(VENV)/done  ## Check style, types and the arrows between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint  ## Lint, then run every test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS)

bench: $(VENV)/done  ## Measure speed, printed as ratios
	$(BIN)/python tests/bench/bench_labels.py
	$(BIN)/python tests/bench/bench_data.py
	$(BIN)/python tests/bench/bench_methods.py

clean:  ## Remove what the other targets made
	rm -rf $(VENV) $(DEMO)
