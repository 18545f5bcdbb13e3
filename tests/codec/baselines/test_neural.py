"""Published architectures at random weights: built once each, on clips of a few frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import codec
from codec.baselines import load_tokenizer, open_codec
from codec.baselines.encodec import network as encodec_network
from codec.baselines.interface import Reconstructor
from codec.baselines.neural import NeuralCodec, at_random
from codec.baselines.weights import WEIGHTS
from codec.errors import CodecError, ContainerError, ModelError
from codec.protocol import AudioCodec
from codec.provenance import sha256_of

# Sample rate in Hz, frames per second, bits of a frame.
LAYOUTS = {
    "encodec_24khz@1.5": (24_000, 75.0, 2 * 10),
    "dac_16khz@n=2": (16_000, 50.0, 2 * 10),
    "dac_24khz@n=2": (24_000, 75.0, 2 * 10),
    "dac_44khz@n=3": (44_100, 44_100 / 512, 3 * 10),
    "mimi@n=8": (24_000, 12.5, 8 * 11),
    "snac_24khz": (24_000, 24_000 / 2048, 7 * 12),
    "speechtokenizer@n=2": (16_000, 50.0, 2 * 10),
}
CLIPS = [(16_000, 1), (8_000, 401), (44_100, 2_206), (48_000, 2_401)]


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))


@pytest.fixture(scope="module", params=LAYOUTS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NeuralCodec:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMCODEC_MODELS", str(tmp_path_factory.mktemp("none")))
        return load_tokenizer(request.param, trained_only=False)


def test_layout(network: NeuralCodec) -> None:
    rate, frame_rate, bits = LAYOUTS[network.name]
    assert isinstance(network, AudioCodec)
    assert (network.sample_rate, network.frame_rate) == (rate, frame_rate)
    assert network.bitrate == pytest.approx(frame_rate * bits)
    assert not network.trained


@pytest.mark.parametrize(("rate", "samples"), CLIPS)
def test_frames_and_lengths_of_odd_clips(network: NeuralCodec, rate: int, samples: int) -> None:
    wave = 0.3 * np.sin(np.arange(samples, dtype=np.float32))
    tokens = network.encode(wave, rate)
    at_model_rate = -(-samples * network.sample_rate // rate)
    hop = round(network.sample_rate / network.frame_rate)
    assert tokens.codes.shape == (1, len(network.codebook_sizes), -(-at_model_rate // hop))
    assert tokens.frames.tolist() == [tokens.codes.shape[2]]
    output = network.decode(tokens)
    assert output.shape == (1, at_model_rate)
    assert torch.isfinite(output).all()


def test_items_of_a_batch_give_what_they_give_alone(network: NeuralCodec) -> None:
    rng = np.random.default_rng(0)
    lengths = [700, 0, 2_001]
    wave = (0.3 * rng.standard_normal((3, 2_200))).astype(np.float32)
    together = network.encode(wave, 16_000, lengths=torch.tensor(lengths))
    audio, vectors = network.decode(together), network.embed(together)
    assert audio.shape[0] == vectors.shape[0] == 3
    for index, length in enumerate(lengths):
        alone = network.encode(wave[index, :length], 16_000)
        assert together.item(index).codes.equal(alone.codes)
        output = network.decode(alone)
        assert torch.equal(audio[index, : output.shape[1]], output[0])
        assert not audio[index, output.shape[1] :].any()
        assert torch.allclose(vectors[index, : alone.codes.shape[2]], network.embed(alone)[0], atol=1e-6)
        assert not vectors[index, alone.codes.shape[2] :].any()
    assert vectors[2].std(0).max() > 0


def test_foreign_and_damaged_tokens_are_refused(network: NeuralCodec, tiny: codec.Codec) -> None:
    tokens = network.encode(np.zeros(1_600, np.float32), 16_000)
    with pytest.raises(ModelError, match="made by model"):
        network.decode(tiny.encode(np.zeros(1_600, np.float32), 16_000))
    tokens.codes[0, 0, 0] = network.codebook_sizes[0]
    with pytest.raises(CodecError, match="outside"):
        network.embed(tokens)


def test_random_weights_need_to_be_asked_for() -> None:
    with pytest.raises(ModelError, match="codec models --fetch encodec_24khz"):
        open_codec("encodec_24khz@1.5")
    with pytest.raises(ModelError, match="codec models --fetch dac_16khz"):
        codec.load("dac_16khz@n=2")


@pytest.mark.parametrize("name", ["encodec_24khz@3", "encodec_48khz@3"])
def test_as_a_reconstructor(name: str) -> None:
    one = open_codec(name, trained_only=False)
    assert isinstance(one, Reconstructor)
    assert (one.trained, one.version, one.bitrate) == (False, "random weights, seed 0", 3000)
    wave = 0.1 * np.sin(np.arange(7_056, dtype=np.float32))
    encoded = one.encode(wave, 44_100)
    assert encoded.codes is not None
    # 12 frames at 75 Hz cover 0.16 s; 24 at 150 Hz and the loudness of a second.
    assert encoded.bits == encoded.codes.numel() * 10 + (32 if "48" in name else 0)
    assert encoded.codes.shape == ((2, 24) if "48" in name else (4, 12))
    assert one.decode(encoded).shape == (7_056,)
    assert one.decode(one.encode(wave[:0], 44_100)).shape == (0,)


def test_stereo_model_overlaps_seconds() -> None:
    one = open_codec("encodec_48khz@3", trained_only=False)
    encoded = one.encode(0.1 * np.sin(np.arange(17_000, dtype=np.float32)), 16_000)
    assert encoded.codes is not None
    assert encoded.codes.shape[1] == 150 + -(-(51_000 - 47_520) // 320)  # a second each, the next one begins after 0.99 s
    assert encoded.bits == encoded.codes.numel() * 10 + 2 * 32
    assert one.decode(encoded).shape == (17_000,)
    with pytest.raises(CodecError, match="has no tokens to load"):
        codec.load("encodec_48khz@3")


def save_published(path: Path) -> None:
    """Random weights under the names of a published file: weight norm in its older spelling."""
    path.parent.mkdir(parents=True)
    state = encodec_network("encodec_24khz", None).state_dict()
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, name in old.items():
        state = {key.replace(new, name): value for key, value in state.items()}
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path)


def test_weights_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz" / "model.safetensors"
    wave = np.random.default_rng(0).standard_normal(4_000).astype(np.float32)
    before = load_tokenizer("encodec_24khz@6", trained_only=False)
    save_published(path)
    after = load_tokenizer("encodec_24khz@6")
    assert after.trained
    assert after.version == after.fingerprint == sha256_of(path)[:16] != before.fingerprint
    assert after.encode(wave, 24_000).codes.equal(before.encode(wave, 24_000).codes)
    with pytest.raises(ContainerError, match=r"8 streams of 75 frames/s do not fit into \.sct"):
        codec.save(after.encode(wave, 24_000), tmp_path / "x.sct")
    save_file({"encoder.layers.0.conv.bias": torch.zeros(32)}, path)
    with pytest.raises(ModelError, match="not weights of EncodecModel"):
        load_tokenizer("encodec_24khz@6")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match="not weights of EncodecModel"):
        load_tokenizer("encodec_24khz@6")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_pickles_are_not_executed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "snac_24khz" / "pytorch_model.bin"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not weights of SNAC"):
        load_tokenizer("snac_24khz")


def original_encodec(family: str) -> torch.nn.Module:
    """The network of the package ``encodec`` at random weights, its codebooks told apart by direction."""
    from encodec.model import EncodecModel

    build = EncodecModel.encodec_model_24khz if family == "encodec_24khz" else EncodecModel.encodec_model_48khz
    network = at_random(lambda: build(pretrained=False))
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("_codebook.embed"):
                buffer.copy_(torch.nn.functional.normalize(torch.randn(buffer.shape, generator=SEEDED), dim=-1))
    return network


SEEDED = torch.Generator().manual_seed(0)


def save_original(network: torch.nn.Module, family: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """As the package publishes weights: the file's name ends with the first digits of its checksum."""
    (folder / family).mkdir()
    torch.save(network.state_dict(), folder / "weights")
    path = folder / family / f"{family}-{sha256_of(folder / 'weights')[:8]}.th"
    (folder / "weights").rename(path)
    monkeypatch.setitem(WEIGHTS, family, dataclasses.replace(WEIGHTS[family], original=path.name))
    return path


@pytest.mark.parametrize("family", ["encodec_24khz", "encodec_48khz"])
@torch.no_grad()
def test_encodec_is_that_of_its_package(family: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package's network and its weights in ours: the same codes, and the same sound from them."""
    theirs = original_encodec(family)
    theirs.set_target_bandwidth(6.0)
    path = save_original(theirs, family, monkeypatch, tmp_path)
    ours = open_codec(f"{family}@6")
    assert ours.trained
    rate = ours.sample_rate
    wave = 0.1 * np.random.default_rng(0).standard_normal(rate // 4 // 320 * 320).astype(np.float32)
    encoded = ours.encode(wave, rate)
    batch = torch.from_numpy(wave).expand(theirs.channels, -1)[None]
    frames = theirs.encode(batch)
    assert encoded.codes is not None
    assert encoded.codes.equal(torch.cat([codes[0] for codes, _ in frames], dim=1))
    np.testing.assert_allclose(ours.decode(encoded), theirs.decode(frames)[0, :, : len(wave)].mean(0), atol=1e-5)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelError, match="damaged; its sha256 does not begin with"):
        open_codec(f"{family}@6")


def count(build: object) -> float:
    """Million numbers in a network that takes no memory."""
    with torch.device("meta"):
        network = build()  # type: ignore[operator]
    return sum(tensor.numel() for tensor in network.state_dict().values()) / 1e6


def test_sizes_are_the_published_ones() -> None:
    import transformers
    from snac import SNAC

    from codec.baselines import dac, encodec, mimi, snac, xcodec2

    dacs = {family: transformers.DacConfig(**vars(shape)) for family, shape in dac.SHAPES.items()}
    encodec_24khz = transformers.EncodecConfig(**vars(encodec.SHAPES["encodec_24khz"]))
    sizes = [count(lambda config=config: transformers.DacModel(config)) for config in dacs.values()]
    assert sizes == pytest.approx([74.1, 74.7, 76.7], rel=0.02)
    assert 14 < count(lambda: transformers.EncodecModel(encodec_24khz)) < 24
    assert 79 < count(lambda: transformers.MimiModel(mimi.config())) < 97
    assert 620 < count(lambda: transformers.Xcodec2Model(xcodec2.config())) < 640
    # 19.8 M as its README says, and a published file of 79.5 MB.
    assert count(lambda: SNAC(**vars(snac.SHAPE))) == pytest.approx(19.84, abs=0.01)


def test_configurations_are_those_that_transformers_documents_for_the_published_weights() -> None:
    """Its defaults are those of facebook/encodec_24khz, descript/dac_44khz, kyutai/mimi and HKUSTAudio/xcodec2-hf."""
    import transformers

    from codec.baselines import dac, encodec, mimi, xcodec2

    for ours, default in (
        (transformers.EncodecConfig(**vars(encodec.SHAPES["encodec_24khz"])), transformers.EncodecConfig()),
        (transformers.DacConfig(**vars(dac.SHAPES["dac_44khz"])), transformers.DacConfig(sampling_rate=44_100)),
        (mimi.config(), transformers.MimiConfig()),
        (xcodec2.config(), transformers.Xcodec2Config()),
    ):
        assert ours.to_dict() == default.to_dict()


def test_the_wiring_of_xcodec2() -> None:
    """With the published front end and hop, but narrow layers: the real one has 0.6 G weights."""
    from codec.baselines.neural import Layout, Origin
    from codec.baselines.xcodec2 import CODEBOOK_SIZE, HOP_LENGTH, Xcodec2, config, network

    narrow = config()
    width = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    narrow.update(width | {"num_key_value_heads": 1, "encoder_hidden_size": 2, "quantization_dim": 128})
    narrow.semantic_model_config.update(width | {"num_attention_heads": 2})
    layout = Layout(16_000, HOP_LENGTH, (CODEBOOK_SIZE,))
    small = NeuralCodec("xcodec2", Xcodec2(network(narrow, None)), layout, Origin(None, "0" * 16))
    for samples in (1, 640, 1_601):
        tokens = small.encode(0.1 * np.sin(np.arange(samples, dtype=np.float32)), 16_000)
        assert tokens.codes.shape == (1, 1, -(-samples // 320))
        assert small.decode(tokens).shape == (1, samples)
        assert small.embed(tokens).shape[:2] == (1, -(-samples // 320))
    assert small.bitrate == 800
