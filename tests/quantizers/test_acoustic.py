import subprocess
import sys

import pytest
import torch
from vector_quantize_pytorch import FSQ

from quantizers.acoustic import AcousticQuantizer

LEVELS = [(8, 8, 8, 4, 4), (8, 5, 5), (3, 4), (7,)]


@pytest.mark.parametrize("levels", LEVELS)
def test_agrees_with_vector_quantize_pytorch(levels: tuple[int, ...]) -> None:
    quantizer, other = AcousticQuantizer(levels), FSQ(list(levels))
    latents = torch.randn(4, 5_000, len(levels)) * 2
    values, codes = other(latents)
    quantized = quantizer(latents)
    assert torch.equal(quantized.codes, codes.long())
    torch.testing.assert_close(quantized.values, values)
    every = torch.arange(quantizer.codebook_size).view(1, -1)
    torch.testing.assert_close(quantizer.decode(every), other.indices_to_codes(every))


@pytest.mark.parametrize("levels", LEVELS)
def test_training_and_inference_agree(levels: tuple[int, ...]) -> None:
    quantizer = AcousticQuantizer(levels)
    latents = torch.randn(2, 500, len(levels))
    training, inference = quantizer(latents.requires_grad_()), quantizer(latents.detach())
    assert torch.equal(training.codes, inference.codes)
    torch.testing.assert_close(training.values.detach(), inference.values)


def test_every_code_is_reachable() -> None:
    quantizer = AcousticQuantizer((8, 4, 3))
    assert quantizer.encode(torch.randn(1, 50_000, 3) * 3).unique().numel() == quantizer.codebook_size == 96


def test_gradients_pass_straight_through_the_rounding() -> None:
    quantizer = AcousticQuantizer((8, 8))
    latents = (torch.randn(1, 10, 2) * 0.1).requires_grad_()
    quantizer(latents).values.sum().backward()
    # What is left is the slope of the bounding tanh, at most (levels − 1) / levels · (1 + ε).
    assert ((latents.grad > 0) & (latents.grad < 1.01)).all()


def test_inference_does_not_wait_for_the_training_package() -> None:
    script = "import sys, codec; codec.load; print('vector_quantize_pytorch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"
