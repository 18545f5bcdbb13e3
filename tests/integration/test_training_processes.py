"""Several processes under a launcher do what one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from codec.errors import CodecError
from tests.integration.training import ACCELERATE, TORCHRUN, launch, link_stages, metrics, run
from train.parallel import Place

NO_LOSSES = ("step", "seconds", "train/speed")


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
    [("ssl", []), ("ssl", ["ssl.objective=mae"]), ("tracker", []), ("codec", [])],
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
    losses = [{k: v for k, v in row.items() if k not in NO_LOSSES} for row in first]
    assert losses[0]
    # Of pitch it is the mean of the processes that counts, each over its own voiced frames.
    assert losses[1]["train/loss"] == pytest.approx(losses[0]["train/loss"], rel=0.1 if stage in ("tracker", "codec") else 1e-5)
    one, two = (
        torch.load(tmp_path / name / stage / "checkpoint.pt", weights_only=True)["parts"]["model"] for name in ("one", "two")
    )
    fresh = untrained(trained, stage)
    moved, apart = (
        torch.cat([(a[key] - b[key]).flatten() for key in fresh]).norm().item() for a, b in ((one, fresh), (two, one))
    )
    assert moved > 0
    # Adam turns rounding of tiny gradients into steps; of the pitch each process has its own voiced frames.
    assert apart < (0.3 if stage == "tracker" else 0.08) * moved


def test_a_stage_waits_for_what_the_one_before_wrote(trained: Path, tmp_path: Path) -> None:
    link_stages(trained, tmp_path, "codec")
    launch(["codec", "export", "codec.steps=2"], trained, tmp_path, TORCHRUN)
    state = torch.load(tmp_path / "codec" / "checkpoint.pt", weights_only=True)["parts"]["average"]
    exported = load_file(tmp_path / "model" / "model.safetensors")
    kept = {key.removeprefix("module."): value for key, value in state.items() if key.startswith("module.decoder.")}
    assert kept
    assert all(torch.equal(value.half(), exported[key]) for key, value in kept.items())


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
    from train.cli import read_config
    from train.voice.data import assemble
    from train.voice.networks import VoiceCodec

    config = read_config(trained / "config.yaml", [])
    if stage == "codec":
        weights = VoiceCodec(assemble(config, "tracker", "vocoder")).state_dict()
        return {key: value for key, value in weights.items() if not key.startswith("transforms.")}  # found from the data
    if stage == "tracker":
        return assemble(config).pitch.state_dict()
    torch.manual_seed(config.seed)
    return SemanticEncoder(config.model.semantic, config.model.mel.n_mels).state_dict()


def test_a_batch_that_cannot_be_shared_is_named() -> None:
    with pytest.raises(CodecError, match="batch_size 5 cannot be divided among 2"):
        Place(0, 2, torch.device("cpu")).share(5)
