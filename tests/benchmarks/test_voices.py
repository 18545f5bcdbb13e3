"""``python -m benchmarks.voices``: what is left unquantised is, and what is missing is one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import voices
from benchmarks.voices import MODES, Mode, Sentence, main, measure, reconstruct
from codec.model import Codec
from eval.reconstruction.registry import metrics

WAVE = (0.1 * np.random.default_rng(0).standard_normal(5_000)).astype(np.float32)


def test_the_coded_mode_is_what_the_codec_does(tiny: Codec) -> None:
    expected = tiny.decode(tiny.encode(WAVE[:3_840], 16_000, rate=100))[0]
    output = reconstruct(tiny.networks, WAVE[:3_840], Mode("coded", "coded"), 1, tiny.vocab)
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("stack", [1, 2, 4])
def test_every_mode_gives_the_decoder_something_else(tiny: Codec, stack: int) -> None:
    modes = [mode for mode in MODES.values() if mode]
    outputs = [reconstruct(tiny.networks, WAVE, mode, stack, tiny.vocab) for mode in modes]
    assert {output.shape for output in outputs} == {WAVE.shape}
    assert len({output.tobytes() for output in outputs}) == len(modes) == 5


def test_bounded_values_are_those_that_rounding_would_give(tiny: Codec) -> None:
    quantizer = tiny.networks.acoustic_quantizer
    latents = 3 * torch.randn(2, 50, quantizer.dim, generator=torch.Generator().manual_seed(0))
    step = 1 / (quantizer.levels // 2)
    off = (quantizer.bound(latents) - quantizer(latents).values).abs() / step
    assert 0.3 < off.max() <= 0.5 + 1e-3


def test_rows_have_every_mode_and_voice_and_what_failed(tiny: Codec) -> None:
    clips = [Sentence(voice, text, WAVE) for voice in ("unseen", "seen") for text in ("one", "two")]
    rows = list(measure(tiny, [*clips, Sentence("seen", "silence", 0 * WAVE)], ["original", "coded"], metrics(["si_sdr"])))
    assert [(row.mode, row.voice) for row in rows] == [(m, v) for m in ("original", "coded") for v in ("unseen", "seen")]
    assert [row.failed["si_sdr"] for row in rows] == [0, 1, 0, 1]
    first, _, coded, _ = (row.scores["si_sdr"] for row in rows)
    assert first is not None
    assert coded is not None
    assert (first.value, first.clips) == (100, 2)
    assert coded.value < 10


def test_from_the_command_line(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [Sentence(voice, "a", np.tile(WAVE, 4)) for voice in voices.VOICES]
    monkeypatch.setattr(voices, "spoken", lambda packages, sample_rate: clips)
    monkeypatch.setattr(voices, "METRICS", ("mel_distance", "stoi"))
    main(str(tiny_folder), 50, "original,no acoustic", "pocketsphinx", tmp_path, True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["mode"], row["voice"], row["rate"], row["vocab"]) for row in rows[2:]] == [
        ("no acoustic", "unseen", 50, 128),
        ("no acoustic", "seen", 50, 128),
    ]
    assert rows[0]["scores"]["mel_distance"]["value"] == 0 < rows[2]["scores"]["mel_distance"]["value"]
    main(str(tiny_folder), 50, "original", "pocketsphinx", tmp_path, False)
    assert "seen: stoi" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "modes", "missing", "message"),
    [
        ("tiny", "coded", "text2wave", "the program text2wave is not installed: apt-get install festival festvox-kdlpc16k"),
        ("tiny", "coded", "flite", "the program flite is not installed: apt-get install flite"),
        ("tiny", "coded,perfect", "", "no mode 'perfect'; known are original, coded"),
        ("nothing", "coded", "", "no model 'nothing'"),
        ("encodec_24khz@3", "coded", "", "encodec_24khz@3 is a codec of others"),
    ],
)
def test_what_is_missing_is_one_line(
    model: str,
    modes: str,
    missing: str,
    message: str,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if missing:
        monkeypatch.setattr(shutil, "which", lambda program: None if program == missing else program)
    monkeypatch.setattr(voices, "metrics", lambda *_, **__: [])
    with pytest.raises(SystemExit) as exit_:
        main(str(tiny_folder) if model == "tiny" else model, 100, modes, "pocketsphinx", tmp_path, False)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
