"""What k-means found, pass by pass, and how it is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from quantizers import checkpoints
from quantizers.checkpoints import CheckpointError
from quantizers.nearest import nearest
from quantizers.points import AnyPoints, prepared


@dataclass(frozen=True)
class Iteration:
    """What one pass over the points found.

    Attributes:
        inertia: mean squared distance to the nearest centroid, before the update.
        change: share by which the inertia fell since the pass before; 0 in the first.
        shift: largest distance that a centroid moved.
        mean_shift: of all centroids.
        empty: clusters without a point, refilled by splitting populous ones.
        imbalance: ``k · Σ share²``; 1 when all clusters are equal.
        entropy: bits of the number of a point's cluster; ``log2(k)`` when all clusters are equal.
        seconds: that the pass took.
        points_per_second: over all ranks.
    """

    inertia: float
    change: float
    shift: float
    mean_shift: float
    empty: int
    imbalance: float
    entropy: float
    seconds: float
    points_per_second: float


@dataclass(frozen=True)
class Clustering:
    """A fitted k-means.

    Attributes:
        centroids: ``(k, D)`` float32.
        iterations: report of every pass.
        points: number of points, over all ranks.
        seed: of everything random.
        spherical: whether directions were clustered.
        first: some of the points, by which a checkpoint knows its own again.
    """

    centroids: Tensor
    iterations: list[Iteration] = field(default_factory=list)
    points: int = 0
    seed: int = 0
    spherical: bool = False
    first: Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    @property
    def used(self) -> float:
        """Share of clusters that had points in the last pass."""
        return 1 - self.iterations[-1].empty / len(self.centroids)

    @property
    def entropy(self) -> float:
        """Bits of the number of a point's cluster in the last pass."""
        return self.iterations[-1].entropy

    def predict(self, points: AnyPoints) -> Tensor:
        """Index of the nearest centroid for each point, ``(N,)`` int64.

        Raises:
            ValueError: points of another width.
        """
        source = prepared(points, self.spherical)
        if source.dim != self.centroids.shape[1]:
            raise ValueError(f"points of width {source.dim} where {self.centroids.shape[1]} is needed")
        codes = [nearest(piece, self.centroids.to(piece.device))[0].cpu() for piece in source.chunks()]
        return torch.cat([torch.empty(0, dtype=torch.int64), *codes])

    def save(self, path: str | Path) -> None:
        """Writes centroids and their history as safetensors, under the name only when all is written."""
        about = {"points": self.points, "seed": self.seed, "spherical": self.spherical}
        history = [asdict(iteration) for iteration in self.iterations]
        tensors = {"centroids": self.centroids, "first": self.first}
        checkpoints.write(Path(path), tensors, {**about, "iterations": history})

    @staticmethod
    def load(path: str | Path) -> Clustering:
        """Reads what `save` wrote.

        Raises:
            CheckpointError: it is no such file, or a damaged one, or one of another version.
        """
        tensors, about = checkpoints.read(Path(path))
        try:
            history = [Iteration(**row) for row in about["iterations"]]
            settings = (about["points"], about["seed"], about["spherical"])
            return Clustering(tensors["centroids"], history, *settings, tensors["first"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: a k-means checkpoint of another version ({error}); delete it to start anew"
            ) from error

    @staticmethod
    def resume(path: Path, wanted: Clustering) -> Clustering:
        """Reads a checkpoint to go on from.

        Args:
            path: of the checkpoint.
            wanted: points, settings and shape of what is to be gone on with.

        Raises:
            CheckpointError: the checkpoint is of another clustering, or damaged.
        """
        found = Clustering.load(path)
        (k, dim), (our_k, our_dim) = found.centroids.shape, wanted.centroids.shape
        compared = {
            "clusters": (k, our_k),
            "width": (dim, our_dim),
            "points": (found.points, wanted.points),
            "seed": (found.seed, wanted.seed),
            "spherical": (found.spherical, wanted.spherical),
        }
        differ = [f"{name} {theirs}, not {ours}" for name, (theirs, ours) in compared.items() if theirs != ours]
        # Rounding may differ where the same points are computed anew.
        if not differ and not torch.allclose(found.first, wanted.first, rtol=1e-3, atol=1e-3 * wanted.first.abs().max().item()):
            differ = ["other points"]
        if differ:
            raise CheckpointError(f"{path}: of another clustering ({'; '.join(differ)}); delete it to start anew")
        return found
