"""Training of the published architecture: schedule, targets, and a tiny run whose loss falls and which can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from diffusers import DDPMScheduler

import codec
from codec.errors import CodecError, ModelError
from codec.networks.samplers import Sampling, ddim_table
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.model import OfficialCodec
from codec.semanticodec.networks import build_vae, build_vocoder
from tests.conftest import DATA
from train.diffusion.config import DiffusionConfig
from train.diffusion.model import DiffusionModel, Frozen
from train.diffusion.run import train
from train.diffusion.schedule import zero_terminal_cosine
from train.diffusion.targets import normalise, vocoder_mel

SIZES = PublishedConfig(
    stack=1, dim=12, depth=3, heads=2, lstm_layers=1, codebook_size=16, vocabs=(4096, 8192),
    unet_channels=(32, 32, 32, 32), vae_channels=(32, 32, 32), vocoder_channels=32,
)  # fmt: skip


def frozen() -> Frozen:
    torch.manual_seed(0)
    encoder, vae = Encoder(SIZES), build_vae(SIZES)
    # A trained autoencoder is sure of its latents, and they have unit variance.
    with torch.no_grad():
        vae.quant_conv.weight[8:], vae.quant_conv.bias[8:] = 0.0, -20.0
        wave = torch.from_numpy(soundfile.read(DATA / "speech.flac", dtype="float32")[0][None, :10_240])
        scale = 1 / float(vae.encode(vocoder_mel(normalise(wave)).unsqueeze(1)).latent_dist.mean.std())
    centroids = {vocab: torch.randn(vocab, SIZES.feature_dim) for vocab in SIZES.vocabs}
    networks = (encoder.audiomae, vae, build_vocoder(SIZES))
    return Frozen(*(network.eval().requires_grad_(False) for network in networks), centroids, scale)


def test_the_schedule_ends_in_pure_noise_as_the_librarys_does() -> None:
    ours = zero_terminal_cosine()
    assert float(ours.alphas_cumprod[-1]) == 0
    assert (ours.alphas_cumprod.diff() < 0).all()
    time = np.arange(1001) / 1000
    bar = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.clip(1 - bar[1:] / bar[:-1], 0, 1 - 1e-12)
    theirs = DDPMScheduler(trained_betas=betas, rescale_betas_zero_snr=False).alphas_cumprod.double().sqrt()
    theirs = (theirs - theirs[-1]) * theirs[0] / (theirs[0] - theirs[-1])
    torch.testing.assert_close(ours.sqrt_alphas_cumprod.double(), theirs, atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.sqrt_one_minus_alphas_cumprod**2 + ours.alphas_cumprod, torch.ones(1000))
    assert np.isfinite(ddim_table(ours.alphas_cumprod, 50, 1.0).sigmas).all()


def test_targets_have_a_frame_for_every_hop() -> None:
    wave = normalise(torch.randn(2, 163_840) + 3)
    assert wave.abs().amax(1).tolist() == pytest.approx([0.5, 0.5])
    assert wave.mean(1).abs().max() < 1e-3
    mel = vocoder_mel(wave)
    assert mel.shape == (2, 1024, 64)
    assert vocoder_mel(torch.zeros(1, 1600)).max() == pytest.approx(np.log(1e-5))


def test_hidden_tokens_leave_no_gradient_on_the_acoustic_encoder_but_the_commitment() -> None:
    model = DiffusionModel(SIZES, zero_terminal_cosine(), drop=1 - 1e-9)
    features, latents = torch.randn(1, 8, SIZES.feature_dim), torch.randn(1, 8, 8, 16)
    with torch.no_grad():
        outputs = [
            model.eval()(features + shift, latents, torch.randn(8, SIZES.feature_dim), torch.Generator().manual_seed(3))[0]
            for shift in (0.0, 5.0)
        ]
    assert outputs[0] == outputs[1]


def test_a_tiny_run_learns_and_resumes(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.run.LOG_EVERY", 1)
    config = DiffusionConfig(
        root=str(tmp_path / "run"), corpus=str(corpus), checkpoint="", vocabs=(4096, 8192), weights={"speech": 1.0},
        seconds=0.64, steps=30, batch_size=4, learning_rate=2e-3, warmup=5, save_every=10,
    )  # fmt: skip
    folder = train(config, frozen(), SIZES)
    losses = [json.loads(line)["train/loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 30
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:4])
    train(config.model_copy(update={"steps": 31}), frozen(), SIZES)
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == 31
    assert len(steps) == 31
    _the_export_is_a_codec(folder)


def _the_export_is_a_codec(folder: Path) -> None:
    wave = soundfile.read(DATA / "speech.flac", dtype="float32")[0][:16_000]
    for compat in (True, False):
        model = codec.load(str(folder / "model"), rate=100, vocab=4096, compat=compat)
        assert isinstance(model, OfficialCodec)
        model.sampling = Sampling("dpm", steps=2)
        tokens = model.encode(wave, 16_000)
        assert model.decode(tokens, seed=0).isfinite().all()
    assert model.vocabs == (4096, 8192)
    # The trained networks are in it: averaged weights, and the codebook as training left it.
    state = torch.load(folder / "checkpoint.pt", weights_only=True)["parts"]
    books = model._codebooks(100, 4096)
    torch.testing.assert_close(books.acoustic, state["model"]["quantiser._codebook.embed"][0])
    weight = model._encoder(100).acoustic.output.weight
    torch.testing.assert_close(weight, state["average"]["module.acoustic.output.weight"])
    description = folder / "model" / "semanticodec_tokenrate_100" / "encoder" / "config.json"
    whole = json.loads(description.read_text())
    for bad, message in ((whole | {"sizes": {"stack": 3}}, "sizes"), ({}, "fingerprint"), ("nonsense", "does not describe")):
        description.write_text(bad if isinstance(bad, str) else json.dumps(bad))
        with pytest.raises(ModelError, match=message) as caught:
            codec.load(str(folder / "model"), rate=100)
        assert "\n" not in str(caught.value)


def test_crops_must_hold_whole_blocks(corpus: Path, tmp_path: Path) -> None:
    config = DiffusionConfig(root=str(tmp_path), corpus=str(corpus), checkpoint="", seconds=0.5)
    with pytest.raises(CodecError, match="whole blocks"):
        train(config, frozen(), SIZES)


def test_the_papers_config_is_valid() -> None:
    config = DiffusionConfig.read(yaml.safe_load(Path("train/configs/diffusion.yaml").read_text()))
    assert (config.steps, config.batch_size, config.learning_rate, config.warmup) == (500_000, 48, 1e-4, 5_000)
