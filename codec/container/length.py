"""How long the sound of a container is, told by its two ends alone."""

from __future__ import annotations

import os
from pathlib import Path

from codec.container.header import Header
from codec.container.reader import TRAILER
from codec.errors import ContainerError


def declared_seconds(path: str) -> float | None:
    """The length that a container's first and last bytes tell, in s; None if they are none of ours. They may be damaged."""
    try:
        with open(path, "rb") as handle:
            header = Header.read(handle)
            handle.seek(-TRAILER.size, os.SEEK_END)
            _, _, samples = TRAILER.unpack(handle.read(TRAILER.size))
    except (ContainerError, OSError):
        return None
    return float(samples) / header.sample_rate if samples < 1 << 48 else None


def longest_seconds(path: str, header: Header) -> float:
    """The longest that a container with this header can last, in s, by its size: its end may be missing or wrong."""
    of_fixed_length = Path(path).stat().st_size * 8 / header.frame_bits / header.frame_rate
    return max(of_fixed_length, declared_seconds(path) or 0.0)
