# `make search` and `make test` need only Python and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
ALL_STAMP := $(VENV)/.installed-all

.PHONY: search test test-all lint lowest clean

# Runs the quick start into a new directory and prints where the report lies.
search: $(STAMP)
	@out=runs/quickstart; n=2; while [ -e $$out ]; do out=runs/quickstart-$$n; n=$$((n + 1)); done; \
	$(BIN)/archsearch run examples/quickstart.yaml --out $$out

# Tests run many small programs once: XLA compiles them faster without its optimizations.
QUICK := XLA_FLAGS=--xla_backend_optimization_level=0 $(BIN)/python -m pytest -n 2 --dist loadfile

test: $(TEST_STAMP)
	$(QUICK) -m "not slow"

# The slow tests too, and those that need PyTorch or a browser.
# Those that measure or start clusters have the machine to themselves.
test-all: $(ALL_STAMP)
	$(QUICK) -m slow tests/genomes tests/proxies
	$(BIN)/python -m pytest -m slow --ignore=tests/genomes --ignore=tests/proxies

lint: $(TEST_STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

# The fast tests on the lowest versions that pyproject.toml admits.
lowest:
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt

CONSTRAINTS ?= constraints.txt

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(STAMP): pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e .
	@touch $@

$(TEST_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) --group test --group lint
	@touch $@

# For these tests only: PyTorch and transformers, whose models ours are compared with; two runtimes; NVML.
$(ALL_STAMP): $(TEST_STAMP)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) $(patsubst %,--group %,published llama-cpp onnxruntime nvml)
	@touch $@

clean:
	rm -rf $(VENV) .venv-lowest
