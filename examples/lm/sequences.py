"""Token shards as what a language model reads: a class token, then a recording's codes in one sequence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from codec.errors import CodecError
from codec.tokenize import Pattern, TokenDataset, TokenRow

HELD_OUT = 10
"""One recording of so many is for validation."""


@dataclass(frozen=True)
class Vocabulary:
    """Numbers that the model tells apart: codes of all streams, one that pads, then one for every class.

    Attributes:
        codebook_sizes: of the streams that the model reads.
        frame_rate: frames of codes per second.
        classes: names of sub-folders of the recordings; no name for those that lie in none.
        vocab: size of the semantic codebook.
        model: that made the codes: its fingerprint.
    """

    codebook_sizes: tuple[int, ...]
    frame_rate: float
    classes: tuple[str, ...]
    vocab: int
    model: str

    @property
    def pattern(self) -> Pattern:
        """How codes of all streams become one sequence."""
        return Pattern("interleave", self.codebook_sizes)

    @property
    def streams(self) -> int:
        """Tokens of a frame."""
        return len(self.codebook_sizes)

    @property
    def size(self) -> int:
        """The size of the embedding table."""
        return self.pattern.vocabulary + len(self.classes)

    @property
    def tokens_per_second(self) -> float:
        """The tokens per second that the model reads."""
        return self.frame_rate * self.streams

    def number_of(self, name: str) -> int:
        """The token of a class.

        Raises:
            CodecError: no such class.
        """
        if self.classes == ("",) and name:
            raise CodecError(f"class {name!r}: the recordings had no sub-folders, and so the model knows no classes")
        if name not in self.classes:
            raise CodecError(f"class {name!r} is not one of {', '.join(map(repr, self.classes))}")
        return self.pattern.vocabulary + self.classes.index(name)

    def save(self, folder: Path) -> None:
        """Writes it beside the model."""
        (folder / "vocabulary.json").write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """What `save` wrote.

        Raises:
            CodecError: not there.
        """
        try:
            raw = json.loads((folder / "vocabulary.json").read_text("utf-8"))
        except OSError as error:
            raise CodecError(f"{folder}: no language model here; examples/lm/train.py makes one") from error
        return cls(**raw | {key: tuple(raw[key]) for key in ("codebook_sizes", "classes")})


def class_of(row: TokenRow) -> str:
    """The first folder of a recording's path."""
    return row.key.partition("/")[0] if "/" in row.key else ""


def read(shards: Path, streams: int | None) -> tuple[Vocabulary, list[Tensor], list[Tensor]]:
    """All recordings of a folder that ``codec tokenize`` has finished.

    Args:
        shards: the folder.
        streams: how many to keep, the semantic one first; default: all.

    Returns:
        The vocabulary; sequences ``(N,)`` to learn from; others that are held out.

    Raises:
        CodecError: no such folder, too few recordings, or so many streams are not there.
    """
    rows: list[TokenRow] = [item["row"] for item in TokenDataset(shards)]
    if len(rows) < 2:
        raise CodecError(f"{shards}: {len(rows)} recordings; at least two are needed, one of them to measure on")
    first = rows[0]
    whole, count = len(first.codebook_sizes), len(first.codebook_sizes) if streams is None else streams
    if not 1 <= count <= whole:
        raise CodecError(f"--streams {count}: these tokens have {whole}")
    vocabulary = Vocabulary(
        first.codebook_sizes[:count],
        first.rate / whole,
        tuple(sorted(set(map(class_of, rows)))),
        first.vocab,
        first.model,
    )
    sequences = []
    for row in rows:
        codes = vocabulary.pattern.apply(row.tokens().codes[0, :count])
        sequences.append(torch.cat([torch.tensor([vocabulary.number_of(class_of(row))]), codes]))
    held_out = range(0, len(rows), HELD_OUT)
    return (
        vocabulary,
        [sequence for index, sequence in enumerate(sequences) if index not in held_out],
        [sequences[index] for index in held_out],
    )


class Crops(Dataset[Tensor]):
    """Random crops: a class token and whole frames, so that a place in the sequence always means the same stream.

    Args:
        sequences: to crop.
        frames: of a crop.
        vocabulary: of the sequences.
        count: of crops in an epoch.
        seed: crop ``i`` depends on it and on ``i`` alone.
    """

    def __init__(self, sequences: list[Tensor], frames: int, vocabulary: Vocabulary, count: int, seed: int = 0) -> None:
        self._sequences, self._frames, self._count, self._seed = sequences, frames, count, seed
        self._streams, self._pad = vocabulary.streams, vocabulary.pattern.special
        self._weights = torch.tensor([float(len(sequence)) for sequence in sequences])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        draw = torch.Generator().manual_seed(self._seed * 1_000_003 + index)
        sequence = self._sequences[int(torch.multinomial(self._weights, 1, generator=draw))]
        frames = (len(sequence) - 1) // self._streams
        start = int(torch.randint(max(1, frames - self._frames + 1), (1,), generator=draw))
        codes = sequence[1 + start * self._streams :][: self._frames * self._streams]
        padding = torch.full((self._frames * self._streams - len(codes),), self._pad)
        return torch.cat([sequence[:1], codes, padding])
