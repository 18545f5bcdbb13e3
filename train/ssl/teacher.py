"""Frame-level features of frozen teachers over a whole corpus, reduced by PCA and cached on disk.

A teacher is OpenAI Whisper's encoder in CTranslate2 form (any size or language, by folder): 50 frames/s, so its frames
line up with ours one to one. Clips are packed into its 30 s windows, so short clips cost no padding. Several teachers stand
side by side, each with the same share of the variance whatever its width, and the principal components are those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from codec.errors import CodecError
from corpora.store import Corpus, Entry
from train.crops import FRAME, cached_entries, create_features, finish_features, first_frames, frames_of

WINDOW = 30 * 16_000
GAP = 10 * FRAME
PCA_WINDOWS = 150
Teacher = Callable[[np.ndarray], np.ndarray]
"""``(480000,)`` samples → ``(1500, D)`` float32 features."""


class WhisperTeacher:
    """Whisper's encoder.

    Args:
        folder: a CTranslate2 Whisper model, as faster-whisper uses it.

    Raises:
        CodecError: package or model missing.
    """

    def __init__(self, folder: str | Path) -> None:
        require(folder)
        import ctranslate2
        from faster_whisper.feature_extractor import FeatureExtractor

        self._ct2 = ctranslate2
        threads = torch.get_num_threads()
        self._model = ctranslate2.models.Whisper(str(folder), device="auto", compute_type="int8", intra_threads=threads)
        self._mel = FeatureExtractor()

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """``(480000,)`` samples → ``(1500, D)`` float32 features."""
        mel = np.ascontiguousarray(self._mel(wave)[None, :, : WINDOW // 160])
        return np.array(self._model.encode(self._ct2.StorageView.from_array(mel)))[0].astype(np.float32)


def require(folder: str | Path) -> None:
    """Looks for what the teacher needs, before hours go into what comes first.

    Raises:
        CodecError: package or model missing.
    """
    if not (Path(folder) / "model.bin").is_file():
        raise CodecError(f"{folder}: no CTranslate2 Whisper model (model.bin) here: name its folder as ssl.teacher")
    if not all(map(find_spec, ("ctranslate2", "faster_whisper"))):
        raise CodecError("distillation from Whisper needs faster-whisper: pip install semcodec[asr]")


def packs(entries: list[Entry]) -> Iterator[list[tuple[Entry, int, int, int]]]:
    """Groups pieces of clips into 30 s windows: ``(entry, first sample, samples, position in window)``."""
    window: list[tuple[Entry, int, int, int]] = []
    position = 0
    for entry in entries:
        start = 0
        while start < entry.samples:
            if WINDOW - position < min(entry.samples - start, WINDOW // 3) + GAP:
                yield window
                window, position = [], 0
            samples = min(entry.samples - start, WINDOW - position)
            window.append((entry, start, samples, position))
            position = -(-(position + samples) // FRAME) * FRAME + GAP
            start += samples
    if window:
        yield window


def cache_features(corpus: Corpus, teachers: Sequence[Teacher], folder: Path, n_components: int = 128) -> None:
    """Writes ``features.f16`` (frames, n_components), one row per 20 ms of every train and valid clip, in order."""
    index = first_frames(corpus)
    features = create_features(folder, frames_of(cached_entries(corpus)), n_components)
    groups = list(packs(cached_entries(corpus)))
    chosen = np.random.default_rng(0).choice(len(groups), min(PCA_WINDOWS, len(groups)), replace=False)
    heard = [_heard(corpus, teachers, groups[i]) for i in track(sorted(chosen), "PCA")]
    widths = np.array([part.shape[1] for part in heard[0]])
    sample = np.concatenate([np.concatenate(parts, 1) for parts in heard])
    mean, std = sample.mean(0), sample.std(0) + 1e-6
    std *= np.repeat(np.sqrt(widths / widths.mean()), widths)  # a wide teacher does not outvote a narrow one
    values, vectors = np.linalg.eigh(np.cov(((sample - mean) / std).T))
    order = np.argsort(values)[::-1][:n_components]
    basis = vectors[:, order].astype(np.float32)
    for group in track(groups, "teacher features"):
        output = ((np.concatenate(_heard(corpus, teachers, group), 1) - mean) / std) @ basis
        row = 0
        for entry, start, samples, _ in group:
            count = -(-samples // FRAME)
            at = index[entry.start] + start // FRAME
            features[at : at + count] = output[row : row + count]
            row += count
    finish_features(folder, features, explained=float(values[order].sum() / values.sum()))


def _heard(corpus: Corpus, teachers: Sequence[Teacher], group: Sequence[tuple[Entry, int, int, int]]) -> list[np.ndarray]:
    """What each teacher makes of one window, without the gaps between its clips."""
    wave = np.zeros(WINDOW, np.float32)
    for entry, start, samples, position in group:
        wave[position : position + samples] = corpus.wave(entry, start, samples)
    rows = np.concatenate([np.arange(p // FRAME, p // FRAME - (-s // FRAME)) for _, _, s, p in group])
    return [teacher(wave)[rows] for teacher in teachers]
