"""Networks of three rates: windows are the whole, streams and batches too; levels can be left out; the transform is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import codec
from codec.cli import main
from codec.config import (
    AcousticConfig,
    ModelConfig,
    PitchConfig,
    RateConfig,
    SemanticConfig,
    TokenDecoderConfig,
    VocoderConfig,
)
from codec.errors import CodecError, ModelError
from codec.hub import build, export
from codec.model import Codec
from codec.networks.frontend import AcousticFrontEnd
from codec.networks.pitch import HIGHEST_F0, LOWEST_F0, Pitch, PitchTracker, hertz, octaves, pitch_index, pitch_track, to_bins
from codec.networks.source_filter_codec import Drawing
from codec.networks.token_decoder import index_of, value_of
from codec.networks.tones import Tones
from codec.networks.transform import BlockTransform
from codec.streaming import WHOLE, Grid, StreamDecoder, StreamEncoder
from tests.conftest import random_networks

SMALL = ModelConfig(
    rates=(
        RateConfig(frames_per_token=2, n_acoustic=2, semantic_dim=8),
        RateConfig(frames_per_token=2, n_acoustic=1, semantic_dim=8),
        RateConfig(frames_per_token=4, n_acoustic=1, semantic_dim=8),
    ),
    vocabs=(16, 32),
    semantic=SemanticConfig(dim=16, hidden_dim=32, dilations=(1, 2), n_features=12),
    pitch=PitchConfig(dim=8, hidden_dim=16, dilations=(1,)),
    acoustic=AcousticConfig(pitch_levels=16, n_coefficients=6, codebook_sizes=(32, 64)),
    decoder=TokenDecoderConfig(dim=16, hidden_dim=32, dilations=(1, 2), fine_dim=16, fine_hidden_dim=32, fine_dilations=(1,)),
    vocoder=VocoderConfig(dim=16, hidden_dim=32, dilations=(1,)),
)


@pytest.fixture(scope="module")
def model() -> Codec:
    networks = random_networks(0, SMALL)
    return Codec(networks, "small", "0123456789abcdef", vocab=32)


def sound(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    voice = sum(np.sin(2 * np.pi * n * 130 * time + n) / n for n in range(1, 20))
    return (0.1 * voice * (np.sin(2 * np.pi * 3 * time) > -0.3) + 0.01 * rng.standard_normal(samples)).astype(np.float32)


def test_streams_that_are_not_asked_for_change_nothing(model: Codec) -> None:
    networks = model.networks
    wave = torch.from_numpy(sound(64 * 320 + 2 * networks.edge))[None]
    wave[:, 40 * 320 :] = 0.2 * torch.sin(torch.arange(wave.shape[1] - 40 * 320) * 0.4)  # a tone, which streams share
    every = networks.wave_to_codes(wave, 2, 32)
    for n_streams in range(2, every.shape[1] + 1):
        assert torch.equal(networks.wave_to_codes(wave, 2, 32, n_streams), every[:, :n_streams])


@pytest.mark.parametrize("rate", [75, 50, 25])
@pytest.mark.parametrize("grid", [Grid(core=64), WHOLE])
def test_windows_are_one_pass(model: Codec, rate: int, grid: Grid) -> None:
    networks, point = model.networks, model.point_of(rate)
    wave = sound(400 * 320)
    encoder = StreamEncoder(model.engine, 16_000, 1, point, 32, grid)
    streamed = torch.cat([encoder.push(wave), encoder.flush()], dim=2)
    padded = torch.nn.functional.pad(torch.from_numpy(wave)[None], (networks.edge, networks.edge))
    whole = networks.wave_to_codes(padded, point.frames_per_token, 32)[:, : point.n_streams]
    assert (streamed != whole).sum() <= 2, "a rounding may flip one code in thousands"
    decoder = StreamDecoder(model.engine, point.frames_per_token, 32, grid)
    windows = torch.cat([decoder.push(whole), decoder.flush()], dim=1)
    once = networks.codes_to_wave(whole, point.frames_per_token, 32)
    assert once.abs().max() > 1e-3
    # A rounding of the pitch grows with its phase: 20 s at 16 kHz turn 2⁻²⁴ of a hertz into a hundredth of a sample.
    torch.testing.assert_close(windows, once, rtol=0, atol=2e-3 * once.abs().max().item())


@settings(max_examples=15)
@given(st.data())
def test_streams_and_batches_give_what_each_item_gives_alone(model: Codec, data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from(model.rates), "rate")
    counts = data.draw(st.lists(st.integers(1, 30_000), min_size=2, max_size=3), "samples")
    batch = np.zeros((len(counts), max(counts)), np.float32)
    for row, count in zip(batch, counts, strict=True):
        row[:count] = sound(count, count)
    tokens = model.encode(batch, 16_000, rate, lengths=torch.tensor(counts))
    decoded = model.decode(tokens)
    for index, count in enumerate(counts):
        alone = model.encode(batch[index, :count], 16_000, rate)
        assert torch.equal(alone.codes, tokens.item(index).codes)
        at = data.draw(st.integers(0, alone.codes.shape[2]), "cut")
        decoder = model.stream_decoder(alone)
        parts = [decoder.push(alone.codes[..., :at]), decoder.push(alone.codes[..., at:]), decoder.flush()]
        assert torch.equal(torch.cat(parts, dim=1)[0, :count], decoded[index, :count])


def test_a_stream_of_more_tokens_holds_that_of_fewer(model: Codec) -> None:
    wave = sound(16_000)
    many, few = (model.encode(wave, 16_000, rate) for rate in (75, 50))
    assert torch.equal(many.codes[:, :2], few.codes)
    assert (many.frame_rate, few.frame_rate, many.rate, few.rate) == (25, 25, 75, 50)
    assert model.decode(many).shape == model.decode(few).shape == model.decode(few.semantic_only()).shape
    assert not torch.equal(model.decode(many), model.decode(few))


def test_containers_hold_all_streams(model: Codec, tmp_path: Path) -> None:
    tokens = model.encode(sound(20_000), 16_000, 75)
    codec.save(tokens, tmp_path / "x.sct")
    again = codec.read(tmp_path / "x.sct")
    assert torch.equal(again.codes, tokens.codes)
    assert again.codebook_sizes == tokens.codebook_sizes == (32, 512, 64)
    assert torch.equal(model.decode(again), model.decode(tokens))


def test_a_container_can_be_cut(model: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wave = sound(40_000)
    many, few = (model.encode(wave, 16_000, rate) for rate in (75, 50))
    codec.save(many, tmp_path / "many.sct")
    with pytest.raises(SystemExit) as caught:
        main(["cut", str(tmp_path / "many.sct"), "-o", str(tmp_path / "few.sct"), "--rate", "50"])
    assert not caught.value.code
    assert "50 tokens/s, 0.35 kbps" in capsys.readouterr().out
    again = codec.read(tmp_path / "few.sct")
    assert torch.equal(again.codes, few.codes)
    assert torch.equal(model.decode(again), model.decode(few))
    for words, message in (
        (["many.sct", "-o", "few.sct", "--rate", "50"], "--overwrite replaces it"),
        (["many.sct", "-o", "many.sct", "--rate", "50", "--overwrite"], "never the input"),
        (
            ["many.sct", "-o", "x.sct", "--rate", "60"],
            "not in a stream of 3 tokens at 25 frames/s: 25, 50, 75",
        ),
        (["nothing.sct", "-o", "x.sct", "--rate", "50"], "No such file"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["cut", *(str(tmp_path / word) if word.endswith(".sct") else word for word in words)])
        assert caught.value.code == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x.sct").exists()


def test_a_folder_keeps_the_model(model: Codec, tmp_path: Path) -> None:
    export(model.networks, tmp_path)
    again = codec.load(tmp_path, vocab=32)
    wave = sound(16_000)
    assert again.rates == (75, 50, 25)
    assert (again.encode(wave, 16_000, 75).codes == model.encode(wave, 16_000, 75).codes).float().mean() > 0.9  # float16
    with pytest.raises(ModelError, match="has no diffusion decoder"):
        codec.load(tmp_path, decoder="diffusion")


def test_tokens_of_another_frame_rate_are_refused(model: Codec) -> None:
    tokens = model.encode(sound(16_000), 16_000, 50)
    with pytest.raises(CodecError, match=r"frame rate 50 is not one of 12\.5, 25 Hz"):
        model.decode(type(tokens)(**{**tokens.__dict__, "frame_rate": 50.0}))


def test_embeddings_have_all_groups(model: Codec) -> None:
    tokens = model.encode(sound(16_000), 16_000, 75)
    assert model.embed(tokens, "semantic").shape == (1, 25, 8)
    both = model.embed(tokens, "acoustic")
    assert both.shape == (1, 25, 1 + 6), "a number for the pitch, and the coefficients"
    few = model.embed(model.encode(sound(16_000), 16_000, 50), "acoustic")
    assert torch.equal(both[..., 0], few[..., 0])
    second = model.networks.quantizer(2).codebooks[1][tokens.codes[:, 2]]
    torch.testing.assert_close(both[..., 1:] - few[..., 1:], second)


def test_drawings_survive_packing() -> None:
    x, f0, voiced = torch.randn(1, 4, 6), torch.rand(1, 4) + 100, torch.ones(1, 4)
    frequency, amplitude = torch.rand(2, 1, 4, 2)
    drawing = Drawing(x, Pitch(f0, voiced), Tones(frequency, amplitude, torch.rand(1, 4)))
    again = Drawing.unpacked(drawing.packed())
    assert torch.equal(again.x, x)
    assert all(map(torch.equal, again.pitch, drawing.pitch))
    assert all(map(torch.equal, again.tones, drawing.tones))


def test_the_transform_is_that_of_principal_components() -> None:
    torch.manual_seed(0)
    transform = BlockTransform(frames=2, width=3, semantic_dim=4, n_coefficients=6)
    semantic = torch.randn(8, 200, 4)
    mixing = torch.randn(4, 6)
    noise = torch.randn(8, 200, 6) * torch.tensor([3.0, 1, 0.3, 0.1, 0.03, 0.01])
    features = (semantic @ mixing + noise).reshape(8, 400, 3)
    shares = transform.fit(semantic, features)
    assert (shares[:-1] >= shares[1:]).all()
    assert shares[0] == pytest.approx(9 / (9 + 1 + 0.09 + 0.01), rel=0.05)
    coefficients = transform.analyse(features, transform.predicted(semantic))
    coefficients = coefficients.detach()
    assert coefficients[..., 0].std() == pytest.approx(1 / 2.5, rel=0.02)
    torch.testing.assert_close(
        coefficients.std((0, 1)).square() / coefficients[..., 0].var(), shares / shares[0], rtol=0.05, atol=1e-4
    )
    again = transform.synthesise(coefficients, transform.predicted(semantic))
    torch.testing.assert_close(again, features, atol=1e-3, rtol=1e-3)
    assert torch.linalg.norm(transform.synthesise(torch.zeros_like(coefficients), transform.predicted(semantic)) - features) < (
        1.1 * torch.linalg.norm(noise)
    )


@pytest.mark.parametrize("f0", [80.0, 155.0, 310.0])
def test_the_correlogram_peaks_at_the_period(f0: float) -> None:
    time = torch.arange(16_000) / 16_000
    wave = sum(torch.sin(2 * torch.pi * n * f0 * time) for n in range(1, 20))
    correlogram = AcousticFrontEnd()(0.05 * wave[None]).correlogram[0, 20:-20].mean(0)
    lags = 1 / torch.logspace(np.log2(500), np.log2(60), 64, base=2)
    first = lags < 1.5 / f0  # later ones are multiples of the period
    assert 1 / lags[first][correlogram[first].argmax()] == pytest.approx(f0, rel=0.04)


def test_pitch_scales_are_inverse() -> None:
    f0 = torch.tensor([LOWEST_F0, 100.0, 333.0, HIGHEST_F0])
    torch.testing.assert_close(hertz(octaves(f0)), f0)
    assert to_bins(f0)[0] == 0
    assert to_bins(f0)[-1] == pytest.approx(127)
    assert (hertz(torch.tensor([-9.0, 9.0])) == torch.tensor([LOWEST_F0, HIGHEST_F0])).all()


def test_the_tracker_says_the_middle_of_its_likeliest_classes() -> None:
    tracker = PitchTracker(PitchConfig(dim=8, hidden_dim=8, dilations=(1,)), 4)
    torch.nn.init.zeros_(tracker.head.weight)
    tracker.head.bias.data.zero_()
    tracker.head.bias.data[40], tracker.head.bias.data[41], tracker.head.bias.data[-1] = 9.0, 9.0, 1.0
    pitch = tracker(torch.randn(1, 5, 2), torch.randn(1, 5, 2))
    assert to_bins(pitch.f0).flatten().tolist() == pytest.approx([40.5] * 5, abs=0.02)
    assert (pitch.voiced == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": [{"frames_per_token": 3, "n_acoustic": 1, "semantic_dim": 8}]}, "whole number of tokens"),
        ({"rates": [{"frames_per_token": 2, "n_acoustic": 5, "semantic_dim": 8}]}, "more acoustic tokens"),
        ({"rates": [{"frames_per_token": 2, "n_acoustic": 1, "semantic_dim": 8}] * 2}, "rates must differ"),
        ({"vocabs": [16, 24]}, "vocabs must ascend"),
        ({"n_fft": 1280}, "windows as long"),
        ({"n_fft": 600}, "of the decoder must be"),
    ],
)
def test_configs_that_cannot_work_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.read({**SMALL.model_dump(mode="json"), **change})


@pytest.mark.parametrize("frames", [4, 8])
def test_tokens_tell_the_pitch_within_a_third_of_a_semitone(frames: int) -> None:
    octave = 1.2 + 0.3 * torch.sin(torch.arange(160) / 30)[None]
    voiced = (torch.arange(160) < 100).float()[None]
    index = pitch_index(Pitch(hertz(octave), voiced), frames, 64)
    assert index.shape == (1, 160 // frames)
    assert not index[:, 104 // frames :].any()
    track = pitch_track(index, frames, 64)
    inside = slice(frames, 100 - frames)
    assert (track - octave)[:, inside].abs().mean() < 0.03
    assert (pitch_track(torch.zeros(1, 5, dtype=torch.int64), frames, 64) == 1.5).all()
    assert torch.equal(index_of(value_of(index, 64), 64), index)


def test_a_tone_goes_through_untrained_networks() -> None:
    torch.manual_seed(0)
    config = SMALL.model_copy(
        update={
            "rates": (RateConfig(frames_per_token=2, n_acoustic=3, semantic_dim=8),),
            "acoustic": SMALL.acoustic.model_copy(update={"pitch_levels": 64, "codebook_sizes": (128, 8192, 8192)}),
        }
    )
    model = Codec(build(config), "tones", "0123456789abcdef")
    for beeps in (np.ones(32_000), np.repeat([0, 1, 0, 1], 8_000)):
        wave = (0.25 * beeps * np.sin(2 * np.pi * 1_234.5 * np.arange(32_000) / 16_000)).astype(np.float32)
        output = model.decode(model.encode(wave, 16_000, 100))[0].numpy()
        middle = slice(26_000, 30_000)
        spectrum = np.abs(np.fft.rfft(output[middle] * np.hanning(4_000), 16_000))
        assert spectrum.argmax() == pytest.approx(1_234.5, rel=0.01)
        assert 20 * np.log10(np.sqrt(np.mean(output[middle] ** 2) / np.mean(wave[middle] ** 2))) == pytest.approx(0, abs=3)
