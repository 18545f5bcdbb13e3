"""A tiny SemantiCodec in the published layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codec.semanticodec import model as official
from codec.semanticodec.model import OfficialCodec, load_published
from tests.codec.semanticodec.fixtures import TINY, write_published


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of 100 and 25 tokens/s."""
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, 100)
    write_published(folder, 25)
    return folder


@pytest.fixture(scope="package", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Checkpoints are tiny, and converted into a cache of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(official, "PUBLISHED", TINY)
        yield


@pytest.fixture(scope="session")
def compat(published: Path) -> OfficialCodec:
    model = load_published(published, rate=100)
    model.sampling, model.seed = official.Sampling(steps=2), 0
    return model


@pytest.fixture(scope="session")
def exact(published: Path) -> OfficialCodec:
    model = load_published(published, rate=100, compat=False)
    model.sampling = official.Sampling("dpm", steps=2)
    return model
