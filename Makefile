# make demo: install, then encode and decode the bundled recordings.   make test: install everything, then lint and test.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

# make probe: what the tokens mean, into docs/semantics.md. WHISPER=FOLDER of a faster-whisper model adds its encoder;
# PEER_MINUTES=360 trains EnCodec's and DAC's architectures for six processor hours each, or else their rows are random, and say so.
# Embeddings are kept in $(PROBE)/tasks/.embeddings: what was interrupted goes on. Exit code 1 says that some task or embedder
# failed, which is named and does not spoil the rest.
CORPUS ?= runs/nano/corpus
PROBE ?= runs/probe
MODEL ?= default
PEER_MINUTES ?= 0
LM_STEPS ?= 60
TUNED := $(PROBE)/tuned/word-language-instrument_family
COMMA := ,
joined = $(subst $() $(),$(COMMA),$(strip $(1)))
OURS := $(foreach rate,25 50 100,$(foreach stream,context semantic-context semantic acoustic both,semcodec@$(rate):$(stream)))
ENCODER := $(if $(WHISPER),whisper-ct2:$(WHISPER))
EMBEDDERS ?= logmel semcodec:features $(OURS) peer:$(PROBE)/peers/encodec peer:$(PROBE)/peers/dac peer:$(PROBE)/peers/plain $(ENCODER)
FEATURES := semcodec:features
VARIANTS ?= $(FEATURES) $(FEATURES)|silence $(FEATURES)|silence,dc $(FEATURES)|silence,dc,level $(FEATURES)|padded \
	$(FEATURES)|padded-dropped logmel $(FEATURES)+logmel $(ENCODER) $(if $(WHISPER),$(FEATURES)+$(ENCODER)) tuned:$(TUNED)

.PHONY: web demo demo-page pictures test lint integ docs probe peers exam exam-published sweep clean

demo: $(VENV)/.demo
	$(BIN)/python -m benchmarks.demo

# One process a core shares the tests; whoever is done first takes over from the other. Nine lines in ten of the codec and of the quantizers are covered.
WORKERS ?= 2
NODE_MODULES := web/node_modules/.package-lock.json
COVERED := codec quantizers
test: lint $(if $(shell command -v npm),$(NODE_MODULES))
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term
	@for package in $(COVERED); do \
		$(BIN)/coverage report --include="$$package/*" --fail-under=90 --format=total > /dev/null \
			|| { echo "$$package: less than 90 % of its lines are covered, see above"; exit 1; }; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

integ: $(VENV)/.dev
	$(BIN)/python -m pytest tests/integration

docs: $(VENV)/.dev
	$(BIN)/python -m pytest tests/test_docs.py

probe: $(VENV)/.dev $(CORPUS)/clips.jsonl
	$(BIN)/codec probe tasks --corpus $(CORPUS) -o $(PROBE)/tasks
	$(MAKE) peers
	$(BIN)/codec probe tune --on word,language,instrument_family -t $(PROBE)/tasks -m $(MODEL) -o $(TUNED)
	rm -f benchmarks/results/probe.json benchmarks/results/compatible/probe.json benchmarks/results/ablation/probe.json
	$(BIN)/codec probe run -t $(PROBE)/tasks -m $(MODEL) --modes corrected -o benchmarks/results \
		-c "$(call joined,$(EMBEDDERS))" || [ $$? -eq 1 ]
	$(BIN)/codec probe run -t $(PROBE)/tasks -m $(MODEL) --modes compatible -o benchmarks/results/compatible \
		-c logmel,semcodec:features,semcodec@50:context,semcodec@50:both || [ $$? -eq 1 ]
	$(BIN)/codec probe run -t $(PROBE)/tasks -m $(MODEL) --modes corrected -o benchmarks/results/ablation \
		--only drum,taunt,object_word,letter_or_digit,prompt -c "$(call joined,$(VARIANTS))" || [ $$? -eq 1 ]
	$(BIN)/codec probe lm -o benchmarks/results/lm.json --corpus $(CORPUS) -m $(MODEL) --minutes 12 --steps $(LM_STEPS) \
		--labels $(PROBE)/tasks/word --labels $(PROBE)/tasks/language
	$(BIN)/codec probe report benchmarks/results/probe.json benchmarks/results/compatible/probe.json \
		benchmarks/results/ablation/probe.json benchmarks/results/lm.json -o docs/semantics.md

# make peers PEER_MINUTES=360: fair opponents. EnCodec's and DAC's architectures and our decoder behind a plain residual quantiser,
# each for so many minutes of processor time on our corpus; what was interrupted goes on, what is done is left alone. Sweeps, exams
# and probes know them as peer:$(PROBE)/peers/encodec and so on.
peers: $(VENV)/.dev $(CORPUS)/clips.jsonl
	$(BIN)/python -m train.peers encodec_24khz --corpus $(CORPUS) -o $(PROBE)/peers/encodec --minutes $(PEER_MINUTES)
	$(BIN)/python -m train.peers dac_16khz --corpus $(CORPUS) -o $(PROBE)/peers/dac --minutes $(PEER_MINUTES)
	$(BIN)/python -m train.peers plain --corpus $(CORPUS) -o $(PROBE)/peers/plain --minutes $(PEER_MINUTES)

# make exam: one card of ours beside Opus, Codec 2 and the peers that were trained, in card/. EXAM_CLIPS=FOLDER: on your own clips;
# EXAM_LANGUAGE=CORPUS: with what tokens cost a language model, some minutes more for each codec.
EXAM_PEERS := $(foreach peer,encodec dac plain,$(if $(wildcard $(PROBE)/peers/$(peer)/peer.json),peer:$(PROBE)/peers/$(peer)))
exam: $(VENV)/.dev
	$(BIN)/codec exam semcodec $(EXAM_PEERS) --asr $(ASR) -o card $(if $(EXAM_CLIPS),--clips $(EXAM_CLIPS)) \
		$(if $(EXAM_LANGUAGE),--language $(EXAM_LANGUAGE)) || [ $$? -eq 1 ]
	mkdir -p benchmarks/results/exam
	cp card/card.json benchmarks/results/exam/$(if $(EXAM_CLIPS),$(notdir $(EXAM_CLIPS:/=)),small).json
	$(BIN)/python -m benchmarks.exam.leaderboard

# make exam-published: the same with the published codecs whose weights a network can fetch, from their publishers; gigabytes.
PUBLISHED := encodec_24khz dac_16khz mimi snac_24khz speechtokenizer
exam-published: $(VENV)/.dev
	for name in $(PUBLISHED); do $(BIN)/codec models --fetch $$name; done
	$(MAKE) exam EXAM_PEERS="encodec_24khz@1.5 encodec_24khz@3 dac_16khz@n=2 mimi@n=8 snac_24khz speechtokenizer@n=2 $(EXAM_PEERS)"

# Quality of ours and of classical codecs (apt-get install codec2 opus-tools speex lame ffmpeg) on held-out clips of the free
# corpus, which is fetched if it is not there. Another corpus, more clips, another recogniser: make sweep CORPUS=… CLIPS=… ASR=…
# Exit code 1 says that some clip or metric failed, which is named and does not spoil the rest.
CLIPS ?= 16
ASR ?= pocketsphinx
SWEEP := benchmarks/results/sweep
sweep: $(VENV)/.eval $(CORPUS)/clips.jsonl
	rm -f $(SWEEP)/overview.png $(SWEEP)/overview.svg
	$(BIN)/codec sweep --data $(CORPUS) --clips $(CLIPS) --asr $(ASR) --rates 25,50,100 --output $(SWEEP) \
	  --codecs original,semcodec,vocab=32768,codec2@450,codec2@700C,codec2@1300,codec2@3200,opus@6,speex@2.15,mp3@8$(subst $() $(),,$(addprefix $(COMMA),$(EXAM_PEERS))) \
	  --metrics visqol,mel_distance,stft_distance,stoi,pesq_nb,wer,delay --reference semcodec@50,vocab=32768 \
	  || [ $$? -eq 1 ]
	cp $(SWEEP)/overview.svg docs/images/sweep.svg
	$(BIN)/python -m benchmarks.tables

# A page of held-out clips of that corpus, the original beside every codec; opus-tools and codec2 are Debian's.
demo-page: $(VENV)/.dev $(CORPUS)/clips.jsonl
	rm -rf demo-page
	$(BIN)/codec eval demo --data $(CORPUS) -o demo-page --codecs semcodec@100,semcodec@50,semcodec@25,opus@6,codec2@1300

# The pictures of README and docs that show the default model, and of all pages, by day and by night: after new weights, and
# after a sweep and an exam of them. Needs Debian's chromium.
pictures: $(VENV)/.dev
	$(BIN)/python -m benchmarks.pictures
	$(BIN)/python -m tests.eval.listening.animation
	$(BIN)/python -m tests.eval.listening.pictures
	$(BIN)/python -m tests.benchmarks.pictures

%/corpus/clips.jsonl: | $(VENV)/.eval
	$(BIN)/codec train corpus --config train/configs/nano.yaml root=$*

# A page that codes in the browser, as a folder for any static host: web/dist.
web: $(VENV)/.onnx $(NODE_MODULES)
	$(BIN)/codec export --onnx web/model --int8
	npm --prefix web run --silent page -- model

$(NODE_MODULES): web/package-lock.json
	npm ci --prefix web --no-audit --no-fund
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[plot]"
	touch $@

$(VENV)/.onnx: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[onnx]"
	touch $@ $(VENV)/.demo

$(VENV)/.eval: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[eval,asr,train]"
	touch $@ $(VENV)/.demo

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps "resemblyzer>=0.1.4,<1"  # names a webrtcvad that Python 3.11 cannot use
	touch $@ $(VENV)/.demo

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage demo-output
