"""Hours of audio per second of a GPU, beside the architectures of EnCodec, DAC and Mimi; what its arithmetic does to tokens."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.speed import synthetic
from codec.arrays import as_array
from codec.atomic import atomic_write
from codec.audio.io import read_audio, resample
from codec.baselines import dac, encodec, mimi
from codec.device import find_device
from codec.hub import load_own
from codec.model import Codec

T = TypeVar("T")
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
REPEATS = 3


@dataclass(frozen=True)
class Row:
    """One direction of one codec.

    Attributes:
        codec: its name.
        precision: of the arithmetic.
        what: encode or decode.
        hours: of audio per second, from memory to memory.
        gigabytes: of the GPU's memory at most; 0 on a CPU.
        flipped: share of tokens that are not those of a CPU, of every stream.
    """

    codec: str
    precision: str
    what: str
    hours: float
    gigabytes: float
    flipped: tuple[float, ...] = ()


@dataclass(frozen=True)
class Peer:
    """Another architecture, whose speed does not depend on its weights: they are random.

    Attributes:
        sample_rate: in Hz.
        build: makes the network.
        encode: network and waves ``(B, 1, samples)`` → codes.
        decode: network and these codes → waves.
    """

    sample_rate: int
    build: Callable[[], Any]
    encode: Callable[[Any, Tensor], Tensor]
    decode: Callable[[Any, Tensor], Tensor]


PEERS = {
    "EnCodec, 1.5 kbps": Peer(
        24_000,
        lambda: encodec.network("encodec_24khz", None),
        lambda network, wave: network.encode(wave, bandwidth=1.5).audio_codes,
        lambda network, codes: network.decode(codes, [None]).audio_values,
    ),
    "DAC, 2 codebooks": Peer(
        16_000,
        lambda: dac.network("dac_16khz", None),
        lambda network, wave: network.encode(wave, n_quantizers=2).audio_codes,
        lambda network, codes: network.decode(audio_codes=codes).audio_values,
    ),
    "Mimi, 8 codebooks": Peer(
        24_000,
        lambda: mimi.network(None),
        lambda network, wave: network.encode(wave, num_quantizers=8).audio_codes,
        lambda network, codes: network.decode(codes).audio_values,
    ),
}


def main(name: str, device: str, clips: int, seconds: int, heard: list[Path], output: Path | None) -> None:
    """Measures all of it, prints a table, and writes JSON lines.

    Raises:
        CodecError: no such device here, not a model of our own, or a peer's package is missing.
    """
    place = find_device(device)
    waves = [resample(wave[:1], rate, 16_000) for wave, rate in map(read_audio, heard)]
    rows = [
        *own(load_own(name), load_own(name, device=device), clips, seconds, waves),
        *(row for peer, how in PEERS.items() for row in beside(peer, how, place, clips, seconds)),
    ]
    if output is not None:
        with atomic_write(output) as handle:
            handle.write("".join(jsonlib.dumps(asdict(row)) + "\n" for row in rows).encode())
    about = torch.cuda.get_device_name(place) if place.type == "cuda" else str(place)
    table = Table(
        "codec", "arithmetic", "", "hours/s", "GB", "tokens flipped", title=f"{clips} clips of {seconds} s on {about}"
    )
    for row in rows:
        flipped = " ".join(f"{share:.2%}" for share in row.flipped)
        table.add_row(row.codec, row.precision, row.what, f"{row.hours:.3f}", f"{row.gigabytes:.2f}", flipped)
    Console(width=120).print(table)


def own(near: Codec, far: Codec, clips: int, seconds: int, waves: list[np.ndarray]) -> Iterator[Row]:
    """Our own model at its highest rate.

    Args:
        near: on a CPU.
        far: the same on the device.
        clips: that go through together.
        seconds: of each.
        waves: ``(1, samples)`` each, whose tokens are compared.
    """
    rate, place = max(far.rates), far.networks.codebook(far.frames_per_token_at(max(far.rates))).leaves.device
    batch = np.stack([synthetic(seconds, far.sample_rate)] * clips)
    expected = [near.encode(wave, near.sample_rate, rate) for wave in waves]
    for precision, dtype in PRECISIONS.items():
        with _arithmetic(place, dtype):
            found = [far.encode(wave, far.sample_rate, rate) for wave in waves]
            flips = [as_array(a.codes != b.codes)[0] for a, b in zip(expected, found, strict=True)]
            flipped = tuple(np.concatenate(flips, axis=1).mean(1).tolist()) if flips else ()
            name = f"semcodec, {rate} tokens/s"
            tokens, took, memory = _measured(place, lambda: far.encode(batch, far.sample_rate, rate))
            yield Row(name, precision, "encode", clips * seconds / 3600 / took, memory, flipped)
            _, took, memory = _measured(place, lambda tokens=tokens: far.decode(tokens))  # type: ignore[misc]
            yield Row(name, precision, "decode", clips * seconds / 3600 / took, memory)


def beside(name: str, peer: Peer, place: torch.device, clips: int, seconds: int) -> Iterator[Row]:
    """Another architecture on as many clips together."""
    network = peer.build().to(place).eval()
    batch = torch.from_numpy(np.stack([synthetic(seconds, peer.sample_rate)] * clips))[:, None]
    for precision, dtype in PRECISIONS.items():
        with torch.inference_mode(), _arithmetic(place, dtype):
            codes, took, memory = _measured(place, lambda: peer.encode(network, batch.to(place)).cpu())
            yield Row(name, precision, "encode", clips * seconds / 3600 / took, memory)
            _, took, memory = _measured(place, lambda codes=codes: peer.decode(network, codes.to(place)).float().cpu())  # type: ignore[misc]
            yield Row(name, precision, "decode", clips * seconds / 3600 / took, memory)


def _arithmetic(place: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    return nullcontext() if dtype is None else torch.autocast(place.type, dtype)


def _measured(place: torch.device, work: Callable[[], T]) -> tuple[T, float, float]:
    """What work gives, seconds of its fastest run, and gigabytes. Results come back to the CPU: nothing still runs then."""
    is_gpu = place.type == "cuda"
    result = work()
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(place)
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    return result, min(times), torch.cuda.max_memory_allocated(place) / 1e9 if is_gpu else 0.0
