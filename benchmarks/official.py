"""What a window of 10.24 s costs to decode with the published SemantiCodec: as the reference does it, and as we do."""

from __future__ import annotations

import json as jsonlib
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from codec.official.conditioning import Context
from codec.official.config import LATENT_BINS, LATENT_CHANNELS, PublishedConfig
from codec.official.model import FAST, REFERENCE
from codec.official.networks import build_unet, build_vae, build_vocoder

REPEATS = 3
LATENT_FRAMES = 256
SECOND = 28
"""Latent frames of a one-second clip's whole blocks."""


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: was measured.
        seconds: median of a few.
    """

    what: str
    seconds: float


def main(rate: int, threads: int, json: bool) -> None:
    """Measures the stages with random weights, and adds them up."""
    if threads:
        torch.set_num_threads(threads)
    rows = measure(PublishedConfig.published(rate))
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row)))
        return
    title = (
        f"SemantiCodec at {rate} tokens/s, random weights, {torch.get_num_threads()} threads, fp32, torch {torch.__version__}"
    )
    table = Table("what", "seconds", title=title)
    for row in rows:
        table.add_row(row.what, f"{row.seconds:.2f}")
    Console().print(table)


@torch.inference_mode()
def measure(config: PublishedConfig) -> list[Row]:
    """Times of the stages, and of whole windows as their sums: steps × U-Net + autoencoder + vocoder."""
    torch.manual_seed(0)
    unet, vae, vocoder = (build(config).eval() for build in (build_unet, build_vae, build_vocoder))
    pair = _call(unet, config, LATENT_FRAMES, 1) * 2
    together = _call(unet, config, LATENT_FRAMES, 2)
    short = _call(unet, config, SECOND, 2)
    unet.to(memory_format=torch.channels_last)
    last = _call(unet, config, LATENT_FRAMES, 2)
    tail, short_tail = (_tail(vae, vocoder, frames) for frames in (LATENT_FRAMES, SECOND))
    return [
        Row("U-Net, with and without tokens, one after the other", pair),
        Row("U-Net, both in one call", together),
        Row("U-Net, both in one call, channels last", last),
        Row("autoencoder and vocoder", tail),
        Row(f"before: 10.24 s, {REFERENCE.steps} steps of DDIM", REFERENCE.steps * pair + tail),
        Row(f"after: 10.24 s, {FAST.steps} steps of DPM-Solver++", FAST.steps * together + tail),
        Row("before: a clip of 1 s, padded to 10.24 s", REFERENCE.steps * pair + tail),
        Row("after: a clip of 1 s", FAST.steps * short + short_tail),
    ]


def _call(unet: nn.Module, config: PublishedConfig, frames: int, batch: int) -> float:
    pairs = frames * 640 // config.samples_per_pair
    context = Context.of(torch.randn(batch, pairs, 2 * config.feature_dim), pairs).given
    x, step = torch.randn(batch, LATENT_CHANNELS, frames, LATENT_BINS), torch.full((batch,), 500)
    return _median(lambda: unet(x, step, encoder_hidden_states=context))


def _tail(vae: nn.Module, vocoder: nn.Module, frames: int) -> float:
    latents = torch.randn(1, LATENT_CHANNELS, frames, LATENT_BINS)
    return _median(lambda: vocoder(vae.decode(latents).sample[:, 0]))  # type: ignore[operator]


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
