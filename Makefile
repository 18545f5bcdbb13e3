# make demo: install, then encode and decode the bundled recordings.   make test: install everything, then lint and test.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo test lint integ docs clean

demo: $(VENV)/.demo
	$(BIN)/python -m benchmarks.demo

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

integ: $(VENV)/.dev
	$(BIN)/python -m pytest tests/integration

docs: $(VENV)/.dev
	$(BIN)/python -m pytest tests/test_docs.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[plot]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps "resemblyzer>=0.1.4,<1"  # names a webrtcvad that Python 3.11 cannot use
	touch $@ $(VENV)/.demo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache demo-output
