"""How many codes of each codebook a model really uses, and how evenly, on the training audio of a corpus."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.atomic import atomic_write
from codec.data import Corpus
from codec.data.store import Entry
from codec.model import Codec
from codec.networks.networks import first_architecture
from eval.reconstruction.usage import StreamUsage, usage
from quantizers.threads import each_in_thread


@dataclass(frozen=True)
class Codebook:
    """One codebook and its usage.

    Attributes:
        rate: tokens per second.
        stream: semantic or acoustic.
        usage: counts over the audio.
    """

    rate: int
    stream: str
    usage: StreamUsage


def measure(model: Codec, corpus: Corpus, hours: float, seed: int = 0) -> list[Codebook]:
    """Encodes unperturbed training clips in random order until ``hours`` are full, at every rate and vocabulary.

    Acoustic codes are those beside the largest vocabulary. Features are computed once for all, and searched for once a rate.
    """
    entries = [entry for entry in corpus.select("train") if entry.speed == 1.0]
    order = np.random.default_rng(seed).permutation(len(entries))
    lengths = np.cumsum([entries[i].samples for i in order])
    chosen = [entries[i] for i in order[: int(np.searchsorted(lengths, hours * 3600 * model.sample_rate)) + 1]]
    networks, sizes = first_architecture(model.networks, "codec bench codes"), [*model.vocabs, model.codebook_sizes[1]]
    unit = networks.config.hop_length * max(networks.config.stacks)
    rates = sorted(model.rates)

    @torch.inference_mode()
    def encode(entry: Entry) -> list[np.ndarray]:
        wave = corpus.wave(entry)
        mel = networks.mel(torch.from_numpy(np.pad(wave, (0, -len(wave) % unit)))[None])
        features = networks.semantic(mel)
        codes = []
        for rate in rates:
            stack = model.stack_of(rate)
            codebook = networks.codebook(stack)
            semantic = codebook.encode_all(rearrange(features, "b (n k) d -> b n (k d)", k=stack))
            acoustic = networks.mel_to_acoustic(mel, codebook.decode(semantic[-1], model.vocabs[-1]), stack).codes
            codes.append(torch.cat([semantic[:, 0], acoustic]).numpy())
        return codes

    clips = track(each_in_thread(encode, chosen), "encoding", total=len(chosen), transient=True)
    rows = []
    for rate, *found in zip(rates, *clips, strict=True):
        streams = usage([np.concatenate(found, axis=1)], sizes)
        rows += [Codebook(rate, "semantic", stream) for stream in streams[:-1]] + [Codebook(rate, "acoustic", streams[-1])]
    return rows


def main(model: Codec, corpus: str, hours: float, output: Path | None) -> None:
    """Measures, prints a table, and writes JSON."""
    rows = measure(model, Corpus(corpus), hours)
    table = Table("tokens/s", "stream", "codes", "used", "entropy", "of")
    for row in rows:
        size, entropy = row.usage.codebook_size, row.usage.entropy
        cells = (f"{row.usage.used:.1%}", f"{entropy:.2f} bit", f"{entropy / np.log2(size):.1%}")
        table.add_row(str(row.rate), row.stream, str(size), *cells)
    Console().print(table)
    if output:
        heard = round(rows[0].usage.tokens / (rows[0].rate / 2) / 3600, 2)  # a corpus may hold less than was asked for
        report = {"model": model.fingerprint, "hours": heard, "codebooks": [asdict(row) for row in rows]}
        with atomic_write(output) as handle:
            handle.write((json.dumps(report, indent=1) + "\n").encode())
