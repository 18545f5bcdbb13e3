import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.model import Codec
from codec.streaming import LOW_LATENCY, WHOLE, Grid
from train.losses import MultiScaleMelLoss


def noise(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, int(seconds * rate))).astype(np.float32) * 0.1


@pytest.mark.parametrize("rate", [25, 50, 100])
@pytest.mark.parametrize(("sample_rate", "block"), [(16_000, 4_999), (44_100, 100_000), (8_000, 200_000)])
def test_stream_equals_whole(tiny: Codec, rate: int, sample_rate: int, block: int) -> None:
    wave = noise(47.3, sample_rate)
    tokens = tiny.encode(wave, sample_rate, rate)
    encoder = tiny.stream_encoder(sample_rate, 1, rate)
    parts = [encoder.push(wave[:, at : at + block]) for at in range(0, wave.shape[1], block)]
    early = sum(part.shape[2] for part in parts)
    codes = torch.cat([*parts, encoder.flush()], dim=2)
    assert early > 0
    assert torch.equal(codes, tokens.codes)
    decoder = tiny.stream_decoder(tokens)
    pieces = [decoder.push(codes[:, :, at : at + 41]) for at in range(0, codes.shape[2], 41)]
    assert sum(piece.shape[1] for piece in pieces) > 0
    decoded = torch.cat([*pieces, decoder.flush()], dim=1)
    assert torch.equal(decoded[:, : tiny.decode(tokens).shape[1]], tiny.decode(tokens))


def test_batch_equals_single_with_lengths(tiny: Codec) -> None:
    wave = noise(30, 16_000, channels=3)
    lengths = torch.tensor([480_000, 333_333, 1])
    wave[1, 333_333:] = 1.0  # what lies behind the length must not matter
    tokens = tiny.encode(wave, 16_000, lengths=lengths)
    decoded = tiny.decode(tokens)
    for index, length in enumerate(lengths.tolist()):
        alone = tiny.encode(wave[index, :length], 16_000)
        assert torch.equal(tokens.item(index).codes, alone.codes)
        assert torch.equal(decoded[index, :length], tiny.decode(alone)[0])
        assert not decoded[index, length:].any()


def test_channels_of_a_stream_are_independent(tiny: Codec) -> None:
    wave = noise(25, 16_000, channels=2)
    encoder = tiny.stream_encoder(16_000, 2)
    codes = torch.cat([encoder.push(wave), encoder.flush()], dim=2)
    assert torch.equal(codes, tiny.encode(wave, 16_000).codes)


def test_memory_of_a_stream_is_flat(tiny: Codec) -> None:
    encoder = tiny.stream_encoder(16_000, 1)
    held = []
    for _ in range(12):
        encoder.push(noise(10, 16_000))
        held.append(encoder._buffer.shape[1])
    assert max(held) <= (encoder.latency + 10) * 16_000
    assert encoder._next_frame > 0


def test_flush_of_nothing_is_empty(tiny: Codec) -> None:
    assert tiny.stream_encoder(44_100, 2).flush().shape == (2, 2, 0)
    assert tiny.stream_decoder().flush().numel() == 0


def in_pieces(data: st.DataObject, length: int, most: int) -> list[slice]:
    """Random cuts of ``0 … length``, some of them empty."""
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=most)))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


@settings(max_examples=15)
@given(
    data=st.data(),
    seconds=st.floats(0.01, 6),
    rate=st.sampled_from([25, 50, 100]),
    sample_rate=st.sampled_from([8_000, 16_000, 44_100]),
    grid=st.sampled_from([WHOLE, LOW_LATENCY, Grid(core=32), Grid(core=8, ahead=4)]),
)
def test_pieces_never_matter(tiny: Codec, data: st.DataObject, seconds: float, rate: int, sample_rate: int, grid: Grid) -> None:
    """Codes and samples do not depend on how a stream was cut; on exact grids they are those of the whole file."""
    wave = noise(seconds, sample_rate, channels=2)
    encoder = tiny.stream_encoder(sample_rate, 2, rate, grid=grid)
    whole = torch.cat([encoder.push(wave), encoder.flush()], 2)
    encoder = tiny.stream_encoder(sample_rate, 2, rate, grid=grid)
    parts = [encoder.push(wave[:, cut]) for cut in in_pieces(data, wave.shape[1], 30)]
    codes = torch.cat([*parts, encoder.flush()], 2)
    assert torch.equal(codes, whole)
    tokens = tiny.encode(wave, sample_rate, rate)
    assert codes.shape == tokens.codes.shape
    decoder = tiny.stream_decoder(tokens, grid)
    once = torch.cat([decoder.push(codes), decoder.flush()], 1)
    decoder = tiny.stream_decoder(tokens, grid)
    pieces = [decoder.push(codes[:, :, cut]) for cut in in_pieces(data, codes.shape[2], 30)]
    assert torch.equal(torch.cat([*pieces, decoder.flush()], 1), once)
    if grid is WHOLE:
        assert torch.equal(codes, tokens.codes)


def test_declared_latency_is_kept(tiny: Codec) -> None:
    """No sample comes out later than declared, from audio to audio."""
    step = 320
    for grid in (LOW_LATENCY, Grid(core=16)):
        encoder, decoder = tiny.stream_encoder(16_000, grid=grid), tiny.stream_decoder(grid=grid)
        window = grid.core * 0.02  # the decoder gets codes window by window
        allowed = encoder.latency + math.ceil(decoder.look_ahead / window) * window
        heard = 0
        for arrived in range(step, 5 * 16_000, step):
            codes = encoder.push(noise(0.02, 16_000, seed=arrived))
            heard += decoder.push(codes).shape[1]
            if arrived / 16_000 > allowed:
                assert (arrived - heard) / 16_000 <= allowed + step / 16_000


def test_low_latency_is_near_the_whole_file(shipped: Codec, speech: np.ndarray) -> None:
    tokens = shipped.encode(speech, 16_000)
    encoder = shipped.stream_encoder(16_000, grid=LOW_LATENCY)
    codes = torch.cat([encoder.push(speech), encoder.flush()], 2)
    assert (codes == tokens.codes)[0, 0].float().mean() > 0.5
    decoder = shipped.stream_decoder(tokens, LOW_LATENCY)
    wave = torch.cat([decoder.push(tokens.codes), decoder.flush()], 1)[:, : speech.shape[1]]
    exact = shipped.decode(tokens)
    # A pitch that is a little different turns harmonics against each other, which nobody hears: spectrograms are compared.
    distance = MultiScaleMelLoss()
    assert distance(wave, exact) < 0.3 * distance(exact, torch.from_numpy(speech))
