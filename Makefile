# make demo: install, then encode and decode the bundled recordings.   make test: install everything, then lint and test.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

# make probe: what the tokens mean, into docs/semantics.md. WHISPER=FOLDER of a faster-whisper model adds its encoder.
CORPUS ?= runs/nano/corpus
PROBE ?= runs/probe
MODEL ?= default
COMMA := ,
OURS := $(foreach rate,25 50 100,$(foreach stream,semantic acoustic both,semcodec@$(rate):$(stream)))
EMBEDDERS ?= logmel semcodec:features $(OURS) encodec_24khz@1.5 dac_16khz@n=2 $(if $(WHISPER),whisper-ct2:$(WHISPER))

.PHONY: demo test lint integ docs probe clean

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

probe: $(VENV)/.dev
	$(BIN)/codec probe tasks --corpus $(CORPUS) -o $(PROBE)/tasks
	-$(BIN)/codec probe run --untrained -t $(PROBE)/tasks -o benchmarks/results -m $(MODEL) -c $(subst $() $(),$(COMMA),$(strip $(EMBEDDERS)))
	$(BIN)/codec probe lm -o benchmarks/results/lm.json --corpus $(CORPUS) -m $(MODEL) \
		--labels $(PROBE)/tasks/word --labels $(PROBE)/tasks/language
	$(BIN)/codec probe report benchmarks/results/probe.json benchmarks/results/lm.json -o docs/semantics.md

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
