import torch

from quantizers.acoustic import AcousticQuantizer


def test_codes_and_values_are_two_names_of_one_thing() -> None:
    quantizer = AcousticQuantizer((8, 8, 8, 4, 4))
    quantized = quantizer(torch.randn(4, 500, 5) * 2)
    assert quantized.codes.min() >= 0
    assert quantized.codes.max() < quantizer.codebook_size == 8192
    torch.testing.assert_close(quantizer.decode(quantized.codes), quantized.values)


def test_every_code_is_reachable() -> None:
    quantizer = AcousticQuantizer((4, 3))
    codes = torch.arange(12).view(1, 12)
    assert quantizer.decode(codes).unique(dim=1).shape[1] == 12


def test_gradients_pass_straight_through_the_rounding() -> None:
    quantizer = AcousticQuantizer((8, 8))
    latents = (torch.randn(1, 10, 2) * 0.1).requires_grad_()
    quantizer(latents).values.sum().backward()
    # What is left is the slope of the bounding tanh, at most (levels − 1) / levels · (1 + ε).
    assert ((latents.grad > 0) & (latents.grad < 1.01)).all()
