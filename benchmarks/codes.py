"""How many codes of each codebook a model really uses, and how evenly, on the training audio of a corpus."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.atomic import atomic_write
from codec.model import Codec
from train.corpora import Corpus


@dataclass(frozen=True)
class Usage:
    """Of one codebook.

    Attributes:
        rate: tokens per second.
        stream: semantic or acoustic.
        size: codes in the codebook.
        frames: that were counted.
        used: share of the codes that occur.
        entropy: bits per code.
    """

    rate: int
    stream: str
    size: int
    frames: int
    used: float
    entropy: float


def usage(codes: np.ndarray, size: int, rate: int, stream: str) -> Usage:
    """Counts ``(frames,)`` codes.

    Example:
        >>> usage(np.array([0, 1, 0, 1]), 4, 50, "semantic").entropy
        1.0
    """
    counts = np.bincount(codes, minlength=size)
    share = counts[counts > 0] / len(codes)
    return Usage(rate, stream, size, len(codes), float((counts > 0).mean()), float(-(share * np.log2(share)).sum()))


@torch.inference_mode()
def measure(model: Codec, corpus: Corpus, hours: float, seed: int = 0) -> list[Usage]:
    """Encodes unperturbed training clips in random order until ``hours`` are full, at every rate.

    A code of the largest vocabulary holds those of the smaller ones in its leading bits, so one pass counts all.
    """
    entries = [entry for entry in corpus.select("train") if entry.speed == 1.0]
    order = np.random.default_rng(seed).permutation(len(entries))
    lengths = np.cumsum([entries[i].samples for i in order])
    chosen = [entries[i] for i in order[: int(np.searchsorted(lengths, hours * 3600 * model.sample_rate)) + 1]]
    found = []
    largest = max(model.vocabs)
    for rate in sorted(model.rates):
        codes = np.concatenate([
            model.encode(corpus.wave(entry), model.sample_rate, rate, largest).codes[0].numpy()
            for entry in track(chosen, f"{rate} tokens/s", transient=True)
        ], axis=1)  # fmt: skip
        found += [usage(codes[0] // (largest // vocab), vocab, rate, "semantic") for vocab in model.vocabs]
        found.append(usage(codes[1], model.codebook_sizes[1], rate, "acoustic"))
    return found


def main(model: Codec, corpus: str, hours: float, output: Path | None) -> None:
    """Measures, prints a table, and writes JSON."""
    rows = measure(model, Corpus(corpus), hours)
    table = Table("tokens/s", "stream", "codes", "used", "entropy", "of")
    for row in rows:
        bits = np.log2(row.size)
        table.add_row(
            str(row.rate), row.stream, str(row.size), f"{row.used:.1%}", f"{row.entropy:.2f} bit", f"{row.entropy / bits:.1%}"
        )
    Console().print(table)
    if output:
        report = {"model": model.fingerprint, "hours": hours, "codebooks": [asdict(row) for row in rows]}
        with atomic_write(output) as handle:
            handle.write((json.dumps(report, indent=1) + "\n").encode())
