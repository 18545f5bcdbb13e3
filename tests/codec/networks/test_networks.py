import pytest
import torch

from codec.features import LogMel
from codec.networks.convnext import ConvNeXt
from codec.networks.decoder import ISTFTHead
from tests.conftest import TINY, random_networks


def test_reach_is_exact() -> None:
    """An input frame changes outputs up to `receptive_field` frames away, and no further."""
    net = ConvNeXt(8, 16, dilations=(1, 3), kernel_size=5).double().eval()
    for block in net.blocks:
        torch.nn.init.normal_(block.project.weight)
    frames = torch.randn(1, 81, 8, dtype=torch.float64)
    changed = frames.clone()
    changed[0, 40] += torch.randn(8)
    touched = torch.nonzero((net(frames) - net(changed)).abs().sum((0, 2)) > 1e-9)[:, 0]
    assert (touched.min(), touched.max()) == (40 - net.receptive_field, 40 + net.receptive_field)


@pytest.mark.parametrize("stack", TINY.stacks)
def test_windows_with_context_equal_one_pass(stack: int) -> None:
    """Receptive fields are handled exactly, in float64 where rounding cannot hide a mistake."""
    networks = random_networks().double()
    frames, hop, edge = 256, TINY.hop_length, networks.mel.edge
    wave = torch.randn(1, frames * hop, dtype=torch.float64) * 0.1
    codes = networks.mel_to_codes(networks.mel(wave), stack, 128)
    decoded = networks.codes_to_wave(codes, stack, 128)
    padded = torch.nn.functional.pad(wave, (edge, edge))
    start, stop = 96, 160
    left, right = start - networks.encoder_context, stop + networks.encoder_context
    part = padded[:, left * hop : right * hop + 2 * edge]
    window = networks.mel_to_codes(networks.mel(part, padded=True), stack, 128)
    at = networks.encoder_context // stack
    assert torch.equal(window[:, :, at : at + (stop - start) // stack], codes[:, :, start // stack : stop // stack])
    left, right = start - networks.decoder_context, stop + networks.decoder_context
    around = networks.codes_to_wave(codes[:, :, left // stack : right // stack], stack, 128)
    inside = around[:, networks.decoder_context * hop :][:, : (stop - start) * hop]
    torch.testing.assert_close(inside, decoded[:, start * hop : stop * hop], rtol=1e-9, atol=1e-9)


def test_decoder_context_is_needed() -> None:
    """The test above could not tell if contexts were simply huge: one frame fewer must show."""
    networks = random_networks().double()
    for block in networks.decoder.backbone.blocks:
        torch.nn.init.normal_(block.project.weight)
        block.scale.data.fill_(1.0)
    reach, hop = networks.decoder.receptive_field, TINY.hop_length
    codes = torch.randint(0, 128, (1, 2, 200))
    whole = networks.codes_to_wave(codes, 1, 128)
    for context, same in ((reach, True), (reach - 1, False)):
        at = 100 + context  # windows begin at a multiple of the head's period
        part = networks.codes_to_wave(codes[:, :, 100 : at + 1 + context], 1, 128)
        inside = part[:, context * hop : (context + 1) * hop]
        assert torch.allclose(inside, whole[:, at * hop : (at + 1) * hop], rtol=1e-9, atol=1e-9) == same


@pytest.mark.parametrize("stack", TINY.stacks)
@pytest.mark.parametrize("vocab", TINY.vocabs)
def test_shapes_and_ranges(stack: int, vocab: int) -> None:
    networks = random_networks()
    codes = networks.mel_to_codes(networks.mel(torch.randn(2, 16 * 320)), stack, vocab)
    assert codes.shape == (2, 2, 16 // stack)
    assert codes[:, 0].max() < vocab
    assert networks.codes_to_wave(codes, stack, vocab).shape == (2, 16 * 320)
    assert networks.codes_to_wave(codes[:, :1], stack, vocab).shape == (2, 16 * 320)


def test_istft_head_inverts_an_stft() -> None:
    head = ISTFTHead(4, 1280, 320)
    wave = torch.randn(1, 320 * 50)
    edge = (1280 - 320) // 2
    frames = torch.nn.functional.pad(wave, (edge, edge)).unfold(1, 1280, 320) * head.window
    spectrum = torch.fft.rfft(frames)
    head.project = torch.nn.Identity()
    turns = head.turns.repeat(13, 1)[:50]
    back = head(torch.cat([spectrum.abs().clamp_min(1e-9).log(), spectrum.angle() - turns], dim=-1))
    torch.testing.assert_close(back, wave, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("frequency", [200.0, 212.5, 225.0, 237.5, 3_987.5])
def test_constant_phases_are_a_steady_tone_at_every_bin(frequency: float) -> None:
    head = ISTFTHead(4, 1280, 320)
    head.project = torch.nn.Identity()
    log_magnitude = torch.full((1, 40, 641), -30.0)
    log_magnitude[..., round(frequency / 12.5)] = 5.0
    wave = head(torch.cat([log_magnitude, torch.zeros_like(log_magnitude)], dim=-1))[0, 3_200:-3_200]
    envelope = wave.unfold(0, 320, 320).square().mean(1).sqrt()
    assert envelope.std() < 0.02 * envelope.mean()
    spectrum = torch.fft.rfft(wave[:6_400] * torch.hann_window(6_400)).abs()
    assert spectrum.argmax() * 2.5 == frequency


def test_log_mel_agrees_with_librosa_style_reference() -> None:
    """Second implementation: explicit frames, explicit Fourier sums, the same filter bank."""
    mel = LogMel()
    wave = torch.randn(1, 1600)
    padded = torch.nn.functional.pad(wave, (mel.edge, mel.edge))[0].double()
    basis = torch.exp(-2j * torch.pi * torch.outer(torch.arange(513), torch.arange(1024)) / 1024)
    window = torch.hann_window(1024).double()
    spectra = torch.stack([(basis @ (padded[i * 160 : i * 160 + 1024] * window).to(basis.dtype)).abs() for i in range(10)])
    expected = (spectra.double() @ mel.mel.mel_scale.fb.double()).clamp_min(1e-5).log10()
    torch.testing.assert_close(mel(wave)[0].double(), expected, rtol=1e-4, atol=1e-4)
