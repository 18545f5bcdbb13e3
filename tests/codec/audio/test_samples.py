"""Audio and codes of every type: taken for what they are, or refused with the fix; by `encode` and by `push` alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from codec.audio.samples import as_batch
from codec.baselines.programs import checked
from codec.cli import main
from codec.errors import AudioError, CodecError
from codec.model import Codec
from codec.streaming import LOW_LATENCY
from codec.tokens import Tokens
from tests.conftest import random_networks

RATE = 16_000
Encode = Callable[[Codec, Any], Tensor]


def whole(model: Codec, wave: Any) -> Tensor:
    return model.encode(wave, RATE).codes


def streamed(model: Codec, wave: Any) -> Tensor:
    if isinstance(wave, list | tuple):
        encoder, half = model.stream_encoder(RATE, len(wave)), np.shape(wave[0])[-1] // 2
        first, second = [row[..., :half] for row in map(np.asarray, wave)], [row[..., half:] for row in map(np.asarray, wave)]
        return torch.cat([encoder.push(first), encoder.push(second), encoder.flush()], dim=2)
    encoder = model.stream_encoder(RATE, 1 if wave.ndim == 1 else len(wave))
    half = wave.shape[-1] // 2
    return torch.cat([encoder.push(wave[..., :half]), encoder.push(wave[..., half:]), encoder.flush()], dim=2)


both = pytest.mark.parametrize("encode", [whole, streamed])


@pytest.fixture(scope="module")
def int16() -> np.ndarray:
    return np.random.default_rng(0).integers(-9_000, 9_000, (2, RATE)).astype(np.int16)


@both
@pytest.mark.parametrize(
    "wave",
    [
        pytest.param(lambda x: x, id="int16"),
        pytest.param(lambda x: torch.from_numpy(x), id="int16 tensor"),
        pytest.param(lambda x: x.astype(np.int32) << 16, id="int32"),
        pytest.param(lambda x: (x / 32768).astype(np.float32), id="float32"),
        pytest.param(lambda x: x / 32768, id="float64"),
        pytest.param(lambda x: x.astype(np.longdouble) / 32768, id="long double"),
        pytest.param(lambda x: torch.from_numpy(x / 32768).requires_grad_(), id="with a gradient"),
        pytest.param(lambda x: torch.from_numpy((x / 32768).astype(np.float32)).T.contiguous().T, id="other strides"),
        pytest.param(lambda x: (x / 32768)[:, ::-1][:, ::-1], id="negative strides"),
        pytest.param(lambda x: x[:, None], id="an axis of channels"),
        pytest.param(lambda x: torch.from_numpy(x)[:, None], id="tensor with an axis of channels"),
        pytest.param(lambda x: list(x), id="list of arrays"),
        pytest.param(lambda x: tuple(torch.from_numpy(x)[:, None]), id="tuple of tensors"),
        pytest.param(lambda x: [x[0], torch.from_numpy(x[1] / 32768)], id="list of both"),
        pytest.param(lambda x: (x / 32768).tolist(), id="list of lists"),
    ],
)
def test_every_type_gives_the_same_tokens(tiny: Codec, int16: np.ndarray, encode: Encode, wave: Callable[[Any], Any]) -> None:
    assert torch.equal(encode(tiny, wave(int16)), whole(tiny, int16))


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_short_floats_are_what_they_round_to(tiny: Codec, int16: np.ndarray, encode: Encode, dtype: torch.dtype) -> None:
    rounded = torch.from_numpy(int16 / 32768).to(dtype)
    assert torch.equal(encode(tiny, rounded), whole(tiny, rounded.float()))


@both
def test_one_dimension_is_one_clip(tiny: Codec, int16: np.ndarray, encode: Encode) -> None:
    assert torch.equal(encode(tiny, int16[0]), whole(tiny, int16[:1]))


@both
def test_nan_and_infinity_count_as_silence(tiny: Codec, encode: Encode) -> None:
    wave = np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32) * 0.2
    clean = wave.copy()
    wave[0, 100:200], wave[0, 300], wave[0, 301] = np.nan, -np.inf, np.inf
    clean[0, 100:200], clean[0, 300:302] = 0, 0
    assert torch.equal(encode(tiny, wave), whole(tiny, clean))


@both
@pytest.mark.parametrize(
    ("wave", "fix"),
    [
        (lambda x: ((x >> 8) + 128).astype(np.uint8), r"\(wave.astype\('float32'\) - 128\) / 128"),
        (lambda x: x.view(np.uint16), "signed"),
        (lambda x: x > 0, "no samples"),
        (lambda x: x.astype(np.int64), "int16"),
        (lambda x: torch.from_numpy(x.astype(np.int64)), "int16"),
        (lambda x: x.astype(np.uint32), "convert"),
        (lambda x: x.astype(np.float32), "divide"),
        (lambda x: x.astype(np.float64), "divide"),
        (lambda x: x * 1e300, "full scale"),
        (lambda x: torch.from_numpy(x).to(torch.bfloat16), "divide"),
        (lambda x: x.astype(complex), "convert"),
        (lambda x: torch.from_numpy(x).to(torch.complex64), "convert"),
        (lambda x: x.astype(object), "convert"),
        (lambda x: x.astype(str), "convert"),
        (lambda x: x[:, :, None], "is expected"),
    ],
)
def test_what_could_be_misheard_is_refused(
    tiny: Codec, int16: np.ndarray, encode: Encode, wave: Callable[[Any], Any], fix: str
) -> None:
    with pytest.raises(AudioError, match=fix) as caught:
        encode(tiny, wave(int16))
    assert "\n" not in str(caught.value)


def test_samples_before_channels_are_refused(tiny: Codec, int16: np.ndarray) -> None:
    """As soundfile returns them: minutes of two-sample clips otherwise."""
    with pytest.raises(AudioError, match=r"wave\.T"):
        tiny.encode(int16.T, RATE)
    with pytest.raises(AudioError, match=r"wave\.T"):
        tiny.encode(int16[:1].T, RATE)
    with pytest.raises(AudioError, match=r"block\.T"):
        tiny.stream_encoder(RATE, 2).push(int16.T)
    with pytest.raises(AudioError, match="for 3 channels"):
        tiny.stream_encoder(RATE, 3).push(int16)
    with pytest.raises(AudioError, match=r"reshape\(-1"):
        tiny.encode(int16[None], RATE)


@pytest.mark.parametrize("clips", [torch.zeros(2, 100).to_sparse(), [np.zeros((2, 100))], [[0.0], [[0.0], [0.0]]]])
def test_what_is_no_array_is_one_line(tiny: Codec, clips: Any) -> None:
    with pytest.raises(AudioError, match="is expected"):
        tiny.encode(clips, RATE)


def test_clips_of_any_lengths_are_a_batch(tiny: Codec, int16: np.ndarray) -> None:
    """Of two types: each gives what it gives alone."""
    clips = [int16[0, :5_000], torch.from_numpy(int16[1:] / 32768), np.zeros(0, np.float32)]
    tokens = tiny.encode(clips, RATE)
    assert tokens.lengths.tolist() == [5_000, RATE, 0]
    assert tokens.item(0) == tiny.encode(int16[0, :5_000], RATE)
    assert tokens.item(1) == tiny.encode(int16[1], RATE)
    assert tiny.encode(clips, RATE, lengths=[5_000, 8_000, 0]).item(1) == tiny.encode(int16[1, :8_000], RATE)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="do not fit clips of 5000, 16000, 0 samples"):
        tiny.encode(clips, RATE, lengths=[5_001, 8_000, 0])  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="as many of each"):
        tiny.stream_encoder(RATE, 2).push([int16[0], int16[1, :5]])


def test_no_clips_are_a_batch_of_none(tiny: Codec) -> None:
    assert len(tiny.encode([], RATE)) == len(tiny.encode(np.zeros((0, RATE)), RATE)) == 0


@pytest.mark.parametrize("length", [8_000, np.int64(8_000), torch.tensor(8_000)])
def test_one_number_is_not_taken_for_lengths(tiny: Codec, int16: np.ndarray, length: Any) -> None:
    with pytest.raises(AudioError, match=r"\[8000\] for a single one"):
        tiny.encode(int16, RATE, lengths=length)


def test_what_lies_behind_the_lengths_is_not_looked_at(tiny: Codec, int16: np.ndarray) -> None:
    padded = np.pad(int16 / 32768, ((0, 0), (0, 500)), constant_values=1e9)
    assert torch.equal(tiny.encode(padded, RATE, lengths=[RATE, RATE]).codes, whole(tiny, int16))  # type: ignore[arg-type]


@pytest.mark.parametrize("lengths", [[0.5, 1.0], torch.tensor([1.0, 0.5]), np.array([3.0, 4.0])])
def test_shares_are_no_lengths(tiny: Codec, int16: np.ndarray, lengths: Any) -> None:
    with pytest.raises(AudioError, match="whole numbers of samples"):
        tiny.encode(int16, RATE, lengths=lengths)


def test_codecs_of_others_hear_the_same(int16: np.ndarray) -> None:
    assert np.array_equal(checked(int16[0], RATE), as_batch(int16[:1] / 32768)[0])
    with pytest.raises(AudioError, match="divide"):
        checked(int16[0].astype(np.float32), RATE)
    with pytest.raises(AudioError, match="whole number of Hz"):
        checked(int16[0], "16000")  # type: ignore[arg-type]


def test_loud_audio_is_still_audio() -> None:
    assert as_batch(np.full(10, 20.0))[0].max() == 20


def test_int32_that_fits_into_16_bits_is_said() -> None:
    with pytest.warns(UserWarning, match="int16"):
        as_batch(np.array([9_000, -12_000], np.int32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_batch(np.zeros(10, np.int32))
        as_batch(np.array([1 << 20, -(1 << 31)], np.int32))


def test_a_file_that_was_never_scaled_is_named(
    int16: np.ndarray, tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "loud.wav", tmp_path / "loud.sct"
    soundfile.write(source, int16.T.astype(np.float32), RATE, subtype="FLOAT")
    with pytest.raises(SystemExit) as ended:
        main(["encode", str(source), "-o", str(target), "-m", str(tiny_folder)])
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert f"{source}: samples reach" in error
    assert not target.exists()


def test_a_flushed_stream_has_ended(tiny: Codec, int16: np.ndarray) -> None:
    encoder = tiny.stream_encoder(44_100, 2)
    tokens = tiny.encode(int16, RATE)
    decoder = tiny.stream_decoder(tokens)
    encoder.push(int16), encoder.flush(), decoder.push(tokens.codes), decoder.flush()
    for again in (lambda: encoder.push(int16), encoder.flush, lambda: decoder.push(tokens.codes), decoder.flush):
        with pytest.raises(CodecError, match="start another"):
            again()


@pytest.mark.parametrize("channels", [0, -1])
def test_streams_need_a_channel(tiny: Codec, channels: int) -> None:
    with pytest.raises(CodecError, match="channels"):
        tiny.stream_encoder(RATE, channels)


@pytest.mark.parametrize("sample_rate", ["16000", None, 16_000.5, [16_000], "sixteen"])
def test_sample_rates_are_numbers(tiny: Codec, int16: np.ndarray, sample_rate: Any) -> None:
    for use in (tiny.encode, lambda wave, rate: tiny.stream_encoder(rate), lambda wave, rate: tiny.describe(rate)):
        with pytest.raises(AudioError, match="whole number of Hz"):
            use(int16, sample_rate)


@pytest.mark.parametrize("sample_rate", [16_000.0, np.int32(16_000), np.float64(16_000), torch.tensor(16_000)])
def test_numbers_of_any_kind_are_sample_rates(tiny: Codec, int16: np.ndarray, sample_rate: Any) -> None:
    tokens = tiny.encode(int16, sample_rate)
    assert torch.equal(tokens.codes, whole(tiny, int16))
    assert type(tokens.sample_rate) is int


@pytest.mark.parametrize("wanted", [{"rate": "50"}, {"vocab": "32"}])
def test_rates_and_vocabularies_are_numbers(tiny: Codec, int16: np.ndarray, wanted: Any) -> None:
    with pytest.raises(CodecError, match=r"'.*' is not one of"):
        tiny.encode(int16, RATE, **wanted)


def made_of(tokens: Tokens, codes: Any) -> Tokens:
    return Tokens(
        codes, tokens.lengths, tokens.sample_rate, tokens.frame_rate, tokens.codebook_sizes, tokens.model, tokens.model_rate
    )


@pytest.mark.parametrize(
    "convert",
    [
        *(lambda codes, t=t: codes.to(t) for t in (torch.int16, torch.int32, torch.uint16)),
        *(lambda codes, t=t: codes.numpy().astype(t) for t in (np.int16, np.uint16, np.uint64)),
        lambda codes: codes.tolist(),
    ],
)
def test_codes_of_any_integer_type(tiny: Codec, int16: np.ndarray, convert: Callable[[Tensor], Any]) -> None:
    tokens = tiny.encode(int16, RATE)
    again = made_of(tokens, convert(tokens.codes))
    assert again.codes.dtype == torch.int64
    assert torch.equal(tiny.decode(again), tiny.decode(tokens))
    assert torch.equal(tiny.embed(again), tiny.embed(tokens))
    decoder = tiny.stream_decoder(tokens)
    wave = torch.cat([decoder.push(convert(tokens.codes)), decoder.flush()], dim=1)
    assert torch.equal(wave[:, :RATE], tiny.decode(tokens))


@pytest.mark.parametrize(
    ("convert", "fix"),
    [
        (lambda codes: codes.float(), r"long\(\)"),
        (lambda codes: codes > 3, r"long\(\)"),
        (lambda codes: codes.to(torch.complex64), r"long\(\)"),
        (lambda codes: codes.numpy().astype(np.float32), "astype"),
    ],
)
def test_other_codes_are_refused(tiny: Codec, int16: np.ndarray, convert: Callable[[Tensor], Any], fix: str) -> None:
    tokens = tiny.encode(int16, RATE)
    with pytest.raises(CodecError, match=fix):
        made_of(tokens, convert(tokens.codes))
    with pytest.raises(CodecError, match=fix):
        tiny.stream_decoder(tokens).push(convert(tokens.codes))


def test_codes_that_no_decoder_has_are_refused_when_pushed(tiny: Codec) -> None:
    codes, coarse = torch.zeros(1, 2, 4, dtype=torch.int64), tiny.describe(RATE, 25)
    for wrong, reason in (
        (codes + 9_000, "outside"),
        (codes - 1, "outside"),
        (codes[0], "shape"),
        (codes[:, [0, 1, 1]], "shape"),
    ):
        with pytest.raises(CodecError, match=reason):
            tiny.stream_decoder(coarse).push(wrong)
    decoder = tiny.stream_decoder()
    decoder.push(codes)
    with pytest.raises(CodecError, match="after others"):
        decoder.push(codes[:, :1])


def test_unknown_streams_are_refused(tiny: Codec, int16: np.ndarray) -> None:
    with pytest.raises(CodecError, match="'sem' is not one of semantic"):
        tiny.embed(tiny.encode(int16, RATE), "sem")  # type: ignore[arg-type]


def test_decoded_sound_stays_within_full_scale(tiny: Codec) -> None:
    """A decoder may predict more; players and files would each do something else with that."""
    networks = random_networks()
    networks.vocoder.head.envelopes.bias.data.add_(6.0)
    loud = Codec(networks, "loud", tiny.fingerprint, vocab=32)
    tokens = loud.encode(torch.randn(1, 3 * RATE).clamp(-1, 1), RATE)
    assert networks.codes_to_wave(tokens.codes, 2, 32).abs().max() > 1
    decoder = loud.stream_decoder(tokens, LOW_LATENCY)
    live = torch.cat([decoder.push(tokens.codes), decoder.flush()], dim=1)
    assert loud.decode(tokens).abs().max() == 1
    assert live.abs().max() <= 1
