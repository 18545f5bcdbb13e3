"""One row of a token shard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codec.arrays import given
from codec.tokens import Tokens


@dataclass(frozen=True)
class TokenRow:
    """The tokens of one recording.

    Attributes:
        key: of the recording.
        codes: ``(S, T)`` integers: semantic, and acoustic if there are such.
        rate: tokens per second, over all streams.
        codebook_sizes: of each stream; the first is the semantic vocabulary.
        sample_rate: of the recording in Hz.
        samples: of the recording at that rate.
        model: fingerprint of the model that made the tokens.
        model_rate: sample rate that it works at, in Hz.
        source: what the corpus says of the recording.
    """

    key: str
    codes: np.ndarray
    rate: float
    codebook_sizes: tuple[int, ...]
    sample_rate: int
    samples: int
    model: str
    model_rate: int
    source: Mapping[str, Any]

    @property
    def duration(self) -> float:
        """The duration in seconds."""
        return self.samples / self.sample_rate

    @property
    def vocab(self) -> int:
        """The vocabulary of the semantic stream."""
        return self.codebook_sizes[0]

    def tokens(self) -> Tokens:
        """A batch of one, for `Codec.decode`, `Codec.embed` and `codec.save`."""
        return Tokens(
            given(self.codes.astype(np.int64)[None]),
            given(np.array([self.samples])),
            self.sample_rate,
            self.rate / len(self.codebook_sizes),
            self.codebook_sizes,
            self.model,
            self.model_rate,
        )

    def fields(self) -> dict[str, Any]:
        """Everything but the codes, JSON; ``source`` as a string of JSON."""
        return {
            "key": self.key,
            "rate": self.rate,
            "vocab": self.vocab,
            "duration": self.duration,
            "sample_rate": self.sample_rate,
            "samples": self.samples,
            "codebook_sizes": list(self.codebook_sizes),
            "model": self.model,
            "model_rate": self.model_rate,
            "source": json.dumps(self.source, sort_keys=True),
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any], codes: np.ndarray) -> TokenRow:
        """What `fields` and codes came from."""
        return cls(
            fields["key"], codes, fields["rate"], tuple(fields["codebook_sizes"]), fields["sample_rate"], fields["samples"],
            fields["model"], fields["model_rate"], json.loads(fields["source"]),
        )  # fmt: skip
