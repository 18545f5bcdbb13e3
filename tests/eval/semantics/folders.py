"""Tiny task folders and embedders for tests."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from eval.semantics.interface import TaskCard

RATE = 16_000
PITCHES = {"low": 200.0, "middle": 900.0, "high": 3000.0}


def tone(pitch: float, seconds: float, seed: int, noise: float = 0.05) -> np.ndarray:
    """A tone in noise; the seed chooses detuning, phase and noise."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    detuned = pitch * (1 + 0.1 * random.standard_normal())
    wave = 0.3 * np.sin(2 * np.pi * (detuned * time + random.random())) + noise * random.standard_normal(len(time))
    return wave.astype(np.float32)


def flac(wave: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="FLAC")
    return buffer.getvalue()


def wav(wave: np.ndarray) -> bytes:
    """In floating point, so that it can hold what is no number."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def write_tar(path: Path, samples: Sequence[tuple[str, bytes, object]]) -> None:
    """Samples of key, FLAC bytes and JSON content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key, audio, label in samples:
            for name, data in ((f"{key}.flac", audio), (f"{key}.json", json.dumps(label).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def tone_samples(split: str, count: int, label: str = "label", noise: float = 0.05) -> list[tuple[str, bytes, object]]:
    names = list(PITCHES)
    start = {"train": 0, "valid": 1000, "test": 2000}.get(split, 3000 + 100 * sum(map(ord, split)))
    samples = []
    for index in range(count):
        name = names[index % len(names)]
        seconds = 0.3 + 0.1 * (index % 5)
        samples.append(
            (f"{split}-{index}", flac(tone(PITCHES[name], seconds, start + index, noise)), {label: name, "group": str(index)})
        )
    return samples


def tone_task(root: Path, name: str = "tones", train: int = 30, test: int = 12, noise: float = 0.05) -> Path:
    """A task folder: three pitches, to be told apart."""
    counts = {"train": train, "valid": test, "test": test}
    for split, count in counts.items():
        write_tar(root / name / f"wds-audio-{split}-000000.tar", tone_samples(split, count, noise=noise))
    card = TaskCard(
        name=name,
        kind="clip",
        metric="accuracy",
        classes=tuple(PITCHES),
        source="synthetic",
        held_out="seeds",
        seen="",
        seed=0,
        counts=counts,
        weight=float(test),
    )
    card.write(root)
    return root / name


class Spectrum:
    """Log power in 24 bands, 20 ms apart: a real embedder, small and without randomness."""

    name, dim, hop_seconds, trained, bitrate = "spectrum", 24, 0.02, True, None

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        hop = round(self.hop_seconds * sample_rate)
        outputs = []
        for wave in waves:
            frames = np.pad(wave, (0, -len(wave) % hop)).reshape(-1, hop)
            power = np.abs(np.fft.rfft(frames, 256)[:, 1:97].reshape(len(frames), 24, 4)) ** 2
            outputs.append(np.log(power.sum(2) + 1e-3).astype(np.float32))
        return outputs
