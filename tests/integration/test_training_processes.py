"""Several processes under a launcher do what one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from codec.errors import CodecError
from tests.integration.training import ACCELERATE, TORCHRUN, launch, link_stages, metrics, run
from train.codebooks import assemble
from train.parallel import Place

NO_LOSSES = ("step", "seconds", "speed")


def test_features_and_codebooks_of_two_processes_are_those_of_one(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not shared is done once: no point counts twice, no file has two writers."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for folder in ("corpus", "ssl"):
            (tmp_path / name / folder).symlink_to(trained / "run" / folder)
    for stage in ("features", "kmeans"):
        run(stage, trained, f"root={tmp_path / 'one'}")
    alone, shared = capsys.readouterr().out, launch(["features", "kmeans"], trained, tmp_path / "two", TORCHRUN)
    assert alone.count("stack 4 pass 0") == shared.count("stack 4 pass 0") == 1
    for file in ("features/features.f16", "codebooks/codebooks.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    one, two = (json.loads((tmp_path / name / "codebooks" / "report.json").read_text()) for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("stage", "more"),
    [("ssl", []), ("ssl", ["ssl.objective=mae"]), ("codec", ["codec.intelligibility=1"]), ("adversarial", [])],
    ids=str,
)
def test_two_processes_take_the_steps_of_one(trained: Path, tmp_path: Path, stage: str, more: list[str]) -> None:
    """The same command under torchrun, at the same global batch: the same first losses, the same weights after some steps."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        link_stages(trained, tmp_path / name, stage)
    run(stage, trained, f"root={tmp_path / 'one'}", f"{stage}.steps=6", *more)
    launch([stage, f"{stage}.steps=6", *more], trained, tmp_path / "two", TORCHRUN)
    first = [next(row for row in metrics(tmp_path / name / stage) if row["step"] == 1) for name in ("one", "two")]
    losses = [{k: v for k, v in row.items() if k not in NO_LOSSES and not k.startswith("code_")} for row in first]
    assert losses[0]
    # A discriminator divides by the level of what it hears: in soft crops it makes more of how products were rounded.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3 if stage == "adversarial" else 1e-5)
    one, two = (
        torch.load(tmp_path / name / stage / "checkpoint.pt", weights_only=True)["parts"]["model"] for name in ("one", "two")
    )
    fresh = untrained(trained, stage)
    moved, apart = (
        torch.cat([(a[key] - b[key]).flatten() for key in fresh]).norm().item() for a, b in ((one, fresh), (two, one))
    )
    assert moved > 0
    assert apart < 0.08 * moved  # Adam turns rounding of tiny gradients into steps


def test_a_stage_waits_for_what_the_one_before_wrote(trained: Path, tmp_path: Path) -> None:
    link_stages(trained, tmp_path, "codec")
    launch(["codec", "adversarial", "codec.steps=2", "adversarial.steps=2"], trained, tmp_path, TORCHRUN)
    states = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("codec", "adversarial")]
    kept = [{k: v for k, v in state["parts"]["average"].items() if k.startswith("module.acoustic.")} for state in states]
    assert kept[0]
    assert all(torch.equal(value, kept[1][key]) for key, value in kept[0].items())


def test_accelerate_launches_the_same_command(trained: Path, tmp_path: Path) -> None:
    """One process: on processors accelerate leaves several to MPI. What it announces to them is what torchrun announces."""
    for name in ("alone", "launched"):
        (tmp_path / name).mkdir()
        link_stages(trained, tmp_path / name, "codec")
    run("codec", trained, f"root={tmp_path / 'alone'}", "codec.steps=2")
    launch(["codec", "codec.steps=2"], trained, tmp_path / "launched", ACCELERATE)
    alone, launched = (
        {k: v for k, v in metrics(tmp_path / name / "codec")[0].items() if k not in NO_LOSSES} for name in ("alone", "launched")
    )
    assert alone == launched


def untrained(trained: Path, stage: str) -> dict[str, torch.Tensor]:
    """What the trained modules of a stage begin with."""
    from codec.networks.semantic import SemanticEncoder
    from train.autoencoder import Autoencoder
    from train.cli import read_config

    config = read_config(trained / "config.yaml", [])
    if stage == "adversarial":
        state = torch.load(trained / "run" / "codec" / "checkpoint.pt", weights_only=True)["parts"]["average"]
        return {key.removeprefix("module."): value for key, value in state.items()}
    if stage == "codec":
        return Autoencoder(assemble(config), config.precision).state_dict()
    torch.manual_seed(config.seed)
    return SemanticEncoder(config.model.semantic, config.model.mel.n_mels).state_dict()


def test_a_batch_that_cannot_be_shared_is_named() -> None:
    with pytest.raises(CodecError, match="batch_size 5 cannot be divided among 2"):
        Place(0, 2, torch.device("cpu")).share(5)
