"""A pair a test, from the bundled recording, and what Codec2 makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from codec.audio.io import resample
from codec.data.domains import Domain
from eval.reconstruction.interface import Pair

RATE = 16_000
TEXT = "The person you are calling is not at their desk; I will try to locate them for you."
MakePair = Callable[..., Pair]


@pytest.fixture(scope="session")
def make_pair(speech: np.ndarray) -> MakePair:
    """The recording and an output; by default the recording itself."""

    def make(output: np.ndarray | None = None, reference: np.ndarray | None = None, domain: Domain = "speech") -> Pair:
        reference = speech[0] if reference is None else reference
        output = reference if output is None else output
        return Pair(reference.astype(np.float32), output.astype(np.float32), RATE, domain, TEXT, "en")

    return make


@pytest.fixture(scope="session")
def codec2(speech: np.ndarray) -> Callable[[str], np.ndarray]:
    """The recording through ``c2enc | c2dec`` (Debian package codec2) in a mode, at 16 kHz, delay and all."""

    @cache
    def through(mode: str) -> np.ndarray:
        narrow = (np.clip(resample(speech, RATE, 8_000)[0], -1, 1) * 32767).astype("<i2").tobytes()
        bits = subprocess.run(["c2enc", mode, "-", "-"], input=narrow, capture_output=True, check=True).stdout
        decoded = subprocess.run(["c2dec", mode, "-", "-"], input=bits, capture_output=True, check=True).stdout
        wide = resample((np.frombuffer(decoded, "<i2").astype(np.float32) / 32768)[None], 8_000, RATE)[0]
        return np.pad(wide, (0, max(0, speech.shape[1] - len(wide))))[: speech.shape[1]]

    return through
