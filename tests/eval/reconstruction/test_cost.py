"""What is counted is what a closed form says; what a codec waits for is what it was built to wait for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from codec.baselines.interface import Encoded
from eval.reconstruction.lookahead import SAMPLE_RATE, lookahead
from eval.reconstruction.operations import multiply_adds, parameters


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv1d(4, 6, 5), (1, 4, 104), 100 * 6 * 4 * 5),
        (nn.Conv1d(8, 8, 3, groups=8, padding=1), (1, 8, 50), 50 * 8 * 3),
        (nn.ConvTranspose1d(4, 6, 4, stride=2), (1, 4, 10), 10 * 4 * 6 * 4),
        (nn.LSTM(4, 8, 2), (7, 1, 4), 7 * 4 * 8 * ((4 + 8) + (8 + 8))),
        (nn.GRU(4, 8, bidirectional=True, batch_first=True), (1, 7, 4), 7 * 2 * 3 * 8 * (4 + 8)),
    ],
)
def test_operations_are_those_of_the_formula(layer: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert multiply_adds(lambda: layer(torch.zeros(shape))) == expected
    with torch.inference_mode():
        assert multiply_adds(lambda: layer(torch.zeros(shape))) == expected


def test_parameters_are_found_wherever_they_are_held() -> None:
    class Holder:
        def __init__(self, inner: object) -> None:
            self.inner, self.again, self.me = inner, inner, self

    assert parameters(Holder(Holder(nn.Linear(3, 4)))) == 16
    assert parameters(Holder("nothing")) is None


class Waits:
    """A mean over some samples to come, or over all of the past."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        return Encoded(0, len(wave), sample_rate, wave)

    def decode(self, encoded: Encoded) -> np.ndarray:
        wave = np.asarray(encoded.payload)
        if not self.samples:
            return np.cumsum(wave) / 100
        kernel = np.full(self.samples + 1, 1 / (self.samples + 1))
        return np.convolve(wave, kernel)[self.samples : self.samples + len(wave)]


@pytest.mark.parametrize("samples", [0, 40, 1600])
def test_a_codec_waits_for_what_its_output_depends_on(samples: int) -> None:
    assert lookahead(Waits(samples)) == pytest.approx(samples / SAMPLE_RATE, abs=0.02 * samples / SAMPLE_RATE)
