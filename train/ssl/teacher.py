"""Frame-level features of frozen teachers over a whole corpus, reduced by PCA and cached on disk.

A teacher is OpenAI Whisper's encoder in CTranslate2 form (any size or language, by folder): 50 frames/s, so its frames
line up with ours one to one. Clips are packed into its 30 s windows, so short clips cost no padding. Several teachers stand
side by side, each with the same share of the variance whatever its width, and the principal components are those of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from codec.data.progress import heard
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.errors import CodecError
from train.crops import FRAME, cached_entries, first_frames, frames_of
from train.filling import Filling
from train.lineage import digest_of_corpus

WINDOW = 30 * 16_000
GAP = 10 * FRAME
PCA_WINDOWS = 150
N_COMPONENTS = 128
"""Kept of all teachers together, unless the config asks for more."""
Group = list[tuple[Entry, int, int, int]]
"""Pieces of clips in one window: ``(entry, first sample, samples, position in window)``."""
Teacher = Callable[[np.ndarray], np.ndarray]
"""``(480000,)`` samples → ``(1500, D)`` float32 features."""


class WhisperTeacher:
    """Whisper's encoder.

    Args:
        name: as `locate` takes it.

    Raises:
        CodecError: package or model missing.
    """

    def __init__(self, name: str | Path) -> None:
        folder = locate(name)
        import ctranslate2
        from faster_whisper.feature_extractor import FeatureExtractor

        self._ct2 = ctranslate2
        threads = torch.get_num_threads()
        self._model = ctranslate2.models.Whisper(str(folder), device="auto", compute_type="int8", intra_threads=threads)
        self._mel = FeatureExtractor(feature_size=self._model.n_mels)  # large ones hear finer

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """``(480000,)`` samples → ``(1500, D)`` float32 features."""
        mel = np.ascontiguousarray(self._mel(wave)[None, :, : WINDOW // 160])
        return np.array(self._model.encode(self._ct2.StorageView.from_array(mel)))[0].astype(np.float32)


def locate(name: str | Path) -> Path:
    """Finds what the teacher needs, before hours go into what comes first.

    Args:
        name: folder of a CTranslate2 Whisper model, or a size of Whisper (``whisper-base``), which is downloaded from the
            Hugging Face hub where it has not been before.

    Raises:
        CodecError: package or model missing.
    """
    here, size = (Path(name) / "model.bin").is_file(), str(name).removeprefix("whisper-")
    nothing = f"{name}: no folder with a CTranslate2 Whisper model (model.bin)"
    if not all(map(find_spec, ("ctranslate2", "faster_whisper"))):
        raise CodecError(
            f"{'' if here else nothing + '; '}distillation from Whisper needs faster-whisper: pip install 'semcodec[asr]'"
        )
    if here:
        return Path(name)
    from faster_whisper.utils import available_models, download_model

    if size not in available_models():
        raise CodecError(f"{nothing}, and no size of Whisper ({', '.join(available_models())})")
    try:
        return Path(download_model(size))
    except Exception as error:  # whatever the hub's libraries raise
        reason = " ".join(str(error).split())[:200]
        raise CodecError(
            f"{nothing}, and Whisper {size} cannot be downloaded ({reason}); name a folder as ssl.teacher, "
            "keep the shipped encoder with init=default, or train without a teacher: ssl.objective=mae"
        ) from error


def packs(entries: list[Entry]) -> Iterator[Group]:
    """Groups pieces of clips into 30 s windows."""
    window: Group = []
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


def cache_features(corpus: Corpus, teachers: Sequence[Teacher], folder: Path, n_components: int = N_COMPONENTS) -> float:
    """Writes ``features.f16`` (frames, n_components), one row per 20 ms of every train and valid clip, in order.

    Returns:
        Share of the variance that the components explain.

    Raises:
        CodecError: the teachers have fewer features than components are asked for.
    """
    index, groups = first_frames(corpus), list(packs(cached_entries(corpus)))
    mean, std, basis, explained = _components(corpus, teachers, groups, n_components)
    origin = {"corpus": digest_of_corpus(corpus)}
    digest = hashlib.sha256(b"".join(part.tobytes() for part in (mean, std, basis))).hexdigest()
    cache = Filling(folder, frames_of(cached_entries(corpus)), n_components, components=digest, **origin)
    for group in cache.keep(_shown("teacher features", groups[cache.done :])):
        output = ((np.concatenate(_heard(corpus, teachers, group), 1) - mean) / std) @ basis
        row = 0
        for entry, start, samples, _ in group:
            count = -(-samples // FRAME)
            at = index[entry.start] + start // FRAME
            cache.features[at : at + count] = output[row : row + count]
            row += count
    cache.finish(explained=explained, **origin)
    return explained


def _components(
    corpus: Corpus, teachers: Sequence[Teacher], groups: Sequence[Group], n_components: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean and scale of all teachers' features, their principal components ``(D, n_components)``, and what these explain."""
    chosen = np.random.default_rng(0).choice(len(groups), min(PCA_WINDOWS, len(groups)), replace=False)
    parts = [_heard(corpus, teachers, group) for group in _shown("PCA", [groups[i] for i in sorted(chosen)])]
    widths = np.array([part.shape[1] for part in parts[0]])
    sample = np.concatenate([np.concatenate(each, 1) for each in parts])
    mean, std = sample.mean(0), sample.std(0) + 1e-6
    std *= np.repeat(np.sqrt(widths / widths.mean()), widths)  # a wide teacher does not outvote a narrow one
    if sample.shape[1] < n_components:
        raise CodecError(f"ssl.teacher_components: the teachers have {sample.shape[1]} features, {n_components} are asked for")
    values, vectors = np.linalg.eigh(np.cov(((sample - mean) / std).T))
    order = np.argsort(values)[::-1][:n_components]
    basis = vectors[:, order].astype(np.float32)
    return mean, std, basis, float(values[order].sum() / values.sum())


def _shown(label: str, groups: Sequence[Group]) -> Iterator[Group]:
    def seconds(group: Group) -> float:
        return sum(samples for _, _, samples, _ in group) / SAMPLE_RATE

    return heard(label, groups, seconds, sum(map(seconds, groups)))


def _heard(corpus: Corpus, teachers: Sequence[Teacher], group: Group) -> list[np.ndarray]:
    """What each teacher makes of one window, without the gaps between its clips."""
    wave = np.zeros(WINDOW, np.float32)
    for entry, start, samples, position in group:
        wave[position : position + samples] = corpus.wave(entry, start, samples)
    rows = np.concatenate([np.arange(p // FRAME, p // FRAME - (-s // FRAME)) for _, _, s, p in group])
    return [teacher(wave)[rows] for teacher in teachers]
