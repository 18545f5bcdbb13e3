"""Frames back to a wave: the last step of every head that predicts spectra."""

from __future__ import annotations

from torch import Tensor


def overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Adds overlapping frames up, as a few shifted sums of whole hops.

    Args:
        frames: ``(B, T, n_fft)``, where the hop divides ``n_fft``.
        hop_length: samples from frame to frame.

    Returns:
        ``(B, (T − 1) · hop_length + n_fft)``.

    Example:
        >>> import torch
        >>> overlap_add(torch.ones(1, 3, 4), 2)
        tensor([[1., 1., 2., 2., 2., 2., 1., 1.]])
    """
    batch, count, n_fft = frames.shape
    parts = n_fft // hop_length
    hops = frames.reshape(batch, count, parts, hop_length)
    total = hops.new_zeros(batch, count + parts - 1, hop_length)
    for part in range(parts):
        total[:, part : part + count] += hops[:, :, part]
    return total.flatten(1)
