# Two commands for a newcomer: `make demo` shows what it does, `make test` shows that it does it.
PYTHON ?= python3
VENV ?= .venv
BIN = $(abspath $(VENV))/bin
DEMO ?= demo
TESTS ?= tests
# blocks of RESULTS.md; `make bench BENCH=huge` counts a hundred million rows, `BENCH=coverage` simulates intervals
BENCH ?= labels data methods counting
WORKERS ?= auto
# `make mutants ONLY=draw_figure2`: the faults of one definition or subject; JOBS of them at a time
ONLY ?=
JOBS ?= 2
# about a minute on two cores: too short to learn much, long enough to see every file of a run
DEMO_RUN ?= --method mtl --backbone resnet18 --image-size 48 --batch-size 32 --epochs 2 \
  --lr-backbone 0.01 --momentum 0.9

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench damage mutants clean

help:  ## Say what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[train,dev]'
	touch $@

demo: $(VENV)/done  ## Draw look-alike faces, build the dataset, train a little, analyze
	test -d $(DEMO)/look-alike || $(BIN)/rafce synth --out $(DEMO)/look-alike
	cd $(DEMO) && $(BIN)/rafce build --raf-ml look-alike/RAF-ML --raf-au look-alike/RAF-AU
	rm -rf $(DEMO)/run  # a run folder is never overwritten
	cd $(DEMO) && $(BIN)/rafce-train run --out run $(DEMO_RUN)
	cd $(DEMO) && $(BIN)/rafce analyze

lint: $(VENV)/done  ## Check style, types and the arrows between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint  ## Lint, then run every test
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS)

bench: $(VENV)/done  ## Measure speed as ratios, or coverage, into RESULTS.md (leave the machine alone meanwhile)
	-$(BIN)/pip install --quiet --editable '.[bench]'  # the tables name a peer that cannot be had
	$(BIN)/python tests/bench/write_results.py RESULTS.md $(BENCH)

damage: $(VENV)/done  ## Damage each kind of file 2,000 times, contradict datasets in 449 ways: all refused, or read as they say
	$(BIN)/python -m tests.damage.damage

mutants: $(VENV)/done  ## Break a copy of the code in one place after another: the tests must notice each
	$(BIN)/python tests/mutants/run_mutants.py --jobs $(JOBS) --only "$(ONLY)"

clean:  ## Remove what the other targets made
	rm -rf $(VENV) $(DEMO)
