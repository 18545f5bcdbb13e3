"""What a window of 10.24 s costs to decode with the published SemantiCodec: as the reference does it, and as we do."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from rich.console import Console
from rich.table import Table

from codec.networks.samplers import Schedule
from codec.semanticodec.conditioning import Context
from codec.semanticodec.config import LATENT_BINS, LATENT_CHANNELS, SEGMENT_SAMPLES, PublishedConfig
from codec.semanticodec.decoder import LATENT_HOP, Decoder
from codec.semanticodec.model import FAST, REFERENCE
from codec.semanticodec.networks import build_unet, build_vae, build_vocoder

REPEATS, ENOUGH = 3, 10.0
"""A measurement is the fastest of so many runs, or of those that end within so many seconds."""
WINDOW = SEGMENT_SAMPLES // LATENT_HOP
SECOND = 28
"""Latent frames of a one-second clip's whole blocks."""


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: was measured.
        seconds: it took.
        times_faster: than the row that it is compared with; None if it is with none.
    """

    what: str
    seconds: float
    times_faster: float | None = None


def main(rate: int, threads: int, compile: bool, json: bool) -> None:
    """Measures the stages with random weights, and adds them up."""
    if threads:
        torch.set_num_threads(threads)
    rows = measure(PublishedConfig.published(rate), compile)
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row)))
        return
    about = f"random weights, {torch.get_num_threads()} threads, fp32, torch {torch.__version__}"
    table = Table("what", "seconds", "times faster", title=f"SemantiCodec at {rate} tokens/s, {about}")
    for row in rows:
        table.add_row(row.what, f"{row.seconds:.2f}", f"{row.times_faster:.1f}" if row.times_faster else "")
    Console().print(table)


@torch.inference_mode()
def measure(config: PublishedConfig, compile: bool = False) -> list[Row]:
    """Times of the stages, and of whole windows as what they are made of: steps × guided U-Net, then autoencoder and vocoder.

    Args:
        config: sizes.
        compile: also measure the compiled U-Net.

    Raises:
        CodecError: it shall be compiled, and there is no compiler.
    """
    torch.manual_seed(0)
    unet, vae, vocoder = (build(config).eval() for build in (build_unet, build_vae, build_vocoder))
    tables = torch.linspace(0.99, 0.01, 1000)
    decoder = Decoder(config, unet, vae, vocoder, Schedule(tables, tables.sqrt(), (1 - tables).sqrt()), 1.0)
    pair = _step(decoder, WINDOW, 1, together=False)
    together = _step(decoder, WINDOW, 1)
    tail = _tail(decoder, WINDOW)
    decoder.channels_last()
    last, tail_last = _step(decoder, WINDOW, 1), _tail(decoder, WINDOW)
    windows = _step(decoder, WINDOW, 2) / 2
    short, short_tail = _step(decoder, SECOND, 1), _tail(decoder, SECOND)
    rows = [
        Row("one step of a window: with and without tokens, one after the other", pair),
        Row("one step: both in one call", together, pair / together),
        Row("one step: both in one call, channels last", last, pair / last),
        Row("one step: of two windows in one call, channels last, for each", windows, pair / windows),
    ]
    if compile:
        decoder.compile()
        compiled = min(_step(decoder, WINDOW, 1) for _ in range(2))  # the first time it compiles
        rows.append(Row("one step: both in one call, channels last, compiled", compiled, pair / compiled))
    before, after = REFERENCE.steps * pair + tail, FAST.steps * last + tail_last
    return [
        *rows,
        Row("autoencoder and vocoder", tail),
        Row("autoencoder and vocoder, channels last", tail_last, tail / tail_last),
        Row(f"before: 10.24 s in {REFERENCE.steps} steps of DDIM", before),
        Row(f"after: 10.24 s in {FAST.steps} steps of DPM-Solver++", after, before / after),
        Row("before: a clip of 1 s, padded to 10.24 s", before),
        Row("after: a clip of 1 s", FAST.steps * short + short_tail, before / (FAST.steps * short + short_tail)),
    ]


def _step(decoder: Decoder, frames: int, batch: int, together: bool = True) -> float:
    pairs = frames * LATENT_HOP // decoder.config.samples_per_pair
    context = Context.of(torch.randn(batch, pairs, 2 * decoder.config.feature_dim), pairs)
    velocity = decoder.velocity(context, REFERENCE.guidance, together)
    x = torch.randn(batch, LATENT_CHANNELS, frames, LATENT_BINS)
    return _seconds(lambda: velocity(x, 500))


def _tail(decoder: Decoder, frames: int) -> float:
    latents = torch.randn(1, LATENT_CHANNELS, frames, LATENT_BINS)
    return _seconds(lambda: decoder.wave(latents))


def _seconds(work: Callable[[], object]) -> float:
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < ENOUGH:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
