"""Every stage of a training, for seconds, on real audio, through the command line; losses must fall."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import codec
from codec.audio.io import read_audio
from codec.cli import main
from tests.conftest import DATA, TINY
from tests.integration.training import link_stages, metrics, run
from tests.train.whisper_file import network, variables, write
from train.codebooks import assemble
from train.config import TrainConfig

MEL = "valid/mel/speech/100"


def last_figures(folder: Path) -> dict[str, float]:
    """Of the last validation; behind it stands how codes are used."""
    return [row for row in metrics(folder) if MEL in row][-1]


def test_every_stage_leaves_its_config_and_metrics(trained: Path) -> None:
    for stage in ("ssl", "tracker", "vocoder", "codec"):
        saved = json.loads((trained / "run" / stage / "config.json").read_text())
        assert saved["config"]["model"]["vocabs"] == list(TINY.vocabs)
        assert saved["revision"]
        assert list((trained / "run" / stage).glob("events.out.tfevents.*"))
    for stage in ("corpus", "features", "kmeans", "export"):
        saved = json.loads((trained / "run" / f"{stage}.json").read_text())
        assert saved["resolved"]["model"]["vocabs"] == list(TINY.vocabs)
        assert saved["revision"]
        (row,) = metrics(trained / "run" / "metrics" / stage)
        assert len(row) > 2
        assert list((trained / "run" / "metrics" / stage).glob("events.out.tfevents.*"))


def test_codebooks_are_used(trained: Path) -> None:
    report = json.loads((trained / "run" / "codebooks" / "report.json").read_text())
    for frames_per_token in ("stack 1", "stack 2", "stack 4"):
        assert report[frames_per_token]["vocabs"]["16"]["used"] >= 0.8
        assert (
            report[frames_per_token]["vocabs"]["128"]["unexplained"] < report[frames_per_token]["vocabs"]["16"]["unexplained"]
        )


def test_domains_get_codewords_of_their_own(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link_stages(trained, tmp_path, "codebooks")
    run("kmeans", trained, f"root={tmp_path}", "kmeans.shares={music: 1, speech: 1}", "kmeans.iterations=2")
    report = json.loads((tmp_path / "codebooks" / "report.json").read_text())
    assert set(report["stack 2"]["inertia"]) == {"music", "speech"}
    printed = capsys.readouterr().out
    assert printed.index("stack 2 music pass 1") < printed.index("stack 2 speech pass 0")


def test_the_codec_stage_learns(trained: Path) -> None:
    """The exported model reconstructs far better than the same networks before training."""
    from train.cli import read_config
    from train.losses import MultiScaleMelLoss

    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    loss = MultiScaleMelLoss()
    fresh = codec.Codec(assemble(read_config(trained / "config.yaml", [])), "fresh", "00" * 8)
    model = codec.load(trained / "run" / "model")
    before = loss(fresh.decode(fresh.encode(wave, 16_000, 100)), wave)
    after = loss(model.decode(model.encode(wave, 16_000, 100)), wave)
    assert after < 0.7 * before


def test_every_stage_learns(trained: Path) -> None:
    figures = (("tracker", "train/loss/pitch", 0.95), ("vocoder", "train/loss", 0.9), ("codec", MEL, 0.95))
    for stage, figure, share in figures:
        rows = [row for row in metrics(trained / "run" / stage) if figure in row]
        assert rows[-1][figure] < share * rows[0][figure], stage
    last = last_figures(trained / "run" / "codec")
    assert {f"valid/{name}" for name in ("mel/speech/25", "error/gross_pitch/speech/100", "mel/music/100")} <= set(last)


def test_training_goes_on_from_a_trained_model(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` keeps the model's tokens, skips the stages that made them, and starts the codec stage where it ended."""
    (tmp_path / "corpus").symlink_to(trained / "run" / "corpus")
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "codec.learning_rate=0.001"]
    for stage in ("teacher", "ssl", "features", "kmeans", "pitch", "tracker", "vocoder", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20")
    assert "kmeans: comes with" in capsys.readouterr().out
    assert not any((tmp_path / name).exists() for name in ("codebooks", "tracker", "vocoder"))
    before, after = (codec.load(folder / "model") for folder in (trained / "run", tmp_path))
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    assert before.encode(wave, 16_000).codes[:, 0].equal(after.encode(wave, 16_000).codes[:, 0])
    first = next(row for row in metrics(tmp_path / "codec") if MEL in row)
    assert first[MEL] < 1.1 * last_figures(trained / "run" / "codec")[MEL]
    for part in ("pitch", "transforms", "quantizers", "semantic"):
        mine, theirs = (model.networks.get_submodule(part).state_dict() for model in (before, after))
        assert all(torch.equal(value, theirs[key]) for key, value in mine.items()), part
    assert not torch.equal(before.networks.decoder.block.weight, after.networks.decoder.block.weight)
    with pytest.raises(SystemExit):
        main(["train", "codec", "--config", str(trained / "config.yaml"), *given, "model.decoder.dim=40"])
    assert "other sizes than the config's" in capsys.readouterr().err


def test_codewords_are_refitted_in_the_space_of_a_trained_model(trained: Path, tmp_path: Path) -> None:
    """With `kmeans.refit` the codewords are new, but lie where the acoustic half knows its way."""
    for name in ("corpus", "features", "pitch"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "kmeans.refit=true", "codec.learning_rate=0.001"]
    for stage in ("kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20", "kmeans.iterations=2", "seed=1")
    before, after = (codec.load(folder / "model").networks for folder in (trained / "run", tmp_path))
    for old, new in zip(before.codebooks, after.codebooks, strict=True):
        assert old.basis.equal(new.basis)
        assert not old.leaves.equal(new.leaves)
    assert before.semantic.head.weight.equal(after.semantic.head.weight)
    with pytest.raises(ValueError, match=r"kmeans\.refit needs init"):
        TrainConfig.model_validate({"kmeans": {"refit": True}})
    first = next(row for row in metrics(tmp_path / "codec") if MEL in row)
    assert first[MEL] < 1.3 * last_figures(trained / "run" / "codec")[MEL]


def test_a_space_that_is_stretched_reads_the_same(trained: Path, tmp_path: Path) -> None:
    """With `kmeans.spectrum_weight` distances change; what reads features of the old space reads the same of the new one."""
    from train.cli import read_config
    from train.codebooks import assemble

    for name in ("corpus", "features", "pitch"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    model = trained / "run" / "model"
    given = [f"init={model}", f"root={tmp_path}", "kmeans.refit=true", "kmeans.spectrum_weight=0.3", "kmeans.iterations=2"]
    run("kmeans", trained, *given)
    before, after = codec.load(model).networks, assemble(read_config(trained / "config.yaml", given))
    for frames_per_token in before.config.token_lengths:
        features = torch.randn(5, frames_per_token * before.config.semantic.n_features)
        assert not before.codebook(frames_per_token).basis.allclose(after.codebook(frames_per_token).basis, atol=1e-3)
        first, second = (
            networks.decoder.semantic[str(frames_per_token)](networks.codebook(frames_per_token).project(features))
            for networks in (before, after)
        )
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)
        first, second = (
            networks.transform(frames_per_token).predicted(networks.codebook(frames_per_token).project(features)[None])
            for networks in (before, after)
        )
        torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match=r"spectrum_weight needs ssl\.objective=distil"):
        TrainConfig.model_validate({"kmeans": {"spectrum_weight": 0.3}, "ssl": {"objective": "mae"}})


def test_a_trained_encoder_is_trained_on_in_the_space_it_has(trained: Path, tmp_path: Path) -> None:
    """With `ssl.refit` the encoder gets better at its teacher while its features stay where they lay."""
    for name in ("corpus", "pitch"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    shutil.copytree(trained / "run" / "teacher", tmp_path / "teacher")
    features = np.fromfile(tmp_path / "teacher" / "features.f16", "<f2").reshape(-1, 8)
    (-features[:, ::-1]).tofile(tmp_path / "teacher" / "features.f16")  # as another corpus might have turned its components
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "ssl.refit=true", "kmeans.refit=true"]
    for stage in ("ssl", "features", "kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20", "codec.learning_rate=0.001", "kmeans.iterations=2")
    before, after = metrics(trained / "run" / "ssl"), metrics(tmp_path / "ssl")
    heard = "valid/unexplained/teacher"
    assert after[-1][heard] < after[0][heard] < before[0][heard]
    assert after[0]["step"] == 0
    old, new = (codec.load(folder / "model") for folder in (trained / "run", tmp_path))
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    first, second = (model.networks.semantic(model.networks.mel(wave)) for model in (old, new))
    assert not first.equal(second)
    assert torch.nn.functional.cosine_similarity(first - first.mean(1), second - first.mean(1), dim=-1).mean() > 0.5
    with pytest.raises(ValueError, match=r"ssl\.refit needs kmeans\.refit"):
        TrainConfig.model_validate({"init": "default", "ssl": {"refit": True}})


def test_what_whisper_hears_of_the_output_is_a_loss(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("corpus", "features", "pitch"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "codec.steps=4", "codec.hearing=1"]
    with pytest.raises(SystemExit):
        main(["train", "codec", "--config", str(trained / "config.yaml"), *given, "ssl.teacher=nowhere"])
    assert "nowhere: no folder with a CTranslate2 Whisper model" in capsys.readouterr().err
    (tmp_path / "whisper").mkdir()
    write(tmp_path / "whisper", dict(variables(network())))
    run("codec", trained, *given, f"ssl.teacher={tmp_path / 'whisper'}")
    heard = [row["train/loss/hearing"] for row in metrics(tmp_path / "codec") if "train/loss/hearing" in row]
    assert heard
    assert all(0 < value < 3 for value in heard)


def test_a_trained_encoder_moves_to_a_space_of_its_own_and_the_decoder_follows(trained: Path, tmp_path: Path) -> None:
    """With phonemes that choose the teacher's components all tokens are new; a decoder that reads them starts where it was."""
    for name in ("corpus", "pitch"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    shutil.copytree(trained / "run" / "teacher", tmp_path / "teacher")
    features = np.fromfile(tmp_path / "teacher" / "features.f16", "<f2").reshape(-1, 8)
    (-features[:, ::-1]).tofile(tmp_path / "teacher" / "features.f16")
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "ssl.refit=true", "ssl.components=phonemes"]
    for stage in ("ssl", "features", "kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20", "codec.learning_rate=0.001", "kmeans.iterations=2")
    before, after = (codec.load(folder / "model").networks for folder in (trained / "run", tmp_path))
    assert not any(old.basis.allclose(new.basis, atol=1e-3) for old, new in zip(before.codebooks, after.codebooks, strict=True))
    assert not any(
        old.analysis.weight.allclose(new.analysis.weight, atol=1e-3)
        for old, new in zip(before.transforms, after.transforms, strict=True)
    )
    first = next(row for row in metrics(tmp_path / "codec") if MEL in row)
    assert first[MEL] < 1.4 * last_figures(trained / "run" / "codec")[MEL]
    with pytest.raises(ValueError, match=r"kmeans\.refit keeps a space that ssl\.refit .* leaves"):
        TrainConfig.model_validate(
            {"init": "default", "ssl": {"refit": True, "components": "phonemes"}, "kmeans": {"refit": True}}
        )
    with pytest.raises(ValueError, match=r"ssl\.refit needs init"):
        TrainConfig.model_validate({"ssl": {"refit": True}})
