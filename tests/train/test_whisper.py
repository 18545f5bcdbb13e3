"""Whisper's encoder from a file, against transformers' with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from tests.conftest import DATA
from tests.train.whisper_file import DIM, LAYERS, MELS, network, variables, write
from train.asr_feature_loss import AsrFeatureLoss
from train.whisper import WhisperEncoder, locate, open_whisper


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

    loss = AsrFeatureLoss(open_whisper(write(tmp_path, dict(variables(network()))), torch.device("cpu"), "fp32"))
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
