"""Models as transformers has them: what is written is read, batches are what their items are, refusals are one line.

The checks are those that transformers makes of every model and feature extractor of its own, as far as they
mean something here: signatures, outputs as tuples, determinism, batching, saving and loading, auto classes.
"""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import codec
from codec.errors import CodecError, ModelError
from codec.model import Codec
from tests.codec.networks.test_source_filter_codec import SMALL, model  # noqa: F401 - a fixture

transformers = pytest.importorskip("transformers")
huggingface_hub = pytest.importorskip("huggingface_hub")

from codec.huggingface import SemcodecConfig, SemcodecFeatureExtractor, SemcodecModel, write_folder  # noqa: E402
from codec.huggingface.modeling import _device  # noqa: E402

RATE = 16_000


@pytest.fixture(scope="module")
def small(model: Codec, tmp_path_factory: pytest.TempPathFactory) -> Codec:  # noqa: F811
    """With its fingerprint, as a folder has it."""
    folder = tmp_path_factory.mktemp("small")
    codec.hub.export(model.networks, folder)  # type: ignore[attr-defined]
    return codec.load(folder)


@pytest.fixture(scope="module")
def folder(small: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hf")
    write_folder(small, path)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    return SemcodecModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [(0.1 * draw.standard_normal(samples)).astype(np.float32) for samples in (8_000, 12_345, 1_000)]


@pytest.fixture(scope="module")
def inputs(folder: Path, clips: list[np.ndarray]) -> Any:
    return SemcodecFeatureExtractor.from_pretrained(folder)(clips, sampling_rate=RATE, return_tensors="pt")


def test_shapes_and_sizes_are_those_of_encodec_and_mimi(loaded: Any, inputs: Any, small: Codec) -> None:
    assert inputs["input_values"].shape == (3, 1, 12_345)
    assert inputs["padding_mask"].shape == (3, 12_345)
    encoded = loaded.encode(**inputs)
    assert encoded.audio_codes.shape == (3, loaded.config.num_codebooks, 20)
    assert encoded.audio_codes.dtype == torch.int64
    assert int(encoded.audio_codes.max()) < loaded.config.codebook_size
    assert encoded.audio_codes_mask.sum(1).tolist() == [13, 20, 2]
    assert loaded.decode(encoded.audio_codes).audio_values.shape == (3, 1, 20 * 640)
    assert loaded.decode(encoded.audio_codes, inputs["padding_mask"]).audio_values.shape == (3, 1, 12_345)
    config = loaded.config
    assert (config.sampling_rate, config.frame_rate, config.hop_length, config.audio_channels) == (RATE, 25, 640, 1)
    assert config.codebook_sizes == small.codebook_sizes
    assert (config.rate, config.vocab) == (small.rate, small.vocab)
    assert list(inspect.signature(loaded.forward).parameters)[:2] == ["input_values", "padding_mask"]


def test_codes_and_sound_are_the_codecs_own(loaded: Any, inputs: Any, clips: list[np.ndarray], small: Codec) -> None:
    tokens = small.encode(clips, RATE)
    output = loaded(**inputs)
    assert torch.equal(output.audio_codes, tokens.codes)
    assert torch.equal(output.audio_values[:, 0], small.decode(tokens))
    assert torch.equal(loaded.embed(output.audio_codes)[0, :13], small.embed(tokens)[0, :13])
    assert loaded.codec.encode(clips, RATE) == tokens
    # Alone, after noise behind the end, twice, as tuples, and with codes in place of audio.
    for index, clip in enumerate(clips):
        alone = loaded.encode(torch.from_numpy(clip)[None])
        assert torch.equal(alone.audio_codes[0], tokens.item(index).codes[0])
    noisy = inputs["input_values"] + torch.randn(3, 1, 12_345) * ~inputs["padding_mask"].bool()[:, None]
    assert torch.equal(loaded.encode(noisy, inputs["padding_mask"]).audio_codes, tokens.codes)
    first, second = loaded(**inputs, return_dict=False)
    assert torch.equal(first, output.audio_codes)
    assert torch.equal(second, output.audio_values)
    assert torch.equal(loaded(**inputs, audio_codes=output.audio_codes).audio_values, output.audio_values)


def test_fewer_streams_are_the_first_ones(folder: Path, inputs: Any) -> None:
    most = SemcodecModel.from_pretrained(folder, rate=75)
    codes = most.encode(**inputs).audio_codes
    assert most.config.num_codebooks == 3
    assert torch.equal(most.encode(**inputs, num_quantizers=2).audio_codes, codes[:, :2])
    assert most.decode(codes[:, :1]).audio_values.shape == (3, 1, 12_800)
    with pytest.raises(CodecError, match="1 … 3"):
        most.encode(**inputs, num_quantizers=4)


def test_what_is_saved_is_loaded(loaded: Any, inputs: Any, tmp_path: Path, small: Codec) -> None:
    """By transformers, by `codec.load`, and after the weights changed."""
    expected = loaded.encode(**inputs).audio_codes
    loaded.save_pretrained(tmp_path / "again")
    for again in (
        SemcodecModel.from_pretrained(tmp_path / "again"),
        transformers.AutoModel.from_pretrained(tmp_path / "again"),
    ):
        assert torch.equal(again.encode(**inputs).audio_codes, expected)
        assert again.config.fingerprint == small.fingerprint
    plain = codec.load(tmp_path / "again")
    assert plain.fingerprint == small.fingerprint
    assert torch.equal(plain.encode(inputs["input_values"], RATE, lengths=inputs["padding_mask"].sum(1)).codes, expected)
    changed = SemcodecModel.from_pretrained(tmp_path / "again", vocab=16)
    with torch.no_grad():
        changed.networks.vocoder.get_parameter(next(iter(dict(changed.networks.vocoder.named_parameters())))).mul_(1.5)
    changed.save_pretrained(tmp_path / "changed")
    other = SemcodecModel.from_pretrained(tmp_path / "changed")
    assert (other.config.vocab, codec.load(tmp_path / "changed").fingerprint) == (16, other.config.fingerprint)
    assert other.config.fingerprint == small.fingerprint
    assert other.config.decoder_fingerprint != loaded.config.decoder_fingerprint
    assert json.loads((tmp_path / "changed" / "config.json").read_text())["decoder"] == other.config.decoder_fingerprint
    for (name, mine), theirs in zip(changed.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def test_files_of_others_are_not_replaced(small: Codec, tmp_path: Path) -> None:
    """As in ``codec export --hf .``; a folder of ours may be written anew."""
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(CodecError, match=r"README\.md is there already"):
        write_folder(small, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "README.md").unlink()
    write_folder(small, tmp_path)
    (tmp_path / "README.md").write_text("changed")
    write_folder(small, tmp_path)
    assert "semcodec" in (tmp_path / "README.md").read_text()


def test_random_models_are_models(tmp_path: Path, inputs: Any) -> None:
    fresh = SemcodecModel(SemcodecConfig(SMALL.model_dump(mode="json"))).eval()
    fresh.save_pretrained(tmp_path)
    assert torch.equal(SemcodecModel.from_pretrained(tmp_path).encode(**inputs).audio_codes, fresh.encode(**inputs).audio_codes)
    assert SemcodecConfig().num_codebooks == 2
    assert SemcodecConfig(rate=100).codebook_sizes == codec.load(rate=100).codebook_sizes
    again = SemcodecConfig.from_dict(SemcodecConfig(rate=25, decoder="ab" * 8).to_dict())
    assert (again.frame_rate, again.decoder_fingerprint) == (12.5, "ab" * 8)
    assert again.get_text_config() is again  # no attribute that transformers takes for another config


def test_auto_classes_with_and_without_remote_code(
    folder: Path, inputs: Any, clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    expected = SemcodecModel.from_pretrained(folder).encode(**inputs).audio_codes
    for options in ({}, {"trust_remote_code": True}):
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, **options)
        found = transformers.AutoModel.from_pretrained(folder, **options)
        made = extractor(clips, sampling_rate=RATE, return_tensors="pt")
        assert torch.equal(found.encode(**made).audio_codes, expected)


def test_the_feature_extractor_is_one(folder: Path, clips: list[np.ndarray], tmp_path: Path) -> None:
    extractor = SemcodecFeatureExtractor.from_pretrained(folder)
    extractor.save_pretrained(tmp_path)
    assert SemcodecFeatureExtractor.from_pretrained(tmp_path).to_dict() == extractor.to_dict()
    assert json.loads(extractor.to_json_string())["feature_extractor_type"] == "SemcodecFeatureExtractor"
    numpy = extractor(clips, sampling_rate=RATE, return_tensors="np")["input_values"]
    lists = extractor([clip.tolist() for clip in clips], sampling_rate=RATE, return_tensors="np")["input_values"]
    np.testing.assert_array_equal(numpy, lists)
    assert extractor(clips[0], sampling_rate=RATE, return_tensors="pt")["input_values"].shape == (1, 1, 8_000)
    with pytest.raises(ValueError, match="8000"):
        extractor(clips, sampling_rate=8_000)
    with pytest.raises(ValueError, match="mono"):
        extractor(np.zeros((2, 100), np.float32), sampling_rate=RATE)


def test_pushing_to_the_hub_sends_what_is_loaded(
    loaded: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inputs: Any
) -> None:
    """Everything but the network: a hub that keeps what it is sent."""

    class Hub:
        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return type("Repo", (), {"repo_id": repo_id})()

    def upload(self: Any, working_dir: str, *_: Any, **__: Any) -> str:
        shutil.copytree(working_dir, tmp_path / "hub")
        return "sent"

    card = huggingface_hub.ModelCard("---\nlibrary_name: semcodec\n---\n")
    monkeypatch.setattr("transformers.utils.hub.hf_api", Hub)
    monkeypatch.setattr(
        "transformers.utils.hub.create_and_tag_model_card",
        lambda *_, **__: card,
    )
    monkeypatch.setattr("transformers.utils.hub.PushToHubMixin._upload_modified_files", upload)
    assert loaded.push_to_hub("me/mine") == "sent"
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path / "hub"))
    again = SemcodecModel.from_pretrained("me/mine", revision="main")
    assert torch.equal(again.encode(**inputs).audio_codes, loaded.encode(**inputs).audio_codes)


def test_dtype_and_device_map_are_honoured_or_refused(folder: Path, inputs: Any) -> None:
    for options in (
        {"dtype": "auto"},
        {"dtype": torch.float32},
        {"torch_dtype": "float32"},
        {"device_map": "cpu"},
        {"device_map": {"": "cpu"}},
    ):
        found = SemcodecModel.from_pretrained(folder, **options)
        assert (found.dtype, found.device.type) == (torch.float32, "cpu")
    assert _device({"": 0 if torch.cuda.is_available() else "cpu"}).type in ("cuda", "cpu")
    for options, message in (
        ({"dtype": torch.float16}, "float32 only"),
        ({"dtype": "bfloat16"}, "float32 only"),
        ({"device_map": {"networks.mel": "cpu", "networks.decoder": "cuda"}}, "one device"),
        ({"device_map": "cuda:99"}, "not there"),
        ({"quantization_config": {}}, "quantization_config"),
        ({"rate": 33}, "rate 33"),
        ({"vocab": 33}, "vocabulary 33"),
    ):
        with pytest.raises(CodecError, match=message):
            SemcodecModel.from_pretrained(folder, **options)
    with pytest.raises(CodecError, match=r"model\.float"):
        SemcodecModel.from_pretrained(folder).half().encode(**inputs)


def test_what_is_wrong_is_one_line(loaded: Any, folder: Path, tmp_path: Path, inputs: Any) -> None:
    mask = inputs["padding_mask"]
    for wrong, message in (
        (lambda: loaded.encode(inputs["input_values"], mask.flip(-1)), "only behind the end"),
        (lambda: loaded.encode(inputs["input_values"], mask[:1]), "lengths"),
        (lambda: loaded.encode(torch.zeros(1, 2, 100)), "channels"),
        (lambda: loaded.decode(torch.full((1, 2, 5), 99_999)), "codebooks"),
        (lambda: loaded.decode(torch.zeros(1, 2, 5)), "integers"),
        (lambda: write_folder(codec.load(folder), folder / "config.json" / "x"), "cannot write"),
    ):
        with pytest.raises(CodecError, match=message):
            wrong()
    damaged = tmp_path / "damaged"
    loaded.save_pretrained(damaged)
    (damaged / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        SemcodecModel.from_pretrained(damaged)


def test_without_transformers_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("codec.huggingface.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)
    import codec.huggingface

    with pytest.raises(CodecError, match=r"semcodec\[hf\]"):
        codec.huggingface.SemcodecModel  # noqa: B018
