"""Language rows of a card: a corpus through every codec of tokens, and the same small transformer on what comes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.exam.opening import Opener
from codec.atomic import atomic_write
from codec.baselines.interface import Reconstructor
from codec.data.testsets import clips_of
from codec.errors import CodecError
from eval.reconstruction.cache import cache_key
from eval.reconstruction.statistics import Interval
from eval.semantics.language.any_codec import Coded, Predicted, predict
from eval.semantics.language.measure import read_corpus
from eval.semantics.language.transformer import Size

SIZE = Size(steps=600, every=100)
MINUTES = {"train": 10.0, "valid": 2.0, "test": 2.0}
FEWEST_SECONDS = 60.0
"""Of audio to train on: less says nothing of a language."""
Waves = dict[str, list[tuple[np.ndarray, int]]]


def waves_of(source: str) -> Waves:
    """Waves to train on, to stop by, to score on: a built corpus has splits; of anything else two clips of eight are held out.

    Raises:
        CodecError: nothing there, or too little of it.
    """
    folder = Path(source)
    if (folder / "clips.jsonl").is_file() and (folder / "audio.i16").is_file():
        splits = read_corpus(folder, MINUTES)
        found: Waves = {name: [(clip.wave, clip.sample_rate) for clip in clips] for name, clips in splits.items()}
    else:
        loaded = [clip.load() for clip in clips_of(source)]
        found = {"train": [], "valid": [], "test": []}
        for number, wave in enumerate(loaded):
            found[{6: "valid", 7: "test"}.get(number % 8, "train")].append(wave)
    seconds = sum(len(wave) / rate for wave, rate in found["train"])
    if seconds < FEWEST_SECONDS or not found["valid"] or not found["test"]:
        raise CodecError(f"{source}: {seconds:.0f} s in {sum(map(len, found.values()))} clips are too little for language rows")
    return found


def language_of(
    name: str, version: str, opener: Opener, waves: Waves, cache: Path, code: str, size: Size = SIZE
) -> Predicted | None:
    """How well a codec's tokens are predicted; None of a codec without tokens.

    Args:
        name: of a codec that opens.
        version: of its weights.
        opener: that opens it.
        waves: from `waves_of`.
        cache: folder of what was measured before.
        code: version of the source.
        size: of the model and its training.

    Raises:
        CodecError: it failed.
    """
    key = cache_key(name, version, code, str(size), digest_of(waves), json.dumps(opener.commands))
    path = cache / "language" / f"{key}.json"
    try:
        raw = json.loads(path.read_text("utf-8"))
        return Predicted(Interval(**raw["bits_per_second"]), raw["perplexity"], raw["nominal"])
    except (OSError, ValueError, TypeError, KeyError):
        found = _measured(opener(name), waves, size)
    if found is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as handle:
            handle.write(json.dumps(asdict(found)).encode())
    return found


def digest_of(waves: Waves) -> str:
    """A name for the content of waves and how they are divided."""
    digest = hashlib.sha256()
    for split, own in waves.items():
        for wave, rate in own:
            digest.update(f"{split}\0{rate}\0".encode() + np.ascontiguousarray(wave, "<f4").tobytes())
    return digest.hexdigest()


def _measured(codec: Reconstructor, waves: Waves, size: Size) -> Predicted | None:
    sizes: Sequence[int] = ()
    splits: dict[str, list[Coded]] = {}
    for split, own in waves.items():
        splits[split] = []
        for wave, rate in own:
            encoded = codec.encode(wave, rate)
            if encoded.codes is None:
                return None
            sizes = encoded.codebook_sizes
            splits[split].append(Coded(encoded.codes.numpy(), len(wave) / rate))
    return predict(splits, sizes, size)
