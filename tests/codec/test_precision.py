"""Front ends and quantisers work in single precision, whatever autocast does to the networks between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from codec.features import LogMel
from codec.networks.transform import block_features
from codec.semanticodec.frontend import filter_bank
from tests.conftest import TINY, random_networks

AUTOCAST = torch.autocast("cpu", torch.bfloat16)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("front_end", [LogMel(), lambda wave: filter_bank(wave[0])])
def test_front_ends(front_end: Callable[[Tensor], Tensor]) -> None:
    """0.35 dB of error otherwise, which flips codes."""
    wave = noise(2, 16_000)
    with AUTOCAST:
        assert (wave @ wave.T).dtype == torch.bfloat16
        rounded = front_end(wave)
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, front_end(wave))


@pytest.mark.parametrize("vocab", TINY.vocabs)
def test_quantisers(vocab: int) -> None:
    networks, features = random_networks(), noise(1, 400, TINY.semantic.n_features) * 3
    latents = noise(1, 400, TINY.acoustic.n_coefficients) * 9
    codebook, acoustic = networks.codebook(1), networks.quantizer(1)
    with AUTOCAST:
        rounded = codebook(features, vocab), acoustic(latents)
        every = codebook.encode_all(features)
        projected = codebook.project(features)
    exact = codebook(features, vocab), acoustic(latents)
    for found, wanted in zip(rounded, exact, strict=True):
        assert torch.equal(found.codes, wanted.codes)
        assert torch.equal(found.values, wanted.values)
        assert found.values.dtype == torch.float32
    assert torch.equal(every, codebook.encode_all(features))
    assert torch.equal(projected, codebook.project(features))


def test_a_whole_encoder_under_autocast() -> None:
    """What lies between them is rounded; what goes in is not, and the codes are those of the features that come out."""
    networks = random_networks()
    wave = noise(1, 64 * 320 + 2 * networks.edge)
    seen: dict[str, Tensor] = {}
    networks.semantic.register_forward_hook(lambda module, given, output: seen.update(mel=given[0], features=output))
    with AUTOCAST:
        codes = networks.wave_to_codes(wave, 2, 32)
        heard = networks.hear(wave)
    assert seen["features"].dtype == torch.bfloat16
    assert torch.equal(seen["mel"], networks.mel(wave, padded=True))
    found = networks.chosen_semantic(seen["features"], block_features(heard.mel, heard.pitch), 2, 32)
    assert torch.equal(codes[:, 0], found.codes)
