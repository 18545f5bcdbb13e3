"""Containers with and without entropy coding, on held-out clips: bytes of a file for each clip and of one file for all of
them, and processor time of the coding. Clips last seconds, so that headers weigh more in their files than they usually do.
"""

from __future__ import annotations

import io
import json as jsonlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.atomic import atomic_write
from codec.container.bitstream import ContainerReader, ContainerWriter
from codec.container.entropy import EntropyModel
from codec.container.header import Header
from codec.data.domains import DOMAINS
from codec.data.store import Corpus
from codec.model import Codec
from codec.tokens import Tokens


@dataclass
class Size:
    """Totals of one domain at one rate; ``times_real_time`` is of coding and decoding alone, ``long`` of one file for all."""

    domain: str
    rate: int
    vocab: int
    seconds: float = 0.0
    fixed_bytes: int = 0
    coded_bytes: int = 0
    long_fixed_bytes: int = 0
    long_coded_bytes: int = 0
    coding_seconds: float = 0.0

    @property
    def saved(self) -> float:
        """Share of the bytes that entropy coding saves."""
        return 1 - self.coded_bytes / self.fixed_bytes

    @property
    def long_saved(self) -> float:
        """The same of one long file."""
        return 1 - self.long_coded_bytes / self.long_fixed_bytes

    @property
    def times_real_time(self) -> float:
        """How many times faster than real time the slower of coding and decoding a container is."""
        return self.seconds / self.coding_seconds

    def add(self, tokens: Tokens, entropy: EntropyModel) -> None:
        """Counts one clip."""
        fixed, (coded, spent) = len(container(tokens, None)[0]), container(tokens, entropy)
        started = time.process_time()
        for _ in ContainerReader(io.BytesIO(coded), entropy=entropy).chunks():
            pass
        self.coding_seconds += max(spent, time.process_time() - started)
        self.seconds += int(tokens.lengths[0]) / tokens.sample_rate
        self.fixed_bytes += fixed
        self.coded_bytes += len(coded)

    def join(self, clips: list[Tokens], entropy: EntropyModel) -> None:
        """Counts all clips end to end in one file."""
        codes = torch.cat([clip.codes for clip in clips], 2)
        samples = round(codes.shape[2] * clips[0].sample_rate / clips[0].frame_rate)
        whole = replace(clips[0], codes=codes, lengths=torch.tensor([samples]))
        self.long_fixed_bytes, self.long_coded_bytes = (len(container(whole, tables)[0]) for tables in (None, entropy))


def together(sizes: list[Size]) -> Size:
    """All domains at one rate; their long files stay one each."""
    sums = {
        name: sum(getattr(size, name) for size in sizes) for name in vars(sizes[0]) if name not in ("domain", "rate", "vocab")
    }
    return Size("all", sizes[0].rate, sizes[0].vocab, **sums)


def container(tokens: Tokens, entropy: EntropyModel | None) -> tuple[bytes, float]:
    """A whole container, and the processor seconds that it took."""
    started = time.process_time()
    sink = io.BytesIO()
    writer = ContainerWriter(sink, Header.of(tokens, entropy.id if entropy else None), entropy)
    writer.push(tokens.codes)
    writer.close(int(tokens.lengths[0]))
    return sink.getvalue(), time.process_time() - started


def main(model: Codec, corpus: Corpus, split: str, clips: int, rates: list[int], vocab: int, output: Path | None) -> list[Size]:
    """Measures, prints a table, and writes JSON if asked to.

    Raises:
        ModelError: the model comes without entropy tables.
    """
    tables = model.entropy
    rows = []
    for domain in DOMAINS:
        if not (entries := corpus.select(split, domain)):
            continue
        chosen = entries[:: max(1, len(entries) // clips)] if clips else entries
        sizes = [Size(domain, rate, vocab) for rate in rates]
        encoded: list[list[Tokens]] = [[] for _ in rates]
        for entry in track(chosen, f"{domain} {split}"):
            for size, found in zip(sizes, encoded, strict=True):
                found.append(model.encode(corpus.wave(entry), model.sample_rate, size.rate, vocab))
                size.add(found[-1], tables)
        for size, found in zip(sizes, encoded, strict=True):
            size.join(found, tables)
        rows += sizes
    rows += [together([size for size in rows if size.rate == rate]) for rate in rates]
    table = Table(
        "domain", "tokens/s", "minutes", "fixed length", "entropy-coded", "saved", "in one file", "coding, × real time"
    )
    for size in rows:
        kbps = [f"{size_bytes * 8 / size.seconds / 1000:.3f} kbps" for size_bytes in (size.fixed_bytes, size.coded_bytes)]
        minutes = f"{size.seconds / 60:.1f}"
        saved = (f"{size.saved:.1%}", f"{size.long_saved:.1%}")
        table.add_row(size.domain, str(size.rate), minutes, *kbps, *saved, f"{size.times_real_time:.0f}")
    Console().print(table)
    if output:
        with atomic_write(output) as handle:
            shown = ("saved", "long_saved", "times_real_time")
            lines = [asdict(size) | {name: getattr(size, name) for name in shown} for size in rows]
            handle.write("".join(jsonlib.dumps(line) + "\n" for line in lines).encode())
    return rows
