import math

import pytest
import torch

from codec.features import LogMel
from codec.networks.convnext import ConvNeXt
from codec.networks.frontend import without_offset
from tests.conftest import TINY, random_networks


def test_receptive_field_is_exact() -> None:
    """An input frame changes outputs up to `receptive_field` frames away, and no further."""
    net = ConvNeXt(8, 16, dilations=(1, 3), kernel_size=5).double().eval()
    for block in net.blocks:
        torch.nn.init.normal_(block.project.weight)
    frames = torch.randn(1, 81, 8, dtype=torch.float64)
    changed = frames.clone()
    changed[0, 40] += torch.randn(8)
    touched = torch.nonzero((net(frames) - net(changed)).abs().sum((0, 2)) > 1e-9)[:, 0]
    assert (touched.min(), touched.max()) == (40 - net.receptive_field, 40 + net.receptive_field)


@pytest.mark.parametrize("frames_per_token", TINY.token_lengths)
@pytest.mark.parametrize("vocab", TINY.vocabs)
def test_shapes_and_ranges(frames_per_token: int, vocab: int) -> None:
    networks = random_networks()
    codes = networks.wave_to_codes(torch.randn(2, 16 * 320 + 2 * networks.edge), frames_per_token, vocab)
    streams = 1 + TINY.n_acoustic[frames_per_token]
    assert codes.shape == (2, streams, 16 // frames_per_token)
    for stream, size in zip(codes.unbind(1), networks.codebook_sizes(vocab)[:streams], strict=True):
        assert 0 <= stream.min() <= stream.max() < size
    for told in range(1, streams + 1):
        assert networks.codes_to_wave(codes[:, :told], frames_per_token, vocab).shape == (2, 16 * 320)


@pytest.mark.parametrize("frames_per_token", TINY.token_lengths)
def test_digits_are_those_of_the_streams(frames_per_token: int) -> None:
    """What entropy coding factors codes into: the pitch, then the code in parts that small tables can count."""
    networks = random_networks()
    assert [math.prod(levels) for levels in networks.levels] == list(networks.codebook_sizes(16)[1:])
    codes = networks.wave_to_codes(torch.randn(1, 16 * 320 + 2 * networks.edge), frames_per_token, 16)
    pitch, rest = codes[:, 1] % networks.levels[0][0], codes[:, 1] // networks.levels[0][0]
    assert pitch.max() < TINY.acoustic.pitch_levels
    assert rest.max() < TINY.acoustic.codebook_sizes[0]


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


def test_offsets_go_and_everything_else_stays_to_the_last_bit() -> None:
    wave = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    wave -= wave.mean(1, keepdim=True)
    assert torch.equal(without_offset(wave), wave)
    late = torch.cat([torch.zeros(2, 8_000), wave + torch.tensor([[0.05], [0.0]])], 1)
    found = without_offset(late)
    assert not found[:, :8_000].any(), "digital silence stays"
    torch.testing.assert_close(found[:, 8_000:], wave, rtol=0, atol=1e-6)
    click = torch.zeros(1, 16_000)
    click[0, 8_000:8_050] = 0.9
    assert torch.equal(without_offset(click), click)
    assert torch.equal(without_offset(late)[:1], without_offset(late[:1]))
    pulses = 0.3 * (torch.sin(torch.arange(16_000) * (2 * torch.pi * 60 / 16_000)) > 0).float()[None]
    torch.testing.assert_close(without_offset(pulses).std(), pulses.std(), rtol=0.01, atol=0)
    late = torch.cat([torch.zeros(1, 8_000), pulses], 1)
    assert not without_offset(late)[:, :8_000].any(), "silence before pulses stays, too"
