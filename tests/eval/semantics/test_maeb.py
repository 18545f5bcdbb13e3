"""The model that mteb calls, by the interface that it documents: loaders of clips of any length and rate → unit vectors."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from codec.errors import AudioError, CodecError
from eval.semantics.embeddings import open_embedder
from eval.semantics.maeb import MaebModel, maeb_model

RATE = 16_000


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, samples).astype(np.float32) for samples in (16_000, 9_000, 30_000, 16_000)]
    rates = [RATE, 22_050, 8_000, RATE]
    return [{"audio": {"array": wave, "sampling_rate": rate}, "label": 0} for wave, rate in zip(waves, rates, strict=True)]


def test_a_clip_has_the_vector_that_it_has_alone(rows: list[dict[str, object]]) -> None:
    model = maeb_model("logmel")
    together = model.encode(DataLoader(rows, batch_size=3), task_metadata=None, hf_split="test", hf_subset="default")
    assert together.shape == (4, model.embedder.dim)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    for number, row in enumerate(rows):
        assert np.array_equal(model.encode(DataLoader([row]))[0], together[number])
    clip = rows[0]["audio"]
    assert isinstance(clip, dict)
    [vectors] = open_embedder("logmel").embed([clip["array"]], RATE)
    mean = vectors.mean(0)
    assert together[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    stereo = {"audio": {"array": np.stack([clip["array"]] * 2), "sampling_rate": RATE}}
    assert model.encode(DataLoader([stereo]))[0] == pytest.approx(together[0], abs=1e-5)


def test_similarities_are_cosines() -> None:
    model = MaebModel(open_embedder("logmel"))
    first, second = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [3.0, 4.0]])
    assert model.similarity(first, second).tolist() == pytest.approx(np.array([[0, 0.6], [0.8, 1]]), abs=1e-6)
    assert model.similarity_pairwise(first, second).tolist() == pytest.approx([0, 1], abs=1e-6)


def test_what_it_cannot_hear_or_name_is_told() -> None:
    model = maeb_model("logmel")
    with pytest.raises(AudioError, match="hears audio only; the batch has text"):
        model.encode(DataLoader([{"text": "words"}]))
    if importlib.util.find_spec("mteb") is None:
        with pytest.raises(CodecError, match=r"MAEB needs mteb: pip install 'semcodec\[maeb\]'"):
            _ = model.mteb_model_meta
    else:
        assert model.mteb_model_meta.name == "semcodec/logmel"
