"""What a codec costs: multiply-adds, parameters, speed, memory, start-up, and the future that it waits for.

Measured in a process of its own, with one thread, so that nothing that ran before is part of it:
``python -m benchmarks.exam.cost semcodec@50`` prints it as JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.exam.opening import Opener
from codec.atomic import atomic_write
from codec.errors import CodecError
from eval.reconstruction.cache import cache_key
from eval.reconstruction.cost import program_faults, resident
from eval.reconstruction.lookahead import SAMPLE_RATE, lookahead, sound_like
from eval.reconstruction.operations import multiply_adds, parameters

SECONDS = 10
REPEATS = 3
TIMEOUT = 1800
"""Seconds for one codec."""
MARK = "cost:"


@dataclass(frozen=True)
class Cost:
    """What one codec costs on one thread.

    Attributes:
        encode_multiply_adds, decode_multiply_adds: per second of audio, in millions; None for what torch does not run.
        parameters: in millions, of all networks, those for other rates included; None without networks.
        encode_speed, decode_speed: seconds of audio per second of work, the median of three runs over ten seconds.
        peak_memory: of the process, Python and torch included, in MB; None for programs, whose memory is not seen.
        start_up: seconds from nothing to the first second encoded and decoded, in a new process; of programs that second alone.
        lookahead: seconds of future sound that the output was seen to depend on, its constant delay taken out.
    """

    encode_multiply_adds: float | None
    decode_multiply_adds: float | None
    parameters: float | None
    encode_speed: float
    decode_speed: float
    peak_memory: float | None
    start_up: float
    lookahead: float


def cost_of(name: str, version: str, opener: Opener, cache: Path, code: str) -> Cost:
    """Measures a codec in another process, or remembers what that said.

    Args:
        name: of a codec that opens.
        version: of its weights or programs.
        opener: that opens it.
        cache: folder of what was measured before.
        code: version of the source.

    Raises:
        CodecError: it failed.
    """
    path = cache / "cost" / f"{cache_key(name, version, code, json.dumps(opener.commands))}.json"
    try:
        return Cost(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        found = _measured_elsewhere(name, opener)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as handle:
        handle.write(json.dumps(asdict(found)).encode())
    return found


def _measured_elsewhere(name: str, opener: Opener) -> Cost:
    words = [sys.executable, "-m", "benchmarks.exam.cost", name, json.dumps(opener.commands), str(time.time())]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise CodecError(f"its cost was not known after {TIMEOUT} s") from error
    line = next((line for line in done.stdout.splitlines() if line.startswith(MARK)), None)
    if done.returncode or line is None:
        raise CodecError((done.stderr.strip().splitlines() or ["its cost could not be measured"])[-1])
    return Cost(**json.loads(line.removeprefix(MARK)))


def measure(name: str, opener: Opener, began: float) -> Cost:
    """Measures in this process, which should be new.

    Args:
        name: of the codec.
        opener: that opens it.
        began: when the process was started, in seconds since the epoch.

    Raises:
        CodecError: the codec cannot be opened.
    """
    import torch

    torch.set_num_threads(1)
    codec = opener(name)
    wave = sound_like(np.random.default_rng(1), SECONDS * SAMPLE_RATE).astype(np.float32)
    before = program_faults()
    second = _timed(lambda: codec.decode(codec.encode(wave[:SAMPLE_RATE], SAMPLE_RATE)))
    programs = program_faults() > before
    started = second if programs else time.time() - began
    encoded = codec.encode(wave, SAMPLE_RATE)
    encode, decode = _median(lambda: codec.encode(wave, SAMPLE_RATE)), _median(lambda: codec.decode(encoded))
    memory = None if programs else _peak_memory()
    counts = [multiply_adds(lambda: codec.encode(wave, SAMPLE_RATE)), multiply_adds(lambda: codec.decode(encoded))]
    size = parameters(codec)
    return Cost(
        encode_multiply_adds=counts[0] / SECONDS / 1e6 or None,
        decode_multiply_adds=counts[1] / SECONDS / 1e6 or None,
        parameters=None if size is None else size / 1e6,
        encode_speed=SECONDS / encode,
        decode_speed=SECONDS / decode,
        peak_memory=memory,
        start_up=started,
        lookahead=lookahead(codec),
    )


def _median(work: Callable[[], object]) -> float:
    return statistics.median(_timed(work) for _ in range(REPEATS))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak_memory() -> float:
    """In MB. What Linux keeps for `resource` begins with the memory of whoever started this process; its status does not."""
    peak = resident("VmHWM")
    if peak is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak / 1e6


def main(name: str, commands: str = "{}", began: str = "") -> None:
    """Prints the cost of a codec."""
    try:
        pairs = {key: (value[0], value[1]) for key, value in json.loads(commands).items()}
        print(MARK + json.dumps(asdict(measure(name, Opener(pairs), float(began or time.time())))))
    except CodecError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
