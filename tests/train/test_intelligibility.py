import pytest
import torch

from codec.audio.io import read_audio, resample
from tests.conftest import DATA
from train.intelligibility import IntelligibilityLoss


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    wave, rate = read_audio(DATA / "speech.flac")
    return torch.from_numpy(resample(wave.mean(0, keepdims=True), rate, 16_000)[:, :64_000])


@pytest.mark.parametrize("noise", [0.003, 0.02, 0.1])
def test_agrees_with_pystoi(speech: torch.Tensor, noise: float) -> None:
    """It resamples to 10 kHz, and counts steady segments like others."""
    stoi = pytest.importorskip("pystoi").stoi
    other = speech + noise * torch.randn(speech.shape, generator=torch.Generator().manual_seed(0))
    theirs = stoi(speech[0].double().numpy(), other[0].double().numpy(), 16_000)
    assert 1 - IntelligibilityLoss()(other, speech).item() == pytest.approx(theirs, abs=0.03)


def test_levels_do_not_matter_and_ups_and_downs_do(speech: torch.Tensor) -> None:
    loss = IntelligibilityLoss()
    assert loss(0.1 * speech, speech).item() == pytest.approx(0, abs=1e-3)
    smeared = torch.nn.functional.avg_pool1d(speech, 9, 1, 4)
    assert loss(torch.randn(speech.shape), speech) > 0.5 > loss(smeared, speech) > 0.01


def test_steady_tones_and_silence_ask_for_nothing() -> None:
    tone = 0.1 * torch.sin(torch.arange(32_000) * 0.3)[None]
    pulses = tone * (1 + torch.sin(torch.arange(32_000) / 700))
    loss = IntelligibilityLoss()
    wrong = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0))
    assert loss(wrong, torch.zeros(1, 32_000)).item() == 0
    weights = [loss.envelopes(wave) for wave in (tone, pulses)]
    moves = [(each - each.mean(-1, keepdim=True)).square().sum() / each.square().sum() for each in weights]
    assert moves[0] < 0.01 < 0.1 < moves[1]


def test_gradients_are_finite_at_silence_and_full_scale(speech: torch.Tensor) -> None:
    for target in (torch.zeros(1, 16_000), torch.ones(1, 16_000), speech[:, :16_000]):
        for output in (torch.zeros(1, 16_000), 0.5 * torch.randn(1, 16_000)):
            output.requires_grad_()
            loss = IntelligibilityLoss()(output, target)
            loss.backward()
            assert loss.isfinite()
            assert output.grad is not None
            assert output.grad.isfinite().all()


def test_steps_down_its_gradient_bring_the_waves_closer(speech: torch.Tensor) -> None:
    wave = speech[:, 16_000:32_000]
    output = (wave + 0.02 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    optimizer, loss = torch.optim.Adam([output], lr=1e-3), IntelligibilityLoss()
    first = loss(output, wave).item()
    for _ in range(20):
        optimizer.zero_grad()
        loss(output, wave).backward()
        optimizer.step()
    assert loss(output, wave).item() < 0.7 * first
