from pathlib import Path

import pytest

from codec.networks import Networks
from tests.conftest import TINY
from train.cli import read_config
from train.config import CodecStage, SemanticStage, TrainConfig
from train.cost import COUNTED_FRAMES, costs, count
from train.cost import main as print_costs

FOLDER = Path(__file__).parents[2] / "train" / "configs"
CONFIGS = sorted(path for path in FOLDER.glob("*.yaml") if not path.stem.startswith("diffusion"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid(path: Path) -> None:
    config = read_config(path, [])
    assert config.codec.steps > 0
    assert config.ssl.teacher_components + config.ssl.spectrum_components == config.model.semantic.n_features


def test_operations_are_about_six_per_weight_and_frame() -> None:
    """Two for the product, four for its gradients; the pointwise layers hold nearly all weights."""
    import torch

    networks = Networks(TrainConfig().model)
    weights = sum(p.numel() for p in networks.semantic.backbone.parameters() if p.ndim == 2)
    x = torch.randn(1, COUNTED_FRAMES, networks.config.semantic.dim, requires_grad=True)
    assert count(lambda: networks.semantic.backbone(x)) == pytest.approx(6 * weights * COUNTED_FRAMES, rel=0.05)


def test_twice_the_steps_cost_twice_as_much(capsys: pytest.CaptureFixture[str]) -> None:
    config = TrainConfig(model=TINY, ssl=SemanticStage(objective="mae"))
    once, twice = (costs(config.model_copy(update={"codec": CodecStage(steps=n)}))[1] for n in (100, 200))
    assert twice.flop == pytest.approx(2 * once.flop)
    assert twice.audio_hours == pytest.approx(2 * once.audio_hours)
    print_costs(FOLDER / "base.yaml")
    assert "| total |" in capsys.readouterr().out
