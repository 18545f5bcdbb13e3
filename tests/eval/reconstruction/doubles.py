"""Small codecs and metrics that do what real ones do at worst; in a module, since worker processes import them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from codec.baselines.interface import Encoded
from codec.data.domains import Domain
from codec.errors import AudioError, CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair, Scores
from eval.reconstruction.worker import Setup

RATE = 8_000


@dataclass(frozen=True)
class Tone:
    """A clip of a sine; its name decides its pitch."""

    name: str
    domain: Domain = "speech"
    text: str | None = None
    language: str | None = None
    samples: int = 800

    def load(self) -> tuple[np.ndarray, int]:
        if self.name == "unreadable":
            raise AudioError("unreadable.wav: not audio")
        pitch = 100 + sum(map(ord, self.name)) % 500
        return (0.5 * np.sin(2 * np.pi * pitch * np.arange(self.samples) / RATE)).astype(np.float32), RATE


class Bits:
    """Rounds samples to ``bits``; other names misbehave as they say. Notes every clip that it encodes in ``$DOUBLES_LOG``."""

    sample_rate, delay = RATE, 0.0

    def __init__(self, name: str) -> None:
        self.name, self.version = name, "1"
        self.kind, _, bits = name.partition("@")
        self.bits = int(bits or 4)
        self.bitrate = float(RATE * self.bits)
        self.trained = self.kind != "random"

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        if log := os.environ.get("DOUBLES_LOG"):
            with Path(log).open("a") as handle:
                handle.write(f"{self.name}\n")
        pitch = np.argmax(np.abs(np.fft.rfft(wave)))
        if self.kind == "raises":
            raise RuntimeError("the model\nwent away")
        if self.kind == "sometimes" and pitch % 2:
            raise CodecError("not this clip")
        if self.kind == "dies":
            os._exit(3)
        if self.kind == "sleeps":
            Path(os.environ["DOUBLES_LOG"]).write_text(str(os.getpid()))
            time.sleep(60)
        payload = np.round(wave * 2**self.bits) / 2**self.bits
        if self.kind in ("tokens", "strange"):  # two streams, of which the second one never changes
            codes = torch.stack([torch.arange(len(wave)) % 2, torch.full((len(wave),), 3 if self.kind == "tokens" else 8)])
            return Encoded(len(wave) * 5, len(wave), sample_rate, payload, codes, (4, 8))
        return Encoded(len(wave) * self.bits, len(wave), sample_rate, payload)

    def decode(self, encoded: Encoded) -> np.ndarray:
        wave = np.asarray(encoded.payload, np.float32)
        if self.kind == "nan":
            return np.where(np.arange(len(wave)) == 5, np.nan, wave)
        if self.kind == "stereo":
            return np.stack([wave, wave])
        return {"short": wave[:-1], "half the rate": wave[::2]}.get(self.kind, wave)


def open_codec(name: str) -> Bits:
    if name.startswith("missing"):
        raise CodecError("program c2enc is missing: apt-get install codec2")
    return Bits(name)


def error_power(pair: Pair) -> float:
    return float(np.mean((pair.reference - pair.output) ** 2))


def word_errors(pair: Pair) -> dict[str, float]:
    if pair.text is None:
        raise MetricError("no transcript")
    return {"wer": 25.0, "wer_errors": 1.0, "wer_words": 4.0}


def make_metrics() -> list[Metric]:
    return [
        Metric("error", "", False, ("speech", "music", "sound"), error_power),
        Metric("wer", "%", False, ("speech",), word_errors, ratio=("wer_errors", "wer_words")),
    ]


def score(pair: Pair, metrics: Sequence[Metric]) -> Scores:
    scores = Scores()
    for metric in metrics:
        if pair.domain in metric.domains:
            try:
                value = metric.function(pair)
                scores.values.update(value if isinstance(value, Mapping) else {metric.name: value})
            except MetricError as error:
                scores.failed[metric.name] = str(error)
    return scores


SETUP = Setup(open_codec, make_metrics, score)
