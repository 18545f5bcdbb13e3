"""Frozen features of the whole corpus, and the k-means codebooks of every rate made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec.errors import CodecError
from codec.features import LogMel
from codec.hub import load_codec
from codec.networks import Networks
from codec.semantic import SemanticEncoder
from corpora.store import Corpus, Entry
from quantizers.fit_nested import SAMPLE_PER_CENTROID, fit_nested
from quantizers.kmeans import Iteration
from train.config import TrainConfig
from train.crops import FRAME, cached_entries, first_frames, level
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
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(-(-entry.samples // FRAME) for entry in entries)
    width = config.model.semantic.n_features
    features = np.memmap(folder / "features.f16", "<f2", "w+", shape=(total, width))

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
    features.flush()
    (folder / "features.json").write_text(json.dumps({"n_components": width, "frames": total}))
    return folder


def fit(config: TrainConfig) -> Path:
    """Fits the codebooks of every rate on training frames; writes ``codebooks.safetensors`` and a report.

    Raises:
        CodecError: too little audio, features that are not finite, or a domain without a share.
    """
    corpus = Corpus(config.folder("corpus"))
    about = json.loads((config.folder("features") / "features.json").read_text())
    shape = (about["frames"], about["n_components"])
    features = np.memmap(config.folder("features") / "features.f16", "<f2", "r", shape=shape)
    first = first_frames(corpus)
    refit = config.kmeans.refit
    networks = given_networks(config) if refit else Networks(config.model)
    rng = np.random.default_rng(config.seed)
    report: dict[str, object] = {}
    names = list(config.kmeans.shares)
    weights = torch.ones(config.model.semantic.n_features)
    weights[config.ssl.teacher_components :] = config.kmeans.spectrum_weight
    missing = {e.clip.domain for e in corpus.select("train")} - set(names)
    if names and missing:
        raise CodecError(f"kmeans.shares: no share for {', '.join(sorted(missing))}, which the corpus holds")
    for stack in config.model.stacks:
        train = corpus.select("train")
        spans = [np.arange(0, -(-e.samples // FRAME) - stack + 1, stack) for e in train]
        starts = np.concatenate([first[e.start] + span for e, span in zip(train, spans, strict=True)])
        domains = np.repeat([names.index(e.clip.domain) if names else 0 for e in train], [len(span) for span in spans])
        limit = SAMPLE_PER_CENTROID * config.model.vocabs[0]
        chosen = np.sort(rng.choice(len(starts), min(limit, len(starts)), replace=False))
        starts, domains = starts[chosen], domains[chosen]
        points = np.concatenate([features[starts + offset] for offset in range(stack)], axis=1)
        quantizer = networks.codebook(stack)
        iterations: list[Iteration] = []

        def log(number: int, iteration: Iteration, stack: int = stack, iterations: list[Iteration] = iterations) -> None:
            iterations.append(iteration)
            print(f"stack {stack} pass {number}: {iteration}", flush=True)

        shares = tuple(config.kmeans.shares.values())
        try:
            rows = weights.repeat(stack)
            fit_nested(quantizer, points, config.kmeans.iterations, config.seed, log, domains, shares, refit, rows)
        except ValueError as error:
            raise CodecError(f"cannot fit the codebooks of stack {stack}: {error}; add audio, or lower model.vocabs") from error
        usage = {v: _usage(quantizer, points, v) for v in config.model.vocabs}
        report[f"stack {stack}"] = {"points": len(points), "inertia": iterations[-1].inertia, "vocabs": usage}
        print(stack, usage, flush=True)
    folder = config.folder("codebooks")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(networks.codebooks.state_dict(), folder / "codebooks.safetensors")
    (folder / "report.json").write_text(json.dumps(report, indent=1))
    return folder


def _usage(quantizer: torch.nn.Module, points: np.ndarray, vocab: int) -> dict[str, float]:
    """Share of codes used, normalised entropy, and unexplained variance of the projected features."""
    inputs = torch.from_numpy(points[:: max(1, len(points) // 400_000)].astype(np.float32))
    quantized = quantizer(inputs, vocab)
    projected = quantizer.project(inputs)  # type: ignore[operator]
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
