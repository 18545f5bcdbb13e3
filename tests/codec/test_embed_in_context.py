from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import codec
from codec.bundled import share_token_files
from codec.config import ReaderConfig
from codec.errors import CodecError, ModelError
from codec.model import Codec
from codec.networks.reader_file import reader_of, save_reader
from eval.semantics.embeddings import open_embedder
from tests.conftest import TINY

SIZES = ReaderConfig(dim=16, hidden_dim=32, dilations=(1, 2), n_features=5)
WIDTH = 2 * SIZES.n_features + 8 + TINY.acoustic.pitch_levels - 1


@pytest.fixture(scope="module")
def folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("read") / "model"
    shutil.copytree(tiny_folder, copy)
    torch.manual_seed(0)
    reader = reader_of(SIZES, TINY)
    reader.shares.fill_(0.3)
    save_reader(reader, copy, codec.load(copy).fingerprint)
    return copy


@pytest.mark.parametrize("rate", [25, 50, 100])
def test_a_batch_gives_what_each_item_gives(folder: Path, rate: int, speech: np.ndarray) -> None:
    model = codec.load(folder, rate=rate, vocab=32)
    clips = [torch.from_numpy(speech[0, :length]) for length in (16_000, 5_000, 321)]
    tokens = model.encode(clips, 16_000)
    vectors = model.embed_in_context(tokens)
    assert vectors.shape == (3, tokens.codes.shape[2], WIDTH)
    for index, clip in enumerate(clips):
        alone = model.embed_in_context(model.encode(clip, 16_000))[0]
        torch.testing.assert_close(vectors[index, : len(alone)], alone, atol=1e-5, rtol=1e-4)
        assert not vectors[index, len(alone) :].any()


def test_acoustic_tokens_are_read_where_there_are_any(folder: Path, speech: np.ndarray) -> None:
    model = codec.load(folder, vocab=32)
    tokens = model.encode(speech, 16_000)
    alone, all_of_them = (model.embed_in_context(each) for each in (tokens.semantic_only(), tokens))
    assert alone.shape == all_of_them.shape
    assert not torch.allclose(alone, all_of_them)


def test_acoustic_tokens_behind_the_first_are_not_looked_at(shipped: Codec, speech: np.ndarray) -> None:
    tokens = shipped.encode(speech, 16_000, rate=100)
    assert tokens.codes.shape[1] == 4
    first = replace(tokens, codes=tokens.codes[:, :2], codebook_sizes=tokens.codebook_sizes[:2])
    assert torch.equal(shipped.embed_in_context(tokens), shipped.embed_in_context(first))


def test_a_model_without_a_reader_says_how_to_make_one(tiny: Codec, speech: np.ndarray) -> None:
    with pytest.raises(ModelError, match="make one with: codec train reader"):
        tiny.embed_in_context(tiny.encode(speech, 16_000))


def test_tokens_of_another_model_are_refused(folder: Path, other_folder: Path, speech: np.ndarray) -> None:
    tokens = codec.load(other_folder, vocab=32).encode(speech, 16_000)
    with pytest.raises(ModelError):
        codec.load(folder, vocab=32).embed_in_context(tokens)


def test_the_shipped_model_reads_its_tokens(shipped: Codec, speech: np.ndarray) -> None:
    for rate in shipped.rates:
        tokens = shipped.encode(speech, 16_000, rate=rate)
        vectors = shipped.embed_in_context(tokens)
        assert vectors.shape[:2] == tokens.codes.shape[::2]
        assert vectors.isfinite().all()


def test_without_torch_it_says_what_is_missing(speech: np.ndarray) -> None:
    model = codec.load(backend="onnx")
    with pytest.raises(CodecError, match=r"needs torch"):
        model.embed_in_context(model.encode(speech, 16_000))


@pytest.mark.parametrize(("what", "bits"), [("semantic-context", 5), ("context", 5 + 13)])
def test_it_is_an_embedder_of_the_bits_it_reads(
    folder: Path, tiny_folder: Path, speech: np.ndarray, what: str, bits: int
) -> None:
    embedder = open_embedder(f"semcodec@50,vocab=32:{what}", folder)
    assert (embedder.dim, embedder.hop_seconds, embedder.trained) == (WIDTH, 0.04, True)
    assert embedder.bitrate == pytest.approx(25 * bits)
    [long, short] = embedder.embed([speech[0], speech[0, :1000]], 16_000)
    assert long.shape[1] == short.shape[1] == WIDTH
    assert len(short) == 2
    with pytest.raises(CodecError, match="no reader"):
        open_embedder(f"semcodec@50,vocab=32:{what}", tiny_folder)


def test_what_belongs_to_tokens_goes_with_them(folder: Path, tiny_folder: Path, other_folder: Path, tmp_path: Path) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    shutil.copytree(tiny_folder, same)
    shutil.copytree(other_folder, other)
    for target in (same, other):
        share_token_files(folder, target)
    assert (same / "reader.safetensors").read_bytes() == (folder / "reader.safetensors").read_bytes()
    assert not (other / "reader.safetensors").exists()
