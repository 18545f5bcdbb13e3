"""Our codec inside other people's evaluations, against their interfaces."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import codecscope
import numpy as np
import pytest
import soundfile
import torch
import yaml

from codec.errors import CodecError
from codec.hub import load
from codec.model import Codec
from eval.interop.codec_superb import codec_class, register
from eval.interop.codecscope import CodecscopeAdapter
from eval.interop.versa import write_versa
from tests.eval.reconstruction.doubles import Bits, Tone


@pytest.mark.parametrize(("rate", "vocab"), [(100, 4096), (50, 8192), (25, 32768)])
def test_codecscope_reports_our_rates(speech: np.ndarray, rate: int, vocab: int) -> None:
    model = load(rate=rate, vocab=vocab)
    report = codecscope.analyze(speech[0], 16_000, CodecscopeAdapter(model))
    assert report.token_rate == pytest.approx(rate)
    assert report.frame_rate == pytest.approx(model.frame_rate)
    assert report.bitrate == pytest.approx(model.bitrate, rel=1e-4)
    assert report.n_codebooks == len(model.codebook_sizes)
    assert report.si_snr is not None
    assert f"@{rate},vocab={vocab}" in report.codec


def test_codecscope_compares_us_with_its_own(shipped: Codec, speech: np.ndarray) -> None:
    ours, pcm = codecscope.compare(speech[0, :30_001], 16_000, [CodecscopeAdapter(shipped), "pcm:16"])
    assert ours.codec.startswith("semcodec")
    assert ours.token_rate < pcm.token_rate
    assert ours.duration >= 30_001 / 16_000


@dataclass
class ExtractedUnit:
    """As documented: a unit of shape (layers, time) and whatever the codec needs to decode it."""

    unit: torch.Tensor
    stuff_for_synth: object


class BaseCodec(ABC):
    """The documented base: it chooses a device, calls ``config``, and its ``synth`` goes there and back at the input's rate."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.sampling_rate: int | None = None
        self.setting: str | None = None
        self.supports_decode = True
        self.config()

    @abstractmethod
    def config(self) -> None: ...
    @abstractmethod
    def extract_unit(self, data: dict) -> ExtractedUnit: ...
    @abstractmethod
    def decode_unit(self, stuff_for_synth: object) -> np.ndarray: ...


@pytest.fixture
def sound_codec(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package with the modules of Codec-SUPERB that a codec meets."""
    modules = {name: ModuleType(name) for name in ("SoundCodec", "SoundCodec.base_codec", "SoundCodec.codec")}
    general = ModuleType("SoundCodec.base_codec.general")
    general.BaseCodec, general.ExtractedUnit = BaseCodec, ExtractedUnit  # type: ignore[attr-defined]
    modules["SoundCodec.base_codec.general"] = general
    for name, module in modules.items():
        module.__path__ = []  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    yield modules["SoundCodec.codec"]
    for name in [name for name in sys.modules if name.startswith("SoundCodec.codec.")]:
        del sys.modules[name]


def test_codec_superb_loads_us_by_name(sound_codec: ModuleType, speech: np.ndarray) -> None:
    name = register(rate=25, vocab=4096)
    # Its load_codec is just this.
    codec = __import__(f"SoundCodec.codec.{name}", fromlist=[name]).Codec()
    assert (codec.setting, codec.sampling_rate, codec.supports_decode) == ("semcodec_25_v4096", 16_000, True)
    for wave, rate in ((speech[0], 16_000), (speech[0].astype(np.float64)[::2], 8_000)):
        data = {"id": "a", "audio": {"array": wave, "sampling_rate": rate}}
        extracted = codec.extract_unit(data)
        frames = -(-len(speech[0]) // 1280)
        assert extracted.unit.shape == (2, frames), "layers × time"
        assert extracted.unit.dtype == torch.int64
        output = codec.decode_unit(extracted.stuff_for_synth)
        assert isinstance(output, np.ndarray)
        assert abs(len(output) - len(speech[0])) <= 1
    assert codec.extract_unit({"audio": {"array": np.zeros(16_000)}}).unit.shape[0] == 2


def test_codec_superb_missing_is_one_line() -> None:
    with pytest.raises(CodecError, match="pip install git"):
        codec_class()


def versa_list(path: Path) -> dict[str, str]:
    """As VERSA's ``soundfile`` interface reads lists."""
    lines = {}
    for line in path.read_text().splitlines(keepends=True):
        key, value = line.strip().split(maxsplit=1)
        assert not value.endswith("|")
        lines[key] = value
    return lines


def test_versa_inputs(tmp_path: Path) -> None:
    clips = [Tone("a b/ü\n|", text=" two  words "), Tone("a b_ü", text="x", samples=333), Tone("unreadable", text="y")]
    written = write_versa(Bits("bits@4"), clips, tmp_path / "v e")
    folder = tmp_path / "v e"
    references, outputs, texts = (versa_list(folder / name) for name in ("gt.scp", "pred.scp", "text"))
    assert list(references) == list(outputs) == list(texts) == list(written.clips)
    assert list(texts.values()) == ["two words", "x"]
    assert list(written.failed) == ["unreadable"]
    for clip, (key, path) in zip(clips, references.items(), strict=False):
        reference, rate = soundfile.read(path)
        output, output_rate = soundfile.read(outputs[key])
        assert rate == output_rate == 8_000
        assert len(reference) == len(output) == clip.samples
        assert 0 < np.abs(reference - output).max() < 0.04
    scores = yaml.full_load((folder / "score.yaml").read_text())
    assert [score["name"] for score in scores] == ["mcd_f0", "signal_metric", "pesq", "stoi"]


def test_versa_without_all_transcripts_or_speech(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("old")
    written = write_versa(Bits("bits@4"), [Tone("a", "music"), Tone("b", text="x")], tmp_path)
    assert not (tmp_path / "text").exists()
    assert "--text" not in written.command
    assert "pesq" not in (tmp_path / "score.yaml").read_text()
    with pytest.raises(CodecError, match="no clip went through raises: RuntimeError: the model went away"):
        write_versa(Bits("raises"), [Tone("a")], tmp_path)
