"""What a linear map can tell of one thing by another: least squares with a ridge, in double precision."""

from __future__ import annotations

import torch
from torch import Tensor


def with_constant(x: Tensor) -> Tensor:
    """``(N, D)`` → ``(N, D + 1)`` in double precision: a last 1 in every row, so that a map of it has a constant."""
    return torch.cat([x, torch.ones_like(x[:, :1])], -1).double()


def least_squares(x: Tensor, y: Tensor, ridge: float = 1.0) -> Tensor:
    """Weights of the map whose ``x @ weights`` is nearest to ``y``.

    Args:
        x: ``(N, D)``, see `with_constant`.
        y: ``(N, E)`` of the same precision.
        ridge: added to the diagonal of the covariance of ``x``, over all rows.

    Returns:
        ``(D, E)``.

    Example:
        >>> x = with_constant(torch.tensor([[0.0], [1.0], [2.0]]))
        >>> least_squares(x, torch.tensor([[1.0], [3.0], [5.0]]).double(), ridge=0.0).flatten().round(decimals=6)
        tensor([2., 1.], dtype=torch.float64)
    """
    return torch.linalg.solve(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ y)
