"""Audio as callers hand it over: arrays and tensors of many types → float32 clips, or one line that says how to mend them.

What could be taken for something else is refused rather than guessed at: the tokens would be wrong, and nothing would say so.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.arrays import is_tensor
from codec.errors import AudioError
from codec.limits import MAX_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from torch import Tensor

    Wave: TypeAlias = Tensor | np.ndarray | Sequence[Tensor | np.ndarray | Sequence[float]]
    """``(B, samples)``, ``(B, 1, samples)``, ``(samples,)``, or a list of clips."""
else:
    Wave = Any

LOUDEST = 32.0
"""Floating-point audio may pass full scale, ±1, but not by more than 30 dB: then it was never scaled to it."""
_PCM = ("int8", "int16", "int32")
_FIXES = {
    "uint8": "8-bit PCM is (wave.astype('float32') - 128) / 128",
    "uint16": "16-bit PCM is signed: wave.view('int16'), or (wave.astype('float32') - 32768) / 32768 if zero lies at 32768",
    "bool": "it holds no samples",
    "int64": "give 16-bit samples as wave.astype('int16')",
}


def as_batch(
    wave: Wave, lengths: Tensor | np.ndarray | list[int] | None = None, channels: int | None = None
) -> list[np.ndarray]:
    """The clips of a batch, or the channels of a block.

    Args:
        wave: ``(B, samples)``, ``(B, 1, samples)`` or ``(samples,)``; or a list of clips ``(samples,)`` or ``(1, samples)``, of
            any lengths. Floating point with full scale ±1, or int8, int16, int32 with the full scale of their type. NaN and
            infinite samples count as 0; gradients are not followed.
        lengths: ``(B,)`` true lengths in samples; what lies behind them is not looked at.
        channels: how many rows there must be, of one length; None: any number, of any lengths.

    Returns:
        ``(samples,)`` float32 for each row.

    Raises:
        AudioError: another shape or type, samples far beyond full scale, or lengths that do not fit.

    Example:
        >>> as_batch(np.array([-16384, 8192], np.int16))[0].tolist()
        [-0.5, 0.25]
        >>> [len(clip) for clip in as_batch([np.zeros(3), np.zeros((1, 5))])]
        [3, 5]
    """
    rows = _rows(wave, channels)
    if channels is not None and len(set(map(len, rows))) > 1:
        raise AudioError(f"channels of {', '.join(map(str, map(len, rows)))} samples; a block has as many of each")
    counts = _check_lengths(lengths, [len(row) for row in rows])
    return [_as_float(row[:count]) for row, count in zip(rows, counts, strict=True)]


def _rows(wave: Wave, channels: int | None) -> list[np.ndarray]:
    """``(samples,)`` of each clip or channel, as they are."""
    if isinstance(wave, list | tuple) and not wave and channels is None:
        return []
    if isinstance(wave, list | tuple) and all(np.ndim(part) for part in wave) and wave:
        clips = [_as_array(clip) for clip in wave]
        clips = [clip[0] if clip.ndim == 2 and len(clip) == 1 else clip for clip in clips]
        for clip in clips:
            if clip.ndim != 1:
                raise AudioError(f"a list of clips, one of shape {clip.shape}: (samples,) or (1, samples) is expected of each")
        _check_shape((len(clips), max(map(len, clips))), channels)
        return clips
    audio = _as_array(wave)
    audio = audio[None] if audio.ndim == 1 else audio[:, 0] if audio.ndim == 3 and audio.shape[1] == 1 else audio
    _check_shape(audio.shape, channels)
    return list(audio)


def _as_array(wave: Any) -> np.ndarray:
    try:
        if is_tensor(wave):
            # Numpy has no bfloat16.
            wave = (wave.float() if str(wave.dtype) == "torch.bfloat16" else wave).detach().cpu().numpy()
        audio = np.asarray(wave)
    except (ValueError, TypeError, RuntimeError) as error:
        expected = "(samples,), (batch, samples) or a list of clips is expected"
        raise AudioError(f"audio that is no array of numbers; {expected}") from error
    if audio.dtype.kind != "f" and audio.dtype.name not in _PCM:
        fix = _FIXES.get(audio.dtype.name, "convert it")
        raise AudioError(f"audio of type {audio.dtype}: floating point within ±1, or {', '.join(_PCM)} is expected; {fix}")
    return audio


def _check_shape(shape: tuple[int, ...], channels: int | None) -> None:
    if len(shape) != 2:
        fix = f"; {shape[1]} channels are as many clips: wave.reshape(-1, wave.shape[-1])" if len(shape) == 3 else ""
        raise AudioError(f"audio of shape {shape}: (samples,), (batch, samples) or (batch, 1, samples) is expected{fix}")
    if channels is not None and shape[0] != channels:
        fix = "; samples come last: block.T" if shape[1] == channels else ""
        raise AudioError(f"a block of shape {shape} for {channels} channels: ({channels}, samples) is expected{fix}")
    if channels is None and shape[0] > MAX_CHANNELS >= shape[1] > 0:
        raise AudioError(f"audio of shape {shape} would be {shape[0]} clips of {shape[1]} samples; samples come last: wave.T")


def _check_lengths(lengths: Tensor | np.ndarray | list[int] | None, found: list[int]) -> list[int]:
    if lengths is None:
        return found
    counts = list(lengths) if isinstance(lengths, list) else np.asarray(lengths).tolist()
    if not isinstance(counts, list):
        raise AudioError(f"lengths {counts}: one for each of the {len(found)} clips is expected, [{counts}] for a single one")
    if not all(isinstance(count, int | np.integer) for count in counts):
        raise AudioError(f"lengths {counts} are not whole numbers of samples")
    if len(counts) != len(found) or any(not 0 <= count <= most for count, most in zip(counts, found, strict=True)):
        raise AudioError(f"lengths {counts} do not fit clips of {', '.join(map(str, found)) or 'no'} samples")
    return [int(count) for count in counts]


def _as_float(row: np.ndarray) -> np.ndarray:
    """One row as float32 of its own memory, scaled and finite."""
    if row.dtype.kind == "i":
        if row.dtype == np.int32 and 0 < np.abs(row, dtype=np.int64).max(initial=0) < 1 << 15:
            warnings.warn("int32 samples all below 16 bits count as near silence; give 16-bit samples as int16", stacklevel=5)
        return row / np.float32(1 << (8 * row.dtype.itemsize - 1))
    clean = np.nan_to_num(row, nan=0.0, posinf=0.0, neginf=0.0)
    loudest = np.abs(clean).max(initial=0)
    if loudest > LOUDEST:
        fix = "give 16-bit samples as int16, or divide them by 32768"
        raise AudioError(f"samples reach {loudest:.6g}, but full scale is ±1 for {row.dtype}; {fix}")
    return clean.astype(np.float32, copy=False)
