# make demo: the main job on rendered clips.   make test: the tests that are fast; make test-all: every one.
# All set everything up themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := $(wildcard CMakeLists.txt src/fewact/align/_*/cpp/* src/fewact/video/camera/_native/cpp/*)

# Files of tests in processes of one thread each: no thread waits for the core of another. One process
# more than a small machine has cores: a fifth of the time, tests wait for a browser, a child or a disk.
# In the order of tests/conftest.py.
SPREAD := --numprocesses 3 --dist loadfile --no-loadscope-reorder
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD)

# Bytecode is kept, whatever the shell says: without it each process compiles what it imports, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all newest fuzz lint types imports check docs graphs wheel

MINUTES ?= 60

demo: $(STAMP)
	$(BIN)/fewact demo

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-all: $(STAMP)
	$(PYTEST)

# Hostile files, kills and random problems with new seeds, for so many minutes in all.
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

# The site, in build/site. Strict: a broken link, a missing page or a request to another host fails.
# Without --quiet, which turns --strict off.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The ONNX graphs that come with fewact; a test compares them with those in the repository.
graphs: $(STAMP)
	$(BIN)/python .ci/graphs.py

# The wheel with its compiled solver, and the package without a compiler, each in a new environment.
wheel:
	PYTHON=$(PYTHON) .ci/wheels

# The fast tests with the newest version of everything, as a new user gets it, and another Python
# (PYTHON=python3.13). It needs some gigabytes: torch comes with CUDA.
newest:
	$(PYTHON) -m venv build/newest
	build/newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager ".[dev]"
	OMP_NUM_THREADS=1 build/newest/bin/python -m pytest -p no:cacheprovider $(SPREAD) -m "not slow"

check: test-all lint types imports

# pip's own settings (an index, a mirror, a proxy) stay in force; the constraints are what was tested.
# Python compiles what it imports and keeps that; pip would compile every module of every package, for minutes.
$(STAMP): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fewact needs Python 3.11 or later; name one: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --no-compile --editable ".[dev]"
	touch $@
