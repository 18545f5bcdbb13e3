"""What is found out before the first stage starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from codec import Codec
from codec.bundled import ENTROPY, READER
from codec.data import Corpus
from codec.errors import CodecError
from tests.codec.data.test_corpora import write
from train.cli import train
from train.config_file import read_config
from train.run import Run
from train.stages import STAGES, export_model


def check(stage: str, root: Path, *overrides: str) -> None:
    config = read_config(Path("nano"), [f"root={root}", *overrides])
    next(each for each in STAGES if each.name == stage).check(config)


@pytest.mark.parametrize(("source", "missing"), [("empty", "audio"), ("webdataset:empty", r"\.tar")])
def test_a_source_without_audio_is_found_before_the_first_stage(source: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / "empty/inner.wav").mkdir(parents=True)
    (tmp_path / "empty/notes.txt").touch()
    with pytest.raises(CodecError, match=f"no {missing} files below .*empty"):
        check("corpus", tmp_path / "run", f"corpus.sources=[{source.replace('empty', str(tmp_path / 'empty'))}]")


def test_linked_folders_of_a_source_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        write(tmp_path / f"in/{number}.wav", 0.5, seed=number)
        write(tmp_path / f"elsewhere/{number}.wav", 0.5, seed=7 + number)
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/circle").symlink_to(tmp_path / "in")
    config = read_config(Path("nano"), [f"root={tmp_path}", f"corpus.sources=[{tmp_path / 'in'}]", "corpus.copies={}"])
    next(each for each in STAGES if each.name == "corpus").start(config)
    assert "in: linked folders are not entered: 2; name them as sources" in capsys.readouterr().err
    assert len(Corpus(tmp_path / "corpus").entries) == 2


def test_a_folder_of_recordings_may_be_called_like_an_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("train.voice.finetune.finetune", lambda *given: asked.extend(given))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voice=anna").mkdir()
    train(["adversarial.steps=5", "decoder", "voice=anna"])
    assert asked == [["voice=anna"], "default", Path("runs/decoder"), ["adversarial.steps=5"]]


def test_what_belongs_to_the_tokens_of_init_is_exported_with_them(
    tiny: Codec, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "init")
    for name in (READER, ENTROPY):
        (tmp_path / "init" / name).write_text("of these tokens")
    monkeypatch.setattr("train.voice.export.averaged", lambda config: (tiny.networks, "codec", 0))
    config = read_config(Path("nano"), [f"root={tmp_path}", f"init={tmp_path / 'init'}"])
    export_model(config)
    assert {(tmp_path / "model" / name).read_text() for name in (READER, ENTROPY)} == {"of these tokens"}
    (tmp_path / "model" / ENTROPY).write_text("counted anew")
    export_model(config)
    assert (tmp_path / "model" / ENTROPY).read_text() == "counted anew"


def test_stages_of_no_steps_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = read_config(Path("nano"), [f"root={tmp_path}", "adversarial.steps=0", "reader.steps=0"])
    for stage in STAGES:
        if stage.optional:
            stage.check(config)
            stage.start(config)
    assert capsys.readouterr().out == "adversarial: left out: 0 steps\nreader: left out: 0 steps\n"


def test_a_codec_stage_goes_no_further_under_a_decoder_that_was_polished(tmp_path: Path) -> None:
    config = read_config(Path("nano"), [f"root={tmp_path}"])
    for stage in ("codec", "adversarial"):
        Run(config.folder(stage), config, {"model": torch.nn.Linear(1, 1)}, ()).save(20)
    check("codec", tmp_path, "codec.steps=20", "adversarial.steps=5")
    with pytest.raises(CodecError, match=r"adversarial: .* after 20 steps .* codec\.steps=30 .*Delete .*adversarial.*init="):
        check("codec", tmp_path, "codec.steps=30", "adversarial.steps=5")
    check("codec", tmp_path, "codec.steps=30", "adversarial.steps=0")  # which leaves it out, and out of the export
    shutil.rmtree(tmp_path / "adversarial")
    check("codec", tmp_path, "codec.steps=30", "adversarial.steps=5")
