"""What glibc's allocator costs: ``python -m benchmarks.allocator``, the same work with its defaults and with `KEEPING`.

Freed memory goes back to the system and comes back page by page, each by a fault, which virtual machines answer slowly. Kept
memory in large pages has few faults. Linux alone; processor time of one thread, so that other work matters little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from codec.cli.main import run_script
from codec.errors import CodecError

KEEPING = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {
        "hugetlb": 1,
        "mmap_threshold": 1 << 32,
        "trim_threshold": 1 << 35,
        "top_pad": 1 << 28,
        "arena_max": 1,
    }.items()
)
"""Large pages where the system leaves them to programs (``madvise``); nothing is given back; one heap for all threads."""
SECONDS, CROPS, CROP_SECONDS = 60, 16, 1.28
ROUNDS = 3


def work() -> dict[str, float]:
    """Processor seconds of every kind of work, the least of some rounds."""
    import torch

    from codec import load

    torch.set_num_threads(1)
    codec, generator = load(backend="torch"), torch.Generator().manual_seed(0)
    wave = 0.1 * torch.randn(1, 16_000 * SECONDS, generator=generator)
    crops = 0.1 * torch.randn(CROPS, int(16_000 * CROP_SECONDS), generator=generator)
    tokens = codec.encode(wave, 16_000, rate=100)
    networks = codec.networks
    networks.semantic.requires_grad_(True)

    def learn() -> None:
        networks.semantic(networks.mel(crops)).square().mean().backward()

    return {
        "encode 60 s": _least(lambda: codec.encode(wave, 16_000, rate=100)),
        "decode 60 s": _least(lambda: codec.decode(tokens)),
        "semantic encoder, forward and backward": _least(learn),
    }


def _least(run: Callable[[], object]) -> float:
    found = []
    for _ in range(1 + ROUNDS):  # the first one warms up
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return min(found[1:])


def measured(tunables: str) -> dict[str, float]:
    """`work` in a process whose allocator was told so."""
    env = {**os.environ, "GLIBC_TUNABLES": tunables}
    code = "import json; from benchmarks.allocator import work; print(json.dumps(work()))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Compare glibc's allocator as it is with one that keeps its memory."""
    if sys.platform != "linux":
        raise CodecError("glibc's allocator is Linux's")
    plain, keeping = measured(""), measured(KEEPING)
    print(f"GLIBC_TUNABLES={KEEPING}\n\n| processor seconds | as it is | keeping | ratio |\n| --- | --- | --- | --- |")
    for name, seconds in plain.items():
        print(f"| {name} | {seconds:.2f} | {keeping[name]:.2f} | {seconds / keeping[name]:.2f} |")


if __name__ == "__main__":
    run_script(main)
