#!/bin/sh
# All that wants a GPU, in some minutes: models on it beside the CPU, speed and memory, every stage of a training in bfloat16,
# its networks compiled.
# On a fresh machine first: pip install -e ".[dev]"
set -eu
cd "$(dirname "$0")/.."
python -c 'import torch; assert torch.cuda.is_available(), "torch sees no GPU here"'
python -m pytest -q tests/codec/test_device.py tests/codec/test_precision.py -k "not missing"
python -m codec bench gpu tests/data/*.flac -o benchmarks/results/gpu.jsonl
python -m pytest -q tests/train/test_compiled.py tests/integration/test_bfloat16.py tests/integration/test_adversarial.py
