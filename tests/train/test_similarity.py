import numpy as np
import pytest
import torch

from train.similarity import SimilarityLoss, gammatone_bands


def ups_and_downs(seconds: float = 3.0) -> torch.Tensor:
    """Coloured noise whose level rises and falls."""
    rng = np.random.default_rng(0)
    n = round(seconds * 16_000)
    wave = np.cumsum(rng.standard_normal(n))
    wave -= np.convolve(wave, np.ones(400) / 400, "same")
    return torch.tensor(0.05 / wave.std() * wave * (1.2 + np.sin(np.arange(n) / 2000)), dtype=torch.float32)[None]


def test_zero_for_the_same_wave_and_a_gradient_for_the_output_alone() -> None:
    wave = ups_and_downs()
    loss = SimilarityLoss()
    assert abs(loss(wave, wave).item()) < 1e-3
    output = (wave + 0.01 * torch.randn(wave.shape)).requires_grad_()
    loss(output, wave).backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()
    assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.1])
def test_agrees_with_visqol(noise: float) -> None:
    """Its gammatone filters run over time, ours over bins; its structure term has a lower floor."""
    gammatone, nsim = pytest.importorskip("visqol.gammatone"), pytest.importorskip("visqol.nsim")
    from visqol.analysis_window import AnalysisWindow
    from visqol.audio_utils import AudioSignal

    wave = ups_and_downs()
    other = wave + noise * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
    build, window = gammatone.GammatoneSpectrogramBuilder(21, 50.0, True), AnalysisWindow(16_000, 0.25, 0.08)
    spectra = [build.build(AudioSignal(each[0].double().numpy(), 16_000), window) for each in (wave, other)]
    theirs = nsim.measure_patch_similarity(*gammatone.prepare_spectrograms_for_comparison(*spectra)).similarity
    levels = SimilarityLoss().neurogram(wave)[0].T.numpy()[:, 1:]
    assert np.abs(levels - gammatone.convert_to_db(spectra[0].data)[:, 1:]).mean() < 0.3  # dB of amplitude
    assert 1 - SimilarityLoss()(other, wave).item() == pytest.approx(theirs, abs=0.06)


def test_silence_and_full_scale_have_finite_gradients() -> None:
    for target in (torch.zeros(1, 16_000), torch.ones(1, 16_000), ups_and_downs(1.0)):
        for output in (torch.zeros(1, 16_000), 0.5 * torch.randn(1, 16_000)):
            output.requires_grad_()
            loss = SimilarityLoss()(output, target)
            loss.backward()
            assert loss.isfinite()
            assert output.grad is not None
            assert output.grad.isfinite().all()


def test_steps_down_its_gradient_bring_the_waves_closer() -> None:
    wave = ups_and_downs(1.0)
    output = (wave + 0.02 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    optimizer, loss = torch.optim.Adam([output], lr=1e-3), SimilarityLoss()
    first = loss(output, wave).item()
    for _ in range(20):
        optimizer.zero_grad()
        loss(output, wave).backward()
        optimizer.step()
    assert loss(output, wave).item() < 0.8 * first


def test_bands_lie_evenly_on_the_scale_of_hearing() -> None:
    bands = gammatone_bands(1280, 16_000, 21)
    peaks = bands.argmax(0) * 12.5
    assert (peaks.diff() > 0).all()
    assert peaks[0] == 50
    assert 6_500 < peaks[-1] < 8_000
