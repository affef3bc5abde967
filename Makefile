# Everything a newcomer types. A bare Debian 12 with python3, python3-venv and make is enough.

PYTHON ?= python3
SEED ?= 42
LISTS ?=
TRACES ?=
LOADS ?=
MIXES ?=
MUTANTS ?=
PYTEST_ARGS ?=
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input

.DEFAULT_GOAL := help
.PHONY: help install demo test check docs bench bench-server bench-slurm bench-packing \
	bench-queueing bench-topology bench-mig bench-promises sim mutants guarantees lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(STAMPS)/base ## make .venv with the command `qd` in it

demo: $(STAMPS)/demo ## run a real training job, from the queue to its result
	$(BIN)/python examples/demo.py

test: $(STAMPS)/dev ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

check: $(STAMPS)/dev ## style, types, imports and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/house

docs: $(STAMPS)/dev ## write docs/reference again from the code
	$(BIN)/python -m docs.draw

bench: $(STAMPS)/dev ## measure the scheduler beside others, and keep it in docs/benchmarks.md
	$(BIN)/python -m benchmarks --write

bench-server: $(STAMPS)/dev ## measure the server on this machine, and keep it in docs/benchmarks.md
	$(BIN)/python -m benchmarks --server --write

bench-slurm: $(STAMPS)/dev ## measure a Slurm as a site beside sbatch, and keep it in docs/benchmarks.md
	$(BIN)/python -m benchmarks --slurm --write

bench-packing: $(STAMPS)/dev ## GPUs that nobody can use, beside other policies (LISTS=a,b)
	$(BIN)/python -m benchmarks.packing $(LISTS)

bench-queueing: $(STAMPS)/dev ## how long jobs wait, beside other policies (TRACES=a,b)
	$(BIN)/python -m benchmarks.queueing $(TRACES)

bench-topology: $(STAMPS)/dev ## how near gangs lie, beside other rules (LOADS="70 90")
	$(BIN)/python -m benchmarks.topology $(LOADS)

bench-mig: $(STAMPS)/dev ## MIG slices that find a place, beside other rules (MIXES="small big")
	$(BIN)/python -m benchmarks.mig $(MIXES)

bench-promises: $(STAMPS)/dev ## starts that are kept as promised, and run times (TRACES=a,b)
	$(BIN)/python -m benchmarks.promises $(TRACES)

sim: $(STAMPS)/base ## a thousand jobs and many faults on virtual time (SEED=42)
	$(BIN)/qd sim --seed $(SEED)

mutants: $(STAMPS)/dev ## twenty deliberate bugs, each to be noticed by a test (MUTANTS="03 17")
	$(BIN)/python -m tests.mutants $(MUTANTS)

guarantees: $(STAMPS)/dev ## a million histories of what teams are guaranteed (some hours)
	QD_TEST_HISTORIES=1000000 $(BIN)/python -m pytest -n $(WORKERS) tests/property/test_guarantees.py

# pip-compile, blind to this machine's own pip settings: a lock holds names, versions and the
# hashes of the public files, and no address.
LOCK = env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
LOCK_SOURCES = pyproject.toml requirements/build.in

lock: $(STAMPS)/dev ## resolve requirements/*.txt again
	$(LOCK) --all-extras -o requirements/dev.txt $(LOCK_SOURCES)
	$(LOCK) -c requirements/dev.txt -o requirements/base.txt $(LOCK_SOURCES)
	$(LOCK) -c requirements/dev.txt --extra demo -o requirements/demo.txt $(LOCK_SOURCES)

clean: ## remove .venv, caches and build output
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .qd-demo
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is made last, so an install that was interrupted is done again.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) here: set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
		{ echo "no ensurepip: install python3-venv (as root: apt-get install python3-venv)" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/%: requirements/%.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS)
	@touch $@
