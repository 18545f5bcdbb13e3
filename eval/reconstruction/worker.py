"""One clip through one codec and every metric: what a worker process does."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from codec.baselines.interface import Encoded, Reconstructor
from codec.data.testsets.clip import Clip
from codec.errors import one_line
from eval.reconstruction.cost import measure, release_memory
from eval.reconstruction.delay import advanced
from eval.reconstruction.interface import Metric, Pair, Scores
from eval.reconstruction.results import Row
from eval.reconstruction.usage import check_codes


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        codec: name, as it is opened.
        version: of the codec.
        clip: to send through it.
        clip_hash: of the clip.
        seconds: of the clip.
        key: under which the row is cached.
        delay: of the codec, in seconds.
    """

    codec: str
    version: str
    clip: Clip
    clip_hash: str
    seconds: float
    key: str
    delay: float = 0.0

    def failed(self, reason: str) -> Row:
        """A row without values."""
        return Row(
            self.codec, self.version, self.clip.name, self.clip_hash, self.clip.domain, self.seconds, error=one_line(reason)
        )


@dataclass(frozen=True)
class Setup:
    """What every worker process needs; all of it can be pickled.

    Attributes:
        open_codec: codec by name.
        make_metrics: the metrics, with their models.
        score: what they say of a pair.
        settings: of the metrics, for example which recogniser; rows are cached under them.
        seed: of anything random, set before every clip.
        ask: what else is asked of the codec itself, given it, a pair, and what its reference was encoded to.
    """

    open_codec: Callable[[str], Reconstructor]
    make_metrics: Callable[[], Sequence[Metric]]
    score: Callable[[Pair, Sequence[Metric]], Scores]
    settings: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    ask: Callable[[Reconstructor, Pair, Encoded], Scores] | None = None


class Worker:
    """Holds the metrics, and one codec at a time.

    Args:
        setup: what to open and how.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._metrics: Sequence[Metric] | None = None
        self._codec: tuple[str, Reconstructor, int | None] | None = None

    def run(self, job: Job) -> Row:
        """Measures; whatever goes wrong becomes the row's reason, since the codecs are other people's code."""
        try:
            return self._run(job)
        except Exception as error:
            return job.failed(f"{error}" if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")

    def _run(self, job: Job) -> Row:
        seed_all(self._setup.seed)
        codec, loaded = self._open(job.codec, job.delay)
        wave, sample_rate = job.clip.load()
        encoding = measure(lambda: codec.encode(wave, sample_rate))
        decoding = measure(lambda: codec.decode(encoding.value))
        output = checked(decoding.value, encoding.value, len(wave))
        if self._metrics is None:
            self._metrics = self._setup.make_metrics()
        pair = Pair(wave, output, sample_rate, job.clip.domain, job.clip.text, job.clip.language, job.delay)
        scores = self._setup.score(pair, self._metrics)
        if self._setup.ask is not None:
            more = self._setup.ask(codec, pair, encoding.value)
            scores = Scores({**scores.values, **more.values}, {**scores.failed, **more.failed})
        memory = [encoding.memory, decoding.memory]
        return Row(
            codec=job.codec,
            version=job.version,
            clip=job.clip.name,
            clip_hash=job.clip_hash,
            domain=job.clip.domain,
            seconds=job.seconds,
            bits=int(encoding.value.bits),
            encode_seconds=encoding.seconds,
            decode_seconds=decoding.seconds,
            codes=[] if encoding.value.codes is None else encoding.value.codes.tolist(),
            codebook_sizes=list(encoding.value.codebook_sizes),
            peak_memory=None if loaded is None or None in memory else loaded + max(m for m in memory if m is not None),
            values={name: float(value) for name, value in scores.values.items()},
            failed={name: one_line(reason) for name, reason in scores.failed.items()},
        )

    def _open(self, name: str, delay: float) -> tuple[Reconstructor, int | None]:
        if self._codec is None or self._codec[0] != name:
            self._codec = None
            release_memory()
            opening = measure(lambda: self._setup.open_codec(name))
            self._codec = (name, advanced(opening.value, delay), opening.memory)
        return self._codec[1], self._codec[2]


def checked(output: np.ndarray, encoded: Encoded, samples: int) -> np.ndarray:
    """A codec's output, if it is one.

    Raises:
        ValueError: NaN, not exactly as long as the input, or tokens that its codebooks do not have.
    """
    output = np.asarray(output)
    if output.shape != (samples,):
        raise ValueError(f"the output has shape {output.shape}, the input ({samples},)")
    if not np.isfinite(output).all():
        raise ValueError(f"the output has {np.count_nonzero(~np.isfinite(output))} samples that are not finite")
    if encoded.bits < 0:
        raise ValueError(f"the clip is said to take {encoded.bits} bits")
    if encoded.codes is not None:
        check_codes(encoded.codes.numpy(), encoded.codebook_sizes)
    return output.astype(np.float32, copy=False)


def hash_clip(clip: Clip, wave: np.ndarray, sample_rate: int) -> str:
    """The hash of all of a clip that figures can depend on, not of its name."""
    about = f"{sample_rate}\0{clip.domain}\0{clip.text}\0{clip.language}\0".encode()
    return hashlib.sha256(about + np.ascontiguousarray(wave, "<f4").tobytes()).hexdigest()


def seed_all(seed: int) -> None:
    """Seeds the random generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def worker_process(setup: Setup) -> Callable[[Job], Row]:
    """Makes this process a worker: one thread, so that speeds can be compared and processes do not fight."""
    torch.set_num_threads(1)
    return Worker(setup).run
