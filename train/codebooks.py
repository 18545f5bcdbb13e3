"""Frozen features of the whole corpus, and the k-means codebooks of every rate made from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from codec.atomic import atomic_path, atomic_write
from codec.config import ModelConfig
from codec.data.progress import display, heard
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.errors import CodecError
from codec.features import LogMel
from codec.hub import build, load_own
from codec.networks.semantic import SemanticEncoder
from codec.networks.source_filter_codec import SourceFilterNetworks
from quantizers import checkpoints
from quantizers.checkpoints import CheckpointError, mark_of
from quantizers.clustering import Iteration
from quantizers.fit_nested import SAMPLE_PER_CENTROID, fit_nested
from quantizers.nested import NestedKMeansQuantizer
from quantizers.usage import entropy_of
from train.config import TrainConfig
from train.crops import FRAME, cached_entries, first_frames, frames_of, level, open_features
from train.filling import Filling
from train.lineage import digest_of, digest_of_corpus, require_origin
from train.parallel import join
from train.progress import autocast
from train.run import load_averaged

PIECE_FRAMES = 3000
UNFINISHED = "unfinished"
"""Folder among the codebooks for what a fit that is killed goes on from."""


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
    load_averaged(path, encoder)
    return encoder.eval()


def frozen_features(config: TrainConfig, corpus: Corpus, **origins: str) -> np.ndarray:
    """The features that `cache_features` left, ``(frames, D)``.

    Args:
        config: of the whole training.
        corpus: that they must be of.
        origins: what else they must be of, as in `train.lineage.require_origin`.

    Raises:
        CodecError: there are none, they are damaged, or they are of another corpus or encoder.
    """
    folder = config.folder("features")
    features = open_features(folder)
    require_origin(folder / "features.json", corpus=digest_of_corpus(corpus), **origins)
    if len(features) != frames_of(cached_entries(corpus)):
        raise CodecError(f"{folder}: of another corpus than the one that is there now; delete {folder} to make it anew")
    return features


def cache_features(config: TrainConfig) -> float:
    """Encodes train and valid clips at random levels; writes one float16 row per 20 ms.

    Returns:
        Seconds of audio that this start encoded: all, unless it went on after a kill.
    """
    device = join().device
    corpus, encoder = Corpus(config.folder("corpus")), load_encoder(config)
    origin = {"corpus": digest_of_corpus(corpus), "encoder": digest_of(encoder)}
    encoder.to(device)
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump()).to(device)
    entries, first = cached_entries(corpus), first_frames(corpus)
    settings = {"seed": str(config.seed), "precision": config.precision}
    cache = Filling(config.folder("features"), frames_of(entries), config.model.semantic.n_features, **origin, **settings)

    @torch.inference_mode()
    def encode(entry: Entry) -> None:
        wave = level(corpus.wave(entry), np.random.default_rng((config.seed, entry.start)))
        wave = np.pad(wave, (0, -len(wave) % FRAME))
        for start in range(0, len(wave) // FRAME, PIECE_FRAMES):
            piece = torch.from_numpy(wave[start * FRAME : (start + PIECE_FRAMES) * FRAME]).unsqueeze(0).to(device)
            with autocast(device, config.precision):
                rows = encoder(mel(piece))[0].float().cpu().numpy()
            at = first[entry.start] + start
            cache.features[at : at + len(rows)] = rows

    # Most clips are short: one to a thread, since threads that share one spend their time waiting for each other.
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        left = entries[cache.done :]
        done, total = zip(left, pool.map(encode, left), strict=True), float(sum(entry.seconds for entry in left))
        for _ in cache.keep(heard("features", done, lambda pair: pair[0].seconds, total)):
            pass
    cache.finish(**origin)
    return total


def fit(config: TrainConfig) -> Path:
    """Fits the codebooks of every rate on training frames; writes ``codebooks.safetensors`` and a report.

    Until all is done, ``unfinished`` beside them holds the codebooks that are, and the passes of the one that is not yet: a
    fit that was killed goes on from there.

    Raises:
        CodecError: too little audio, features that are not finite, a domain without a share, or what is unfinished is of
            another config or other features.
    """
    corpus, encoder = Corpus(config.folder("corpus")), digest_of(load_encoder(config))
    features = frozen_features(config, corpus, encoder=encoder)
    missing = {entry.clip.domain for entry in corpus.select("train")} - set(config.kmeans.shares)
    if config.kmeans.shares and missing:
        raise CodecError(f"kmeans.shares: no share for {', '.join(sorted(missing))}, which the corpus holds")
    networks = given_networks(config) if config.kmeans.refit else build(config.model)
    rng = np.random.default_rng(config.seed)
    folder = config.folder("codebooks")
    report: dict[str, object] = {"encoder": encoder}
    for frames_per_token in config.model.token_lengths:
        starts, domains = _tokens(config, corpus, frames_per_token, rng)
        report[f"stack {frames_per_token}"] = _fit_once(
            config, networks.codebook(frames_per_token), frames_per_token, features, starts, domains
        )
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "codebooks.safetensors") as staged:
        save_file(networks.codebooks.state_dict(), staged)
    with atomic_write(folder / "report.json") as handle:
        handle.write(json.dumps(report, indent=1).encode())
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return folder


def _tokens(
    config: TrainConfig, corpus: Corpus, frames_per_token: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """First row of random tokens of training clips, and the number of each one's domain among ``kmeans.shares``."""
    entries, first, names = corpus.select("train"), first_frames(corpus), list(config.kmeans.shares)
    spans = [np.arange(0, frames_of([entry]) - frames_per_token + 1, frames_per_token) for entry in entries]
    starts = np.concatenate([first[entry.start] + span for entry, span in zip(entries, spans, strict=True)])
    domains = np.repeat([names.index(e.clip.domain) if names else 0 for e in entries], [len(span) for span in spans])
    limit = SAMPLE_PER_CENTROID * config.model.vocabs[0]
    chosen = np.sort(rng.choice(len(starts), min(limit, len(starts)), replace=False))
    return starts[chosen], domains[chosen]


def _fit_once(
    config: TrainConfig,
    quantizer: NestedKMeansQuantizer,
    frames_per_token: int,
    features: np.ndarray,
    starts: np.ndarray,
    domains: np.ndarray,
) -> dict[str, object]:
    """Fits one rate's codebook unless that was done before; returns its part of the report."""
    path = config.folder("codebooks") / UNFINISHED / f"stack-{frames_per_token}.safetensors"
    known = np.asarray(features[starts[:1024]])
    settings = (config.kmeans, config.seed, config.ssl.teacher_components, quantizer.vocabs, tuple(quantizer.basis.shape))
    mark = mark_of(*settings, starts, domains, known, quantizer.basis.numpy())
    if path.exists():
        try:
            state, about = checkpoints.read(path)
        except CheckpointError as error:
            raise CodecError(str(error)) from error
        if about.get("mark") != mark:
            raise CodecError(f"{path}: of another config or other features; delete {path.parent} to start anew")
        quantizer.load_state_dict(state)
        print(f"stack {frames_per_token}: done already", flush=True)
        return dict(about["report"])
    points = np.concatenate([features[starts + offset] for offset in range(frames_per_token)], axis=1)
    report = _fit_stack(config, quantizer, frames_per_token, points, domains, path.with_suffix(""))
    checkpoints.write(path, quantizer.state_dict(), {"mark": mark, "report": report})
    shutil.rmtree(path.with_suffix(""))
    return report


def _fit_stack(
    config: TrainConfig,
    quantizer: NestedKMeansQuantizer,
    frames_per_token: int,
    points: np.ndarray,
    domains: np.ndarray,
    folder: Path,
) -> dict[str, object]:
    """Fits one rate's codebook, with checkpoints in a folder; returns its part of the report."""
    stage, names = config.kmeans, tuple(config.kmeans.shares)
    weights = torch.ones(config.model.semantic.n_features)
    weights[config.ssl.teacher_components :] = stage.spectrum_weight
    passes = Passes(f"stack {frames_per_token}", names)
    try:
        with display() as bar:
            task = bar.add_task(f"stack {frames_per_token}", total=stage.iterations * max(1, len(names)), speed=0)

            def report(group: int, number: int, iteration: Iteration) -> None:
                passes(group, number, iteration)
                bar.update(task, advance=1, speed=iteration.points_per_second * frames_per_token * FRAME / SAMPLE_RATE)

            found = fit_nested(
                quantizer,
                points,
                stage.iterations,
                init=stage.init,
                seed=config.seed,
                groups=domains,
                shares=tuple(stage.shares.values()),
                keep_basis=stage.refit,
                weights=weights.repeat(frames_per_token),
                report=report,
                checkpoint=folder,
            )
    except CheckpointError as error:
        raise CodecError(str(error)) from error
    except ValueError as error:
        raise CodecError(
            f"cannot fit the codebooks of tokens of {frames_per_token} frames: {error}; add audio, or lower model.vocabs"
        ) from error
    usage = {str(vocab): _usage(quantizer, points, vocab) for vocab in config.model.vocabs}
    for vocab, figures in usage.items():
        print(
            f"stack {frames_per_token} vocabulary {vocab}: {' '.join(f'{k} {v:.4g}' for k, v in figures.items())}", flush=True
        )
    last = [clustering.iterations[-1].inertia for clustering in found]
    return {"points": len(points), "inertia": dict(zip(names, last, strict=True)) if names else last[0], "vocabs": usage}


class Passes:
    """Prints the passes of k-means as they come, those of each domain under its name.

    Args:
        label: of the lines.
        domains: whose codewords are found apart, one after the other; empty for one k-means over all.

    Example:
        >>> passes = Passes("stack 1", ("sound", "speech"))
        >>> passes(1, 0, Iteration(3.0, 0.0, 0.5, 0.25, 0, 1.0, 4.0, 2.0, 1e6))
        stack 1 speech pass 0: inertia 3 change 0 shift 0.5 mean_shift 0.25 empty 0 imbalance 1 entropy 4 seconds 2 \
points_per_second 1e+06
    """

    def __init__(self, label: str, domains: tuple[str, ...]) -> None:
        self._label, self._domains = label, domains

    def __call__(self, group: int, number: int, iteration: Iteration) -> None:
        label = f"{self._label} {self._domains[group]}" if self._domains else self._label
        print(f"{label} pass {number}: {' '.join(f'{k} {v:.4g}' for k, v in asdict(iteration).items())}", flush=True)


def _usage(quantizer: NestedKMeansQuantizer, points: np.ndarray, vocab: int) -> dict[str, float]:
    """Share of codes used, entropy, and unexplained variance of the projected features (none, where these do not vary)."""
    inputs = torch.from_numpy(points[:: max(1, len(points) // 400_000)].astype(np.float32))
    quantized = quantizer(inputs, vocab)
    projected = quantizer.project(inputs)
    counts = torch.bincount(quantized.codes, minlength=vocab)
    error, variance = ((projected - to).square().sum().item() for to in (quantized.values, projected.mean(0)))
    unexplained = error / variance if variance else 0.0
    return {"used": (counts > 0).double().mean().item(), "entropy_bits": entropy_of(counts), "unexplained": unexplained}


def assemble(config: TrainConfig) -> SourceFilterNetworks:
    """Networks with trained semantic encoder and codebooks; the rest fresh, or of ``config.init``.

    Raises:
        CodecError: an earlier stage has not run, or ``config.init`` has other sizes than ``config.model``.
    """
    path = config.folder("codebooks") / "codebooks.safetensors"
    fitted = "kmeans" not in config.given
    if fitted and not path.exists():
        raise CodecError(f"{path}: no codebooks; run codec train kmeans first")
    torch.manual_seed(config.seed)
    networks = given_networks(config) if config.init else build(config.model)
    if "ssl" not in config.given:
        networks.semantic.load_state_dict(load_encoder(config).state_dict())
    if fitted:
        require_origin(path.parent / "report.json", encoder=digest_of(networks.semantic))
        before = [networks.codebook(frames_per_token).basis.clone() for frames_per_token in config.model.token_lengths]
        networks.codebooks.load_state_dict(load_file(path))
        if config.kmeans.refit:
            _follow(networks, before)
    return networks


@torch.no_grad()
def _follow(networks: SourceFilterNetworks, before: Sequence[Tensor]) -> None:
    """What reads codewords reads the same of them, though their space has been stretched."""
    for frames_per_token, old in zip(networks.config.token_lengths, before, strict=True):
        back = torch.linalg.pinv(torch.linalg.pinv(old.double()) @ networks.codebook(frames_per_token).basis.double()).T
        for reader in (networks.decoder.semantic[str(frames_per_token)], networks.transform(frames_per_token).predict):
            assert isinstance(reader, nn.Linear)
            codewords = reader.weight.double().unflatten(1, (-1, len(back)))  # the transform reads three at a time
            reader.weight.copy_((codewords @ back).flatten(1))


def given_networks(config: TrainConfig) -> SourceFilterNetworks:
    """The networks of ``config.init``, to be trained further, or fresh ones with its semantic half.

    Raises:
        CodecError: no such model, or it has other sizes than ``config.model``.
    """
    given = load_own(str(config.init)).networks
    assert isinstance(given, SourceFilterNetworks)
    if not config.goes_on:
        return _with_semantics_of(given, config.model, str(config.init))
    if given.config != config.model:
        raise CodecError(f"init: model {config.init} has other sizes than the config's model section")
    return given.requires_grad_(True).train()


def _with_semantics_of(given: SourceFilterNetworks, model: ModelConfig, name: str) -> SourceFilterNetworks:
    """Fresh networks but for the semantic encoder and the codebooks."""
    theirs = given.config
    dims = theirs.codeword_dims
    same = (theirs.mel, theirs.semantic, theirs.vocabs) == (model.mel, model.semantic, model.vocabs)
    if not same or any(dims.get(frames_per_token) != dim for frames_per_token, dim in model.codeword_dims.items()):
        raise CodecError(f"init: the semantic half of {name} has other sizes than the config's model section")
    networks = build(model)
    networks.semantic.load_state_dict(given.semantic.state_dict())
    for frames_per_token in model.token_lengths:
        networks.codebook(frames_per_token).load_state_dict(given.codebook(frames_per_token).state_dict())
    return networks
