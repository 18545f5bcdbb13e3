import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import CodecError
from eval.reconstruction.usage import usage


@given(st.lists(st.lists(st.integers(0, 15), min_size=1, max_size=40), min_size=1, max_size=5))
def test_entropy_is_that_of_all_clips_together(clips) -> None:
    [stream] = usage([np.array([clip]) for clip in clips], [16])
    together = np.concatenate(clips)
    counts = np.bincount(together, minlength=16)
    assert stream.entropy == pytest.approx(scipy.stats.entropy(counts, base=2), abs=1e-9)
    assert stream.used == len(set(together.tolist())) / 16
    assert stream.tokens == len(together)
    assert 0 <= stream.entropy <= 4


def test_streams_have_their_own_codebooks() -> None:
    uniform, constant = usage([np.array([np.arange(8), np.full(8, 3)])], [8, 4])
    assert (uniform.used, uniform.entropy, constant.used, constant.entropy) == (1, 3, 0.25, 0)


@pytest.mark.parametrize("codes", [[], [np.zeros((2, 3), int)], [np.array([[4]])], [np.array([[-1]])], [np.zeros((1, 0), int)]])
def test_bad_codes(codes) -> None:
    with pytest.raises(CodecError):
        usage(codes, [4])
