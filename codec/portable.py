"""Our own models by onnxruntime, where torch is not installed or not wanted.

A folder has the graphs ``encoder.onnx`` and ``decoder.onnx``, ``onnx.json`` with the numbers that windows need, and their
weights: the model's own ``model.safetensors``, or a smaller file. ``codec export --onnx`` makes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from codec.bundled import as_fingerprint
from codec.engine import Engine, Point
from codec.errors import CodecError, ModelError
from codec.limits import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, check_file
from codec.threads import at_once

SETTINGS = "onnx.json"
MAX_SETTINGS_BYTES, MAX_GRAPH_BYTES = 1 << 20, 1 << 28
NUMBERS = ("frame_length", "edge", "encoder_context", "decoder_context", "decoder_step")
"""Of `Engine`, and nothing else, all in samples or frames."""
LARGEST_NUMBER = 1 << 20


class State(NamedTuple):
    """Phases of oscillators at the beginning of a frame.

    Attributes:
        pitch: of the fundamental, 2³² to a turn.
        tones: of the tones, likewise.
    """

    pitch: np.ndarray
    tones: np.ndarray


class OnnxEngine(Engine):
    """Graphs of a folder.

    Args:
        folder: made by ``codec export --onnx``.
        threads: for onnxruntime; 0: as torch would use.

    Attributes:
        fingerprint: of the model that the graphs were made from.

    Raises:
        ModelError: not such a folder.
        CodecError: onnxruntime is not installed.
    """

    on_cpu = True
    at_once = together = 1

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.folder, self._threads = folder, threads or at_once()
        settings = read_settings(folder)
        self.fingerprint: str = settings["fingerprint"]
        self.sample_rate, self.vocabs = settings["sample_rate"], tuple(settings["vocabs"])
        self.points = {int(rate): Point(*point) for rate, point in settings["points"].items()}
        self.frame_length, self.edge, self.encoder_context, self.decoder_context, self.decoder_step = (
            settings[name] for name in NUMBERS
        )
        self._acoustic_sizes = tuple(settings["acoustic_sizes"])

    @property
    def networks(self) -> Any:
        """There are none: raises `CodecError`."""
        raise CodecError("this looks inside the networks, which needs torch: pip install 'semcodec[torch]', backend='torch'")

    def codebook_sizes(self, vocab: int) -> tuple[int, ...]:
        return vocab, *self._acoustic_sizes

    def encode(self, windows: Sequence[np.ndarray], point: Point, vocab: int) -> list[np.ndarray]:
        def codes(wave: np.ndarray) -> np.ndarray:
            found = self._run(self._encoder, wave=wave, frames_per_token=point.frames_per_token, vocab=vocab)[0]
            return found[: point.n_streams]

        return [np.stack([codes(wave) for wave in window]) for window in windows]

    def draw(self, windows: Sequence[np.ndarray], frames_per_token: int, vocab: int) -> list[Any]:
        return [(codes, frames_per_token, vocab) for codes in windows]

    def sound(self, drawing: Any, state: Any, left: int, start: int, stop: int) -> tuple[np.ndarray, list[State]]:
        codes, frames_per_token, vocab = drawing
        states = state or [State(np.array(0), np.zeros(2, np.int64))] * len(codes)
        per_frame = self.frame_length // self._hop_length
        waves, after = [], []
        for item, at in zip(codes, states, strict=True):
            streams = np.zeros((1 + len(self._acoustic_sizes), item.shape[1]), np.int64)
            streams[: len(item)] = item
            wave, pitch, tones = self._run(
                self._decoder, codes=streams, n_acoustic=len(item) - 1, frames_per_token=frames_per_token, vocab=vocab,
                position=per_frame * left, anchor=per_frame * (start - left), pitch_phase=at.pitch, tone_phases=at.tones,
            )  # fmt: skip
            waves.append(wave.clip(-1, 1))
            there = per_frame * (stop - left)
            after.append(State(pitch[there], tones[there]))
        return np.stack(waves), after

    @property
    def _hop_length(self) -> int:
        return self.frame_length // 2

    @cached_property
    def _encoder(self) -> Any:
        return self._session("encoder")

    @cached_property
    def _decoder(self) -> Any:
        return self._session("decoder")

    def _session(self, half: str) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise CodecError("models without torch need onnxruntime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors: what is optional on this machine is nobody's business
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = self.folder / f"{half}.onnx"
        try:
            check_file(path, MAX_GRAPH_BYTES)
            return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
        except ModelError:
            raise
        except Exception as error:  # whose classes onnxruntime does not export
            raise ModelError(f"{path}: cannot be loaded ({' '.join(str(error).split())[:200]})") from error

    def _run(self, session: Any, **inputs: Any) -> list[np.ndarray]:
        try:
            return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})
        except Exception as error:
            raise ModelError(f"{self.folder}: onnxruntime failed ({' '.join(str(error).split())[:200]})") from error


def read_settings(folder: Path) -> dict[str, Any]:
    """What ``codec export --onnx`` wrote beside its graphs.

    Raises:
        ModelError: missing, or not such a file.
    """
    path = folder / SETTINGS
    try:
        check_file(path, MAX_SETTINGS_BYTES)
        settings = json.loads(path.read_text("utf-8-sig"))
        _check(settings)
    except OSError as error:
        raise ModelError(
            f"{folder}: has no ONNX files to run without torch; make them: codec export --onnx {folder} -m {folder}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: not made by codec export --onnx ({error})") from error
    return dict(settings)


def _check(settings: Any) -> None:
    settings["fingerprint"] = as_fingerprint(settings["fingerprint"])
    sizes = [*settings["vocabs"], *settings["acoustic_sizes"]]
    numbers = [
        *(settings[name] for name in NUMBERS),
        *sizes,
        *(number for point in settings["points"].values() for number in point),
    ]
    if not sizes or not settings["points"] or not all(type(each) is int and 0 < each <= 1 << 24 for each in numbers):
        raise ValueError("sizes must be whole numbers above 0")
    if any(settings[name] > LARGEST_NUMBER for name in NUMBERS) or any(
        len(point) != 2 for point in settings["points"].values()
    ):
        raise ValueError("numbers of windows that no model has")
    rate = settings["sample_rate"]
    if type(rate) is not int or not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"sample rate {rate}")
    if not all(rate.isdecimal() for rate in settings["points"]):
        raise ValueError("rates must be whole numbers")
