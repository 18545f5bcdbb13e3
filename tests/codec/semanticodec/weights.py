"""Deterministic stand-ins for the published weights: every tensor is a function of a seed and its name.

The fixtures in ``tests/data/semanticodec`` were computed by the reference implementation with exactly these weights.
"""

from __future__ import annotations

import re
import zlib

import numpy as np
import torch
from torch import Tensor

SEED = 20240
SCALE_FACTOR = 0.7
# Standard deviation times √fan-in, of tensors with two or more dimensions; 1 where nothing matches.
GAINS = {
    r"audiomae\..*attn\.qkv\.weight": 1.5,
    r"audiomae\..*(attn\.proj|mlp\.fc2)\.weight": 0.7,
    r"audiomae\..*patch_embed\.proj\.weight": 3.0,
    r"encoder\.weight_ih_l0.*": 1.5,
    r"encoder\.weight_ih_l.*": 3.0,
    r"encoder_output_linear.*": 2.0,
    r"model\.diffusion_model.*\.attn[12]\.to_[qk]\.weight": 1.5,
    r"model\.diffusion_model\.out\.2\.weight": 1.6,
    r"first_stage_model\.decoder\.conv_out\.weight": 3.0,
    r"first_stage_model\.vocoder\.conv_pre\.weight": 0.5,
    r"first_stage_model\.vocoder\.ups\.\d+\.weight": 1.5,
    r"first_stage_model\.vocoder\.conv_post\.weight": 0.16,
}


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers that belong to a name."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) ^ SEED))
    return rng.standard_normal(int(np.prod(shape)), dtype=np.float32).reshape(shape)


def tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A learned tensor."""
    if key == "logvar":
        return np.zeros(shape, np.float32)
    x = noise(key, shape)
    if key.endswith(("pos_embed", "cls_token", "mask_token")):
        return x * np.float32(0.3)
    if len(shape) > 1:
        if re.fullmatch(r"audiomae\..*patch_embed\.proj\.weight", key):
            x -= x.reshape(len(x), -1).astype(np.float64).mean(1).astype(np.float32).reshape(-1, 1, 1, 1)
        gain = next((gain for pattern, gain in GAINS.items() if re.fullmatch(pattern, key)), 1.0)
        x *= np.float32(gain / np.prod(shape[1:]) ** 0.5)
        return x
    if key.endswith("weight"):
        return 1 + np.float32(0.1) * x
    x *= np.float32(0.05)
    return x - np.float32(5.0) if key == "first_stage_model.decoder.conv_out.bias" else x


def schedule() -> dict[str, np.ndarray]:
    """The noise-schedule buffers of a decoder checkpoint."""
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    bar = np.cumprod(1 - betas)
    before = np.append(1.0, bar[:-1])
    variance = betas * (1 - before) / (1 - bar)
    buffers = {
        "betas": betas,
        "alphas_cumprod": bar,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(bar),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - bar),
        "log_one_minus_alphas_cumprod": np.log(1 - bar),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / bar),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / bar - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - bar),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - bar),
    }
    return {key: value.astype(np.float32) for key, value in buffers.items()}


def codebook(name: str, size: int, dim: int, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``(size, dim)``: stored values at some rows, numbers far away from all features elsewhere."""
    far = noise(name, (size, dim)) * np.float32({"centroids": 2.0, "acoustic": 1.0}[name])
    far[rows] = values.astype(np.float32)
    return far


def make(keys: dict[str, tuple[int, ...]], acoustic: np.ndarray | None = None) -> dict[str, Tensor]:
    """A state dict with these keys and shapes."""
    buffers = schedule()
    state: dict[str, np.ndarray] = {}
    for key, shape in keys.items():
        if key in buffers:
            state[key] = buffers[key]
        elif key == "scale_factor":
            state[key] = np.array(SCALE_FACTOR, np.float32)
        elif key == "model_ema.decay":
            state[key] = np.array(0.9999, np.float32)
        elif key == "model_ema.num_updates":
            state[key] = np.array(500_000, np.int32)
        elif key.endswith(("initted", "cluster_size")):
            state[key] = np.ones(shape, np.float32)
        elif key.endswith(("_codebook.embed", "_codebook.embed_avg")):
            state[key] = np.zeros(shape, np.float32) if acoustic is None else acoustic.reshape(shape)
        else:
            state[key] = tensor(key, shape)
    return {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
