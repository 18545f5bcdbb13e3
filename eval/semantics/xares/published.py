"""Published figures, none measured here: the ICME 2025 Audio Encoder Capability Challenge, and the baselines of X-ARES."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from eval.semantics.xares.tasks import BY_NAME

Head = Literal["mlp", "knn"]


@dataclass(frozen=True)
class Entry:
    """A team's scores in one track: A is the MLP head, B k-NN.

    Attributes:
        team, organisation: who.
        head: of the track.
        average: as published.
        scores: by task, as published.
    """

    team: str
    organisation: str
    head: Head
    average: float
    scores: Mapping[str, float]

    @property
    def recomputed(self) -> float:
        """The weighted average of the published scores."""
        weights = {task: BY_NAME[task].weight for task in self.scores}
        return sum(self.scores[task] * weight for task, weight in weights.items()) / sum(weights.values())


@dataclass(frozen=True)
class Baseline:
    """Averages of a well-known encoder, as X-ARES's README has them."""

    encoder: str
    public_mlp: float
    public_knn: float
    all_mlp: float
    all_knn: float


BASELINES = (
    Baseline("Dasheng base", 0.699, 0.504, 0.801, 0.683),
    Baseline("wav2vec 2.0", 0.490, 0.262, 0.664, 0.469),
    Baseline("Whisper base", 0.632, 0.299, 0.740, 0.475),
    Baseline("data2vec", 0.598, 0.388, 0.694, 0.455),
)

_NAMES = {
    "mlp": sorted(BY_NAME),
    "knn": sorted(task.name for task in BY_NAME.values() if task.knn),
}


def _entry(team: str, organisation: str, head: Head, average: float, *scores: float) -> Entry:
    return Entry(team, organisation, head, average, dict(zip(_NAMES[head], scores, strict=True)))


# Scores in the alphabetical order of tasks.
# fmt: off
LEADERBOARD = (
    _entry("Aluminumbox", "Alibaba", "mlp", 0.807,
           0.98, 0.027, 0.772, 0.556, 0.871, 0.873, 0.958, 0.647, 0.407, 0.654, 0.89, 0.97, 1, 0.719, 0.715,
           0.984, 0.988, 0.549, 0.624, 0.766, 0.956, 0.978, 0.836, 0.317, 0.911, 0.817, 0.844),
    _entry("GAEBT", "ByteDance", "mlp", 0.86,
           0.997, 0.054, 0.868, 0.637, 0.965, 0.885, 0.988, 0.676, 0.58, 0.886, 0.932, 0.976, 0.847, 0.732,
           0.897, 0.983, 0.987, 0.296, 0.746, 0.828, 0.973, 0.991, 0.862, 0.319, 0.938, 0.855, 0.918),
    _entry("CMU", "Carnegie Mellon University", "mlp", 0.827,
           0.983, 0.033, 0.81, 0.568, 0.905, 0.873, 0.954, 0.636, 0.489, 0.721, 0.901, 0.978, 1, 0.747, 0.708,
           0.977, 0.99, 0.243, 0.767, 0.79, 0.971, 0.989, 0.863, 0.29, 0.924, 0.856, 0.875),
    _entry("audiocodec", "ByteDance", "mlp", 0.865,
           0.995, 0.055, 0.858, 0.596, 0.968, 0.885, 0.992, 0.689, 0.591, 0.893, 0.936, 0.978, 0.847, 0.685,
           0.903, 0.981, 0.987, 0.296, 0.744, 0.842, 0.977, 0.994, 0.861, 0.332, 0.935, 0.838, 0.92),
    _entry("AudioX", "ByteDance", "mlp", 0.836,
           0.986, 0.058, 0.862, 0.602, 0.964, 0.884, 0.991, 0.677, 0.593, 0.893, 0.936, 0.923, 0.851, 0.64,
           0.87, 0.97, 0.978, 0.187, 0.706, 0.838, 0.969, 0.98, 0.85, 0.271, 0.935, 0.36, 0.904),
    _entry("SAMoVA", "IRIT", "mlp", 0.516,
           0.884, 0.013, 0.426, 0.305, 0.341, 0.853, 0.027, 0.546, 0.15, 0.204, 0.629, 0.911, 1, 0.476, 0,
           0.882, 0.936, 0.399, 0.399, 0.301, 0.168, 0.886, 0.582, 0.058, 0.523, 0.039, 0.102),
    _entry("Probin", "NTT", "mlp", 0.709,
           0.924, 0.045, 0.715, 0.738, 0.978, 0.875, 0.683, 0.637, 0.626, 0.916, 0.909, 0.982, 1, 0.707, 0,
           0.986, 0.992, 0.191, 0.707, 0.707, 0.941, 0.996, 0.9, 0.285, 0.932, 0.641, 0.605),
    _entry("Aluminumbox", "Alibaba", "knn", 0.641,
           0.974, 0.391, 0.682, 0.842, 0.026, 0.595, 0.796, 0.775, 0.636, 0.435, 0.851, 0.429, 0.491, 0.463,
           0.966, 0.711, 0.121, 0.691, 0.277, 0.402),
    _entry("GAEBT", "ByteDance", "knn", 0.782,
           0.957, 0.658, 0.904, 0.876, 0.69, 0.655, 0.867, 0.882, 0.841, 0.377, 0.912, 0.676, 0.622, 0.941,
           0.978, 0.8, 0.197, 0.917, 0.204, 0.654),
    _entry("CMU", "Carnegie Mellon University", "knn", 0.707,
           0.959, 0.392, 0.658, 0.843, 0.302, 0.574, 0.785, 0.81, 0.903, 0.347, 0.877, 0.577, 0.469, 0.896,
           0.966, 0.722, 0.109, 0.547, 0.28, 0.417),
    _entry("audiocodec", "ByteDance", "knn", 0.792,
           0.899, 0.804, 0.921, 0.88, 0.985, 0.642, 0.872, 0.85, 0.836, 0.333, 0.842, 0.671, 0.724, 0.974,
           0.978, 0.809, 0.21, 0.932, 0.188, 0.697),
    _entry("AudioX", "ByteDance", "knn", 0.778,
           0.891, 0.823, 0.949, 0.868, 0.987, 0.664, 0.899, 0.822, 0.84, 0.348, 0.818, 0.708, 0.729, 0.967,
           0.973, 0.815, 0.186, 0.933, 0.035, 0.63),
    _entry("SAMoVA", "IRIT", "knn", 0.48,
           0.927, 0.279, 0.141, 0.726, 0.009, 0.448, 0.452, 0.676, 0.982, 0.306, 0.544, 0.17, 0.215, 0.043,
           0.566, 0.303, 0.017, 0.256, 0.002, 0.056),
    _entry("Probin", "NTT", "knn", 0.71,
           0.588, 0.471, 0.964, 0.853, 0.052, 0.653, 0.873, 0.836, 0.996, 0.49, 0.978, 0.667, 0.491, 0.571,
           0.977, 0.879, 0.147, 0.908, 0.149, 0.245),
)
# fmt: on
