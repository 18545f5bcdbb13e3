"""Every stage of a training in bfloat16, as the default config has it, also where the processor gains nothing from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import codec
from codec.audio.io import read_audio
from tests.conftest import DATA
from tests.integration.training import link_stages, metrics, run
from train import progress

Run = tuple[Path, dict[str, set[torch.dtype]]]
"""Its folder, and the types that the layers of each stage gave."""
STAGES = ("ssl", "features", "kmeans", "vocoder", "codec", "export")
STEPS = ("ssl.steps=40", "codec.steps=60", "kmeans.iterations=2")


@pytest.fixture(scope="module")
def in_bfloat16(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root, seen = tmp_path_factory.mktemp("bfloat16"), {stage: set[torch.dtype]() for stage in STAGES}
    link_stages(trained, root, "ssl", "features", "codebooks", "vocoder", "codec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "gains_from_bfloat16", lambda device: True)
        for stage in STAGES:

            def note(layer: nn.Module, _: object, output: object, stage: str = stage) -> None:
                if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)) and isinstance(output, torch.Tensor):
                    seen[stage].add(output.dtype)

            hook = nn.modules.module.register_module_forward_hook(note)
            try:
                run(stage, trained, f"root={root}", "precision=bf16", *STEPS)
            finally:
                hook.remove()
    return root, seen


@pytest.mark.parametrize("stage", ["ssl", "features", "vocoder", "codec"])
def test_layers_run_in_bfloat16(in_bfloat16: Run, stage: str) -> None:
    assert torch.bfloat16 in in_bfloat16[1][stage]


def test_losses_fall_as_they_do_in_single_precision(trained: Path, in_bfloat16: Run) -> None:
    for stage, figure in (("ssl", "valid/unexplained/teacher"), ("codec", "valid/mel/speech/100")):
        half, single = (
            {row["step"]: row[figure] for row in metrics(folder / stage) if figure in row}
            for folder in (in_bfloat16[0], trained / "run")
        )
        assert half[max(half)] < half[min(half)]
        both = half.keys() & single.keys()
        assert max(both) >= 40
        assert {step: half[step] for step in both} == pytest.approx({step: single[step] for step in both}, rel=0.05)


def test_weights_stay_in_single_precision(in_bfloat16: Run) -> None:
    for stage in ("ssl", "vocoder", "codec"):
        parts = torch.load(in_bfloat16[0] / stage / "checkpoint.pt", weights_only=True)["parts"]
        assert {value.dtype for value in parts["model"].values() if value.is_floating_point()} == {torch.float32}, stage


def test_the_model_encodes_and_decodes(in_bfloat16: Run) -> None:
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    model = codec.load(in_bfloat16[0] / "model")
    assert model.decode(model.encode(wave, 16_000)).isfinite().all()
