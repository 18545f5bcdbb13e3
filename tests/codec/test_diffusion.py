"""The second decoder's windows: whole tokens, and phases that go on from one to the next."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.config import DiffusionDecoderConfig
from codec.diffusion import OVERLAP, WINDOW, DiffusionCodec
from codec.errors import ModelError
from codec.networks.diffusion.files import build
from codec.networks.samplers import Sampling
from tests.codec.test_config import sized
from tests.conftest import random_networks


def model_of(period: int, stacks: tuple[int, ...]) -> DiffusionCodec:
    """Of one hop of four samples, so that windows are cheap."""
    networks = random_networks(0, sized(4_000, 4, stacks, 4, 8))
    sizes = DiffusionDecoderConfig(
        dim=8, hidden_dim=8, dilations=(1,), vocoder_dim=8, vocoder_hidden_dim=8, vocoder_dilations=(1,), n_fft=4 * period,
        noise_steps=10,
    )  # fmt: skip
    model = DiffusionCodec(build(sizes, networks), networks, "sized", "0123456789abcdef")
    model.sampling = Sampling("dpm", steps=2)
    return model


@pytest.mark.parametrize(
    ("period", "stacks", "step"), [(4, (1, 2, 4), 480), (3, (1, 4), 480), (7, (8,), 448), (64, (16,), 448)]
)
def test_windows_fit_tokens_and_phases(period: int, stacks: tuple[int, ...], step: int) -> None:
    model = model_of(period, stacks)
    assert (model.step, step % period, step % max(stacks)) == (step, 0, 0)
    assert WINDOW - step >= OVERLAP
    wave = np.random.default_rng(0).standard_normal((1, 4 * 1_200)).astype(np.float32) * 0.1
    tokens = model.encode(wave, 4_000)
    whole = model.decode(tokens)
    assert whole.shape == wave.shape
    stream = model.stream_decoder(tokens)
    parts = [stream.push(piece) for piece in tokens.codes.split(7, dim=2)]
    torch.testing.assert_close(torch.cat([*parts, stream.flush()], dim=1)[:, : wave.shape[1]], whole, atol=1e-5, rtol=0)


def test_heads_that_fit_no_window_are_refused() -> None:
    with pytest.raises(ModelError, match="n_fft 252"):
        model_of(63, (16,))
