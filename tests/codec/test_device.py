"""Models on a GPU: the tokens, sound and vectors of the CPU, several clips at a time. On a stand-in where there is no GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import codec
from codec.cli import main
from codec.config import DiffusionDecoderConfig
from codec.data.recordings.opening import Sound
from codec.device import find_device
from codec.errors import CodecError
from codec.model import Codec
from codec.networks.diffusion.files import with_diffusion
from codec.networks.resampling import converted
from codec.networks.samplers import Sampling
from codec.semanticodec.model import OfficialCodec, load_published
from codec.streaming import LOW_LATENCY
from codec.tokenize.encode import BatchEncoder
from tests.codec.semanticodec.fixtures import TINY as PUBLISHED
from tests.codec.semanticodec.fixtures import write_published
from tests.conftest import DATA, random_networks
from tests.device import DEVICE, FarDevice, is_far

RATE = 16_000
SPEECH = str(DATA / "speech.flac")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here, which is what these tests want to miss")


@pytest.fixture(params=["stand-in", "cuda"])
def place(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    if request.param == "stand-in":
        with FarDevice():
            yield DEVICE
    elif not torch.cuda.is_available():
        pytest.skip("no GPU here; the stand-in is tested")
    else:
        yield torch.device("cuda")


@pytest.fixture
def away(tiny_folder: Path, place: torch.device) -> Codec:
    """The tiny model, there."""
    return codec.load(tiny_folder, vocab=32, device=place)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 0.1


def assert_alike(found: Tensor, wanted: Tensor) -> None:
    """Codes but for a near tie, values but for rounding."""
    assert found.device.type == "cpu"
    assert found.shape == wanted.shape
    if found.dtype == torch.int64:
        assert (found == wanted).double().mean() > 0.99
    else:
        torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-3)


def test_the_stand_in_refuses_what_a_gpu_refuses() -> None:
    with FarDevice():
        there, here = torch.ones(3).to(DEVICE), torch.ones(3)
        assert is_far(there + 1)
        assert torch.equal((there * 2).cpu(), here * 2)
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="same device"):
            torch.cat([there, here])


@pytest.mark.parametrize("rate", [25, 50, 100])
def test_everything_is_as_on_the_cpu(tiny: Codec, away: Codec, rate: int) -> None:
    wave, lengths = noise(3, 3 * RATE), torch.tensor([3 * RATE, 20_000, 0])
    tokens = tiny.encode(wave, RATE, rate, lengths=lengths)
    assert_alike(away.encode(wave, RATE, rate, lengths=lengths).codes, tokens.codes)
    assert_alike(away.decode(tokens), tiny.decode(tokens))
    assert_alike(away.decode(tokens.semantic_only()), tiny.decode(tokens.semantic_only()))
    for stream in ("semantic", "acoustic", "both"):
        assert_alike(away.embed(tokens, stream), tiny.embed(tokens, stream))
    assert torch.equal(away.silence(tokens), tiny.silence(tokens))


def test_streams_are_as_on_the_cpu(tiny: Codec, away: Codec) -> None:
    wave = noise(2, 2 * RATE)
    streams = []
    for model in (tiny, away):
        encoder, decoder = model.stream_encoder(RATE, 2, grid=LOW_LATENCY), model.stream_decoder(grid=LOW_LATENCY)
        codes = torch.cat([encoder.push(wave[:, :9_999]), encoder.push(wave[:, 9_999:]), encoder.flush()], dim=2)
        streams.append((codes, torch.cat([decoder.push(codes), decoder.flush()], dim=1)))
    for wanted, found in zip(*streams, strict=True):
        assert_alike(found, wanted)


def test_codes_may_lie_there(tiny: Codec, away: Codec, place: torch.device) -> None:
    """As a language model leaves them; vectors come back to where the codes are, sound to the CPU."""
    tokens = tiny.encode(noise(2, RATE), RATE)
    there = replace(tokens, codes=tokens.codes.to(place))
    assert_alike(away.decode(there), tiny.decode(tokens))
    assert_alike(tiny.decode(there), tiny.decode(tokens))
    for model in (away, tiny):
        vectors = model.embed(there)
        assert vectors.device.type == place.type
        assert_alike(vectors.cpu(), tiny.embed(tokens))
    with pytest.raises(CodecError, match="outside"):
        away.decode(replace(there, codes=there.codes + 9_000))


def shapes_seen(model: Codec, part: str) -> list[tuple[int, int]]:
    """Clips and frames in every call of a part of the networks, as they come."""
    seen: list[tuple[int, int]] = []
    model.networks.get_submodule(part).register_forward_hook(
        lambda module, given, output: seen.append(tuple(given[0].shape[:2]))
    )
    return seen


def test_clips_go_through_together(away: Codec) -> None:
    """Windows of one shape in one call, also those of clips that end elsewhere; never one clip after another."""
    encoded, decoded = shapes_seen(away, "semantic.backbone"), shapes_seen(away, "decoder.backbone")
    tokens = away.encode(noise(4, RATE), RATE)
    away.decode(tokens)
    assert [clips for clips, _ in encoded] == [clips for clips, _ in decoded] == [4]
    encoded.clear()
    long = 30 * RATE
    away.encode(noise(3, long), RATE, lengths=torch.tensor([long, long - 5_000, long - 5_001]))
    assert [clips for clips, _ in encoded] == [3, 1, 2], "the first window of all, then what is left of each"


def test_many_clips_go_in_parts(away: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.networks.engine.TOGETHER", 4)
    encoded, decoded = shapes_seen(away, "semantic.backbone"), shapes_seen(away, "decoder.backbone")
    away.decode(away.encode(noise(9, 2_000), RATE))
    assert [clips for clips, _ in encoded] == [clips for clips, _ in decoded] == [4, 4, 1]


@pytest.mark.parametrize("rate", [8_000, 44_100, 44_101])
def test_other_rates_are_converted_there(tiny: Codec, away: Codec, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All clips in one pass, but at rates that would need a filter of millions of numbers; lengths and tokens are the same."""
    together: list[int] = []

    def counted(clips: Sequence[np.ndarray], *rest: Any) -> list[Tensor]:
        together.append(len(clips))
        return converted(clips, *rest)

    monkeypatch.setattr("codec.networks.engine.converted", counted)
    wave, lengths = noise(3, rate), torch.tensor([rate, rate // 2 + 1, 0])
    wave = torch.cumsum(wave, 1) * 0.02  # as most sound, weak where filters fall
    found, wanted = away.encode(wave, rate, lengths=lengths), tiny.encode(wave, rate, lengths=lengths)
    assert together == ([] if rate == 44_101 else [3])
    assert torch.equal(found.lengths, wanted.lengths)
    assert found.codes.shape == wanted.codes.shape
    assert (found.codes == wanted.codes).double().mean() > 0.95


def test_long_clips_are_converted_by_streams(tiny: Codec, away: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.networks.engine.CONVERTED", 20_000)
    monkeypatch.setattr("codec.networks.engine.converted", lambda *_: pytest.fail("these are too many samples"))
    wave = noise(1, 24_000)
    assert_alike(away.encode(wave, 24_000).codes, tiny.encode(wave, 24_000).codes)


def test_a_corpus_is_tokenised_there(tiny: Codec, away: Codec) -> None:
    waves = [noise(1, samples)[0].cumsum(0).numpy() * 0.02 for samples in (8_000, 8_000, 22_050)]
    codes = []
    for model in (tiny, away):
        encoder = BatchEncoder(model)
        for index, (wave, rate) in enumerate(zip(waves, (RATE, RATE, 44_100), strict=True)):
            assert not encoder.add(index, Sound(rate, iter([wave])))
        codes.append({encoded.index: encoded.codes for encoded in encoder.flush()})
    for index, wanted in codes[0].items():
        assert codes[1][index].shape == wanted.shape
        assert (codes[1][index] == wanted).mean() > 0.95


def test_a_cpu_takes_one_at_a_time(tiny_folder: Path) -> None:
    model = codec.load(tiny_folder, vocab=32)
    seen = shapes_seen(model, "semantic.backbone")
    model.encode(noise(3, 2_000), RATE)
    assert [clips for clips, _ in seen] == [1, 1, 1]


def test_the_diffusion_decoder(tiny: Codec, place: torch.device) -> None:
    sizes = DiffusionDecoderConfig(dim=8, hidden_dim=8, dilations=(1,), noise_steps=10)
    tokens = tiny.encode(noise(2, RATE), RATE)
    waves = []
    for device in ("cpu", place):
        networks = random_networks()
        torch.manual_seed(1)
        both = with_diffusion(networks, sizes)
        both.sampling = Sampling("dpm", steps=2)
        model = Codec(both.to(device), "both", tiny.fingerprint, vocab=32)
        waves.append(model.decode(tokens))
    assert_alike(waves[1], waves[0])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_published(folder, 100)
    return folder


@pytest.mark.slow
def test_the_published_model(published: Path, place: torch.device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("codec.semanticodec.model.PUBLISHED", PUBLISHED)
    here, there = (load_published(published, rate=100, device=device, compat=False) for device in ("cpu", place))
    assert isinstance(there, OfficialCodec)
    tokens = here.encode(noise(2, RATE), RATE)
    assert_alike(there.encode(noise(2, RATE), RATE).codes, tokens.codes)
    assert_alike(there.embed(tokens), here.embed(tokens))
    for model in (here, there):
        model.sampling = Sampling("dpm", steps=2)
    assert_alike(there.decode(tokens), here.decode(tokens))


def test_auto_is_what_there_is() -> None:
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device(torch.device("cpu")) == find_device("cpu") == torch.device("cpu")


@NO_GPU
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "meta", "gpu", "", "cuda:-1", torch.device("cuda")])
def test_missing_devices_are_one_line(name: str | torch.device, tiny_folder: Path) -> None:
    for use in (find_device, lambda device: codec.load(tiny_folder, device=device)):
        with pytest.raises(CodecError, match="is not there; use cpu, or auto") as caught:
            use(name)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250


@NO_GPU
@pytest.mark.parametrize(
    "command",
    [
        ["eval", "reconstruct", "--codecs", "semcodec@50", "--data", str(DATA), "-o", "out", "--cache", "cache"],
        ["eval", "versa", "--codec", "semcodec@50", "--data", str(DATA), "-o", "out"],
        ["eval", "demo", "--codecs", "semcodec@50", "--data", str(DATA), "-o", "out"],
        ["eval", "listen", "make", "--codecs", "semcodec@50", "--data", str(DATA), "-o", "out"],
        ["tokenize", str(DATA), "-o", "out"],
    ],
)
def test_evaluations_name_a_missing_device(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*command, "--device", "cuda"])
    assert ended.value.code == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("codec: device 'cuda' is not there")
    assert not (tmp_path / "out").exists()


@NO_GPU
@pytest.mark.parametrize(
    "command", [["encode", str(DATA / "speech.flac"), "-o", "x.sct"], ["decode", "x.sct"], ["serve", "--port", "0"]]
)
def test_commands_name_a_missing_device(
    command: list[str], tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["encode", SPEECH, "-o", "x.sct", "-m", str(tiny_folder), "--device", "auto"])
    assert ended.value.code == 0
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*command, "--model", str(tiny_folder), "--device", "cuda"])
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("codec: device 'cuda' is not there")
