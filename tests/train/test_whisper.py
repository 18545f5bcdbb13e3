"""Whisper's encoder from a file, against transformers' with the same weights."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from tests.conftest import DATA
from train.hearing import HearingLoss
from train.whisper import TYPES, WhisperEncoder, locate

LAYERS, DIM, MELS = 2, 128, 80


def test_one_that_transformers_has(tmp_path: Path) -> None:
    theirs = network()
    write(tmp_path, dict(variables(theirs)))
    ours = WhisperEncoder(tmp_path)
    assert (ours.n_layers, ours.n_heads, ours.dim) == (LAYERS, 2, DIM)
    features = pytest.importorskip("transformers").WhisperFeatureExtractor(feature_size=MELS)
    wave = torch.randn(480_000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, 1, 480_000)
    mel = torch.from_numpy(features(wave.numpy(), sampling_rate=16_000, return_tensors="np")["input_features"])
    assert torch.allclose(ours.mel(wave[None]), mel, atol=1e-3)
    with torch.no_grad():
        wanted = theirs(mel).last_hidden_state
        assert torch.allclose(ours.layers(mel)[-1], wanted, atol=1e-4)
        assert torch.allclose(ours(wave[None]), wanted, atol=2e-2)
        shorter = ours(wave[None, :16_000])
        assert shorter.shape == (1, 50, DIM)
        assert (ours.cast(torch.bfloat16)(wave[None]).float() - wanted).abs().mean() < 0.03


def test_weights_in_integers_are_scaled(tmp_path: Path) -> None:
    values = dict(variables(network()))
    exact = WhisperEncoder(write(tmp_path, values))
    name = "layer_1/ffn/linear_0/weight"
    scale = 127 / np.abs(values[name]).max(1)
    values[f"{name}_scale"] = scale.astype(np.float32)
    values[name] = np.round(values[name] * scale[:, None]).astype(np.int8)
    rounded = WhisperEncoder(write(tmp_path, values))
    mel = torch.randn(1, MELS, 100, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(rounded.layers(mel), exact.layers(mel), strict=True):
        assert (ours - theirs).abs().mean() < 0.02
    assert not torch.equal(rounded.layers(mel)[-1], exact.layers(mel)[-1])


@pytest.mark.parametrize("data", [b"", b"\x06\0\0\0", b"nonsense" * 100, bytes(10_000)])
def test_another_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(CodecError, match=r"model\.bin: not a Whisper model in CTranslate2 form"):
        WhisperEncoder(locate(tmp_path))


def test_hearing_knows_the_same_sound_and_shows_the_way_to_it(tmp_path: Path) -> None:
    import soundfile

    loss = HearingLoss(WhisperEncoder(write(tmp_path, dict(variables(network())))), "fp32")
    wave = torch.from_numpy(soundfile.read(DATA / "speech.flac", dtype="float32")[0][None, 16_000:32_000])
    assert loss(wave, wave) == 0
    noise = 0.02 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
    near, far = wave + noise, (wave + 4 * noise).requires_grad_(True)
    assert 0 < loss(near, wave) < loss(far, wave)
    found = loss(far, wave)
    found.backward()
    assert far.grad is not None
    assert loss(far.detach() - 0.02 * far.grad / far.grad.abs().mean() * noise.abs().mean(), wave) < found
    assert not any(value.requires_grad for value in loss.encoder.buffers())


def network() -> Any:
    """transformers' encoder with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=DIM, encoder_layers=LAYERS, encoder_attention_heads=DIM // 64, encoder_ffn_dim=4 * DIM, num_mel_bins=MELS
    )
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Theirs

    return Theirs(config).eval()


def variables(network: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Its weights by the names that CTranslate2 gives them."""
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    for name in ("conv1", "conv2"):
        yield f"{name}/weight", state[f"{name}.weight"]
        yield f"{name}/bias", state[f"{name}.bias"]
    yield "position_encodings/encodings", state["embed_positions.weight"]
    yield from norm("layer_norm", state, "layer_norm")
    yield "num_heads", np.array(DIM // 64, np.int16)
    for number in range(LAYERS):
        there, here = f"layers.{number}", f"layer_{number}"
        parts = [f"{there}.self_attn.{part}_proj" for part in "qkv"]
        yield f"{here}/self_attention/linear_0/weight", np.concatenate([state[f"{part}.weight"] for part in parts])
        biases = [state.get(f"{part}.bias", np.zeros(DIM, np.float32)) for part in parts]
        yield f"{here}/self_attention/linear_0/bias", np.concatenate(biases)
        same = {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1", "ffn/linear_1": "fc2"}
        for ours, theirs in same.items():
            yield f"{here}/{ours}/weight", state[f"{there}.{theirs}.weight"]
            yield f"{here}/{ours}/bias", state[f"{there}.{theirs}.bias"]
        yield from norm(f"{here}/self_attention/layer_norm", state, f"{there}.self_attn_layer_norm")
        yield from norm(f"{here}/ffn/layer_norm", state, f"{there}.final_layer_norm")


def norm(name: str, state: dict[str, np.ndarray], theirs: str) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}/gamma", state[f"{theirs}.weight"]
    yield f"{name}/beta", state[f"{theirs}.bias"]


def write(folder: Path, values: dict[str, np.ndarray]) -> Path:
    """The file that CTranslate2 would write, with a variable of the decoder beside the encoder's; returns its folder."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {np.dtype(kind): number for number, kind in TYPES.items()}
    named = {f"encoder/{name}": value for name, value in values.items()} | {"decoder/scale_embeddings": np.array(1, np.int8)}
    with (folder / "model.bin").open("wb") as file:
        file.write(struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(named)))
        for name, value in named.items():
            file.write(text(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape))
            file.write(struct.pack("<BI", kinds[value.dtype], value.nbytes) + np.ascontiguousarray(value).tobytes())
        file.write(struct.pack("<I", 0))
    return folder
