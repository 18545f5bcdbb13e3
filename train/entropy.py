"""Tables for entropy coding: counts over tokens of the training clips, smoothed, as integer frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from codec.bundled import ENTROPY
from codec.container.entropy import EntropyModel, RateTables, contexts, save_entropy
from codec.container.header import CHUNK_SECONDS
from codec.data.domains import DOMAINS
from codec.data.progress import heard
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.hub import load_own
from codec.model import Codec
from quantizers import ans
from quantizers.kmeans import means_of
from quantizers.nearest import nearest
from quantizers.threads import each_in_thread
from train.config import TrainConfig

CLASSES = 128
MAX_TABLE = 1 << 14
"""Frequencies of a digit, at most: contexts that need more are left out."""
STRENGTH = 8.0
"""How many observations the coarser context's distribution counts as."""


def make_tables(config: TrainConfig) -> EntropyModel:
    """Encodes training clips with the exported model and writes ``entropy.safetensors`` beside its weights."""
    folder = config.folder("model")
    model = load_own(folder)
    corpus = Corpus(config.folder("corpus"))
    rng = np.random.default_rng(config.seed)
    entries = [entry for domain in DOMAINS for entry in _draw(corpus, domain, config.entropy.hours, rng)]
    codes = encode_all(model, corpus, entries)
    rates = {}
    for rate, found in codes.items():
        frame_rate = model.describe(model.sample_rate, rate).frame_rate
        codewords = model.networks.codebook(model.frames_per_token_at(rate)).table(model.vocabs[0]).numpy()
        levels = model.networks.levels[: len(found[0]) - 1]
        rates[round(frame_rate * 1000)] = fit(found, codewords, model.vocabs[-1], levels, round(CHUNK_SECONDS * frame_rate))
    return save_entropy(rates, model.fingerprint, folder / ENTROPY)


def _draw(corpus: Corpus, domain: str, hours: float, rng: np.random.Generator) -> list[Entry]:
    """Random training clips of a domain, without copies, up to so many hours."""
    entries = [entry for entry in corpus.select("train", domain) if entry.speed == 1.0]
    chosen = [entries[index] for index in rng.permutation(len(entries))]
    ends = np.cumsum([entry.samples for entry in chosen])
    return chosen[: int(np.searchsorted(ends, hours * 3600 * SAMPLE_RATE)) + 1]


def encode_all(model: Codec, corpus: Corpus, entries: Sequence[Entry]) -> dict[int, list[np.ndarray]]:
    """Codes ``(S, N)`` of every clip at the largest vocabulary, by the rate of most streams among those of one frame rate."""
    rates = list({model.frames_per_token_at(rate): rate for rate in sorted(model.rates)}.values())

    def encode(entry: Entry) -> list[np.ndarray]:
        wave = corpus.wave(entry)
        return [model.encode(wave, model.sample_rate, rate, model.vocabs[-1]).codes[0].numpy() for rate in rates]

    done, total = zip(entries, each_in_thread(encode, entries), strict=True), sum(entry.seconds for entry in entries)
    clips = [codes for _, codes in heard("entropy tables", done, lambda pair: pair[0].seconds, total)]
    return {rate: [codes[index] for codes in clips] for index, rate in enumerate(rates)}


def fit(
    codes: Sequence[np.ndarray],
    codewords: np.ndarray,
    vocab: int,
    levels: Sequence[Sequence[int]],
    chunk: int,
    classes: int = CLASSES,
) -> RateTables:
    """Tables of one rate.

    Args:
        codes: ``(S, N)`` of each clip, semantic codes of the largest vocabulary.
        codewords: ``(V, D)`` of the coarse vocabulary.
        vocab: the largest vocabulary.
        levels: of the digits of every acoustic stream's codes.
        chunk: frames after which contexts begin anew, as in a container.
        classes: groups of coarse codes.
    """
    pieces = [clip[:, at : at + chunk] for clip in codes for at in range(0, clip.shape[1], chunk)]
    count = len(codewords)
    branches = vocab // count
    usage = np.bincount(np.concatenate([piece[0] for piece in pieces]) // branches, minlength=count) + 0.3
    group = cluster(codewords, usage, min(classes, max(2, count // 4)))
    total = int(group.max()) + 1
    coarse = np.concatenate([piece[0] // branches for piece in pieces])
    before = np.concatenate([np.concatenate([[-1], piece[0][:-1] // branches]) for piece in pieces])
    context = np.where(before >= 0, group[before], total)
    repeats = coarse == before
    new = ~repeats
    used = np.bincount(coarse[new], minlength=count) + 0.3
    members = np.zeros(count, np.int64)
    for index in range(total):
        members[group == index] = to_frequencies(used[group == index])
    children = np.bincount(np.concatenate([piece[0] for piece in pieces]), minlength=vocab).reshape(count, branches)
    return RateTables(
        classes=group,
        repeats=to_frequencies(_smooth([context], repeats.astype(np.int64), (total + 1,), 2)),
        follows=to_frequencies(_smooth([context[new]], group[coarse[new]], (total + 1,), total)),
        members=members,
        children=to_frequencies(children + 0.5),
        digits=tuple(_digits([piece[1 + stream] for piece in pieces], own) for stream, own in enumerate(levels)),
    )


def _digits(pieces: Sequence[np.ndarray], levels: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Tables of one acoustic stream, from its codes in chunks."""
    tables = []
    stride, left, lefts = 1, np.zeros(sum(map(len, pieces)), np.int64), 1
    for level in levels:
        digits = [piece // stride % level for piece in pieces]
        last, older = (np.concatenate(parts) for parts in zip(*(contexts(digit, level) for digit in digits), strict=True))
        symbol = np.concatenate(digits)
        olders = level + 1 if (level + 1) ** 2 * level <= MAX_TABLE else 1
        lefts = lefts if (level + 1) * olders * lefts * level <= MAX_TABLE else 1
        shape = (level + 1, lefts, olders)
        where = [last, left if lefts > 1 else 0 * left, older if olders > 1 else 0 * older]
        smooth = _smooth(where, symbol, shape, level).reshape(*shape, level)
        tables.append(to_frequencies(smooth.transpose(0, 2, 1, 3)))
        stride, left, lefts = stride * level, symbol, level
    return tuple(tables)


def _smooth(contexts: Sequence[np.ndarray], symbol: np.ndarray, sizes: Sequence[int], symbols: int) -> np.ndarray:
    """``(contexts, symbols)`` probabilities; every context leans on the one with one part less."""
    chance = (np.bincount(symbol, minlength=symbols) + 0.5)[None]
    chance = chance / chance.sum()
    where = np.zeros(len(symbol), np.int64)
    for context, size in zip(contexts, sizes, strict=True):
        where = where * size + context
        parent = np.repeat(chance, size, axis=0)
        counts = np.bincount(where * symbols + symbol, minlength=len(parent) * symbols).reshape(-1, symbols)
        chance = (counts + STRENGTH * parent) / (counts.sum(1, keepdims=True) + STRENGTH)
    return chance


def to_frequencies(weights: np.ndarray) -> np.ndarray:
    """Positive weights ``(…, symbols)`` → integers of at least 1 that add up to `ans.TOTAL` along the last axis.

    Example:
        >>> to_frequencies(np.array([3.0, 1.0, 1e-9])).tolist()
        [49151, 16384, 1]
    """
    symbols = weights.shape[-1]
    shares = weights / weights.sum(-1, keepdims=True) * (ans.TOTAL - symbols)
    frequencies = np.floor(shares).astype(np.int64) + 1
    missing = ans.TOTAL - frequencies.sum(-1)
    largest = shares.argmax(-1)
    np.put_along_axis(
        frequencies, largest[..., None], np.take_along_axis(frequencies, largest[..., None], -1) + missing[..., None], -1
    )
    return frequencies


def cluster(codewords: np.ndarray, usage: np.ndarray, count: int, iterations: int = 15) -> np.ndarray:
    """``(V,)`` class of each codeword: weighted k-means, classes without members left out."""
    rng = np.random.default_rng(0)
    points, weights = torch.from_numpy(codewords).double(), torch.from_numpy(usage)
    centroids = points[rng.choice(len(codewords), count, replace=False, p=usage / usage.sum())]
    for _ in range(iterations):
        kept, codes = nearest(points, centroids)[0].unique(return_inverse=True)
        centroids = means_of(points, codes, centroids[kept], weights)
    return codes.numpy()
