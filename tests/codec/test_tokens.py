from dataclasses import replace
from itertools import pairwise

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


SIZES = (16, 8, 4, 32)


def batch(lengths: list[int], sample_rate: int = 16_000, frame_rate: float = 25.0, streams: int = 4, seed: int = 0) -> Tokens:
    counts = [count_frames(length, sample_rate, frame_rate, 16_000) for length in lengths]
    draw = torch.Generator().manual_seed(seed)
    codes = torch.stack([torch.randint(size, (len(lengths), max(counts)), generator=draw) for size in SIZES[:streams]], 1)
    for row, count in zip(codes, counts, strict=True):
        row[:, count:] = 0
    return Tokens(codes, torch.tensor(lengths), sample_rate, frame_rate, SIZES[:streams], "ab" * 8)


def test_what_tokens_tell_of_themselves() -> None:
    tokens = batch([19_200, 8_000])
    assert len(tokens) == 2
    assert tokens.duration.tolist() == [1.2, 0.5]
    assert tokens.mask.sum(1).tolist() == [30, 13]
    assert repr(tokens) == (
        "Tokens(2 clips of 1.20, 0.50 s at 16000 Hz, 100 tokens/s: codes (2, 4, 30) of 16 × 8 × 4 × 32 at 25 Hz, "
        "350 bit/s, model abababababababab)"
    )
    assert "\n" not in repr(batch([100] * 9))
    assert [len(item) for item in tokens] == [1, 1]
    assert tokens.item(-1) == tokens.item(1)
    with pytest.raises(IndexError):
        tokens.item(2)
    assert tokens.to("meta").codes.device.type == "meta"


def test_equal_is_what_says_the_same() -> None:
    tokens = batch([19_200, 8_000])
    padded = torch.nn.functional.pad(tokens.codes, (0, 5), value=3)  # behind the end of every item
    assert replace(tokens, codes=padded) == tokens
    assert replace(tokens, codes=tokens.codes.flip(0)) != tokens
    for other in ({"sample_rate": 8_000}, {"model": ""}, {"lengths": tokens.lengths - 1}, {"codebook_sizes": (16, 8, 4, 33)}):
        assert replace(tokens, **other) != tokens
    assert tokens != "tokens"


@given(
    st.lists(st.integers(1, 60_000), min_size=1, max_size=3),
    st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_001]),
    st.sampled_from([25.0, 12.5]),
    st.lists(st.floats(0, 8), max_size=3),
)
def test_slices_that_meet_join_to_the_whole(
    lengths: list[int], sample_rate: int, frame_rate: float, times: list[float]
) -> None:
    tokens = batch(lengths, sample_rate, frame_rate)
    borders = [0.0, *sorted(times), None]
    parts = [tokens.slice(start, stop) for start, stop in pairwise(borders)]  # type: ignore[arg-type]
    for part in parts:
        assert part.frames.tolist() == part.mask.sum(1).tolist()  # lengths say what codes are there
    assert Tokens.cat(parts, dim=-1) == tokens
    assert Tokens.cat(list(tokens)) == tokens
    twice = tokens.slice(*sorted(times)[:2]).slice(0.1) if len(times) > 1 else tokens.slice(0.1)
    for index in range(len(tokens)):
        codes, before = twice.in_context(index)
        codes = torch.from_numpy(codes)
        assert torch.equal(codes, tokens.item(index).codes[0])
        assert torch.equal(codes[:, before:][:, : int(twice.frames[index])], twice.item(index).codes[0])


def test_what_cannot_be_joined_or_cut_is_refused() -> None:
    tokens = batch([19_200, 8_000])
    for wrong, message in (
        (lambda: Tokens.cat([]), "no tokens"),
        (lambda: Tokens.cat([tokens, replace(tokens, model="")]), "different model"),
        (lambda: Tokens.cat([tokens, batch([100])], dim=2), "numbers of items"),
        (lambda: Tokens.cat([tokens], dim=1), "along 0"),
        (lambda: tokens.slice(-1), "slice"),
        (lambda: tokens.slice(2, 1), "slice"),
        (lambda: tokens.slice(float("nan")), "slice"),
        (lambda: tokens.slice(0.3, "x"), "seconds are numbers"),
        (lambda: tokens.arrange("zigzag"), "zigzag"),
    ):
        with pytest.raises(CodecError, match=message):
            wrong()


def test_layouts_have_the_shapes_that_their_names_say() -> None:
    tokens = batch([19_200, 8_000])
    for layout, shape in {
        "[B, n_q, T]": (2, 4, 30),
        "[n_q, B, T]": (4, 2, 30),
        "[B, T, n_q]": (2, 30, 4),
        "flat": (2, 120),
        "interleaved": (2, 120),
        "coarse-to-fine": (2, 120),
        "delayed": (2, 4, 33),
    }.items():
        assert tokens.arrange(layout).shape == shape
        assert tokens.item(1).arrange(layout).numel() == 4 * (13 + 3 * (layout == "delayed"))


def test_slices_of_models_that_make_more_frames_join_to_the_whole() -> None:
    """As the published SemantiCodec does: the last frames are behind the end of the sound."""
    tokens = replace(batch([16_000]), codes=torch.zeros(1, 4, 32, dtype=torch.int64), counts=torch.tensor([32]))
    assert tokens.slice(0).lengths.tolist() == [16_000]
    for border in (0.4, 1.0, 1.2):
        parts = [tokens.slice(0, border), tokens.slice(border)]
        assert Tokens.cat(parts, dim=2) == tokens


def test_batches_of_counted_and_other_items_lose_no_frames() -> None:
    plain = batch([16_000])
    counted = replace(plain, codes=torch.zeros(1, 4, 29, dtype=torch.int64), counts=torch.tensor([29]))
    for parts, frames in (([plain, counted], [25, 29]), ([counted, plain], [29, 25])):
        assert Tokens.cat(parts).frames.tolist() == frames


def test_what_is_given_is_put_right_or_refused() -> None:
    tokens = batch([19_200, 8_000])
    assert replace(tokens, codebook_sizes=list(tokens.codebook_sizes)) == tokens  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="counts"):
        replace(tokens, counts=torch.tensor([1]))
    with pytest.raises(CodecError, match="no integers"):
        replace(tokens, counts=torch.tensor([1.0, 2.0]))
    with pytest.raises(CodecError, match="below 0"):
        replace(tokens, counts=torch.tensor([1, -1]))
    with pytest.raises(CodecError, match="below 0"):
        replace(tokens, lengths=torch.tensor([-5, 8_000]))
