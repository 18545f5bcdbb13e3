"""What holds of every embedder: shapes, true lengths, batch = single, plain words about bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import AudioError, CodecError
from codec.model import Codec
from eval.semantics.embeddings import EXAMPLES, open_embedder
from eval.semantics.embeddings.clips import pieces
from eval.semantics.embeddings.registry import ENCODERS
from eval.semantics.embeddings.tokens import codec_ids, codec_vectors
from eval.semantics.interface import Embedder
from eval.semantics.probe import open_untrained

OURS = ["semcodec@25:semantic", "semcodec@50:acoustic", "semcodec@100:both", "semcodec@50:ids", "semcodec:features"]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize("name", ["logmel", *OURS])
@pytest.mark.parametrize("samples", [1, 7_999, 16_001])
def test_each_clip_is_as_if_alone(name: str, samples: int, tiny_folder: Path) -> None:
    embedder = open_embedder(name, tiny_folder)
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.trained) == (name, True)
    alone = embedder.embed([noise(samples)], 16_000)[0]
    assert alone.dtype == np.float32
    assert alone.shape == (int(np.ceil(samples / 16_000 / embedder.hop_seconds)), embedder.dim)
    assert np.isfinite(alone).all()
    among_others = embedder.embed([noise(20_000, 1), noise(samples), noise(10, 2)], 16_000)
    np.testing.assert_array_equal(among_others[1], alone)


def test_ours_are_what_the_codec_says(tiny_folder: Path, tiny: Codec, speech: np.ndarray) -> None:
    wave = speech[0, :30_000]
    tokens = tiny.encode(wave, 16_000, rate=50, vocab=tiny.vocab)
    embedder = open_embedder("semcodec@50:both", tiny_folder)
    vectors = embedder.embed([wave], 16_000)[0]
    same_vocab = open_embedder("semcodec@50:semantic", tiny_folder).embed([wave], 16_000)[0]
    np.testing.assert_array_equal(vectors[:, : same_vocab.shape[1]], same_vocab)
    assert len(vectors) == int(tokens.frames[0])
    ids = open_embedder("semcodec@50:ids", tiny_folder).embed([wave], 16_000)[0]
    assert ids.shape[1] == 2
    assert ids.min() >= 0
    assert ids.max() < 1
    # Before quantisation: the features that the same networks make.
    features = open_embedder("semcodec:features", tiny_folder).embed([wave[:3_200]], 16_000)[0]
    with torch.inference_mode():
        expected = tiny.networks.semantic(tiny.networks.mel(torch.from_numpy(wave[None, :3_200])))[0]
    torch.testing.assert_close(torch.from_numpy(features), expected)


def test_vocabularies_can_be_chosen(tiny_folder: Path) -> None:
    small, large = (open_embedder(f"semcodec@50,vocab={vocab}:semantic", tiny_folder) for vocab in (16, 128))
    assert small.bitrate == pytest.approx(4 * 25)
    assert large.bitrate == pytest.approx(7 * 25)
    with pytest.raises(CodecError, match="whole numbers, as in"):
        open_embedder("semcodec@50,vocab=many:semantic", tiny_folder)


def test_any_codec_of_tokens(tiny: Codec) -> None:
    """Through the protocol alone, as another codec would come."""
    vectors, ids = codec_vectors(tiny, "other"), codec_ids(tiny, "other:ids")
    assert vectors.bitrate == tiny.bitrate
    first = vectors.embed([noise(9_000)], 16_000)[0]
    np.testing.assert_array_equal(first, tiny.embed(tiny.encode(noise(9_000), 16_000))[0].numpy())
    assert len(ids.embed([noise(9_000)], 16_000)[0]) == len(first)


def test_untrained_codecs_have_token_numbers_too(tiny: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_tokenizer(name: str, trained_only: bool) -> Codec:
        asked.append((name, trained_only))
        return tiny

    monkeypatch.setattr("codec.baselines.registry.load_tokenizer", load_tokenizer)
    vectors, ids = open_untrained("encodec_24khz@1.5"), open_untrained("encodec_24khz@1.5:ids")
    assert vectors is not None
    assert ids is not None
    assert asked == [("encodec_24khz@1.5", False)] * 2
    assert (vectors.name, ids.name) == ("encodec_24khz@1.5", "encodec_24khz@1.5:ids")
    assert ids.dim < vectors.dim
    assert open_untrained("logmel") is None


def test_bitrates_add_up(tiny_folder: Path) -> None:
    rates = {what: open_embedder(f"semcodec@50:{what}", tiny_folder).bitrate for what in ("semantic", "acoustic", "both")}
    assert rates["semantic"] + rates["acoustic"] == pytest.approx(rates["both"])
    assert open_embedder("logmel").bitrate is None
    assert open_embedder("semcodec:features", tiny_folder).bitrate is None


def test_other_sample_rates_give_as_many_frames(speech: np.ndarray) -> None:
    embedder = open_embedder("logmel")
    assert len(embedder.embed([noise(44_100)], 44_100)[0]) == len(embedder.embed([noise(16_000)], 16_000)[0])


def test_nan_counts_as_zero() -> None:
    wave = noise(1_600)
    broken = wave.copy()
    broken[5], wave[5] = np.nan, 0
    embedder = open_embedder("logmel")
    np.testing.assert_array_equal(embedder.embed([broken], 16_000)[0], embedder.embed([wave], 16_000)[0])


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32)])
def test_unusable_clips_are_named(wave: np.ndarray) -> None:
    with pytest.raises(AudioError, match="clip 1 has the shape"):
        open_embedder("logmel").embed([noise(100), wave], 16_000)
    with pytest.raises(AudioError, match="sample rate"):
        open_embedder("logmel").embed([noise(100)], 3)


@given(length=st.integers(1, 200), window=st.integers(10, 40), shortest=st.integers(1, 10))
@settings(max_examples=60)
def test_pieces_lose_nothing(length: int, window: int, shortest: int) -> None:
    wave = np.arange(length)
    parts = list(pieces(wave, window, shortest))
    np.testing.assert_array_equal(np.concatenate(parts), wave)
    assert all(len(part) <= window for part in parts)
    assert len(parts) == 1 or all(len(part) >= min(shortest, window - shortest) for part in parts)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "not of the form"),
        ("hubert:", "not of the form"),
        ("semcodec@", "not of the form"),
        ("hubert", "name its weights too, as in hubert:facebook"),
        ("semcodec@50:meaning", "semantic, acoustic, both, ids, features"),
        ("semcodec@51:semantic", "rate 51"),
        ("semcodec@fast", "whole number"),
        ("no-such-thing", "embedder 'no-such-thing'"),
        ("encodec_24khz@1.5", "embedder 'encodec_24khz@1.5': .*encodec_24khz"),
        ("logmel|louder", "unknown option 'louder'"),
        ("whisper-ct2:/nowhere", "whisper|Whisper"),
        ("audiomae:/nowhere.pth", "no such file; name the checkpoint of AudioMAE"),
        ("beats:/nowhere.pt", "no such file; name a checkpoint of BEATs"),
        ("dasheng:/nowhere.pt", "no such file, and not a size"),
        ("torchaudio:CONVTASNET_BASE_LIBRI2MIX", "known are HUBERT_BASE"),
    ],
)
def test_bad_names_say_what_is_wrong(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        open_embedder(name)


def test_every_family_has_an_example_and_the_docs_have_them_all() -> None:
    assert set(ENCODERS) <= {example.split(":")[0] for example in EXAMPLES}
    page = (Path(__file__).parents[3] / "docs" / "probing.md").read_text("utf-8")
    assert [example for example in EXAMPLES if f"`{example}`" not in page] == []


def test_combined_names(tiny_folder: Path) -> None:
    both = open_embedder("logmel+semcodec:features|dc,level", tiny_folder)
    assert both.name == "logmel+semcodec:features|dc,level"
    assert both.embed([noise(16_000)], 16_000)[0].shape == (100, both.dim)
