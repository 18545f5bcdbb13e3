"""Fits a residual quantiser: k-means of the vectors, then of what its codewords leave of them, and so on."""

from __future__ import annotations

import torch
from torch import Tensor

from quantizers.kmeans import kmeans
from quantizers.nearest import nearest
from quantizers.residual import ResidualKMeansQuantizer


@torch.no_grad()
def fit_residual(quantizer: ResidualKMeansQuantizer, vectors: Tensor, iterations: int = 10, seed: int = 0) -> list[float]:
    """Finds the codebooks, each on what the ones before leave.

    Args:
        quantizer: filled in place.
        vectors: ``(N, D)``, this process's share of them.
        iterations: passes for each codebook.
        seed: of the first centroids.

    Returns:
        Share of these vectors' energy that is left behind each codebook.

    Raises:
        ValueError: fewer vectors than codewords, or values that are not finite.

    Example:
        >>> quantizer = ResidualKMeansQuantizer((2, 4), 3)
        >>> shares = fit_residual(quantizer, torch.randn(1000, 3))
        >>> 1 > shares[0] > shares[1]
        True
    """
    rest, shares = vectors.float(), []
    energy = rest.square().sum()
    for book in quantizer.codebooks:
        centroids = kmeans(rest, len(book), iterations, seed=seed).centroids.to(rest.device)
        book.copy_(centroids)
        rest = rest - centroids[nearest(rest, centroids)[0]]
        shares.append((rest.square().sum() / energy).item())
    return shares
