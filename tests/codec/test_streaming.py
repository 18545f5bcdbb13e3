import numpy as np
import pytest
import torch

from codec.model import Codec


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
