from pathlib import Path

import pytest

from codec.hub import build
from tests.conftest import TINY
from train.cli import read_config
from train.config import CodecStage, SemanticStage, TrainConfig
from train.cost import COUNTED_FRAMES, costs, count
from train.cost import main as print_costs

FOLDER = Path(__file__).parents[2] / "train" / "configs"
SHARES = (0.5, 0.3, 0.2)
CONFIGS = sorted(path for path in FOLDER.glob("*.yaml") if not path.stem.startswith("diffusion"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path: Path) -> None:
    config = read_config(path, [])
    assert config.codec.steps > 0
    assert config.ssl.teacher_components + config.ssl.spectrum_components == config.model.semantic.n_features


def test_operations_are_about_six_per_weight_and_frame() -> None:
    """Two for the product, four for its gradients; the pointwise layers hold nearly all weights."""
    import torch

    networks = build(TrainConfig().model)
    weights = sum(p.numel() for p in networks.semantic.backbone.parameters() if p.ndim == 2)
    x = torch.randn(1, COUNTED_FRAMES, networks.config.semantic.dim, requires_grad=True)
    assert count(lambda: networks.semantic.backbone(x)) == pytest.approx(6 * weights * COUNTED_FRAMES, rel=0.05)


def test_twice_the_steps_cost_twice_as_much(capsys: pytest.CaptureFixture[str]) -> None:
    config = TrainConfig(model=TINY, ssl=SemanticStage(objective="mae"), codec=CodecStage(stack_shares=SHARES))
    once, twice = (costs(config.model_copy(update={"codec": CodecStage(steps=n, stack_shares=SHARES)}))[5] for n in (100, 200))
    assert twice.flop == pytest.approx(2 * once.flop)
    assert twice.audio_hours == pytest.approx(2 * once.audio_hours)
    print_costs(FOLDER / "base.yaml")
    assert "| total |" in capsys.readouterr().out


def test_teacher_and_features_cost_what_the_corpus_is_long() -> None:
    config = TrainConfig(
        model=TINY,
        ssl=SemanticStage(teacher=("whisper-tiny", "whisper-medium"), teacher_components=8, spectrum_components=4),
        codec=CodecStage(stack_shares=SHARES),
    )
    teacher, features, *_ = costs(config, corpus_hours=2)
    assert (teacher.stage, features.stage, teacher.audio_hours, features.audio_hours) == ("teacher", "features", 2, 2)
    # 7.6 and 305 M parameters in the encoders' layers, two operations each for each of 50 frames a second, and attention.
    assert 2 * 3600 * 50 * 2 * 309e6 < teacher.flop < 1.4 * 2 * 3600 * 50 * 2 * 309e6
    assert costs(config)[0].flop == 0
