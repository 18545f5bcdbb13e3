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
from codec.config import AcousticConfig, DecoderConfig, ModelConfig, SemanticConfig
from codec.hub import export, load
from codec.model import Codec
from codec.networks.networks import Networks

DATA = Path(__file__).parent / "data"

# Shared machines stall now and then; a slow example is not a failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TINY = ModelConfig(
    vocabs=(16, 32, 64, 128),
    semantic_dims=(8, 8, 8),
    semantic=SemanticConfig(dim=16, hidden_dim=32, dilations=(1, 2), n_features=12),
    acoustic=AcousticConfig(dim=16, hidden_dim=32, dilations=(1, 2)),
    decoder=DecoderConfig(dim=16, hidden_dim=32, dilations=(1, 2)),
)


def random_networks(seed: int = 0, config: ModelConfig = TINY) -> Networks:
    """Tiny networks whose codebooks lie where their random features do."""
    torch.manual_seed(seed)
    networks = Networks(config).eval()
    for codebook in networks.codebooks:
        codebook.leaves.normal_(std=0.3)
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
def first_model() -> Codec:
    """The bundled model of the first architecture, for what takes no other."""
    return load("semcodec-1")


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """``(1, samples)`` at 16 kHz."""
    return read_audio(DATA / "speech.flac")[0]


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    """``(2, samples)`` at 44.1 kHz."""
    return read_audio(DATA / "music.flac")[0]
