"""What a run will do, decided before anything is encoded: which rows make which shard, under which settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from codec.data.recordings.rows import Row

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """What the tokens depend on.

    Attributes:
        model: fingerprint.
        rate: tokens per second.
        vocab: semantic vocabulary.
        codebook_sizes: of the streams; only the first for semantic tokens alone.
        formats: ``parquet``, ``webdataset``.
        shard_rows: rows of a shard; the last may have fewer.
    """

    model: str
    rate: int
    vocab: int
    codebook_sizes: tuple[int, ...]
    formats: tuple[str, ...]
    shard_rows: int


@dataclass(frozen=True)
class Plan:
    """Shards of a corpus.

    Attributes:
        settings: of the tokens.
        rows: of the corpus, in order.
        root: folder that their places are relative to.
    """

    settings: Settings
    rows: Sequence[Row]
    root: str

    @property
    def shards(self) -> int:
        """How many."""
        return -(-len(self.rows) // self.settings.shard_rows)

    def shard(self, number: int) -> Sequence[Row]:
        """Rows of one shard."""
        size = self.settings.shard_rows
        return self.rows[number * size : (number + 1) * size]

    def describe(self) -> dict[str, object]:
        """What must be the same when a run is taken up again, JSON; not where the corpus lies."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(json.dumps(asdict(row), sort_keys=True).encode() + b"\n")
        settings = json.loads(json.dumps(asdict(self.settings)))  # lists for tuples, as it is read back
        return {"version": VERSION, **settings, "rows": len(self.rows), "rows_sha256": digest.hexdigest()}
