import math

import pytest
import torch

from quantizers.acoustic import AcousticQuantizer
from train.usage import CodeUsage


def test_unevenness_of_values_on_levels_is_what_entropy_lacks() -> None:
    quantizer = AcousticQuantizer((8, 4))
    usage = CodeUsage(quantizer, (1, 2))
    codes = torch.distributions.Categorical(torch.arange(32.0)).sample((4, 5000))
    usage.add(codes, stack=2)
    missing = math.log2(32) - usage.report()["code_entropy"]
    assert missing > 0.2
    assert usage.unevenness(quantizer.decode(codes), stack=2).item() == pytest.approx(missing, abs=0.01)


def test_codes_that_no_one_counted_yet_have_one_price() -> None:
    quantizer = AcousticQuantizer((8, 4))
    usage = CodeUsage(quantizer, (1, 2))
    usage.add(torch.zeros(1, 100, dtype=torch.long), stack=1)
    values = quantizer.bound(torch.randn(2, 50, 2)).requires_grad_()
    loss = usage.unevenness(values, stack=2)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    loss.backward()
    assert values.grad is not None
    assert values.grad.abs().max() < 1e-6


def test_going_down_spreads_values_that_depend_on_each_other() -> None:
    torch.manual_seed(0)
    quantizer, stacks = AcousticQuantizer((8, 8, 4)), (1,)
    usage = CodeUsage(quantizer, stacks)
    mix = torch.nn.Parameter(torch.tensor([[1.0, 0.9, 0.5], [0.0, 0.4, 0.2], [0.0, 0.0, 0.3]]))
    optimizer = torch.optim.Adam([mix], lr=0.02)
    entropies = []
    for _ in range(300):
        latents = torch.randn(1, 1000, 3) @ mix
        usage.add(quantizer.encode(latents), stack=1)
        entropies.append(usage.report()["code_entropy"])
        loss = usage.unevenness(quantizer.bound(latents), stack=1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert entropies[0] < 6.2
    assert entropies[-1] > 7.7  # of 8


def test_values_between_levels_cost_what_lies_between() -> None:
    usage = CodeUsage(AcousticQuantizer((4,)), (1,))
    usage.add(torch.tensor([[0] * 90 + [1] * 10]), stack=1)

    def at(place: float) -> float:
        return usage.unevenness(torch.tensor([[[(place - 2) / 2]]]), stack=1).item()

    assert at(0.25) == pytest.approx(0.75 * at(0) + 0.25 * at(1))
    assert at(0) > at(1) > at(2) == at(3)
