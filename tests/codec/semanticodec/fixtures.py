"""What the reference implementation computed, and published layouts at their real and at tiny sizes."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.convert import convert_decoder, convert_encoder
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.networks import build_unet, build_vae, build_vocoder
from tests.codec.semanticodec import weights
from tests.conftest import DATA

FOLDER = DATA / "semanticodec"
Keys = dict[str, tuple[int, ...]]
TINY = {
    rate: PublishedConfig.published(rate).model_copy(
        update={
            "dim": 24,
            "heads": 2,
            "unet_channels": (32, 64, 96, 128),
            "vae_channels": (32, 64, 96),
            "vocoder_channels": 32,
        }
    )
    for rate in (100, 50, 25)
}


@cache
def keys(rate: int) -> dict[str, Keys]:
    """Names and shapes in the published ``encoder`` and ``decoder`` checkpoints of a rate."""
    stored = json.loads(gzip.decompress((FOLDER / "keys.json.gz").read_bytes()))
    out: dict[str, Keys] = {}
    for part, base in stored["100"].items():
        merged = base | (stored[str(rate)][part] if rate != 100 else {})
        out[part] = {key: tuple(shape) for key, shape in merged.items() if shape is not None}
    unet = {key: shape for key, shape in out["decoder"].items() if key.startswith("model.diffusion_model.")}
    out["decoder"] |= {"model_ema." + key.removeprefix("model.").replace(".", ""): shape for key, shape in unet.items()}
    return out


def fixture(name: str) -> dict[str, np.ndarray]:
    """Arrays of a file."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def clip(name: str) -> tuple[Tensor, int]:
    """``(samples,)`` of the first channel, and the sample rate."""
    samples, rate = soundfile.read(FOLDER / f"{name}.flac", dtype="int16", always_2d=True)
    return torch.from_numpy(samples[:, 0].astype(np.float32) / 32768), rate


def codebooks(rate: int) -> tuple[Tensor, Tensor]:
    """Semantic and acoustic, full size; only the rows that the clips choose are near anything."""
    stored, width = fixture(f"rate{rate}"), PublishedConfig.published(rate).feature_dim
    return (
        torch.from_numpy(weights.codebook("centroids", 4096, width, stored["semantic_rows"], stored["semantic_values"])),
        torch.from_numpy(weights.codebook("acoustic", 8192, width, stored["acoustic_rows"], stored["acoustic_values"])),
    )


def meta(shapes: Keys) -> dict[str, Tensor]:
    """A state dict without numbers."""
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def networks(config: PublishedConfig) -> dict[str, nn.Module]:
    """All networks of a model, without weights."""
    with torch.device("meta"):
        return {
            "encoder": Encoder(config),
            "unet": build_unet(config),
            "vae": build_vae(config),
            "vocoder": build_vocoder(config),
        }


def tiny_keys(rate: int) -> dict[str, Keys]:
    """The published names, with the shapes of tiny networks."""
    shapes = {name: {k: tuple(v.shape) for k, v in m.state_dict().items()} for name, m in networks(TINY[rate]).items()}
    out: dict[str, Keys] = {"encoder": {}, "decoder": {}}
    for part, layout in keys(rate).items():
        for key, shape in layout.items():
            one = meta({key: shape})
            converted = {"encoder": convert_encoder(one)} if part == "encoder" else convert_decoder(one)
            home = {name: state for name, state in converted.items() if set(state) - {"mean", "scale"} and name in shapes}
            small = shapes[next(iter(home))][next(iter(next(iter(home.values()))))] if home else shape[-1:]
            if home and len(shape) == 4 and len(small) == 2:
                small = (*small, 1, 1)
            out[part][key] = (1, *small) if key.endswith("_codebook.embed") else small
    return out


def write_published(folder: Path, rate: int, vocabs: tuple[int, ...] = (4096, 8192)) -> None:
    """A folder as the Hub has it, with tiny networks."""
    config, target = TINY[rate], folder / f"semanticodec_tokenrate_{rate}"
    target.mkdir(parents=True)
    layout = tiny_keys(rate)
    acoustic = weights.noise("acoustic", (config.codebook_size, config.feature_dim))
    live = {key: shape for key, shape in layout["encoder"].items() if not key.endswith("embed_avg")}
    torch.save(weights.make(live, acoustic), target / "encoder.ckpt")
    torch.save(weights.make(layout["decoder"]), target / "decoder.ckpt")
    codebook = folder / "codebook_idx" / f"combine_{config.window}_audioset_dominate"
    codebook.mkdir(parents=True)
    for vocab in vocabs:
        np.save(codebook / f"codebook_{vocab // 2}_0.npy", weights.noise("centroids", (vocab, config.feature_dim)))
