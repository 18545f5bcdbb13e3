import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import CodecError
from codec.tokens import Tokens, count_frames, model_samples

HOPS = [(16_000, 320), (16_000, 1280), (24_000, 320), (24_000, 2048), (44_100, 512)]


@given(st.integers(0, 10**9), st.integers(1_000, 768_000), st.sampled_from(HOPS))
def test_frames_cover_the_samples_and_no_more(samples: int, rate: int, layout: tuple[int, int]) -> None:
    model_rate, hop = layout
    frames, covered = count_frames(samples, rate, model_rate / hop, model_rate), model_samples(samples, rate, model_rate)
    assert frames * hop >= covered
    assert (frames - 1) * hop < max(1, covered)
    assert covered * rate >= samples * model_rate
    tokens = Tokens(
        torch.zeros(1, 1, 0, dtype=torch.int64), torch.tensor([samples]), rate, model_rate / hop, (2,), "", model_rate
    )
    assert tokens.frames.tolist() == [frames]


def test_rates_and_items() -> None:
    codes = torch.arange(2 * 2 * 30).view(2, 2, 30)
    tokens = Tokens(codes, torch.tensor([19_200, 100]), 16_000, 25.0, (4096, 8192), "00" * 8)
    assert (tokens.rate, tokens.bits_per_frame, tokens.bitrate) == (50, 25, 625)
    assert tokens.frames.tolist() == [30, 1]
    assert torch.equal(tokens.item(1).codes, codes[1:, :, :1])
    assert (tokens.semantic_only().rate, tokens.semantic_only().bitrate) == (25, 300)


@pytest.mark.parametrize(("shape", "lengths"), [((2, 3, 4), 2), ((2, 4), 2), ((2, 2, 4), 3)])
def test_inconsistent_tokens_are_refused(shape: tuple[int, ...], lengths: int) -> None:
    with pytest.raises(CodecError):
        Tokens(torch.zeros(shape, dtype=torch.int64), torch.zeros(lengths, dtype=torch.int64), 16_000, 25.0, (4096, 8192), "")
