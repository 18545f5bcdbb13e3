"""What is left of tokens and sound after export: ONNX and 8-bit ONNX beside torch, on recordings."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.speed import one_line, onnx_files
from codec.audio.io import read_audio, resample
from codec.errors import CodecError
from codec.export.runtime import OnnxCodec
from codec.hub import check_model, load_own
from codec.model import Codec
from eval.reconstruction.interface import Pair
from eval.reconstruction.spectral import mel_distance
from eval.reconstruction.visqol import Visqol


@dataclass(frozen=True)
class Row:
    """One rate in one form, means over the recordings.

    Attributes:
        what: form and rate.
        megabytes: of both halves.
        semantic, acoustic: share of tokens that are those of torch.
        wave: largest difference to torch's sound, both decoding the tokens of torch.
        mel: distance between the original and what its own tokens decode to.
        visqol: of the same, in the 48 kHz audio mode; None where ViSQOL is not installed.
    """

    what: str
    megabytes: float | None
    semantic: float
    acoustic: float
    wave: float
    mel: float
    visqol: float | None


def main(folder: Path, clips: list[Path], name: str, json: bool) -> None:
    """Prints a table, or JSON lines.

    Raises:
        CodecError: not a folder of ONNX files made from this model, or unreadable recordings.
    """
    check_model(name, own=True)
    kept = onnx_files(folder)
    settings = jsonlib.loads((folder / "codec.json").read_text("utf-8"))
    model = load_own(name, vocab=settings["codebook_sizes"][0])
    if settings["fingerprint"] != model.fingerprint:
        raise CodecError(f"{folder}: exported from model {settings['fingerprint']}, not from {model.fingerprint}")
    waves = [resample(wave[:1], rate, model.sample_rate) for wave, rate in map(read_audio, clips)]
    rows = [row for rate in sorted({rate for rate, _ in kept}) for row in _rows(folder, kept, rate, model, waves)]
    if json:
        for row in rows:
            print(jsonlib.dumps(asdict(row)))
        return
    table = Table("what", "MB", "semantic tokens kept", "acoustic", "wave, largest difference", "mel distance", "ViSQOL")
    for row in rows:
        size, heard = ("–" if value is None else f"{value:.2f}" for value in (row.megabytes, row.visqol))
        table.add_row(row.what, size, f"{row.semantic:.2%}", f"{row.acoustic:.2%}", f"{row.wave:.1e}", f"{row.mel:.3f}", heard)
    Console().print(table)


def _rows(folder: Path, kept: list[tuple[int, bool]], rate: int, model: Codec, waves: list[np.ndarray]) -> Iterable[Row]:
    listener = _listener()
    tokens = [model.encode(wave, model.sample_rate, rate) for wave in waves]
    ours = [model.decode(each).numpy() for each in tokens]
    codes = [each.codes.numpy() for each in tokens]
    mel, heard = _quality(waves, ours, model.sample_rate, listener)
    yield Row(f"torch, {rate} tokens/s", None, 1.0, 1.0, 0.0, mel, heard)
    for int8 in (int8 for found, int8 in kept if found == rate):
        with one_line():
            codec = OnnxCodec(folder, rate, int8)
        theirs = [codec.encode(wave, codec.sample_rate) for wave in waves]
        own = [codec.decode(each) for each in theirs]
        same = [codec.decode(each) for each in codes]
        suffix = ".int8.onnx" if int8 else ".onnx"
        size = sum((folder / f"{half}_{rate}{suffix}").stat().st_size for half in ("encoder", "decoder")) / 1e6
        kept_semantic, kept_acoustic = (
            fmean(np.mean(a[:, s] == b[:, s]) for a, b in zip(theirs, codes, strict=True)) for s in (0, 1)
        )
        mel, heard = _quality(waves, own, codec.sample_rate, listener)
        yield Row(
            f"onnxruntime{' int8' if int8 else ''}, {rate} tokens/s",
            size,
            kept_semantic,
            kept_acoustic,
            max(float(np.abs(a[:, : b.shape[1]] - b).max()) for a, b in zip(same, ours, strict=True)),
            mel,
            heard,
        )


def _quality(
    waves: list[np.ndarray], outputs: list[np.ndarray], sample_rate: int, listener: Visqol | None
) -> tuple[float, float | None]:
    pairs = [(a, b[:, : a.shape[1]]) for a, b in zip(waves, outputs, strict=True)]
    mel = fmean(float(mel_distance(torch.from_numpy(a), torch.from_numpy(np.ascontiguousarray(b)))) for a, b in pairs)
    if listener is None:
        return mel, None
    return mel, fmean(listener(Pair(a[0], b[0], sample_rate, "sound")) for a, b in pairs)


def _listener() -> Visqol | None:
    try:
        return Visqol("audio")
    except CodecError:
        return None
