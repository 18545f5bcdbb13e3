"""A model without torch, and in the formats of others: the same tokens, the same sound."""

from __future__ import annotations

import gzip
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
from codec.bundled import DEFAULT
from codec.cli import main
from codec.errors import CodecError
from codec.hub import export, load_own
from codec.model import Codec
from codec.portable import SETTINGS
from eval.reconstruction.spectral import mel_distance
from tests.codec.networks.test_source_filter_codec import model as small_model
from tests.codec.networks.test_source_filter_codec import sound
from tests.conftest import DATA

small = small_model  # a fixture
onnx = pytest.importorskip("onnx")
from codec.export.write import SQUEEZED, WEIGHTS, write_onnx  # noqa: E402 - which needs it

WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "torchaudio", "einops", "vector_quantize_pytorch", "onnx")))
{body}
assert not any(name.partition(".")[0] == "torch" and module for name, module in sys.modules.items())
"""


@pytest.fixture(scope="module")
def folder(small: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with graphs beside its own weights."""
    folder = tmp_path_factory.mktemp("portable")
    export(small.networks, folder)
    write_onnx(load_own(folder, vocab=32), folder)
    return folder


@pytest.fixture(scope="module")
def pair(folder: Path) -> tuple[Codec, Codec]:
    """With torch, and without."""
    return codec.load(folder, vocab=32), codec.load(folder, vocab=32, backend="onnx")


def without_torch(body: str, *words: str) -> str:
    """What a program prints that can import neither torch nor onnx."""
    command = [sys.executable, "-c", WITHOUT_TORCH.format(body=body), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_rate_and_vocabulary_gives_the_tokens_of_torch(pair: tuple[Codec, Codec]) -> None:
    with_torch, without = pair
    assert with_torch.rates == without.rates
    wave = sound(16_000 * 3)
    wave[16_000:32_000] = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    wave[40_000:] += 0.6 * np.sin(2 * np.pi * 1000 * np.arange(8_000) / 16_000)  # a beep over a voice
    for rate in with_torch.rates:
        for vocab in with_torch.vocabs:
            ours, theirs = (model.encode(wave, 16_000, rate, vocab) for model in pair)
            assert (ours.codebook_sizes, ours.frame_rate, ours.model) == (
                theirs.codebook_sizes,
                theirs.frame_rate,
                theirs.model,
            )
            assert (ours.codes != theirs.codes).sum() <= 1, "a rounding may flip one code in thousands"
            for tokens in (ours, ours.semantic_only()):
                expected = with_torch.decode(tokens)
                torch.testing.assert_close(without.decode(tokens), expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def test_windows_go_on_where_the_one_before_ended(pair: tuple[Codec, Codec]) -> None:
    """More than one window of 20.48 s, in pieces and in channels: phases and tokens are those of torch."""
    with_torch, without = pair
    wave = np.stack([sound(16_000 * 45), sound(16_000 * 45, 1)])
    encoder = without.stream_encoder(16_000, 2, 75)
    parts = [encoder.push(wave[:, :300_000]), encoder.push(wave[:, 300_000:]), encoder.flush()]
    tokens = with_torch.encode(wave, 16_000, 75)
    assert (torch.cat(parts, 2) != tokens.codes).sum() <= 4
    decoder = without.stream_decoder(tokens)
    found = torch.cat([decoder.push(tokens.codes[..., :777]), decoder.push(tokens.codes[..., 777:]), decoder.flush()], 1)
    expected = with_torch.decode(tokens)
    torch.testing.assert_close(found[:, : expected.shape[1]], expected, rtol=0, atol=0.02 * expected.abs().max().item())


def test_the_bundled_graphs_are_those_of_the_bundled_weights(tmp_path: Path, shipped: Codec) -> None:
    """If this fails after new weights: codec export --onnx on the model's own folder."""
    write_onnx(shipped, tmp_path)
    for name in ("encoder.onnx", "decoder.onnx", SETTINGS):
        assert (tmp_path / name).read_bytes() == (DEFAULT / name).read_bytes(), name
    assert json.loads((DEFAULT / SETTINGS).read_text())["fingerprint"] == shipped.fingerprint
    assert sum(path.stat().st_size for path in DEFAULT.glob("*.onnx")) < 400_000, "weights, or what follows from numbers, in it"


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx"])
def test_double_precision_is_asked_only_of_what_older_runtimes_have(name: str) -> None:
    """onnxruntime 1.23, the last for Python 3.10, has no cosine of it."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(DEFAULT / name, load_external_data=False)).graph
    double = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE}
    found = {node.op_type for node in graph.node if double & {*node.input, *node.output}}
    assert "Cast" in found
    assert found <= {"Add", "Cast", "Mul", "Round", "Sin", "Sub"}


def test_the_default_model(shipped: Codec, speech: np.ndarray) -> None:
    tokens = shipped.encode(speech, 16_000, 100)
    onnx = codec.load(backend="onnx")
    assert (onnx.encode(speech, 16_000, 100).codes != tokens.codes).float().mean() < 1e-3
    expected = shipped.decode(tokens)
    assert (onnx.decode(tokens) - expected).square().mean() < 1e-5 * expected.square().mean()


def test_eight_bits_keep_most_tokens_and_the_sound(shipped: Codec, speech: np.ndarray, tmp_path: Path) -> None:
    files = write_onnx(shipped, tmp_path, int8=True)
    assert sum(path.stat().st_size for path in files) < 0.6 * (DEFAULT / "model.safetensors").stat().st_size
    fetched = (tmp_path / SQUEEZED).read_bytes()
    assert gzip.decompress(fetched) == (tmp_path / WEIGHTS).read_bytes()
    assert len(fetched) < 12e6
    small = codec.load(tmp_path, backend="onnx")
    tokens = shipped.encode(speech, 16_000, 100)
    flipped = (small.encode(speech, 16_000, 100).codes != tokens.codes).float().mean((0, 2))
    assert 0 < flipped[0] < 0.15, "of the semantic ones, of which several do nearly as well"
    assert flipped.max() < 0.5, "the last ones are ties between thousands"
    wave = torch.from_numpy(speech)
    assert mel_distance(wave, small.decode(tokens)) < 1.02 * mel_distance(wave, shipped.decode(tokens))


def test_commands_work_without_torch(folder: Path, tmp_path: Path) -> None:
    run = "from codec.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code"
    speech, model = str(DATA / "speech.flac"), ["--model", str(folder)]
    without_torch(run, "encode", speech, "-o", str(tmp_path / "x.sct"), *model)
    with pytest.raises(SystemExit):
        main(["encode", speech, "-o", str(tmp_path / "y.sct"), *model])
    assert (tmp_path / "x.sct").read_bytes() == (tmp_path / "y.sct").read_bytes()
    without_torch(run, "decode", str(tmp_path / "x.sct"), "-o", str(tmp_path / "x.wav"), *model)
    assert soundfile.info(tmp_path / "x.wav").frames == soundfile.info(speech).frames
    assert "tokens per second" in without_torch(run, "info", str(tmp_path / "x.sct"))
    pytest.importorskip("pyarrow")
    (tmp_path / "corpus").mkdir()
    shutil.copy(speech, tmp_path / "corpus")
    without_torch(
        run, "tokenize", str(tmp_path / "corpus"), "-o", str(tmp_path / "t"), "--vocab", "32", "--workers", "0", *model
    )
    assert json.loads((tmp_path / "t" / "manifest.json").read_text())["tokenized"] == 1


@pytest.mark.parametrize("words", ["models", "exam semcodec", "train --config x.yaml", "bench speed", "export --hf x"])
def test_commands_that_need_torch_say_how_to_get_it(words: str) -> None:
    """Where it is not there at all, as after a plain installation."""
    body = "from codec.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert ended.code == 2"
    assert "pip install 'semcodec[torch]'" in without_torch(f"sys.stderr = sys.stdout\n{body}", *words.split())


def test_the_library_works_without_torch(folder: Path, tmp_path: Path) -> None:
    body = """
import numpy as np
import codec
model = codec.load(sys.argv[1], vocab=32)
tokens = model.encode(np.zeros((2, 5000), np.float32), 16000)
assert type(tokens.codes) is np.ndarray and model.decode(tokens).shape == (2, 5000)
codec.save(tokens, sys.argv[2])
assert (codec.read(sys.argv[2]).codes == tokens.codes).all()
part = tokens.slice(0.08, 0.24)
assert (model.decode(part) == model.decode(tokens)[:, 1280:3840]).all() and "2 clips" in repr(part)
assert codec.Tokens.cat([tokens.slice(0, 0.08), part, tokens.slice(0.24)], dim=2) == tokens
for layout in ("[B, T, n_q]", "[n_q, B, T]", "delayed", "interleaved"):
    assert (model.tokens(tokens.arrange(layout), layout=layout).codes == tokens.codes).all()
for wrong in (lambda: model.embed(tokens), lambda: codec.load(backend="torch"), lambda: codec.load("encodec_24khz@1.5")):
    try:
        wrong()
    except codec.CodecError as error:
        assert "semcodec[torch]" in str(error), error
    else:
        raise AssertionError
import codec.serve.cli
"""
    without_torch(body, str(folder), str(tmp_path / "x.sct"))


def test_refusals(folder: Path, small: Codec, tiny: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CodecError, match="in a folder"):
        write_onnx(small, tmp_path)
    with pytest.raises(CodecError, match="backend 'x' is not one of torch, onnx"):
        codec.load(folder, backend="x")
    with pytest.raises(CodecError, match=r"device cuda .*semcodec\[torch\]"):
        codec.load(folder, backend="onnx", device="cuda")
    assert tiny.folder is not None
    with pytest.raises(CodecError, match="make them: codec export --onnx"):
        codec.load(tiny.folder, backend="onnx")
    copy = shutil.copytree(folder, tmp_path / "copy")
    with pytest.raises(CodecError, match="has weights of another model"):
        write_onnx(codec.load(), copy)
    (copy / "encoder.onnx").write_bytes(b"no graph")
    with pytest.raises(CodecError, match=r"encoder\.onnx: cannot be loaded"):
        codec.load(copy, backend="onnx").encode(np.zeros(100), 16_000)
    settings = json.loads((copy / SETTINGS).read_text())
    for wrong in (settings | {"fingerprint": "00" * 8}, settings | {"edge": -1}, settings | {"points": {"x": [1, 2]}}, [], {}):
        (copy / SETTINGS).write_text(json.dumps(wrong))
        with pytest.raises(CodecError, match=r"codec export --onnx"):
            codec.load(copy, backend="onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(CodecError, match="cannot write"):
        write_onnx(codec.load(folder), tmp_path / "file" / "x")
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in [name for name in sys.modules if name.startswith("codec.export.") and name != "codec.export.write"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(CodecError, match=r"semcodec\[onnx\]"):
        write_onnx(codec.load(folder), tmp_path / "x")
