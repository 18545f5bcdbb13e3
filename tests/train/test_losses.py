"""Magnitudes that losses are built on."""

import torch

from train.losses import MultiScaleMelLoss, magnitude


def spectrum(wave: torch.Tensor) -> torch.Tensor:
    return torch.stft(wave, 512, 128, window=torch.hann_window(512), return_complex=True)


def test_magnitude_and_its_gradient_are_those_of_abs() -> None:
    wave = torch.randn(2, 4000, dtype=torch.float64)
    ours, theirs = wave.float().requires_grad_(), wave.float().requires_grad_()
    torch.testing.assert_close(magnitude(spectrum(ours)), spectrum(theirs).abs())
    magnitude(spectrum(ours)).sum().backward()
    spectrum(theirs).abs().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_silence_has_a_finite_gradient() -> None:
    wave = torch.zeros(1, 4000, requires_grad=True)
    MultiScaleMelLoss()(wave, torch.randn(1, 4000)).backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_a_wave_that_is_no_number_is_no_number() -> None:
    assert magnitude(torch.tensor([complex(float("nan"), 0.0)])).isnan().all()
