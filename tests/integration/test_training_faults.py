"""What ends a training: kills, full disks, numbers that are none, stages in the wrong order or with another config."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from codec.cli import main
from tests.faults import codec as command
from tests.faults import in_small_folder, kill_when
from tests.integration.training import link_stages, run


@pytest.mark.parametrize(("stage", "step"), [("ssl", 33), ("codec", 70), ("tracker", 40)])
def test_a_killed_run_ends_like_an_unbroken_one(trained: Path, tmp_path: Path, stage: str, step: int) -> None:
    """Stopped after a checkpoint and started again: the same weights, bit for bit."""
    module = importlib.import_module("train.loop")
    other = tmp_path / "run"
    other.mkdir()
    link_stages(trained, other, stage)
    real = module.check_finite

    class KilledError(Exception):
        pass

    def killing(loss: torch.Tensor, at: int, run: object) -> None:
        if at == step:
            raise KilledError
        real(loss, at, run)

    module.check_finite = killing  # type: ignore[attr-defined]
    try:
        with pytest.raises(KilledError):
            main(["train", stage, "--config", str(trained / "config.yaml"), f"root={other}"])
    finally:
        module.check_finite = real  # type: ignore[attr-defined]
    run(stage, trained, f"root={other}")
    states = [torch.load(root / stage / "checkpoint.pt", weights_only=True) for root in (trained / "run", other)]
    for part in ("model", "average"):
        for key, value in states[0]["parts"][part].items():
            assert torch.equal(value, states[1]["parts"][part][key]), key


@pytest.mark.parametrize("stage", ["ssl", "codec"])
def test_a_gradient_that_is_no_number_reaches_no_weight(
    trained: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite; the gradient of one weight is not, from step 3 on."""
    link_stages(trained, tmp_path, stage)
    calls = []

    def spoil(parameters: Iterable[torch.nn.Parameter]) -> None:
        calls.append(stage)
        if len(calls) > 3:
            next(p for p in parameters if p.grad is not None).grad.view(-1)[0] = float("nan")  # type: ignore[union-attr]

    monkeypatch.setattr("train.loop.average_gradients", spoil)
    with pytest.raises(SystemExit):
        main(["train", stage, "--config", str(trained / "config.yaml"), f"root={tmp_path}", f"{stage}.save_every=1"])
    state = torch.load(tmp_path / stage / "checkpoint.pt", weights_only=True)
    assert state["step"] == 3
    for part in ("model", "average"):
        assert all(value.isfinite().all() for value in state["parts"][part].values())


def test_training_killed_outright_goes_on(trained: Path, tmp_path: Path) -> None:
    """SIGKILL to the command, then the same command again: the weights of the unbroken run, nothing half written."""
    other = tmp_path / "run"
    other.mkdir()
    link_stages(trained, other, "codec")
    checkpoint = other / "codec" / "checkpoint.pt"
    kill_when(command("train", "codec", "--config", trained / "config.yaml", f"root={other}"), checkpoint.is_file)
    assert torch.load(checkpoint, weights_only=True)["step"] == 50
    run("codec", trained, f"root={other}")
    weights = [
        torch.load(root / "codec" / "checkpoint.pt", weights_only=True)["parts"]["average"] for root in (trained / "run", other)
    ]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert not list(other.rglob("*.new"))


def test_too_little_audio_for_the_codebooks_is_said_in_one_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("corpus", "ssl", "features"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    for override, message in (
        ("model.vocabs=[4096,8192]", "add audio, or lower model.vocabs"),
        ("kmeans.shares={speech: 1}", "no share for music"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", "kmeans", "--config", str(trained / "config.yaml"), f"root={tmp_path}", override])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "folder", "message"),
    [("corpus", "corpus", "No space left"), ("features", "features", "cannot take"), ("kmeans", "codebooks", "No space left")],
)
def test_a_full_disk_is_said_in_one_line(trained: Path, tmp_path: Path, stage: str, folder: str, message: str) -> None:
    link_stages(trained, tmp_path, *{"codec", folder})
    (tmp_path / folder).mkdir()
    words = command("train", stage, "--config", trained / "config.yaml", f"root={tmp_path}")
    done = in_small_folder(words, tmp_path / folder, "8k")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / f"{stage}.json").exists() or stage in ("corpus", "kmeans")


def test_what_another_config_made_is_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link_stages(trained, tmp_path, "corpus")
    shutil.copytree(trained / "run" / "corpus", tmp_path / "corpus")
    given = ["--config", str(trained / "config.yaml"), f"root={tmp_path}"]
    for stage, key, value in (
        ("corpus", "corpus.sources", "[/elsewhere]"),
        ("features", "ssl.steps", "61"),
        ("kmeans", "kmeans.iterations", "5"),
    ):
        shutil.copy(trained / "run" / f"{stage}.json", tmp_path)
        record = json.loads((tmp_path / f"{stage}.json").read_text())
        assert record["seconds"] > 0
        assert record["revision"]
        with pytest.raises(SystemExit) as caught:
            main(["train", stage, *given, f"{key}={value}"])
        assert caught.value.code == 2
        assert f"made with another config ({key} differ)" in capsys.readouterr().err
        run(stage, trained, f"root={tmp_path}")
        assert "done already" in capsys.readouterr().out
    (tmp_path / "corpus" / "perturbed.json").unlink()  # as if it had been stopped halfway
    with pytest.raises(SystemExit):
        main(["train", "corpus", *given, "corpus.sources=[/elsewhere]"])
    assert "corpus.sources differ" in capsys.readouterr().err
    (tmp_path / "kmeans.json").unlink()  # as older runs have none
    run("kmeans", trained, f"root={tmp_path}", "kmeans.iterations=5")
    assert "done already" in capsys.readouterr().out


def test_a_missing_teacher_is_found_before_the_corpus_is_built(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--config", str(trained / "config.yaml"), f"root={tmp_path / 'new'}", "ssl.teacher=nowhere"])
    assert caught.value.code == 2
    assert "no folder with a CTranslate2 Whisper model" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_stages_out_of_order_say_what_is_missing(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage, message in (
        ("ssl", "no corpus here"),
        ("kmeans", "no corpus here"),
        ("codec", "run codec train kmeans first"),
        ("export", "run codec train kmeans first"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", stage, "--config", str(trained / "config.yaml"), f"root={tmp_path / 'none'}"])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err
    link_stages(trained, tmp_path, "features", "codebooks")
    with pytest.raises(SystemExit):
        main(["train", "kmeans", "--config", str(trained / "config.yaml"), f"root={tmp_path}"])
    assert "no finished feature cache here; run codec train features first" in capsys.readouterr().err


def test_parts_that_do_not_belong_together_are_named(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An encoder made anew after its features, an export with another config or of a decoder upon another encoder."""
    given = ["--config", str(trained / "config.yaml"), f"root={tmp_path}"]

    def refused(*words: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["train", *words, *given])
        assert caught.value.code == 2
        return capsys.readouterr().err

    link_stages(trained, tmp_path, "ssl")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("corpus", "teacher"):
        (other / name).symlink_to(trained / "run" / name)
    run("ssl", trained, f"root={other}", "seed=1", "ssl.steps=2")
    (tmp_path / "ssl").symlink_to(other / "ssl")
    assert "codebooks: made from another encoder" in refused("codec")
    (tmp_path / "codebooks").unlink()
    assert "features: made from another encoder" in refused("kmeans")

    (tmp_path / "ssl").unlink()
    for name in ("ssl", "codebooks"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    assert "codec: holds a run with another config (codec.drop_acoustic differ)" in refused("export", "codec.drop_acoustic=0.5")
    (tmp_path / "codec").unlink()
    shutil.copytree(trained / "run" / "codec", tmp_path / "codec")
    about = json.loads((tmp_path / "codec" / "config.json").read_text())
    (tmp_path / "codec" / "config.json").write_text(json.dumps(about | {"upon": "another"}))
    assert "codec: holds a run upon the weights of other stages" in refused("export")
