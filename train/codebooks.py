"""Frozen features of the whole corpus, and the k-means codebooks of every rate made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.features import LogMel
from codec.hub import load_codec
from codec.networks import Networks
from codec.semantic import SemanticEncoder
from corpora.store import Corpus, Entry
from quantizers.fit_nested import SAMPLE_PER_CENTROID, fit_nested
from quantizers.kmeans import Iteration
from quantizers.nested import NestedKMeansQuantizer
from train.config import TrainConfig
from train.crops import FRAME, cached_entries, create_features, finish_features, first_frames, frames_of, level, open_features
from train.parallel import join
from train.progress import autocast
from train.run import Average

PIECE_FRAMES = 3000


def load_encoder(config: TrainConfig) -> SemanticEncoder:
    """The averaged weights of the pretraining stage, or the semantic encoder of ``config.init`` where that is kept.

    Raises:
        CodecError: that stage has not run.
    """
    if "ssl" in config.given:
        return given_networks(config).semantic
    path = config.folder("ssl") / "checkpoint.pt"
    if not path.exists():
        raise CodecError(f"{path}: no pretrained semantic encoder; run codec train ssl first")
    encoder = SemanticEncoder(config.model.semantic, config.model.mel.n_mels)
    average = Average(encoder)
    average.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["parts"]["average"])
    encoder.load_state_dict(average.module.state_dict())
    return encoder.eval()


def cache_features(config: TrainConfig) -> Path:
    """Encodes train and valid clips at random levels; writes one float16 row per 20 ms."""
    device = join().device
    corpus, encoder = Corpus(config.folder("corpus")), load_encoder(config).to(device)
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump()).to(device)
    entries, first = cached_entries(corpus), first_frames(corpus)
    folder = config.folder("features")
    features = create_features(folder, frames_of(entries), config.model.semantic.n_features)

    @torch.inference_mode()
    def encode(entry: Entry) -> None:
        wave = level(corpus.wave(entry), np.random.default_rng((config.seed, entry.start)))
        wave = np.pad(wave, (0, -len(wave) % FRAME))
        for start in range(0, len(wave) // FRAME, PIECE_FRAMES):
            piece = torch.from_numpy(wave[start * FRAME : (start + PIECE_FRAMES) * FRAME]).unsqueeze(0).to(device)
            with autocast(device, config.precision):
                rows = encoder(mel(piece))[0].float().cpu().numpy()
            at = first[entry.start] + start
            features[at : at + len(rows)] = rows

    # Most clips are short: one to a thread, since threads that share one spend their time waiting for each other.
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in track(pool.map(encode, entries), "features", total=len(entries)):
            pass
    finish_features(folder, features)
    return folder


def fit(config: TrainConfig) -> Path:
    """Fits the codebooks of every rate on training frames; writes ``codebooks.safetensors`` and a report.

    Raises:
        CodecError: too little audio, features that are not finite, or a domain without a share.
    """
    corpus = Corpus(config.folder("corpus"))
    features = open_features(config.folder("features"))
    missing = {entry.clip.domain for entry in corpus.select("train")} - set(config.kmeans.shares)
    if config.kmeans.shares and missing:
        raise CodecError(f"kmeans.shares: no share for {', '.join(sorted(missing))}, which the corpus holds")
    networks = given_networks(config) if config.kmeans.refit else Networks(config.model)
    rng = np.random.default_rng(config.seed)
    report: dict[str, object] = {}
    for stack in config.model.stacks:
        starts, domains = _tokens(config, corpus, stack, rng)
        points = np.concatenate([features[starts + offset] for offset in range(stack)], axis=1)
        report[f"stack {stack}"] = _fit_stack(config, networks.codebook(stack), stack, points, domains)
    folder = config.folder("codebooks")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(networks.codebooks.state_dict(), folder / "codebooks.safetensors")
    with atomic_write(folder / "report.json") as handle:
        handle.write(json.dumps(report, indent=1).encode())
    return folder


def _tokens(config: TrainConfig, corpus: Corpus, stack: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First row of random tokens of training clips, and the number of each one's domain among ``kmeans.shares``."""
    entries, first, names = corpus.select("train"), first_frames(corpus), list(config.kmeans.shares)
    spans = [np.arange(0, frames_of([entry]) - stack + 1, stack) for entry in entries]
    starts = np.concatenate([first[entry.start] + span for entry, span in zip(entries, spans, strict=True)])
    domains = np.repeat([names.index(e.clip.domain) if names else 0 for e in entries], [len(span) for span in spans])
    limit = SAMPLE_PER_CENTROID * config.model.vocabs[0]
    chosen = np.sort(rng.choice(len(starts), min(limit, len(starts)), replace=False))
    return starts[chosen], domains[chosen]


def _fit_stack(
    config: TrainConfig, quantizer: NestedKMeansQuantizer, stack: int, points: np.ndarray, domains: np.ndarray
) -> dict[str, object]:
    """Fits one rate's codebook; returns its part of the report."""
    stage, passes = config.kmeans, Passes(f"stack {stack}", tuple(config.kmeans.shares))
    weights = torch.ones(config.model.semantic.n_features)
    weights[config.ssl.teacher_components :] = stage.spectrum_weight
    shares, rows = tuple(stage.shares.values()), weights.repeat(stack)
    try:
        fit_nested(quantizer, points, stage.iterations, config.seed, passes, domains, shares, stage.refit, rows)
    except ValueError as error:
        raise CodecError(f"cannot fit the codebooks of stack {stack}: {error}; add audio, or lower model.vocabs") from error
    usage = {vocab: _usage(quantizer, points, vocab) for vocab in config.model.vocabs}
    for vocab, figures in usage.items():
        print(f"stack {stack} vocabulary {vocab}: {' '.join(f'{k} {v:.4g}' for k, v in figures.items())}", flush=True)
    return {"points": len(points), "inertia": passes.inertia, "vocabs": usage}


class Passes:
    """Prints the passes of k-means as they come, those of each domain under its name, and keeps the last ones' inertia.

    Args:
        label: of the lines.
        domains: whose codewords are found apart, one after the other; empty for one k-means over all.

    Example:
        >>> passes = Passes("stack 1", ("sound", "speech"))
        >>> for inertia, number in ((3.0, 0), (2.5, 1), (7.0, 0)):
        ...     passes(number, Iteration(inertia, 0.0, 0, 1.0, 1e6))
        stack 1 sound pass 0: inertia 3 shift 0 empty 0 imbalance 1 points_per_second 1e+06
        stack 1 sound pass 1: inertia 2.5 shift 0 empty 0 imbalance 1 points_per_second 1e+06
        stack 1 speech pass 0: inertia 7 shift 0 empty 0 imbalance 1 points_per_second 1e+06
        >>> passes.inertia
        {'sound': 2.5, 'speech': 7.0}
    """

    def __init__(self, label: str, domains: tuple[str, ...]) -> None:
        self._label, self._domains = label, domains
        self._last: list[float] = []

    def __call__(self, number: int, iteration: Iteration) -> None:
        if number == 0:
            self._last.append(iteration.inertia)
        self._last[-1] = iteration.inertia
        label = f"{self._label} {self._domains[len(self._last) - 1]}" if self._domains else self._label
        print(f"{label} pass {number}: {' '.join(f'{k} {v:.4g}' for k, v in asdict(iteration).items())}", flush=True)

    @property
    def inertia(self) -> float | dict[str, float]:
        """After the last pass; of each domain, where there are several fits."""
        return dict(zip(self._domains, self._last, strict=True)) if self._domains else self._last[-1]


def _usage(quantizer: NestedKMeansQuantizer, points: np.ndarray, vocab: int) -> dict[str, float]:
    """Share of codes used, normalised entropy, and unexplained variance of the projected features."""
    inputs = torch.from_numpy(points[:: max(1, len(points) // 400_000)].astype(np.float32))
    quantized = quantizer(inputs, vocab)
    projected = quantizer.project(inputs)
    share = torch.bincount(quantized.codes, minlength=vocab).double() / len(inputs)
    entropy = -(share[share > 0] * share[share > 0].log2()).sum().item()
    error = (projected - quantized.values).square().sum() / (projected - projected.mean(0)).square().sum()
    return {"used": (share > 0).double().mean().item(), "entropy_bits": entropy, "unexplained": error.item()}


def assemble(config: TrainConfig) -> Networks:
    """Networks with trained semantic encoder and codebooks; the rest fresh, or of ``config.init``.

    Raises:
        CodecError: an earlier stage has not run, or ``config.init`` has other sizes than ``config.model``.
    """
    path = config.folder("codebooks") / "codebooks.safetensors"
    fitted = "kmeans" not in config.given
    if fitted and not path.exists():
        raise CodecError(f"{path}: no codebooks; run codec train kmeans first")
    torch.manual_seed(config.seed)
    networks = given_networks(config) if config.init else Networks(config.model)
    if "ssl" not in config.given:
        networks.semantic.load_state_dict(load_encoder(config).state_dict())
    if fitted:
        before = [codebook.basis.clone() for codebook in networks.codebooks]
        networks.codebooks.load_state_dict(load_file(path))
        if config.kmeans.refit:
            _follow(networks, before)
    return networks


@torch.no_grad()
def _follow(networks: Networks, before: Sequence[Tensor]) -> None:
    """What reads codewords reads the same of them, though their space has been stretched."""
    for index, (codebook, old) in enumerate(zip(networks.codebooks, before, strict=True)):
        back = torch.linalg.pinv(torch.linalg.pinv(old.double()) @ codebook.basis.double()).T
        for reader in (networks.acoustic.semantic[index], networks.decoder.semantic[index]):
            reader.weight.copy_(reader.weight.double() @ back)


def given_networks(config: TrainConfig) -> Networks:
    """The networks of ``config.init``, to be trained further.

    Raises:
        CodecError: no such model, or it has other sizes than ``config.model``.
    """
    networks = load_codec(str(config.init)).networks
    if networks.config != config.model:
        raise CodecError(f"init: model {config.init} has other sizes than the config's model section")
    return networks.requires_grad_(True).train()
