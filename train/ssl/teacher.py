"""Frame-level features of frozen teachers over a whole corpus, reduced by PCA and cached on disk.

A teacher is OpenAI Whisper's encoder in CTranslate2 form (any size or language, by folder): 50 frames/s, so its frames
line up with ours one to one. Clips are packed into its 30 s windows, so short clips cost no padding. Several teachers stand
side by side, each with the same share of the variance whatever its width, and the principal components are those of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from codec.data.progress import heard
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.errors import CodecError
from train.crops import FRAME, cached_entries, first_frames, frames_of
from train.filling import Filling
from train.lineage import digest_of_corpus
from train.parallel import join
from train.ssl.phonemes import is_labelled, phonemes_of, whitening, within
from train.whisper import open_whisper

WINDOW = 30 * SAMPLE_RATE
"""That Whisper hears at once."""
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
        name: as `train.whisper.locate` takes it.
        precision: of its products, as ``TrainConfig.precision``.

    Raises:
        CodecError: model missing.
    """

    def __init__(self, name: str | Path, precision: str = "fp32") -> None:
        self._device = join().device
        self._encoder = open_whisper(name, self._device, precision)

    @torch.inference_mode()
    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """``(480000,)`` samples → ``(1500, D)`` float32 features."""
        features: np.ndarray = self._encoder(torch.from_numpy(wave)[None].to(self._device))[0].float().cpu().numpy()
        return features


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


def cache_features(
    corpus: Corpus, teachers: Sequence[Teacher], folder: Path, n_components: int = N_COMPONENTS, phonemes: bool = False
) -> float:
    """Writes ``features.f16`` (frames, n_components), one row per 20 ms of every train and valid clip, in order.

    Args:
        corpus: a built corpus.
        teachers: of the features.
        folder: that is written to.
        n_components: that are kept.
        phonemes: whether directions count by how little they vary inside a phoneme, rather than alike.

    Returns:
        Share of the variance that the components explain.

    Raises:
        CodecError: the teachers have fewer features than components are asked for.
    """
    index, groups = first_frames(corpus), list(packs(cached_entries(corpus)))
    mean, std, basis, explained = _components(corpus, teachers, groups, n_components, phonemes)
    origin = {"corpus": digest_of_corpus(corpus)}
    digest = hashlib.sha256(b"".join(part.tobytes() for part in (mean, std, basis))).hexdigest()
    cache = Filling(folder, frames_of(cached_entries(corpus)), n_components, components=digest, **origin)
    for group, heard_there in cache.keep(_outputs("teacher features", corpus, teachers, groups[cache.done :])):
        output = ((heard_there - mean) / std) @ basis
        row = 0
        for entry, start, samples, _ in group:
            count = -(-samples // FRAME)
            at = index[entry.start] + start // FRAME
            cache.features[at : at + count] = output[row : row + count]
            row += count
    cache.finish(explained=explained, **origin)
    return explained


def _components(
    corpus: Corpus, teachers: Sequence[Teacher], groups: Sequence[Group], n_components: int, phonemes: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean and scale of all teachers' features, their principal components ``(D, n_components)``, and what these explain."""
    some = _some(groups)
    widths = np.array([part.shape[1] for part in _heard(corpus, teachers, some[0])])
    sample = np.concatenate([rows for _, rows in _outputs("PCA", corpus, teachers, some)])
    mean, std = sample.mean(0), sample.std(0) + 1e-6
    std *= np.repeat(np.sqrt(widths / widths.mean()), widths)  # a wide teacher does not outvote a narrow one
    if sample.shape[1] < n_components:
        raise CodecError(f"ssl.teacher_components: the teachers have {sample.shape[1]} features, {n_components} are asked for")
    scaled = (sample - mean) / std
    stretch = whitening(_within_phonemes(corpus, teachers, mean, std)) if phonemes else np.eye(len(mean))
    values, vectors = np.linalg.eigh(np.cov((scaled @ stretch).T))
    order = np.argsort(values)[::-1][:n_components]
    basis = (stretch @ vectors[:, order]).astype(np.float32)
    return mean, std, basis, float(values[order].sum() / values.sum())


def _within_phonemes(corpus: Corpus, teachers: Sequence[Teacher], mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """``(D, D)`` covariance inside a phoneme, in the clips that say which ones they hold."""
    groups = list(packs([entry for entry in corpus.select("train") if is_labelled(entry)]))
    features, labels = [np.zeros((0, len(mean)))], list[str]()
    for group, rows in _outputs("phonemes", corpus, teachers, _some(groups)):
        features.append((rows - mean) / std)
        for entry, start, samples, _ in group:
            labels += phonemes_of(entry)[start // FRAME :][: -(-samples // FRAME)]
    return within(np.concatenate(features), labels)


def _some(groups: Sequence[Group]) -> list[Group]:
    """The windows from which the components are found, the same ones every time."""
    chosen = np.random.default_rng(0).choice(len(groups), min(PCA_WINDOWS, len(groups)), replace=False)
    return [groups[i] for i in sorted(chosen)]


def _outputs(
    label: str, corpus: Corpus, teachers: Sequence[Teacher], groups: Sequence[Group]
) -> Iterator[tuple[Group, np.ndarray]]:
    """What all teachers make of each window, side by side ``(frames, D)``; a window to a thread on a processor's cores."""

    def work(group: Group) -> np.ndarray:
        return np.concatenate(_heard(corpus, teachers, group), 1)

    def seconds(pair: tuple[Group, np.ndarray]) -> float:
        return sum(samples for _, _, samples, _ in pair[0]) / SAMPLE_RATE

    threads = torch.get_num_threads() if join().device.type == "cpu" else 1
    total = sum(samples for group in groups for _, _, samples, _ in group) / SAMPLE_RATE
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from heard(label, zip(groups, pool.map(work, groups), strict=True), seconds, total)


def _heard(corpus: Corpus, teachers: Sequence[Teacher], group: Group) -> list[np.ndarray]:
    """What each teacher makes of one window, without the gaps between its clips."""
    wave = np.zeros(WINDOW, np.float32)
    for entry, start, samples, position in group:
        wave[position : position + samples] = corpus.wave(entry, start, samples)
    rows = np.concatenate([np.arange(p // FRAME, p // FRAME - (-s // FRAME)) for _, _, s, p in group])
    return [teacher(wave)[rows] for teacher in teachers]
