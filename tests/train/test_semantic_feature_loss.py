import torch

from tests.conftest import random_networks
from train.semantic_feature_loss import SemanticFeatureLoss


def test_zero_for_the_same_wave_and_a_gradient_for_the_output_alone() -> None:
    torch.manual_seed(0)
    networks = random_networks().train()
    loss = SemanticFeatureLoss(networks, "fp32")
    target, output = 0.1 * torch.randn(2, 6_400), (0.1 * torch.randn(2, 6_400)).requires_grad_()
    assert loss(target, loss.features(target)).item() < 2e-3
    loss(output, loss.features(target)).backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert all(p.grad is None for p in networks.semantic.parameters())


def test_steps_down_its_gradient_bring_the_features_closer() -> None:
    torch.manual_seed(0)
    loss = SemanticFeatureLoss(random_networks().train(), "fp32")
    target = 0.1 * torch.randn(1, 6_400)
    output = (0.1 * torch.randn(1, 6_400)).requires_grad_()
    optimizer = torch.optim.Adam([output], lr=3e-3)
    first = loss(output, loss.features(target)).item()
    for _ in range(20):
        optimizer.zero_grad()
        loss(output, loss.features(target)).backward()
        optimizer.step()
    assert loss(output, loss.features(target)).item() < 0.8 * first
