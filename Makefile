# make demo: install, then encode and decode the bundled recordings.   make test: install everything, then lint and test.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo demo-page test lint integ docs clean

demo: $(VENV)/.demo
	$(BIN)/python -m benchmarks.demo

# A page of held-out clips, the original beside every codec; needs a built corpus, and opus-tools and codec2 for those two.
CORPUS ?= runs/nano/corpus
demo-page: $(VENV)/.dev
	rm -rf demo-page
	$(BIN)/codec eval demo --data $(CORPUS) -o demo-page \
		--codecs "semcodec@100 semcodec@50 semcodec@25 opus@6 codec2@1300"

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
	touch $@ $(VENV)/.demo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache demo-output
