"""How many codes of each codebook a model really uses, and how evenly, on the training audio of a corpus."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from rich.console import Console
from rich.table import Table

from codec.atomic import atomic_write
from codec.data import Corpus
from codec.data.progress import heard
from codec.data.store import Entry
from codec.model import Codec
from eval.reconstruction.usage import StreamUsage, usage
from quantizers.threads import each_in_thread


@dataclass(frozen=True)
class Codebook:
    """One codebook and its usage.

    Attributes:
        rate: tokens per second.
        stream: semantic or acoustic; acoustic 1, 2, … where there are several.
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
    networks, rates = model.networks, sorted(model.rates)
    unit = networks.frame_length * max(point.frames_per_token for point in networks.points.values())

    @torch.inference_mode()
    def encode(entry: Entry) -> list[np.ndarray]:
        clip = corpus.wave(entry)
        wave = torch.from_numpy(np.pad(clip, (networks.edge, -len(clip) % unit + networks.edge)))[None]
        features = networks.semantic(networks.mel(wave, padded=True))
        codes = []
        for rate in rates:
            frames_per_token, streams = model.point_of(rate)
            semantic = networks.codebook(frames_per_token).encode_all(
                rearrange(features, "b (n k) d -> b n (k d)", k=frames_per_token)
            )
            acoustic = networks.wave_to_codes(wave, frames_per_token, model.vocabs[-1])[0, 1:streams]
            codes.append(torch.cat([semantic[:, 0], acoustic]).numpy())
        return codes

    total = sum(entry.seconds for entry in chosen)
    print(f"encoding {total / 3600:.2f} h of audio at {', '.join(map(str, rates))} tokens/s …", file=sys.stderr, flush=True)
    encoded = zip(chosen, each_in_thread(encode, chosen), strict=True)
    clips = [found for _, found in heard("encoding", encoded, lambda pair: pair[0].seconds, total)]
    rows = []
    for rate, *found in zip(rates, *clips, strict=True):
        acoustic = networks.codebook_sizes(model.vocabs[-1])[1 : model.point_of(rate).n_streams]
        numbers = [f" {number + 1}" for number in range(len(acoustic))] if len(acoustic) > 1 else [""]
        names = ["semantic"] * len(model.vocabs) + [f"acoustic{number}" for number in numbers]
        streams = usage([np.concatenate(found, axis=1)], [*model.vocabs, *acoustic])
        rows += [Codebook(rate, name, stream) for name, stream in zip(names, streams, strict=True)]
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
        # A corpus may hold less than was asked for.
        encoded = round(rows[0].usage.tokens / model.spec(rows[0].rate).frame_rate / 3600, 2)
        report = {"model": model.fingerprint, "hours": encoded, "codebooks": [asdict(row) for row in rows]}
        with atomic_write(output) as handle:
            handle.write((json.dumps(report, indent=1) + "\n").encode())
