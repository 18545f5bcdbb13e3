"""Metrics of packages that someone else has: what is passed to them is what they document, and what is missing is one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from codec.errors import CodecError
from eval.reconstruction.registry import ELSEWHERE, metrics, score


def module(name: str, **attributes: object) -> ModuleType:
    made = ModuleType(name)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def level(path: str) -> float:
    wave, rate = soundfile.read(path)
    assert rate == 16_000
    return float(np.sqrt(np.mean(wave**2)))


class Scoreq:
    """As scoreq 1.0.1 has it: files, which are loaded by a method of its own."""

    def __init__(self, data_domain: str, mode: str) -> None:
        assert data_domain == "synthetic"
        print("SCOREQ (ONNX) initialized")
        self.mode = mode

    def load_processing(self, filepath: str, target_sr: int = 16_000) -> torch.Tensor:
        raise AssertionError("torchaudio would read it by torchcodec")

    def predict(self, test_path: torch.Tensor, ref_path: torch.Tensor | None = None) -> float:
        wave = self.load_processing(test_path)  # type: ignore[arg-type]
        assert wave.shape[0] == 1
        assert (ref_path is None) == (self.mode == "nr")
        return float(wave.square().mean().sqrt()) if ref_path is None else float((wave - ref_path).abs().max())


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    utmos = SimpleNamespace(predict=lambda input_path: level(input_path))
    monkeypatch.setitem(sys.modules, "utmosv2", module("utmosv2", create_model=lambda pretrained: utmos))
    monkeypatch.setitem(sys.modules, "scoreq", module("scoreq", Scoreq=Scoreq))

    def forward(batch: list[dict[str, object]]) -> list[dict[str, float]]:
        [clip] = batch
        assert isinstance(clip["path"], torch.Tensor)
        assert clip["sample_rate"] == 16_000
        return [dict(zip(("CE", "CU", "PC", "PQ"), (1.0, 2.0, 3.0, float(clip["path"].square().mean().sqrt())), strict=True))]

    infer = module("infer", initialize_predictor=lambda: SimpleNamespace(forward=forward))
    monkeypatch.setitem(sys.modules, "audiobox_aesthetics", module("audiobox_aesthetics", infer=infer))
    monkeypatch.setitem(sys.modules, "audiobox_aesthetics.infer", infer)


@pytest.mark.usefixtures("_installed")
def test_packages_are_asked_as_they_document(make_pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair = make_pair(0.5 * make_pair().reference)
    found = score(pair, metrics(ELSEWHERE))
    assert not found.failed
    quiet = float(np.sqrt(np.mean(pair.output**2)))
    assert [found.values[name] for name in ("utmosv2", "scoreq", "audiobox_pq")] == pytest.approx([quiet] * 3, rel=1e-3)
    assert found.values["scoreq_distance"] == pytest.approx(np.abs(pair.output - pair.reference).max())
    assert [found.values[f"audiobox_{axis}"] for axis in ("ce", "cu", "pc")] == [1, 2, 3]
    assert capsys.readouterr().out == ""
    music = score(make_pair(domain="music"), metrics(ELSEWHERE))
    assert {name.partition("_")[0] for name in music.values} == {"audiobox"}
    assert set(score(make_pair(0 * pair.output), metrics(ELSEWHERE)).failed) == set(ELSEWHERE)


@pytest.mark.parametrize(
    ("name", "package", "message"),
    [
        ("utmosv2", "utmosv2", r"UTMOSv2 needs utmosv2: pip install git\+https"),
        ("scoreq", "scoreq", "SCOREQ needs scoreq: pip install scoreq"),
        ("audiobox_ce", "audiobox_aesthetics", "Audiobox Aesthetics needs audiobox_aesthetics: pip install"),
    ],
)
def test_what_is_missing_is_one_line(name: str, package: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CodecError, match=message):
        metrics([name])


@pytest.mark.usefixtures("_installed")
def test_weights_that_cannot_be_had_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(**_: object) -> None:
        raise OSError("no\nnetwork")

    monkeypatch.setattr(sys.modules["utmosv2"], "create_model", offline)
    with pytest.raises(CodecError, match=r"UTMOSv2 has no weights here \(no network\)"):
        metrics(["utmosv2"])
