"""Sizes of models: those that are accepted work, exactly; the others are refused when the config is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import codec
from codec.audio.io import read_audio
from codec.cli import main
from codec.config import (
    AcousticConfig,
    MelConfig,
    ModelConfig,
    PitchConfig,
    RateConfig,
    SemanticConfig,
    TokenDecoderConfig,
    VocoderConfig,
)
from codec.engine import Point
from codec.hub import export
from codec.model import Codec
from codec.streaming import LOW_LATENCY, WHOLE, Grid, StreamDecoder, StreamEncoder
from tests.conftest import random_networks

VOCABS = (4, 8)
REAL = [(8_000, 160), (16_000, 320), (22_050, 490), (24_000, 320), (24_000, 480), (32_000, 640), (44_100, 420), (48_000, 960)]
"""Sample rates and hops that somebody may want."""


def sized(sample_rate: int, hop: int, token_lengths: tuple[int, ...], period: int, more: int = 0) -> ModelConfig:
    """A tiny model of these lengths.

    Args:
        sample_rate: in Hz.
        hop: samples in a frame of 50 Hz.
        token_lengths: frames per token, of each rate.
        period: hops in a window of the head.
        more: pairs of samples by which the log-mel's windows are longer.
    """
    n_fft = period * hop // 2
    return ModelConfig(
        sample_rate=sample_rate,
        hop_length=hop // 2,
        n_fft=n_fft,
        n_lags=4,
        rates=tuple(
            RateConfig(frames_per_token=frames_per_token, n_acoustic=1, semantic_dim=4) for frames_per_token in token_lengths
        ),
        vocabs=VOCABS,
        mel=MelConfig(n_fft=n_fft + 2 * more, hop_length=hop // 2, n_mels=8),
        semantic=SemanticConfig(dim=8, hidden_dim=8, dilations=(1, 2), n_features=6),
        pitch=PitchConfig(dim=8, hidden_dim=8, dilations=(1,)),
        acoustic=AcousticConfig(pitch_levels=4, codebook_sizes=(16,)),
        decoder=TokenDecoderConfig(dim=8, hidden_dim=8, dilations=(1, 3), fine_dim=8, fine_hidden_dim=8, fine_dilations=(1,)),
        vocoder=VocoderConfig(dim=8, hidden_dim=8, dilations=(1,)),
    )


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Any lengths that belong together: real ones, and short hops at low rates, where windows are many and cheap."""
    token_lengths = draw(st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, max_size=3, unique=True))
    sample_rate, hop = draw(st.sampled_from([*REAL, (8_000, 32), (8_000, 40)]))
    token_lengths = [
        frames_per_token for frames_per_token in token_lengths if 2 * sample_rate // hop % frames_per_token == 0
    ] or [1]
    period = draw(st.sampled_from([3, 4, 5, 6, 9] if hop // 2 % 2 == 0 else [3, 5, 9]))
    return sized(sample_rate, hop, tuple(token_lengths), period, draw(st.integers(0, 2 * hop)))


def model_of(config: ModelConfig, seed: int = 0) -> Codec:
    return Codec(random_networks(seed, config), "sized", "0123456789abcdef")


def noise(samples: int, rows: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, samples)).astype(np.float32) * 0.1


@settings(max_examples=25)
@given(configs(), st.data())
def test_stream_is_whole_is_batch(config: ModelConfig, data: st.DataObject) -> None:
    """Exactly, and with the lengths that are declared, for every config that is accepted."""
    model = model_of(config)
    rate = data.draw(st.sampled_from(model.rates), "rate")
    # Up to two and a half windows where a frame is cheap.
    longest = 2_600 * config.frame_length if config.frame_length < 32 else 40 * config.frame_length
    source_rate = data.draw(st.sampled_from([config.sample_rate, 16_000, 44_100, 11_025]), "sample rate of the audio")
    counts = data.draw(st.lists(st.integers(0, longest * source_rate // config.sample_rate), min_size=1, max_size=3), "lengths")
    wave = noise(max(counts), len(counts))
    tokens = model.encode(wave, source_rate, rate, lengths=torch.tensor(counts))
    decoded = model.decode(tokens)
    assert tokens.codes.shape[2] == tokens.frames.max()
    for index, count in enumerate(counts):
        item = tokens.item(index)
        encoder, decoder = model.stream_encoder(source_rate, 1, rate), model.stream_decoder(tokens)
        cut = data.draw(st.integers(0, count), "cut")
        parts = [encoder.push(wave[index, :cut]), encoder.push(wave[index, cut:count]), encoder.flush()]
        assert torch.equal(torch.cat(parts, dim=2), item.codes)
        at = data.draw(st.integers(0, item.codes.shape[2]), "cut of the codes")
        sound = torch.cat([decoder.push(item.codes[..., :at]), decoder.push(item.codes[..., at:]), decoder.flush()], dim=1)
        covered = -(-count * config.sample_rate // source_rate)
        assert torch.equal(sound[0, :covered], decoded[index, :covered])
        assert not decoded[index, covered:].any()
    assert decoded.shape[1] == -(-max(counts) * config.sample_rate // source_rate)


def assert_nearly_equal(windows: torch.Tensor, once: torch.Tensor) -> None:
    """Sound in windows and at once.

    A rounding of the pitch grows with its phase (see the test of networks), and where it moves the number of harmonics
    that fit below the highest frequency, one harmonic comes or goes for a sample; on which samples depends on the processor,
    and how large one is beside all on the config.
    """
    apart = (windows - once).abs() / once.abs().max()
    assert (apart > 5e-3).float().mean() < 2e-4
    assert apart.max() < 1


@settings(max_examples=15)
@given(configs(), st.sampled_from([Grid(core=64), Grid(core=10), WHOLE]), st.data())
def test_windows_are_one_pass(config: ModelConfig, grid: Grid, data: st.DataObject) -> None:
    """What every window gives is what the networks give that see everything, also in the windows after the first."""
    model = model_of(config)
    networks = model.networks
    frames_per_token = data.draw(st.sampled_from(config.token_lengths), "stack")
    frames = -(-400 // frames_per_token) * frames_per_token
    codes = torch.randint(0, 4, (1, 2, frames // frames_per_token), generator=torch.Generator().manual_seed(0))
    wave = noise(frames * config.frame_length)
    padded = torch.nn.functional.pad(torch.from_numpy(wave), (networks.edge, networks.edge))
    found = networks.wave_to_codes(padded, frames_per_token, 8)
    encoder = StreamEncoder(model.engine, config.sample_rate, 1, Point(frames_per_token, 2), 8, grid)
    streamed = torch.cat([encoder.push(wave), encoder.flush()], dim=2)
    assert (streamed != found).sum() <= 2, "a rounding may flip one code in thousands"
    decoder = StreamDecoder(model.engine, frames_per_token, 8, grid)
    windows = torch.cat([decoder.push(codes), decoder.flush()], dim=1)
    once = networks.codes_to_wave(codes, frames_per_token, 8)
    assert once.isfinite().all()
    assert_nearly_equal(windows, once)


@settings(max_examples=8)
@given(configs(), st.data())
def test_low_latency_has_every_sample(config: ModelConfig, data: st.DataObject) -> None:
    """Live windows keep lengths, whole tokens and the head's phases; inside a window they are near what a whole file gives."""
    model = model_of(config)
    rate = data.draw(st.sampled_from(model.rates), "rate")
    frames_per_token = model.frames_per_token_at(rate)
    wave = noise(120 * config.frame_length)
    tokens = model.encode(wave, config.sample_rate, rate)
    encoder = model.stream_encoder(config.sample_rate, 1, rate, grid=LOW_LATENCY)
    decoder = model.stream_decoder(tokens, LOW_LATENCY)
    codes = torch.cat([encoder.push(wave), encoder.flush()], dim=2)
    assert codes.shape == tokens.codes.shape
    live = torch.cat([decoder.push(tokens.codes), decoder.flush()], dim=1)
    assert live.shape[1] == tokens.codes.shape[2] * frames_per_token * config.frame_length
    # With all the look-ahead that the decoder wants, windows as short as these are exact, too.
    seeing = Grid(core=LOW_LATENCY.core, ahead=model.networks.decoder_context)
    decoder = model.stream_decoder(tokens, seeing)
    sound = torch.cat([decoder.push(tokens.codes), decoder.flush()], dim=1)[:, : wave.shape[1]]
    assert_nearly_equal(sound, model.decode(tokens))


@settings(max_examples=10)
@given(configs(), st.integers(1, 30_000))
def test_containers_keep_tokens_of_any_model(
    tmp_path_factory: pytest.TempPathFactory, config: ModelConfig, samples: int
) -> None:
    model, path = model_of(config), tmp_path_factory.mktemp("container") / "x.sct"
    tokens = model.encode(noise(samples, 2), 16_000)
    codec.save(tokens, path)
    again = codec.read(path)
    assert torch.equal(again.codes, tokens.codes)
    assert (again.model_rate, again.frame_rate, again.frames.tolist()) == (
        tokens.model_rate,
        tokens.frame_rate,
        tokens.frames.tolist(),
    )
    assert torch.equal(model.decode(again), model.decode(tokens))


@pytest.mark.parametrize("rate", [75, 150])
def test_ten_seconds_at_24_khz(rate: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """750 codes were encoded where 752 were declared, and could not be decoded."""
    folder, name = tmp_path / "model", str(tmp_path / "model")
    export(random_networks(0, sized(24_000, 320, (1, 2), 4, 192)), folder)
    model = codec.load(folder)
    assert (model.rate, sorted(model.rates)) == (75, [75, 150])
    tokens = model.encode(noise(240_000), 24_000, rate)
    assert tokens.model_rate == 24_000
    assert tokens.codes.shape[2] == tokens.frames.item() == 10 * rate / 2
    assert model.decode(tokens).shape == (1, 240_000)
    speech = str(Path(__file__).parents[1] / "data" / "speech.flac")
    for arguments in (
        ["encode", speech, "-o", str(tmp_path / "x.sct"), "-m", name, "--rate", str(rate)],
        ["decode", str(tmp_path / "x.sct"), "-o", str(tmp_path / "x.wav"), "-m", name],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0, capfd.readouterr().err
    (before, rate_before), (after, rate_after) = read_audio(speech), read_audio(tmp_path / "x.wav")
    assert (before.shape, rate_before) == (after.shape, rate_after)


def test_tokens_of_another_model_rate_are_refused(tiny: Codec) -> None:
    tokens = tiny.encode(noise(16_000), 16_000)
    wrong = codec.Tokens(**{**tokens.__dict__, "model_rate": 24_000})
    with pytest.raises(codec.CodecError, match="model_rate 24000"):
        tiny.decode(wrong)


@pytest.mark.parametrize("n_fft", [80, 160, 200, 500, 641])
def test_heads_that_do_not_add_up_are_refused(n_fft: int) -> None:
    with pytest.raises(ValidationError, match=f"n_fft {n_fft} of the decoder"):
        ModelConfig(n_fft=n_fft, mel=MelConfig(n_fft=n_fft + 1000, hop_length=160))
    with pytest.raises(ValidationError, match="n_fft 520 of the decoder"):
        sized(16_000, 16, (1,), 65)


@pytest.mark.parametrize("n_fft", [320, 480, 640, 800, 960])
def test_heads_of_every_period_are_accepted(n_fft: int) -> None:
    assert ModelConfig(n_fft=n_fft).n_fft == n_fft


def test_codebooks_that_no_container_holds_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be at most"):
        AcousticConfig(pitch_levels=256, codebook_sizes=(1 << 17, 2))
    with pytest.raises(ValidationError, match="powers of two"):
        AcousticConfig(codebook_sizes=(128, 8191))
