"""Fits a nested quantiser: principal components, the coarsest vocabulary by k-means, then each cluster split again.

The last passes move all leaves together, under the search that encoding uses: a point belongs to the nearest leaf, whoever
its parent is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quantizers.checkpoints import Steps, mark_of
from quantizers.clustering import Clustering, Iteration
from quantizers.collective import distinct
from quantizers.kmeans import kmeans, means_of
from quantizers.nearest import nearest
from quantizers.nested import ROWS, NestedKMeansQuantizer, descend
from quantizers.points import ArrayPoints
from quantizers.seeding import Init

SAMPLE_PER_CENTROID = 256
"""More points than this per coarse cluster change little (faiss stops there, too)."""
LEAF_PASSES = 2
"""Passes over all leaves; three more gave a tenth of what these give, and each costs several coarse ones."""
SPREAD = 0.3
"""Children start this many standard deviations from their parent."""
MARKED_ROWS = 1024
"""So many of the features tell which ones a checkpoint is of."""
BLOCK = 4096
"""Features that are compared at a time, until enough of them differ."""


def fit_nested(
    quantizer: NestedKMeansQuantizer,
    features: np.ndarray | Tensor,
    iterations: int = 15,
    *,
    init: Init = "random",
    seed: int = 0,
    groups: np.ndarray | None = None,
    shares: Sequence[float] = (),
    keep_basis: bool = False,
    weights: Tensor | None = None,
    report: Callable[[int, int, Iteration], None] | None = None,
    checkpoint: Path | None = None,
) -> list[Clustering]:
    """Fits in place.

    Args:
        quantizer: whose buffers are filled.
        features: ``(N, dim_in)``.
        iterations: Lloyd passes for the coarsest vocabulary; each split takes a third.
        init: how the coarsest vocabulary's first centroids are chosen.
        seed: of everything random.
        groups: ``(N,)`` number of the group (a domain, say) that each feature belongs to. With it every group gets
            coarse codewords of its own, as many as its share, and they are merged into one codebook, as SemantiCodec
            does with sound, speech and music at 2:1:1.
        shares: of each group.
        keep_basis: leave mean and basis as they are, so that networks which know codewords of this space know the new ones.
        weights: ``(dim_in,)`` of each feature's squared differences; what weighs little gets few bits. With ``keep_basis`` the
            space stays but is stretched.
        report: called with the group's number after every pass over its coarsest vocabulary.
        checkpoint: folder that is written to after every pass and every split, and gone on from if something is there.

    Returns:
        The coarsest vocabulary's clustering, of every group.

    Raises:
        ValueError: fewer distinct features than codewords, in all or in a group, or features that are not finite.
        CheckpointError: a checkpoint that is damaged, or of something else.
    """
    weights = torch.ones(features.shape[1]) if weights is None else weights
    rng = np.random.default_rng(seed)
    limit = SAMPLE_PER_CENTROID * quantizer.vocabs[0]
    chosen = np.sort(rng.choice(len(features), min(limit, len(features)), replace=False))
    members = np.zeros(len(chosen), int) if groups is None else groups[chosen]
    sizes = split_vocab(quantizer.vocabs[0], shares or (1.0,))
    for group, size in enumerate(sizes):
        _refuse_copies(features, chosen[members == group], size)
    steps = Steps(checkpoint, _mark(quantizer, features, keep_basis, init, seed, iterations, sizes, members, weights.numpy()))
    space = steps("basis", lambda: _basis(quantizer, features, keep_basis, weights))
    quantizer.mean.copy_(space["mean"])
    quantizer.basis.copy_(space["basis"])
    points = torch.cat([quantizer.project(piece) for piece in ArrayPoints(features[chosen]).chunks()])
    coarse = []
    for group, size in enumerate(sizes):
        rows, each = points[torch.from_numpy(members == group)], partial(report, group) if report else None
        path = steps.path(f"coarse-{group}")
        coarse.append(kmeans(rows, size, iterations, init=init, seed=seed, checkpoint=path, report=each))
    leaves = _split_all(points, torch.cat([found.centroids for found in coarse]), quantizer.vocabs, iterations, rng, steps)
    quantizer.leaves.copy_(leaves)
    for number in range(LEAF_PASSES):
        quantizer.leaves.copy_(steps(f"leaves-{number}", lambda: {"leaves": _moved_leaves(quantizer, points)})["leaves"])
    return coarse


def _mark(quantizer: NestedKMeansQuantizer, features: np.ndarray | Tensor, keep_basis: bool, *settings: object) -> str:
    """What checkpoints of a fit are known by."""
    before = (quantizer.mean.numpy(), quantizer.basis.numpy()) if keep_basis else ()
    known = np.asarray(features[:MARKED_ROWS])
    return mark_of(quantizer.vocabs, quantizer.dim, len(features), known, keep_basis, *settings, *before)


def _refuse_copies(features: np.ndarray | Tensor, chosen: np.ndarray, codewords: int) -> None:
    blocks = (chosen[start : start + BLOCK] for start in range(0, len(chosen), BLOCK))
    found = distinct((torch.from_numpy(np.asarray(features[rows], np.float32)) for rows in blocks), codewords)
    if found < codewords:
        raise ValueError(f"{len(chosen)} points, {found} of them distinct, cannot form {codewords} clusters")


def _moved_leaves(quantizer: NestedKMeansQuantizer, points: Tensor) -> Tensor:
    """Leaves after one Lloyd pass over them; those without points stay where they are."""
    tables = [quantizer.table(vocab) for vocab in quantizer.vocabs]
    codes = torch.cat([descend(part, tables)[-1] for part in torch.split(points, ROWS)])
    return means_of(points, codes, quantizer.leaves)


def split_vocab(vocab: int, shares: Sequence[float]) -> list[int]:
    """Codewords of each group, in proportion to its share, that add up to the vocabulary.

    Example:
        >>> split_vocab(4096, (2, 1, 1))
        [2048, 1024, 1024]
    """
    edges = np.round(vocab * np.cumsum([0.0, *shares]) / sum(shares)).astype(int)
    return [int(size) for size in np.diff(edges)]


def _basis(quantizer: NestedKMeansQuantizer, features: np.ndarray | Tensor, keep: bool, weights: Tensor) -> dict[str, Tensor]:
    """Mean and basis of the space that is clustered."""
    if keep:
        stretched = _stretched(quantizer.basis, weights) if (weights != 1).any() else quantizer.basis
        return {"mean": quantizer.mean, "basis": stretched}
    width, scale = features.shape[1], weights.double().sqrt()
    total, products = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for piece in ArrayPoints(features).chunks():
        wide = piece.double() * scale
        total += wide.sum(0)
        products += wide.T @ wide
    mean = total / len(features)
    covariance = products / len(features) - mean.outer(mean)
    _, vectors = torch.linalg.eigh(covariance)
    basis = scale[:, None] * vectors.flip(1)[:, : quantizer.dim]
    return {"mean": (mean / scale).float(), "basis": basis.float()}


def _stretched(basis: Tensor, weights: Tensor) -> Tensor:
    """Same space, but with distances as the weights have them: the basis times the square root of the metric in it."""
    wide = basis.double()
    back = torch.linalg.pinv(wide)
    values, vectors = torch.linalg.eigh((back * weights) @ back.T)
    return (wide @ (vectors * values.sqrt()) @ vectors.T).float()


def _split_all(
    points: Tensor, coarse: Tensor, vocabs: Sequence[int], iterations: int, rng: np.random.Generator, steps: Steps
) -> Tensor:
    """Codewords of the largest vocabulary, from those of the smallest."""
    level = {"centroids": coarse, "codes": nearest(points, coarse)[0]}
    for few, many in pairwise(vocabs):
        # Drawn whether they are needed or not: what comes later must not depend on where a stopped fit goes on.
        noise = torch.from_numpy(rng.standard_normal((few, many // few, points.shape[1])).astype(np.float32))
        split = partial(_split_each, points, level["centroids"], level["codes"], noise, max(3, iterations // 3))
        level = steps(f"split-{many}", split)
    return level["centroids"]


def _split_each(points: Tensor, parents: Tensor, codes: Tensor, noise: Tensor, iterations: int) -> dict[str, Tensor]:
    """Splits every cluster by a small k-means among its own points, from starts around it that ``noise`` gives."""
    k, branches, dim = noise.shape
    spread = torch.zeros(k, dim).index_add_(0, codes, (points - parents[codes]).square())
    spread = (spread / torch.bincount(codes, minlength=k).clamp_min(1)[:, None]).sqrt()
    children = parents[:, None] + SPREAD * (noise - noise.mean(1, keepdim=True)) * spread[:, None]
    fine = refine(points, codes, children)
    for _ in range(iterations):
        children = means_of(points, fine, children.view(-1, dim)).view(k, branches, dim)
        fine = refine(points, codes, children)
    return {"centroids": children.view(-1, dim), "codes": fine}


def refine(points: Tensor, parents: Tensor, children: Tensor) -> Tensor:
    """Codes one level down: among the children of each point's parent, the nearest.

    Args:
        points: ``(N, D)``.
        parents: ``(N,)``.
        children: ``(parents, branches, D)``.
    """
    branches = children.shape[1]
    codes = torch.empty_like(parents)
    for rows in range(0, len(points), 65_536):
        part = slice(rows, rows + 65_536)
        distance = (children[parents[part]] - points[part].unsqueeze(1)).pow(2).sum(-1)
        codes[part] = parents[part] * branches + distance.argmin(1)
    return codes
