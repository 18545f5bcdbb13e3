"""Encodes and decodes with ONNX files alone: numpy, onnxruntime, soxr and soundfile, no torch, no semcodec.

``codec export --onnx`` puts a copy of this file beside the ONNX files:

python runtime.py encode speech.wav speech.npy [RATE]    # in the folder; RATE is in tokens per second
python runtime.py decode speech.npy back.wav [RATE]

Beside an array, ``speech.npy.json`` tells how long the audio was, as ``codec encode --format npy`` writes it, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr

SETTINGS = "codec.json"
MAX_CHANNELS = 64
LOUDEST = 32.0
"""Louder audio was never scaled to ±1."""


class OnnxCodec:
    """One rate of an exported codec; gives the tokens that the model gives in torch.

    Long audio goes through in the same windows as there, with the context that they depend on.

    Args:
        folder: made by ``codec export --onnx``.
        rate: tokens per second.
        int8: use the quantised networks.
        threads: for onnxruntime; 0: as many as it likes.

    Raises:
        ValueError: no such rate, or not such a folder.
    """

    def __init__(self, folder: str | Path, rate: int = 50, int8: bool = False, threads: int = 0) -> None:
        folder = Path(folder)
        try:
            settings = json.loads((folder / SETTINGS).read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder}: not a folder made by codec export --onnx ({error})") from error
        if str(rate) not in settings["stacks"]:
            raise ValueError(f"rate {rate} is not one of {', '.join(settings['stacks'])} tokens/s")
        self.rate, self.model = rate, str(settings["fingerprint"])
        self.sample_rate: int = settings["sample_rate"]
        self.codebook_sizes: tuple[int, ...] = tuple(settings["codebook_sizes"])
        self.stack: int = settings["stacks"][str(rate)]
        self._hop, self._edge, self._core = settings["hop_length"], settings["edge"], settings["core"]
        self._contexts = settings["encoder_context"], settings["decoder_context"]
        self._step: int = settings.get("decoder_step", 1)  # folders of before have none, and need none
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        files = [folder / f"{half}_{rate}{'.int8' if int8 else ''}.onnx" for half in ("encoder", "decoder")]
        for file in files:
            if not file.is_file():
                raise ValueError(f"{file}: no such file; make it with codec export --onnx {folder}{' --int8' if int8 else ''}")
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]) for file in files
        )

    def encode(self, wave: np.ndarray, sample_rate: int) -> np.ndarray:
        """``(channels, samples)`` or ``(samples,)`` in ±1 at any rate → codes ``(channels, 2, tokens)`` int64.

        Raises:
            ValueError: samples of another type or scale, or channels last.
        """
        rows = np.atleast_2d(np.asarray(wave))
        if rows.ndim != 2 or rows.shape[0] > MAX_CHANNELS >= rows.shape[1] > 0:
            raise ValueError(
                f"audio of shape {np.shape(wave)}: (channels, samples) or (samples,) is expected; samples come last"
            )
        if rows.dtype.kind != "f" or np.abs(np.nan_to_num(rows, posinf=0, neginf=0)).max(initial=0) > LOUDEST:
            raise ValueError(f"samples of type {rows.dtype} must be floating point within ±1; divide 16-bit samples by 32768")
        return np.stack([self._encode(row.astype(np.float32), sample_rate) for row in rows])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes ``(channels, 2, tokens)`` → ``(channels, samples)`` float32 at ``sample_rate``, of whole tokens.

        The last token may reach beyond the end of what was encoded; `length` tells by how much.

        Raises:
            ValueError: not such codes, or outside their codebooks.
        """
        codes = np.asarray(codes)
        sizes = np.array(self.codebook_sizes).reshape(1, -1, 1)
        if codes.ndim != 3 or codes.shape[1] != 2 or codes.dtype.kind not in "iu" or ((codes < 0) | (codes >= sizes)).any():
            raise ValueError(f"codes (channels, 2, tokens) within {self.codebook_sizes} are expected")
        return np.stack([self._decode(row.astype(np.int64)) for row in codes])

    def length(self, samples: int, sample_rate: int) -> int:
        """Samples at the codec's rate that ``samples`` at ``sample_rate`` become."""
        return -(-samples * self.sample_rate // sample_rate)

    def facts(self, samples: int, sample_rate: int) -> dict[str, Any]:
        """What an array has no place for."""
        return {
            "samples": samples, "sample_rate": sample_rate, "frame_rate": self.rate / 2,
            "codebook_sizes": self.codebook_sizes, "model": self.model,
        }  # fmt: skip

    def known_length(self, facts: dict[str, Any]) -> int:
        """Samples that `decode` should give, from what `facts` told.

        Raises:
            ValueError: it tells of other tokens than this codec's.
        """
        mine = json.loads(json.dumps(self.facts(facts["samples"], facts["sample_rate"])))
        for name, own in mine.items():
            if facts.get(name) != own:
                raise ValueError(f"these tokens have {name} {facts.get(name)}, not {own}")
        return self.length(int(facts["samples"]), int(facts["sample_rate"]))

    def _encode(self, wave: np.ndarray, sample_rate: int) -> np.ndarray:
        wave = np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0)
        samples = self.length(len(wave), sample_rate)
        if sample_rate != self.sample_rate:
            stream = soxr.ResampleStream(sample_rate, self.sample_rate, 1, dtype="float32", quality="HQ")
            wave = np.concatenate([stream.resample_chunk(wave), stream.resample_chunk(wave[:0], last=True)])
        total = -(-samples // (self._hop * self.stack)) * self.stack
        # Zeros before the beginning, and behind the end as far as any window looks.
        behind = max(0, total * self._hop + self._edge - len(wave))
        padded = np.pad(wave, (self._edge, behind))
        parts = [np.zeros((2, 0), np.int64)]
        for left, start, stop, right in self._windows(total, self._contexts[0], self.stack):
            window = padded[left * self._hop : right * self._hop + 2 * self._edge]
            (codes,) = self._encoder.run(None, {"wave": window[None]})
            parts.append(codes[0, :, (start - left) // self.stack : (stop - left) // self.stack])
        return np.concatenate(parts, axis=1)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        parts = [np.zeros(0, np.float32)]
        for left, start, stop, right in self._windows(codes.shape[1] * self.stack, self._contexts[1], self._step):
            (wave,) = self._decoder.run(None, {"codes": codes[None, :, left // self.stack : right // self.stack]})
            parts.append(wave[0, (start - left) * self._hop : (stop - left) * self._hop])
        return np.concatenate(parts)

    def _windows(self, total: int, context: int, step: int) -> Iterator[tuple[int, int, int, int]]:
        """Context start (a multiple of ``step``), core start, core stop, context stop of every window, in frames of 50 Hz."""
        for start in range(0, total, self._core):
            stop = min(start + self._core, total)
            yield max(0, start - context) // step * step, start, stop, min(stop + context, total)


def main(arguments: list[str]) -> None:
    """The two commands at the head of this file.

    Raises:
        ValueError: neither of them, or unusable input.
    """
    import soundfile

    if len(arguments) not in (3, 4) or arguments[0] not in ("encode", "decode"):
        raise ValueError("encode IN.wav OUT.npy [RATE], or decode IN.npy OUT.wav [RATE]")
    codec = OnnxCodec(Path(__file__).parent, int(arguments[3]) if len(arguments) == 4 else 50)
    if arguments[0] == "encode":
        wave, sample_rate = soundfile.read(arguments[1], dtype="float32", always_2d=True)
        codes = codec.encode(wave.T, sample_rate).astype(np.int32)
        with open(arguments[2], "wb") as array:  # np.save would add a suffix to the name
            np.save(array, codes, allow_pickle=False)
        Path(f"{arguments[2]}.json").write_text(json.dumps(codec.facts(len(wave), sample_rate)) + "\n", "utf-8")
    else:
        codes, beside = np.load(arguments[1], allow_pickle=False), Path(f"{arguments[1]}.json")
        length = codec.known_length(json.loads(beside.read_text("utf-8-sig"))) if beside.is_file() else None
        soundfile.write(arguments[2], np.clip(codec.decode(codes)[:, :length].T, -1, 1), codec.sample_rate)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, KeyError, TypeError, OSError, RuntimeError) as error:
        sys.exit(f"{sys.argv[0]}: {error}")
