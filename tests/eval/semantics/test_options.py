from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import CodecError
from eval.semantics.embeddings import open_embedder
from eval.semantics.embeddings.clips import ClipEmbedder
from eval.semantics.options import PEAK, Cleaning, Ensemble, Padded, without_silence

TONE = np.sin(np.arange(16_000) / 5).astype(np.float32) * 0.3


def counter(hop: int, scale: float = 1.0) -> ClipEmbedder:
    """Embeds a clip as the numbers of its frames."""

    def run(wave: np.ndarray) -> np.ndarray:
        return scale * np.arange(1, 1 + -(-len(wave) // hop), dtype=np.float32)[:, None]

    return ClipEmbedder(f"every {hop}", run, 1, hop)


def test_silence_goes_and_sound_stays() -> None:
    gap = np.zeros(12_000, np.float32)
    np.testing.assert_array_equal(without_silence(np.concatenate([gap, TONE, gap, TONE, gap]), 16_000), np.tile(TONE, 2))
    short = np.concatenate([TONE, np.zeros(6_400, np.float32), TONE])
    np.testing.assert_array_equal(without_silence(short, 16_000), short)
    np.testing.assert_array_equal(without_silence(gap, 16_000), gap)
    # An offset is not sound.
    assert len(without_silence(np.concatenate([TONE, gap]) + 0.2, 16_000)) == 16_000


@given(st.lists(st.tuples(st.integers(1, 20_000), st.booleans()), min_size=1, max_size=5))
def test_silence_never_takes_everything(parts: list[tuple[int, bool]]) -> None:
    wave = np.concatenate([np.resize(TONE, length) * loud for length, loud in parts])
    kept = without_silence(wave, 16_000)
    assert 0 < len(kept) <= len(wave)


def test_offset_and_level() -> None:
    wave = TONE + 0.3
    assert abs(Cleaning(dc=True)(wave, 16_000).mean()) < 1e-6
    assert np.abs(Cleaning(dc=True, level=True)(wave, 16_000)).max() == pytest.approx(PEAK)
    np.testing.assert_array_equal(Cleaning(level=True)(np.zeros(9, np.float32), 16_000), np.zeros(9))
    np.testing.assert_array_equal(Cleaning()(wave, 16_000), wave)


def test_level_makes_loudness_not_matter() -> None:
    embedder = open_embedder("logmel|dc,level")
    quiet, loud = embedder.embed([TONE * 0.1 + 0.05, TONE], 16_000)
    np.testing.assert_allclose(quiet, loud, atol=0.02)


def test_members_line_up_in_time() -> None:
    both = Ensemble([counter(160), counter(320)], "both")
    assert (both.dim, both.hop_seconds) == (2, 0.01)
    vectors = both.embed([np.zeros(800, np.float32)], 16_000)[0]
    fine, coarse = vectors.T
    np.testing.assert_allclose(fine / fine[0], [1, 2, 3, 4, 5])
    np.testing.assert_allclose(coarse / coarse[0], [1, 1, 2, 2, 3])


def test_no_member_outshouts_another() -> None:
    a = Ensemble([counter(160), counter(320)], "a").embed([TONE], 16_000)[0]
    b = Ensemble([counter(160), counter(320, scale=1e4)], "b").embed([TONE], 16_000)[0]
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_an_ensemble_of_one_is_refused() -> None:
    with pytest.raises(CodecError, match="two embedders or more"):
        Ensemble([counter(160)], "alone")


def test_padding_reaches_frames_only_where_asked() -> None:
    waves = [TONE[:1_600], TONE]
    kept = Padded(counter(160), keep=True, name="kept").embed(waves, 16_000)
    dropped = Padded(counter(160), keep=False, name="dropped").embed(waves, 16_000)
    assert [len(part) for part in kept] == [100, 100]
    assert [len(part) for part in dropped] == [10, 100]
    assert open_embedder("logmel|padded").embed(waves, 16_000)[0].shape == (100, 80)
