"""Shared fixtures: a tiny random model that behaves like a real one, the shipped model, and real recordings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from codec.audio.io import read_audio
from codec.config import (
    AcousticConfig,
    ModelConfig,
    PitchConfig,
    RateConfig,
    SemanticConfig,
    TokenDecoderConfig,
    VocoderConfig,
)
from codec.hub import export, load
from codec.model import Codec
from codec.networks.source_filter_codec import SourceFilterNetworks

DATA = Path(__file__).parent / "data"

# Shared machines stall now and then; a slow example is not a failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TINY = ModelConfig(
    rates=tuple(
        RateConfig(frames_per_token=frames, n_acoustic=acoustic, semantic_dim=8)
        for frames, acoustic in ((1, 3), (2, 3), (2, 1), (4, 1))
    ),
    vocabs=(16, 32, 64, 128),
    semantic=SemanticConfig(dim=16, hidden_dim=32, dilations=(1, 2), n_features=12),
    pitch=PitchConfig(dim=8, hidden_dim=16, dilations=(1,)),
    acoustic=AcousticConfig(n_coefficients=6, codebook_sizes=(128, 32, 16)),
    decoder=TokenDecoderConfig(dim=16, hidden_dim=32, dilations=(1, 2), fine_dim=16, fine_hidden_dim=32, fine_dilations=(1,)),
    vocoder=VocoderConfig(dim=16, hidden_dim=32, dilations=(1,)),
)
"""Four streams at 200 and 100 tokens/s, two at 50 and 25; 100 and 50 have the same frames."""


def random_networks(seed: int = 0, config: ModelConfig = TINY) -> SourceFilterNetworks:
    """Tiny networks whose codebooks lie where their random features do, and with nothing that is 0 before training."""
    torch.manual_seed(seed)
    networks = SourceFilterNetworks(config).eval()
    for codebook in networks.codebooks:
        codebook.leaves.normal_(std=0.3)
    for parameter in networks.decoder.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return networks


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests leave in the temporary folder is theirs, though others run beside them in another process."""
    tmp_path_factory.getbasetemp()  # stays after the tests, to be looked at
    # A short name, since sockets lie below it, too, whose paths may have some hundred letters.
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-model")
    export(random_networks(), folder)
    return folder


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with other weights."""
    folder = tmp_path_factory.mktemp("other-model")
    export(random_networks(seed=1), folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Codec:
    return load(tiny_folder, vocab=32)


@pytest.fixture(scope="session")
def shipped() -> Codec:
    return load()


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """``(1, samples)`` at 16 kHz."""
    return read_audio(DATA / "speech.flac")[0]


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    """``(2, samples)`` at 44.1 kHz."""
    return read_audio(DATA / "music.flac")[0]
