"""Do tokens stay when the sound hardly changes? Language models learn what tokens repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.baselines import open_codec
from codec.baselines.interface import Encoded, Reconstructor
from codec.data.domains import DOMAINS
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair, Scores

GAIN_DB = (6.0, -6.0)
SHIFT_SECONDS = tuple(samples / 16_000 for samples in (1, 80, 160, 240, 319))
"""Up to 20 ms: tokens of longer frames still describe nearly the same."""
NOISE_DB = {"noise30": 30.0, "noise20": 20.0}
SHORTEST_SECONDS = 0.5
SEED = 0
CHANGES = {
    "gain": "6 dB louder (clipped at full scale), 6 dB quieter",
    "shift": "begins 1, 80, 160, 240, 319 samples of 16 kHz later",
    "noise30": "white noise 30 dB below it",
    "noise20": "white noise 20 dB below it",
    "again": "what the codec made of it",
    "mp3": "through MP3 at 64 kbit/s",
}
"""What is done to the sound before it is encoded a second time."""
FIGURES = ("kept", "first", "edits")


@dataclass(frozen=True)
class Kept:
    """Two sequences of tokens beside each other.

    Attributes:
        tokens: that are compared, over all streams.
        same: of these, in the same place.
        frames: of the shorter sequence.
        same_first: frames whose token of the first stream stayed.
        edits: insertions, deletions and substitutions that lead from one sequence to the other, over all streams.
        length: tokens of the longer sequence, that there can be at most so many edits of.
    """

    tokens: int
    same: int
    frames: int
    same_first: int
    edits: int
    length: int

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def compare(first: np.ndarray, second: np.ndarray) -> Kept:
    """Tokens of a sound beside those of nearly the same sound.

    Args:
        first: ``(S, N)``.
        second: ``(S, M)``.

    Example:
        >>> compare(np.array([[1, 2, 3, 4]]), np.array([[2, 3, 4]]))
        Kept(tokens=3, same=0, frames=3, same_first=0, edits=1, length=4)
    """
    from rapidfuzz.distance import Levenshtein

    frames = min(first.shape[1], second.shape[1])
    same = first[:, :frames] == second[:, :frames]
    edits = sum(Levenshtein.distance(a.tolist(), b.tolist()) for a, b in zip(first, second, strict=True))
    longer = len(first) * max(first.shape[1], second.shape[1])
    return Kept(same.size, int(same.sum()), frames, int(same[0].sum()) if len(same) else 0, edits, longer)


def robustness(codec: Reconstructor, pair: Pair, encoded: Encoded, changes: Sequence[str] = tuple(CHANGES)) -> Scores:
    """Encodes a clip again and again, a little changed.

    Args:
        codec: any; one without tokens has no figures.
        pair: the clip and what the codec made of it.
        encoded: of the clip as it is.
        changes: which.

    Returns:
        For every change the share of tokens that stay (``kept_*``), of the first stream alone (``first_*``), and
        the edit distance against the number of tokens (``edits_*``), in %, with their counts; reasons where there are none.
    """
    scores = Scores()
    if encoded.codes is None or not pair.reference.any():
        return scores
    codes = encoded.codes.numpy()
    for name in changes:
        try:
            if len(pair.reference) < SHORTEST_SECONDS * pair.sample_rate:
                raise MetricError(f"shorter than {SHORTEST_SECONDS} s")
            found = [_compared(codec, codes, wave, pair.sample_rate) for wave in _changed(name, pair)]
        except Exception as error:  # codecs and programs of others
            reason = str(error) if isinstance(error, CodecError) else f"{type(error).__name__}: {error}"
            scores.failed.update({f"{figure}_{name}": reason for figure in FIGURES})
            continue
        scores.values.update(_values(name, sum(found[1:], found[0])))
    return scores


def _changed(name: str, pair: Pair) -> Sequence[np.ndarray]:
    wave, sample_rate = pair.reference, pair.sample_rate
    if name == "gain":
        return [np.clip(wave * np.float32(10 ** (gain / 20)), -1, 1) for gain in GAIN_DB]
    if name == "shift":
        return [wave[max(1, round(seconds * sample_rate)) :] for seconds in SHIFT_SECONDS]
    if name == "again":
        return [pair.output]
    if name == "mp3":
        mp3 = open_codec("mp3@64")
        return [mp3.decode(mp3.encode(wave, sample_rate))]
    return [noisy(wave, NOISE_DB[name], np.random.default_rng(SEED))]


def noisy(wave: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """White noise so many dB below the mean power of a clip, laid over it."""
    level = np.sqrt(np.mean(wave.astype(np.float64) ** 2)) * 10 ** (-snr_db / 20)
    return np.clip(wave + level * rng.standard_normal(len(wave)), -1, 1).astype(np.float32)


def _compared(codec: Reconstructor, codes: np.ndarray, wave: np.ndarray, sample_rate: int) -> Kept:
    other = codec.encode(wave, sample_rate).codes
    assert other is not None
    return compare(codes, other.numpy())


def _values(name: str, kept: Kept) -> dict[str, float]:
    pairs = {"kept": (kept.same, kept.tokens), "first": (kept.same_first, kept.frames), "edits": (kept.edits, kept.length)}
    found: dict[str, float] = {}
    for figure, (count, total) in pairs.items():
        own = f"{figure}_{name}"
        found |= {own: 100 * count / max(total, 1), f"{own}_count": count, f"{own}_total": total}
    return found


def metrics() -> list[Metric]:
    """Names and ratios of the figures of `robustness`, which asks the codec and not a pair."""
    about = {"kept": "tokens that stay", "first": "tokens of the first stream that stay", "edits": "edit distance of tokens"}
    return [
        Metric(f"{figure}_{name}", "%", figure != "edits", DOMAINS, _nothing, f"{about[figure]}: {change}",
               (f"{figure}_{name}_count", f"{figure}_{name}_total"))
        for name, change in CHANGES.items()
        for figure in FIGURES
    ]  # fmt: skip


def _nothing(pair: Pair) -> float:
    raise MetricError("needs the codec itself, not a pair")
