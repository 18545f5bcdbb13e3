"""Token shards as PyTorch data sets."""

from __future__ import annotations

import bisect
import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from codec.errors import CodecError
from codec.patterns import Layout, Pattern
from codec.provenance import sha256_of
from codec.tokenize.run import MANIFEST
from codec.tokenize.shard_files import SUFFIXES, read_rows
from codec.tokenize.token_row import TokenRow
from codec.tokenize.work import SHARDS

Item = dict[str, Any]


class TokenShards:
    """A folder that ``codec tokenize`` has finished.

    Args:
        folder: the folder.

    Raises:
        CodecError: not such a folder, or not finished.

    Attributes:
        manifest: what the run left.
        codebook_sizes: of the streams.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.manifest = json.loads((self.folder / MANIFEST).read_text("utf-8"))
            self._counts = [shard["rows"] for shard in self.manifest["shards"]]
            files = [
                sorted(shard["files"], key=lambda name: not name.endswith(".parquet")) for shard in self.manifest["shards"]
            ]
            self._files = [self.folder / SHARDS / names[0] for names in files]
            self._hashes = [
                s["files"][path.name]["sha256"] for s, path in zip(self.manifest["shards"], self._files, strict=True)
            ]
            self.codebook_sizes: tuple[int, ...] = tuple(map(int, self.manifest["codebook_sizes"]))
        except OSError as error:
            raise CodecError(f"{self.folder}: no finished token shards ({MANIFEST}: {error.strerror})") from error
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise CodecError(f"{self.folder / MANIFEST}: not a manifest ({type(error).__name__}: {error})") from error
        if any(path.suffix not in SUFFIXES.values() or path.parent != self.folder / SHARDS for path in self._files):
            raise CodecError(f"{self.folder / MANIFEST}: names files that are no shards")

    @property
    def counts(self) -> Sequence[int]:
        """Rows of each shard."""
        return self._counts

    def rows(self, shard: int) -> list[TokenRow]:
        """All rows of a shard.

        Raises:
            CodecError: it is missing, or not what was written.
        """
        return _checked_rows(self._files[shard], self._hashes[shard])


@lru_cache(maxsize=4)  # neighbouring rows come from the same shard; one of 512 rows of a minute is a few megabytes
def _checked_rows(path: Path, expected: str) -> list[TokenRow]:
    try:
        found = sha256_of(path)
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}") from error
    if found != expected:
        raise CodecError(f"{path}: damaged; delete it, and codec tokenize makes it again")
    return read_rows(path)


class TokenDataset(Dataset[Item]):
    """Every row by its number: for samplers. Four shards are kept, others are read anew, and whole: `TokenStream` gives a large
    corpus in a random order many times faster.

    Args:
        folder: that ``codec tokenize`` has finished.
        layout: of ``codes``; see `codec.patterns`.

    An item is a dict: ``key``; ``codes``, int64 in the layout; ``row``, the `TokenRow`.
    """

    def __init__(self, folder: str | Path, layout: Layout = "parallel") -> None:
        self.shards = TokenShards(folder)
        self.pattern = Pattern(layout, self.shards.codebook_sizes)
        self._ends = [0]
        for count in self.shards.counts:
            self._ends.append(self._ends[-1] + count)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        shard = bisect.bisect_right(self._ends, index) - 1
        return _item(self.shards.rows(shard)[index - self._ends[shard]], self.pattern)


class TokenStream(IterableDataset[Item]):
    """Rows one after the other, shard by shard: for corpora that are large.

    Every worker of a `DataLoader` on every rank reads shards of its own, so that no row comes twice in an epoch.

    Args:
        folder: that ``codec tokenize`` has finished.
        layout: of ``codes``.
        shuffle: the order of shards, and of rows within a buffer.
        seed: of the order; it depends on nothing else but the epoch and the split.
        buffer: rows to draw from while shuffling.
        rank: of this process; default: that of `torch.distributed`, if it runs.
        world_size: number of processes.

    Raises:
        CodecError: when iterated by more readers than there are shards, some of which would get nothing.

    Items are those of `TokenDataset`. `set_epoch` before each epoch gives it an order of its own.
    """

    def __init__(
        self,
        folder: str | Path,
        layout: Layout = "parallel",
        shuffle: bool = False,
        seed: int = 0,
        buffer: int = 1024,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.shards = TokenShards(folder)
        self.pattern = Pattern(layout, self.shards.codebook_sizes)
        self._shuffle, self._seed, self._buffer = shuffle, seed, buffer
        self._rank, self._world_size = _place(rank, world_size)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch's order; workers that already run keep theirs (``persistent_workers``)."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Item]:
        for row in self._shuffled_rows() if self._shuffle else self._rows(self._mine(list(self._numbers()))):
            yield _item(row, self.pattern)

    def _numbers(self) -> range:
        return range(len(self.shards.counts))

    def _mine(self, order: list[int]) -> list[int]:
        worker = get_worker_info()
        workers = worker.num_workers if worker else 1
        readers, reader = self._world_size * workers, self._rank * workers + (worker.id if worker else 0)
        if readers > len(order):
            raise CodecError(
                f"{self.shards.folder}: {readers} readers for {len(order)} shards; make more of them (--shard-rows)"
            )
        return order[reader::readers]

    def _rows(self, shards: Sequence[int]) -> Iterator[TokenRow]:
        for shard in shards:
            yield from self.shards.rows(shard)

    def _shuffled_rows(self) -> Iterator[TokenRow]:
        # All readers must agree on the order of shards, and differ in that of rows.
        order = list(self._numbers())
        random.Random(f"{self._seed} {self._epoch}").shuffle(order)
        mine = self._mine(order)
        draw = random.Random(f"{self._seed} {self._epoch} {mine[0]}")
        waiting: list[TokenRow] = []
        for row in self._rows(mine):
            if len(waiting) < self._buffer:
                waiting.append(row)
                continue
            at = draw.randrange(len(waiting))
            waiting[at], row = row, waiting[at]
            yield row
        draw.shuffle(waiting)
        yield from waiting


def collate(pattern: Pattern) -> Callable[[Sequence[Item]], Item]:
    """A ``collate_fn``: ``codes`` padded with ``pattern.special``, their ``lengths`` ``(B,)``, and lists of the rest."""

    def join(items: Sequence[Item]) -> Item:
        lengths = torch.tensor([item["codes"].shape[-1] for item in items])
        shape = (len(items), *items[0]["codes"].shape[:-1], int(lengths.max()))
        codes = torch.full(shape, pattern.special)
        for target, item in zip(codes, items, strict=True):
            target[..., : item["codes"].shape[-1]] = item["codes"]
        return {"codes": codes, "lengths": lengths, "key": [i["key"] for i in items], "row": [i["row"] for i in items]}

    return join


def _item(row: TokenRow, pattern: Pattern) -> Item:
    codes: Tensor = row.tokens().codes[0]
    return {"key": row.key, "codes": pattern.apply(codes), "row": row}


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if world_size is None:
        world_size = torch.distributed.get_world_size() if distributed else 1
    if rank is None:
        rank = torch.distributed.get_rank() if distributed else 0
    if not 0 <= rank < world_size:
        raise CodecError(f"rank {rank} of {world_size}")
    return rank, world_size
