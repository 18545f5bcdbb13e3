"""Encoders that bring their own architecture: tiny sizes, random weights, saved as their authors save them."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchaudio
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

from codec.errors import CodecError
from codec.semanticodec.audiomae import AudioMAE, Block
from codec.semanticodec.frontend import filter_bank
from eval.semantics.embeddings import open_embedder
from eval.semantics.embeddings.beats import BEATs, BEATsConfig
from eval.semantics.embeddings.pipelines import bundle_encoder
from eval.semantics.interface import Embedder

BEATS = BEATsConfig(
    embed_dim=8, encoder_layers=2, encoder_embed_dim=16, encoder_ffn_embed_dim=24, encoder_attention_heads=2, conv_pos_groups=4
)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def check(embedder: Embedder, samples: int, frames: int) -> None:
    alone = embedder.embed([noise(samples)], 16_000)[0]
    assert alone.shape == (frames, embedder.dim)
    assert np.isfinite(alone).all()
    assert len(embedder.embed([noise(1)], 16_000)[0]) == 1
    np.testing.assert_array_equal(embedder.embed([noise(50_000, 1), noise(samples)], 16_000)[1], alone)


def test_audiomae(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = AudioMAE(dim=64, depth=2, heads=1)
    model.pos_embed.data.normal_()
    decoder = {"decoder_embed.weight": torch.zeros(3, 3)}  # the published file has the decoder too
    torch.save(
        {"model": {**model.state_dict(), **decoder}, "args": argparse.Namespace(lr=1), "epoch": 3}, tmp_path / "pretrained.pth"
    )
    embedder = open_embedder(f"audiomae:{tmp_path / 'pretrained.pth'}")
    check(embedder, 16_000, 6)  # 98 filterbank frames
    for samples in (2_559, 2_560, 64 * 2_560 - 1, 64 * 2_560, 64 * 2_560 + 100, 128 * 2_560, 128 * 2_560 + 8_000):
        assert len(embedder.embed([noise(samples)], 16_000)[0]) == max(1, samples // 2_560), samples
    # A clip longer than a window: the first window, whose last frame reaches 240 samples further, gives what it gives alone.
    wave = noise(64 * 2_560 + 8_000)
    first = embedder.embed([wave[: 64 * 2_560 + 240]], 16_000)[0]
    np.testing.assert_allclose(embedder.embed([wave], 16_000)[0][:64], first, atol=1e-4)
    # Its authors' own clips are of 10.24 s, 1022 frames and two of zeros.
    samples = torch.from_numpy(wave[: 64 * 2_560])
    frames = filter_bank(samples - samples.mean())[None]
    assert frames.shape == (1, 1_022, 128)
    filled = (torch.nn.functional.pad(frames, (0, 0, 0, 2)) + 4.2677393) / (2 * 4.5689974)
    with torch.inference_mode():
        expected = model.eval().outputs(filled)[-1][0].unflatten(0, (64, 8)).mean(1)
    np.testing.assert_allclose(embedder.embed([wave[: 64 * 2_560]], 16_000)[0], expected.numpy(), atol=1e-5)


def test_audiomae_blocks_are_a_vision_transformer() -> None:
    """Agreement with PyTorch's own encoder layer."""
    torch.manual_seed(0)
    block = Block(16, 2)
    theirs = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    names = {
        "self_attn.in_proj_": "attn.qkv.",
        "self_attn.out_proj": "attn.proj",
        "linear1": "mlp.fc1",
        "linear2": "mlp.fc2",
    }
    state = block.state_dict()
    renamed = {}
    for key in theirs.state_dict():
        ours = key
        for their_name, our_name in names.items():
            ours = ours.replace(their_name, our_name)
        renamed[key] = state[ours]
    theirs.load_state_dict(renamed)
    x = torch.randn(1, 7, 16)
    torch.testing.assert_close(block(x), theirs.train()(x))


def published(model: BEATs) -> dict[str, torch.Tensor]:
    """A state with the names of the published files: one position table per layer, the old names of weight norm."""
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for key, value in model.state_dict().items():
        for new_name, old_name in old.items():
            key = key.replace(new_name, old_name)
        if "relative_attention_bias" in key:
            for layer in range(BEATS.encoder_layers):
                state[f"encoder.layers.{layer}.self_attn.relative_attention_bias.weight"] = value
        else:
            state[key] = value
    return {**state, "predictor.weight": torch.zeros(2, 2), "predictor.bias": torch.zeros(2)}


def test_beats(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BEATs(BEATS).eval()
    cfg = {**BEATS.model_dump(), "dropout": 0.1, "deep_norm": True, "finetuned_model": True}
    torch.save({"cfg": cfg, "model": published(model)}, tmp_path / "BEATs.pt")
    embedder = open_embedder(f"beats:{tmp_path / 'BEATs.pt'}")
    check(embedder, 16_000, 6)
    # 16 frames of 25 ms, 10 ms apart, are a patch, in a window (187 patches) and beyond it.
    for samples in (2_800, 5_359, 5_360, 187 * 2_560 + 240, 200 * 2_560 + 240, 400 * 2_560 + 240):
        assert len(embedder.embed([noise(samples)], 16_000)[0]) == (samples - 240) // 2_560, samples
    spectrum = torch.randn(1, 64, 128)
    assert model(spectrum).shape == (1, 4, 8, 16)


def test_beats_positions_agree_with_wavlm() -> None:
    """Its position buckets are WavLM's, of which transformers has an independent implementation."""
    torch.manual_seed(0)
    model = BEATs(BEATS)
    theirs = WavLMAttention(16, 2, num_buckets=BEATS.num_buckets, max_distance=BEATS.max_distance)
    theirs.rel_attn_embed.weight.data = model.encoder.relative_attention_bias.weight.data
    torch.testing.assert_close(model.encoder.bias(1_000), theirs.compute_bias(1_000, 1_000))


def test_dasheng(tmp_path: Path) -> None:
    from dasheng.pretrained.pretrained import Dasheng

    torch.manual_seed(0)
    config = {"embed_dim": 16, "depth": 1, "num_heads": 2}
    torch.save({"model": Dasheng(**config).state_dict(), "config": config}, tmp_path / "tiny.pt")
    embedder = open_embedder(f"dasheng:{tmp_path / 'tiny.pt'}")
    assert embedder.hop_seconds == pytest.approx(0.04)
    check(embedder, 16_000, 25)
    assert abs(len(embedder.embed([noise(12 * 16_000)], 16_000)[0]) - 12 * 25) <= 1


def test_torchaudio_bundle() -> None:
    torch.manual_seed(0)
    model = torchaudio.models.wav2vec2_model(
        "group_norm", None, False, 16, 0.0, 16, 2, 1, 2, 0.0, 24, 0.0, 0.0, False, 0.0, None
    )
    bundle = SimpleNamespace(sample_rate=16_000.0, get_model=lambda dl_kwargs: model)
    check(bundle_encoder(bundle, "torchaudio:TINY"), 16_000, 49)


@pytest.mark.parametrize("family", ["audiomae", "beats", "dasheng"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_damaged_checkpoints(family: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    small = {"embed_dim": 16, "depth": 1, "num_heads": 2}
    torch.save({"model": {"norm.weight": torch.zeros(4)}, "cfg": BEATS.model_dump(), "config": small}, path)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CodecError, match=r"weights\.pth: (not|cannot)"):
        open_embedder(f"{family}:{path}")
