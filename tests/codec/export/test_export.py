"""Exports beside the model itself: the same tokens, the same sound."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import codec
from codec.audio.io import resample
from codec.errors import CodecError
from codec.export.huggingface import write_folder
from codec.export.write import write_onnx, write_torch
from codec.files import encode_file
from codec.model import Codec
from tests.conftest import DATA

RATE = 50


@pytest.fixture(scope="session")
def exported(first_model: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(first_model, folder, [RATE], int8=True)
    return folder


def test_onnx_gives_the_tokens_and_the_sound_of_torch(
    first_model: Codec, exported: Path, speech: np.ndarray, music: np.ndarray
) -> None:
    from codec.export.runtime import OnnxCodec

    onnx = OnnxCodec(exported, RATE)
    long = np.tile(resample(music, 44_100, 16_000)[:1], (1, 6))  # more than one window of 20.48 s
    for wave, sample_rate in ((speech, 16_000), (music, 44_100), (long, 16_000), (speech[:, :100], 16_000)):
        tokens = first_model.encode(wave, sample_rate, RATE)
        np.testing.assert_array_equal(onnx.encode(wave, sample_rate), tokens.codes.numpy())
        mine, theirs = first_model.decode(tokens).numpy(), onnx.decode(tokens.codes.numpy())
        np.testing.assert_allclose(theirs[:, : mine.shape[1]], mine, atol=1e-4)


@pytest.mark.heavy
@pytest.mark.parametrize("rate", [25, 100])
def test_every_rate(first_model: Codec, speech: np.ndarray, rate: int, tmp_path: Path) -> None:
    from codec.export.runtime import OnnxCodec

    write_onnx(first_model, tmp_path, [rate])
    tokens, onnx = first_model.encode(speech, 16_000, rate), OnnxCodec(tmp_path, rate)
    np.testing.assert_array_equal(onnx.encode(speech, 16_000), tokens.codes.numpy())
    mine = first_model.decode(tokens).numpy()
    np.testing.assert_allclose(onnx.decode(tokens.codes.numpy())[:, : mine.shape[1]], mine, atol=1e-4)


def test_eight_bits_are_smaller_and_keep_most_tokens(first_model: Codec, exported: Path, speech: np.ndarray) -> None:
    from codec.export.runtime import OnnxCodec

    for half in ("encoder", "decoder"):
        plain, small = (exported / f"{half}_{RATE}{suffix}" for suffix in (".onnx", ".int8.onnx"))
        assert small.stat().st_size < 0.75 * plain.stat().st_size
    codes = OnnxCodec(exported, RATE, int8=True).encode(speech, 16_000)
    same = (codes == first_model.encode(speech, 16_000, RATE).codes.numpy()).mean((0, 2))
    assert same[0] > 0.5
    assert (same < 1).any()  # or else nothing was quantised


def test_the_folder_works_alone(exported: Path, speech: np.ndarray, first_model: Codec, tmp_path: Path) -> None:
    """In a Python that can import neither torch nor semcodec."""
    folder = shutil.copytree(exported, tmp_path / "folder")
    code = (
        "import runpy, sys; sys.modules.update(torch=None, codec=None); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(folder / "runtime.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert run("encode", str(DATA / "speech.flac"), "x.npy").returncode == 0
    codes = np.load(tmp_path / "x.npy", allow_pickle=False)
    np.testing.assert_array_equal(codes, first_model.encode(speech, 16_000, RATE).codes.numpy())
    assert run("decode", "x.npy", "x.wav").returncode == 0
    samples = speech.shape[1]
    assert samples < codes.shape[2] * 640  # the last token reaches further
    assert soundfile.info(tmp_path / "x.wav").frames == samples
    # What codec encode writes is the same, and arrays of other tokens are refused by name.
    encode_file(first_model, str(DATA / "speech.flac"), str(tmp_path / "y.npy"), RATE, format="npy")
    for suffix in (".npy", ".npy.json"):
        assert (tmp_path / f"x{suffix}").read_bytes() == (tmp_path / f"y{suffix}").read_bytes()
    (tmp_path / "y.npy.json").write_text((tmp_path / "x.npy.json").read_text().replace("25.0", "12.5"))
    assert "frame_rate 12.5, not 25.0" in run("decode", "y.npy", "y.wav").stderr
    for arguments in (("encode", "no.wav", "y.npy"), ("decode", "x.wav", "y.wav"), ("encode", "x.wav", "y.npy", "33"), ("go",)):
        refused = run(*arguments)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr


def test_torch_export(tiny: Codec, tmp_path: Path) -> None:
    write_torch(tiny, tmp_path, [25])
    encoder, decoder = (torch.export.load(tmp_path / f"{half}_25.pt2").module() for half in ("encoder", "decoder"))
    networks = tiny.networks
    for tokens in (2, 31):
        wave = torch.randn(1, tokens * 1280 + 2 * networks.mel.edge, generator=torch.Generator().manual_seed(tokens)) * 0.1
        codes = encoder(wave)
        assert torch.equal(codes, networks.mel_to_codes(networks.mel(wave, padded=True), 4, 32))
        torch.testing.assert_close(decoder(codes), networks.codes_to_wave(codes, 4, 32).clamp(-1, 1), atol=1e-5, rtol=0)


def test_refusals(tiny: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CodecError, match="rate 33"):
        write_torch(tiny, tmp_path / "x", [33])
    (tmp_path / "file").write_text("")
    with pytest.raises(CodecError, match="cannot write"):
        write_torch(tiny, tmp_path / "file" / "x", [25])
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(CodecError, match=r"semcodec\[onnx\]"):
        write_onnx(tiny, tmp_path / "x")


def test_a_hugging_face_folder_is_read_by_both(tiny: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    write_folder(tiny, tmp_path / "model")
    wave = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    expected = tiny.encode(wave, 16_000)
    again = codec.load(tmp_path / "model", vocab=32)
    assert again.fingerprint == tiny.fingerprint
    assert torch.equal(again.encode(wave, 16_000).codes, expected.codes)
    remote = transformers.AutoModel.from_pretrained(str(tmp_path / "model"), trust_remote_code=True)
    assert torch.equal(remote(wave, sampling_rate=16_000, vocab=32).codes, expected.codes)
    assert torch.equal(remote.decode(expected), tiny.decode(expected))
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "semcodec"
    assert tiny.fingerprint in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.heavy
def test_windows_of_a_head_with_another_period(tmp_path: Path) -> None:
    """The runner's windows begin where the head's phases do, also where three hops make a window of it."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from codec.export.runtime import OnnxCodec
    from tests.codec.test_config import model_of, noise, sized

    model, wave = model_of(sized(24_000, 320, (1, 2), 3, 1024)), noise(40 * 24_000)
    write_onnx(model, tmp_path, [75])
    onnx, tokens = OnnxCodec(tmp_path, 75), model.encode(wave, 24_000, 75)
    np.testing.assert_array_equal(onnx.encode(wave, 24_000), tokens.codes.numpy())
    decoded = model.decode(tokens).numpy()
    difference = onnx.decode(tokens.codes.numpy())[:, : decoded.shape[1]] - decoded
    assert np.abs(difference).max() < 1e-4 * np.abs(decoded).max()
