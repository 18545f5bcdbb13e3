from dataclasses import replace

import torch

from train.discriminator import adversarial_loss, discriminator_loss, feature_loss
from train.voice.discriminators import Discriminators


def discriminators() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators(16_000, n_ffts=(512, 256), channels=4)


def test_the_envelope_and_every_window_length_are_judged() -> None:
    found = discriminators()(0.1 * torch.randn(2, 8_000))
    assert len(found) == 3
    for judgement in found:
        assert judgement.logits.shape[:2] == (2, 1)
        assert len(judgement.maps) == 4
        assert all(map_.isfinite().all() for map_ in judgement.maps)


def test_phases_are_nobodys() -> None:
    """Upside down or backwards in every frame, a sound has the same spectrogram."""
    wave = 0.1 * torch.randn(1, 8_000)
    for mine, theirs in zip(discriminators()(wave), discriminators()(-wave), strict=True):
        torch.testing.assert_close(mine.logits, theirs.logits)


def test_silence_is_judged_without_accident() -> None:
    wave = torch.zeros(1, 8_000, requires_grad=True)
    adversarial_loss(discriminators()(wave)).backward()
    assert wave.grad is not None
    assert wave.grad.isfinite().all()


def test_losses_at_their_ends() -> None:
    judge, wave = discriminators(), 0.1 * torch.randn(1, 8_000)
    same = judge(wave)
    assert feature_loss(same, same).item() == 0
    sure = [replace(judgement, logits=torch.full_like(judgement.logits, 3.0)) for judgement in same]
    never = [replace(judgement, logits=torch.full_like(judgement.logits, -3.0)) for judgement in same]
    assert discriminator_loss(sure, never).item() == 0
    assert discriminator_loss(never, sure).item() == 8
    assert adversarial_loss(sure).item() == 0
    assert adversarial_loss(never).item() == 4


def test_a_few_steps_tell_noise_from_a_tone() -> None:
    judge = discriminators()
    optimizer = torch.optim.AdamW(judge.parameters(), 3e-3)
    tone = 0.1 * torch.sin(0.2 * torch.arange(8_000.0))[None]
    losses = []
    for _ in range(15):
        loss = discriminator_loss(judge(tone), judge(0.1 * torch.randn(1, 8_000)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
