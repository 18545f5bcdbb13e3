import pytest
import torch

from train.balancer import Balancer
from train.discriminator import MultiResolutionDiscriminator, adversarial_loss, discriminator_loss, feature_loss


def test_balanced_gradients_have_the_shares_of_their_weights() -> None:
    """However large a loss is, only its weight counts."""
    for scale in (1e-4, 1.0, 1e4):
        output = torch.randn(2, 100, requires_grad=True)
        identity = output * 1.0
        balancer = Balancer({"a": 3.0, "b": 1.0})
        balancer.total({"a": scale * identity[0].sum(), "b": identity[1].square().sum()}, identity).backward()
        assert output.grad[0].norm().item() == pytest.approx(0.75, rel=1e-4)
        assert output.grad[1].norm().item() == pytest.approx(0.25, rel=1e-4)


def test_balancer_survives_a_loss_without_gradient() -> None:
    output = torch.randn(1, 10, requires_grad=True)
    balancer = Balancer({"a": 1.0, "b": 1.0})
    balancer.total({"a": (output * 0).sum(), "b": output.sum()}, output).backward()
    assert torch.isfinite(output.grad).all()


def test_balancer_hands_on_what_is_no_number() -> None:
    """Left out in silence, a loss would be missed only by the ear."""
    output = torch.zeros(1, 10, requires_grad=True)
    balancer = Balancer({"a": 1.0, "b": 1.0})
    identity = output * 1.0
    balancer.total({"a": identity.sqrt().sum() * 0, "b": identity.sum()}, identity).backward()
    assert not torch.isfinite(output.grad).any()


def test_balancer_state_comes_back() -> None:
    first, second = Balancer({"a": 1.0}), Balancer({"a": 1.0})
    output = torch.randn(1, 10, requires_grad=True)
    first.total({"a": output.square().sum()}, output).backward()
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict() != {}


def test_discriminator_learns_to_tell_noise_from_tones() -> None:
    torch.manual_seed(0)
    judge = MultiResolutionDiscriminator(n_ffts=(512, 256), channels=4)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    time = torch.arange(4_000) / 16_000
    losses = []
    for _ in range(40):
        real = 0.1 * torch.sin(2 * torch.pi * (200 + 2_000 * torch.rand(4, 1)) * time)
        fake = 0.07 * torch.randn(4, 4_000)
        loss = discriminator_loss(judge(real), judge(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    with torch.no_grad():
        assert adversarial_loss(judge(real)) < adversarial_loss(judge(fake))
        assert feature_loss(judge(real), judge(real)) == 0
        assert feature_loss(judge(real), judge(fake)) > 0.1
