"""Tokens as other programs read them: ``.npy`` arrays and JSON lines.

An array holds codes and nothing else. What it was made with, and how long the audio was, stands beside it: ``x.npy.json``.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.outputs import CountingSink, is_special
from codec.tokens import Tokens

Format = Literal["sct", "npy", "jsonl"]
SUFFIXES = (".npy", ".jsonl")
"""Of files of codes for other programs."""
TAIL_BYTES = 4096
"""Of a line of JSON, more than what follows its codes."""


def check_format(format: str) -> Format:
    """The name of a format of token files, once it is known to be one.

    Raises:
        CodecError: it is none.
    """
    if format not in get_args(Format):
        raise CodecError(f"format {format!r} is not one of {', '.join(get_args(Format))}")
    return cast(Format, format)


def write_array(sink: CountingSink, codes: np.ndarray) -> None:
    """``(channels, S, n)`` int32."""
    buffer = io.BytesIO()
    np.save(buffer, codes.astype(np.int32), allow_pickle=False)
    sink.write(buffer.getvalue())


def write_line(sink: CountingSink, codes: np.ndarray, tokens: Tokens, samples: int) -> None:
    """One object: codes, then what `facts` tells."""
    sink.write((json.dumps({"codes": codes.tolist()} | facts(tokens, samples)) + "\n").encode())


def facts(tokens: Tokens, samples: int) -> dict[str, Any]:
    """What was encoded, and with what."""
    return {
        "samples": samples, "sample_rate": tokens.sample_rate, "frame_rate": tokens.frame_rate,
        "codebook_sizes": tokens.codebook_sizes, "model": tokens.model,
    }  # fmt: skip


def read_facts(path: Path) -> dict[str, Any] | None:
    """What `facts` told of a ``.jsonl`` or ``.npy`` file, or None if it is not one of the codec's."""
    try:
        if path.suffix == ".npy":
            found = json.loads(beside(path).read_text("utf-8"))
        else:
            with path.open("rb") as handle:
                handle.seek(max(0, path.stat().st_size - TAIL_BYTES))
                found = json.loads(b'{"samples"' + handle.read().rpartition(b', "samples"')[2])
    except (OSError, ValueError):
        return None
    named = {"samples", "sample_rate", "frame_rate", "codebook_sizes", "model"}
    return found if isinstance(found, dict) and named <= found.keys() else None


def write_facts(target: str, tokens: Tokens, samples: int) -> None:
    """Writes the facts beside an array; a pipe or a device has no place for them."""
    if target != "-" and not is_special(target):
        with atomic_write(beside(Path(target))) as handle:
            handle.write((json.dumps(facts(tokens, samples)) + "\n").encode())


def beside(path: Path) -> Path:
    """The file that tells of an array."""
    return path.with_name(f"{path.name}.json")
