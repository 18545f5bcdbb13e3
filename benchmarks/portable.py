"""What is left of tokens and sound without torch: graphs with the model's own weights, and with weights of 8 bits."""

from __future__ import annotations

import json as jsonlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from codec.arrays import as_array
from codec.atomic import atomic_write
from codec.audio.io import read_audio, resample
from codec.data.domains import DOMAINS
from codec.data.store import Corpus
from codec.errors import CodecError
from codec.export.storage import squeezed
from codec.export.write import write_onnx
from codec.hub import load_codec, load_own
from codec.model import Codec
from codec.protocol import SemanticCodec
from codec.tokens import Tokens
from eval.reconstruction.spectral import mel_distance

FORMS = {"float16": False, "8 bits": True}
HEARD = 24
"""Clips whose sound is compared: tokens are looked at in all of them."""


@dataclass(frozen=True)
class Row:
    """One rate in one form.

    Attributes:
        form: of the weights.
        rate: tokens per second.
        megabytes: of all files, which serve every rate.
        compressed: the same as a page fetches them.
        minutes: of audio that was encoded.
        flipped: share of tokens that are not those of torch, of every stream.
        wave: root mean square of the difference to torch's sound, both decoding the tokens of torch, over that of the sound.
        mel: distance between the original and what its own tokens decode to.
        mel_torch: the same by torch alone.
        encode: seconds of audio per second of work.
        encode_torch: the same by torch.
    """

    form: str
    rate: int
    megabytes: float
    compressed: float
    minutes: float
    flipped: tuple[float, ...]
    wave: float
    mel: float
    mel_torch: float
    encode: float
    encode_torch: float


def main(clips: Sequence[Path], corpus: Path | None, minutes: float, name: str, output: Path | None) -> None:
    """Prints a table, and writes JSON lines.

    Raises:
        CodecError: no clips, or a model that cannot be exported.
    """
    model = load_own(name)
    if not clips and corpus is None:
        raise CodecError("name recordings, or --corpus")
    waves = _waves(clips, corpus, minutes, model.sample_rate)
    with tempfile.TemporaryDirectory(prefix="codec-onnx-") as folder:
        rows = [row for form in FORMS for row in _rows(model, form, Path(folder) / form, waves)]
    if output is not None:
        with atomic_write(output) as handle:
            handle.write("".join(jsonlib.dumps(asdict(row)) + "\n" for row in rows).encode())
    table = Table(
        "weights", "tokens/s", "MB", "fetched", "tokens flipped, by stream", "wave", "mel distance (torch)", "encode (torch)"
    )
    for row in rows:
        flipped = " ".join(f"{share:.2%}" for share in row.flipped)
        table.add_row(
            row.form, str(row.rate), f"{row.megabytes:.1f}", f"{row.compressed:.1f}", flipped, f"{row.wave:.1e}",
            f"{row.mel:.3f} ({row.mel_torch:.3f})", f"{row.encode:.0f} × ({row.encode_torch:.0f} ×)",
        )  # fmt: skip
    Console(width=140).print(table)


def _waves(clips: Sequence[Path], corpus: Path | None, minutes: float, sample_rate: int) -> list[np.ndarray]:
    """``(1, samples)`` each: the files that were named, and as much of every domain of a corpus' test clips."""
    waves = [resample(wave[:1], rate, sample_rate) for wave, rate in map(read_audio, clips)]
    if corpus is not None:
        stored = Corpus(corpus)
        for domain in DOMAINS:
            left = minutes * 60 / len(DOMAINS)
            for entry in stored.select("test", domain):
                if left <= 0:
                    break
                waves.append(stored.wave(entry)[None])
                left -= entry.seconds
    return waves


def _rows(model: Codec, form: str, folder: Path, waves: Sequence[np.ndarray]) -> list[Row]:
    files = write_onnx(model, folder, FORMS[form])
    sizes = [path.read_bytes() for path in files]
    megabytes, compressed = sum(map(len, sizes)) / 1e6, sum(len(squeezed(data)) for data in sizes) / 1e6
    other = load_codec(folder, backend="onnx")
    rows = []
    for rate in sorted(model.rates):
        (ours, took), (theirs, others_took) = (_encoded(each, waves, rate) for each in (model, other))
        flips = [as_array(a.codes != b.codes)[0] for a, b in zip(ours, theirs, strict=True)]
        seconds = sum(wave.shape[1] for wave in waves) / model.sample_rate
        heard = list(zip(waves, ours, theirs, strict=True))[:: max(1, len(waves) // HEARD)]
        sounds = [(_tensor(wave), model.decode(a), other.decode(a), other.decode(b)) for wave, a, b in heard]
        rows.append(
            Row(
                form,
                rate,
                megabytes,
                compressed,
                seconds / 60,
                tuple(np.concatenate(flips, axis=1).mean(1).tolist()),
                fmean(
                    float((c - a).square().mean().sqrt() / a.square().mean().sqrt().clamp_min(1e-6)) for _, a, c, _ in sounds
                ),
                fmean(float(mel_distance(wave, sound)) for wave, _, _, sound in sounds),
                fmean(float(mel_distance(wave, sound)) for wave, sound, _, _ in sounds),
                seconds / others_took,
                seconds / took,
            )
        )
    return rows


def _encoded(model: SemanticCodec, waves: Sequence[np.ndarray], rate: int) -> tuple[list[Tokens], float]:
    model.encode(waves[0][:, : model.sample_rate], model.sample_rate, rate)
    started = time.perf_counter()
    return [model.encode(wave, model.sample_rate, rate) for wave in waves], time.perf_counter() - started


def _tensor(wave: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(wave))
