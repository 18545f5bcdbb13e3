"""First centroids: at random, k-means++ (Arthur & Vassilvitskii 2007), and its fast kin for large k: k-means‖ (Bahmani et
al. 2012), which oversamples in a few passes, and AFK-MC² (Bachem et al. 2016), which walks Markov chains.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from quantizers.collective import counts, gather_rows
from quantizers.nearest import nearest
from quantizers.points import Points

Init = Literal["random", "k-means++", "k-means||", "afk-mc2"]
CHAIN = 50
ROUNDS = 5
"""Passes of k-means‖; the authors find five enough."""
OVERSAMPLING = 2
"""Candidates per cluster that each of these passes draws, on average over all passes."""
SAMPLE_PER_CLUSTER = 16


def beginning(
    points: Points, k: int, init: Init | np.ndarray | Tensor, rng: np.random.Generator, spherical: bool = False
) -> Tensor:
    """``(k, D)`` first centroids by a method, or those that are given, checked; of length 1 where directions are clustered.

    Raises:
        ValueError: fewer points than clusters, an unknown method, or centroids of another shape or that are not finite.
    """
    centroids = first_centroids(points, k, init, rng) if isinstance(init, str) else torch.as_tensor(init).float().clone()
    if centroids.shape != (k, points.dim):
        raise ValueError(f"centroids of shape {tuple(centroids.shape)} where {(k, points.dim)} are needed")
    if not torch.isfinite(centroids).all():
        raise ValueError("first centroids hold NaN or infinite values")
    return torch.nn.functional.normalize(centroids, dim=1) if spherical else centroids


def first_centroids(points: Points, k: int, init: Init, rng: np.random.Generator) -> Tensor:
    """``(k, D)`` first centroids, the same on every rank.

    The careful methods look at a sample of 16 points a cluster.

    Raises:
        ValueError: fewer points than clusters, or an unknown method.
    """
    total = count_for(points, k)
    if init == "random":
        return gather_rows(points, np.sort(rng.choice(total, k, replace=False)))
    sample = gather_rows(points, np.sort(rng.choice(total, min(total, SAMPLE_PER_CLUSTER * k), replace=False)))
    if init == "k-means++":
        return _plus_plus(sample, k, rng)
    if init == "k-means||":
        return _oversampled(sample, k, rng)
    if init == "afk-mc2":
        return _markov_chains(sample, k, rng)
    raise ValueError(f"init {init!r} is not one of random, k-means++, k-means||, afk-mc2")


def count_for(points: Points, k: int) -> int:
    """Number of points over all ranks.

    Raises:
        ValueError: too few for so many clusters, or no clusters.
    """
    total = sum(counts(len(points)))
    if k < 1:
        raise ValueError(f"points cannot form {k} clusters: at least 1 is needed")
    if total < k:
        raise ValueError(f"{total} points cannot form {k} clusters")
    return total


def _plus_plus(sample: Tensor, k: int, rng: np.random.Generator, weights: Tensor | None = None) -> Tensor:
    """Every next centroid is drawn in proportion to the squared distance from those before: k passes over the sample."""
    mass = torch.ones(len(sample), dtype=torch.float64) if weights is None else weights
    chosen = [min(int(torch.searchsorted(mass.cumsum(0), rng.random() * mass.sum().item())), len(sample) - 1)]
    distance = (sample - sample[chosen[0]]).square().sum(1).double()
    for _ in range(k - 1):
        total = (mass * distance).cumsum(0)
        if total[-1] <= 0:  # as many distinct points as centroids already
            chosen.append(int(rng.integers(len(sample))))
            continue
        position = torch.searchsorted(total, torch.tensor(rng.random() * total[-1].item(), dtype=torch.float64))
        chosen.append(min(int(position), len(sample) - 1))
        distance = torch.minimum(distance, (sample - sample[chosen[-1]]).square().sum(1).double())
    return sample[torch.tensor(chosen)]


def _oversampled(sample: Tensor, k: int, rng: np.random.Generator) -> Tensor:
    """A few passes each draw many candidates far from those before; k-means++ on the candidates, weighted by their points."""
    chosen = torch.tensor([int(rng.integers(len(sample)))])
    distance = (sample - sample[chosen]).square().sum(1)
    for _ in range(ROUNDS):
        chance = OVERSAMPLING * k / ROUNDS * distance.double() / distance.double().sum().clamp_min(1e-30)
        drawn = torch.nonzero(torch.from_numpy(rng.random(len(sample))) < chance)[:, 0]
        if len(drawn):
            chosen = torch.cat([chosen, drawn])
            distance = torch.minimum(distance, nearest(sample, sample[drawn])[1])
    if len(chosen) < k:  # many duplicates: fill up at random
        rest = np.setdiff1d(np.arange(len(sample)), chosen.numpy())
        chosen = torch.cat([chosen, torch.from_numpy(rng.choice(rest, k - len(chosen), replace=False))])
    weights = torch.bincount(nearest(sample, sample[chosen])[0], minlength=len(chosen)).double()
    return _plus_plus(sample[chosen], k, rng, weights)


def _markov_chains(sample: Tensor, k: int, rng: np.random.Generator) -> Tensor:
    """Approaches k-means++ with long chains; a draw costs `CHAIN` distances instead of a pass over the sample."""
    first = int(rng.integers(len(sample)))
    distance = (sample - sample[first]).square().sum(1).double().numpy()
    spread = distance.sum()
    proposal = np.full(len(sample), 1 / len(sample))
    if spread > 0:
        proposal = 0.5 * proposal + 0.5 * distance / spread
    proposal /= proposal.sum()
    centroids = torch.empty(k, sample.shape[1])
    centroids[0] = sample[first]
    # All candidates of all chains in one draw.
    candidates = rng.choice(len(sample), size=(k, CHAIN), p=proposal)
    luck = rng.random((k, CHAIN))
    for index in range(1, k):
        points = sample[torch.from_numpy(candidates[index])]
        distances = torch.cdist(points.double(), centroids[:index].double()).square().min(1).values.numpy()
        weights = distances / proposal[candidates[index]]
        state = 0
        for step in range(1, CHAIN):
            if weights[state] <= 0 or weights[step] / weights[state] > luck[index, step]:
                state = step
        centroids[index] = points[state]
    return centroids
