"""What is accepted from outside, wherever it comes from: files, headers, arguments."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, SupportsIndex

from codec.errors import AudioError, ModelError

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 768_000
"""In Hz."""
MAX_CHANNELS = 64


def is_sample_rate(sample_rate: int) -> bool:
    """Whether a sample rate in Hz can be worked with."""
    return MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE


def as_sample_rate(sample_rate: Any) -> int:
    """A caller's sample rate as an integer.

    Raises:
        AudioError: not a whole number of Hz that can be worked with.

    Example:
        >>> as_sample_rate(44_100.0)
        44100
    """
    whole = int(sample_rate) if isinstance(sample_rate, float) and sample_rate.is_integer() else sample_rate
    if not isinstance(whole, SupportsIndex):
        raise AudioError(f"sample rate {sample_rate!r} is not a whole number of Hz; write it as in sample_rate=16000")
    if not is_sample_rate(rate := int(whole)):
        raise AudioError(f"sample rate {rate} Hz is outside 1 kHz … 768 kHz")
    return rate


def check_file(path: Path, largest: int) -> None:
    """Refuses what would block or never end when it is read: pipes, devices, files of absurd size.

    Args:
        path: of a file, or a link to one.
        largest: size in bytes.

    Raises:
        ModelError: not a regular file, or too large.
        OSError: not there, or not readable.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ModelError(f"{path}: not a file")
    if state.st_size > largest:
        raise ModelError(f"{path}: larger than {largest >> 20} MiB")
