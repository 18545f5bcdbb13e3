from pathlib import Path

import numpy as np
import pytest
import torch

from codec.config import SemanticConfig
from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from tests.conftest import TINY
from train.config import CodecStage, SemanticStage, TrainConfig
from train.crops import Batch
from train.ssl.distil import Distillation, spectrum, turned_basis
from train.ssl.jepa import JointEmbedding
from train.ssl.mae import MaskedAutoencoding
from train.ssl.objective import hide_spans

MODEL = TINY.model_copy(update={"semantic": SemanticConfig(dim=32, hidden_dim=64, dilations=(1, 2), n_features=12)})


class ToneCrops:
    """Chirps: easy to predict from their neighbours. Stands in for a corpus."""

    def batch(self, index: int) -> Batch:
        generator = torch.Generator().manual_seed(index)
        start, speed = torch.rand(2, 4, 1, generator=generator)
        time = torch.arange(32 * 320) / 16_000
        wave = 0.3 * torch.sin(2 * torch.pi * (300 + 2_000 * start + 3_000 * speed * time) * time)
        frames = wave.view(4, 32, 320)
        return Batch(wave, torch.stack([frames.std(-1), frames.diff(dim=-1).std(-1)] * 4, dim=-1))

    whole_batch = batch


def fit(config: TrainConfig, name: str) -> tuple[list[float], dict[str, float]]:
    torch.manual_seed(0)
    mel, data = LogMel(), ToneCrops()
    encoder = SemanticEncoder(config.model.semantic, 80)
    objective = {
        "mae": lambda: MaskedAutoencoding(config),
        "jepa": lambda: JointEmbedding(config, encoder),
        "distil": lambda: Distillation(config, encoder, mel, data),  # type: ignore[arg-type]
    }[name]()
    optimizer = torch.optim.AdamW([*encoder.parameters(), *objective.module.parameters()], lr=3e-3)
    losses = []
    for step in range(60):
        batch = data.batch(step)
        loss = objective.loss(encoder, mel(batch.wave), batch, hide_spans(config.ssl, 0, step, 4, 32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step(encoder, step)
        losses.append(loss.item())
    with torch.no_grad():
        return losses, objective.validate(encoder, mel(batch.wave), batch)


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    ssl = SemanticStage(teacher_components=8, spectrum_components=4)
    return TrainConfig(root=str(tmp_path), model=MODEL, ssl=ssl, codec=CodecStage(stack_shares=(1, 1, 1)))


@pytest.mark.parametrize("name", ["mae", "jepa", "distil"])
def test_every_objective_learns(config: TrainConfig, name: str) -> None:
    losses, figures = fit(config, name)
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    assert all(np.isfinite(value) for value in figures.values())


def test_jepa_features_do_not_collapse(config: TrainConfig) -> None:
    assert fit(config, "jepa")[1]["spread"] > 0.05


def test_jepa_target_gets_no_gradient_and_follows(config: TrainConfig) -> None:
    encoder = SemanticEncoder(MODEL.semantic, 80)
    objective = JointEmbedding(config, encoder)
    before = objective.module["target"].head.weight.clone()
    with torch.no_grad():
        encoder.head.weight += 1
    objective.after_step(encoder, step=0)
    torch.testing.assert_close(objective.module["target"].head.weight, before + 0.01)
    assert not any(p.requires_grad for p in objective.module["target"].parameters())


def test_hidden_spans_have_their_share_and_depend_on_the_step_alone(config: TrainConfig) -> None:
    hidden = hide_spans(config.ssl, 0, 5, 64, 256)
    assert hidden.shape == (64, 256)
    assert hidden.float().mean() == pytest.approx(0.26, abs=0.04)  # 30 %, less what overlaps
    assert torch.equal(hidden, hide_spans(config.ssl, 0, 5, 64, 256))
    assert not torch.equal(hidden, hide_spans(config.ssl, 0, 6, 64, 256))


def test_spectrum_does_not_know_the_level() -> None:
    wave = torch.randn(1, 6_400) * 0.1
    torch.testing.assert_close(spectrum(LogMel()(wave)), spectrum(LogMel()(wave * 3)), rtol=1e-3, atol=1e-3)


def test_targets_turn_to_where_features_lie() -> None:
    """From features that are shrunken, noisy and turned, the turn is found again; columns stay orthogonal."""
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(4_000, 12, generator=generator) * torch.linspace(3, 0.5, 12)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator))[0]
    features = 0.6 * data[:, :5] @ turn + 0.3 * torch.randn(4_000, 5, generator=generator)
    plain = turned_basis(data, torch.eye(12), 5, 2.0, None)
    basis = turned_basis(data, torch.eye(12), 5, 2.0, features)
    torch.testing.assert_close(basis, plain @ turn, rtol=0, atol=0.02)
    assert (data @ basis).var(0).sum().item() == pytest.approx(2.0)


def test_targets_come_back_with_the_run(config: TrainConfig) -> None:
    """A resumed run keeps its targets, though the encoder that they were turned to may be another by then."""
    stage = config.ssl.model_copy(update={"refit": True})
    objectives = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        encoder = SemanticEncoder(MODEL.semantic, 80)
        objectives.append(Distillation(config.model_copy(update={"ssl": stage}), encoder, LogMel(), ToneCrops()))  # type: ignore[arg-type]
    batch, (first, second) = ToneCrops().batch(7), objectives
    hidden, mel = torch.zeros(4, 32, dtype=torch.bool), LogMel()(batch.wave)
    assert not first.loss(encoder, mel, batch, hidden).equal(second.loss(encoder, mel, batch, hidden))
    second.module.load_state_dict(first.module.state_dict())
    assert first.loss(encoder, mel, batch, hidden).equal(second.loss(encoder, mel, batch, hidden))


def test_every_item_has_something_hidden(config: TrainConfig) -> None:
    for step in range(50):
        assert hide_spans(config.ssl, 0, step, 4, 12).any(1).all()
