import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from codec.bundled import DEFAULT
from codec.errors import CodecError, ModelError
from codec.hub import export, load, models
from codec.model import Codec
from tests.conftest import random_networks


def test_export_and_load_keep_weights_and_fingerprint(tiny_folder: Path, tmp_path: Path) -> None:
    again = export(load(tiny_folder, vocab=32).networks, tmp_path)
    assert again == load(tiny_folder, vocab=32).fingerprint
    assert export(random_networks(seed=1), tmp_path) != again


@pytest.mark.parametrize("text", ['{"model_type": "llama"}', "[]", "no JSON"])
def test_configs_of_others_are_not_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CodecError, match="none of a model of ours"):
        export(random_networks(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == text


def test_a_weights_file_can_be_named(tiny_folder: Path) -> None:
    assert load(tiny_folder / "model.safetensors", vocab=32).fingerprint == load(tiny_folder, vocab=32).fingerprint
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        load(tiny_folder / "other.safetensors")


@pytest.mark.parametrize("compat", [True, False])
def test_compat_is_of_the_published_model_alone(compat: bool, tiny_folder: Path) -> None:
    for backend in (None, "onnx"):
        with pytest.raises(CodecError, match=r"compat is of the published SemantiCodec alone"):
            load(tiny_folder, vocab=32, compat=compat, backend=backend)
    with pytest.raises(CodecError, match=r"^encodec_24khz@1\.5: only our own models have .* and SemantiCodec compat"):
        load("encodec_24khz@1.5", compat=compat)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'speed'"):
        load("default", speed=2)


def test_another_weights_file_has_a_decoder_of_its_own_and_the_same_tokens(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_folder / "config.json", tmp_path)
    state = load_file(tiny_folder / "model.safetensors")
    whole, other = load(tiny_folder, vocab=32), {**state, "vocoder.stem.weight": -state["vocoder.stem.weight"]}
    save_file(other, tmp_path / "softer.safetensors")
    softer = load(tmp_path / "softer.safetensors", vocab=32)
    assert softer.fingerprint == whole.fingerprint
    assert softer.version != whole.version == load(tiny_folder / "model.safetensors", vocab=32).version
    save_file({**state, "semantic.head.weight": -state["semantic.head.weight"]}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="makes tokens of its own"):
        load(tmp_path / "foreign.safetensors", vocab=32)


def test_networks_are_left_as_they_were() -> None:
    """Whoever trains them goes on; what is encoded, decoded and embedded meanwhile computes no gradients."""
    networks = random_networks().train().requires_grad_(True)
    codec = Codec(networks, "in training", "0123456789abcdef", vocab=32)
    tokens = codec.encode(torch.randn(1, 16_000) / 10, 16_000)
    assert not codec.decode(tokens).requires_grad
    assert not codec.embed(tokens).requires_grad
    assert networks.training
    assert all(parameter.requires_grad for parameter in networks.parameters())


def test_default_is_bundled_and_small(shipped) -> None:
    assert models()[0].ready
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) < 60e6
    assert sum(tensor.numel() for tensor in load_file(DEFAULT / "model.safetensors").values()) <= 40e6
    assert (shipped.rates, shipped.vocabs) == ((100, 50, 25), (4096, 8192, 16384, 32768))


def damaged(folder: Path, target: Path, **changes: object) -> Path:
    config = json.loads((folder / "config.json").read_text()) | changes
    (target / "config.json").write_text(json.dumps(config))
    (target / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    return target


def test_damaged_models_are_one_clear_error(tiny_folder: Path, tmp_path: Path) -> None:
    config = json.loads((tiny_folder / "config.json").read_text())["model"]
    cases = [
        ({"fingerprint": "xyz"}, "not a model's config"),
        ({"fingerprint": "00"}, "16 hexadecimal digits"),
        ({"model": config | {"colour": 1}}, "colour"),
        ({"model": config | {"vocabs": "many"}}, "vocabs"),
        ({"model": config | {"decoder": config["decoder"] | {"dim": 24}}}, "do not fit each other"),
        ({"model": config | {"decoder": config["decoder"] | {"dim": 10**9}}}, r"decoder\.dim"),
        ({"model": config | {"decoder": config["decoder"] | {"dim": 0}}}, r"decoder\.dim"),
        ({"model": config | {"vocabs": [10**9]}}, r"vocabs\.0"),
        ({"model": config | {"vocabs": [16, 24]}}, "vocabs must ascend"),
        ({"model": config | {"rates": [config["rates"][0]] * 2}}, "rates must differ"),
        ({"model": config | {"n_fft": 1000}}, "n_fft 1000"),
        ({"model": {key: value for key, value in config.items() if key != "architecture"}}, "of the first architecture"),
        ({"model": config | {"architecture": "other"}}, "architecture"),
        ({"model": []}, "should be an object"),
    ]
    for changes, message in cases:
        with pytest.raises(ModelError, match=message):
            load(damaged(tiny_folder, tmp_path, **changes), vocab=32)
    (tmp_path / "config.json").write_bytes(b"\xff\xfe nonsense")
    with pytest.raises(ModelError):
        load(tmp_path, vocab=32)


def test_truncated_and_incomplete_weights(tiny_folder: Path, tmp_path: Path) -> None:
    damaged(tiny_folder, tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tiny_folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path, vocab=32)
    state = load_file(tiny_folder / "model.safetensors")
    state.pop("semantic.stem.bias")
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"semantic\.stem\.bias"):
        load(tmp_path, vocab=32)
    save_file(state | {"semantic.stem.bias": torch.zeros(9, 9)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="do not fit"):
        load(tmp_path, vocab=32)


@pytest.mark.parametrize("name", ["no/such/folder", "https://example.org/model", "default2"])
def test_unknown_names_say_what_is_known(name: str) -> None:
    with pytest.raises(ModelError, match="known are semcodec-2, "):
        load(name)


def test_unknown_rate_and_vocabulary(tiny_folder: Path) -> None:
    with pytest.raises(CodecError, match="rate 75"):
        load(tiny_folder, rate=75, vocab=32)
    with pytest.raises(CodecError, match="vocabulary 8192"):
        load(tiny_folder, vocab=8192)
    assert load(tiny_folder).vocab == 16
