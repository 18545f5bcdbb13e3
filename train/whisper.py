"""Whisper's encoder in PyTorch, from the file that CTranslate2 keeps it in: a teacher, and a judge of what is understood.

Radford et al. 2022, arXiv 2212.04356. CTranslate2 runs the same network, but gives no gradients.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks
from typing_extensions import Self

from codec.errors import CodecError
from train.progress import gains_from_bfloat16

SAMPLE_RATE = 16_000
N_FFT, HOP_LENGTH = 400, 160
FRAME = 2 * HOP_LENGTH
"""Samples in a frame of features: 20 ms."""
DEPTH = 8.0
"""log10 powers below the loudest one that are told apart."""
HEAD_DIM = 64
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""Of numbers, as the file names them."""


def locate(name: str | Path) -> Path:
    """Finds a model, before hours go into what comes first.

    Args:
        name: folder of a CTranslate2 Whisper model, or a size of Whisper (``whisper-base``), which is downloaded from the
            Hugging Face hub where it has not been before.

    Raises:
        CodecError: package or model missing.
    """
    if (Path(name) / "model.bin").is_file():
        return Path(name)
    nothing, size = f"{name}: no folder with a CTranslate2 Whisper model (model.bin)", str(name).removeprefix("whisper-")
    if not find_spec("faster_whisper"):
        raise CodecError(f"{nothing}; to download one by its size: pip install 'semcodec[asr]'")
    from faster_whisper.utils import available_models, download_model

    if size not in available_models():
        raise CodecError(f"{nothing}, and no size of Whisper ({', '.join(available_models())})")
    try:
        return Path(download_model(size))
    except Exception as error:  # whatever the hub's libraries raise
        reason = " ".join(str(error).split())[:200]
        raise CodecError(
            f"{nothing}, and Whisper {size} cannot be downloaded ({reason}); name a folder, keep the shipped encoder with "
            "init=default, or train without a teacher: ssl.objective=mae, codec.hearing=0"
        ) from error


def open_whisper(name: str | Path, device: torch.device, precision: str) -> WhisperEncoder:
    """The encoder of a model that `locate` finds, on a device, in bfloat16 if the config says so and the device gains.

    Raises:
        CodecError: package or model missing, or not such a file.
    """
    encoder = WhisperEncoder(locate(name)).to(device)
    return encoder.cast(torch.bfloat16) if precision == "bf16" and gains_from_bfloat16(device) else encoder


class WhisperEncoder(nn.Module):
    """Waveform → what Whisper hears, frozen.

    Args:
        folder: with ``model.bin``, a Whisper model of any size or language in CTranslate2 form.

    Raises:
        CodecError: not such a file.

    Example:
        >>> WhisperEncoder("whisper-base")(torch.zeros(1, 16_000)).shape  # doctest: +SKIP
        torch.Size([1, 50, 512])
    """

    bank: Tensor
    window: Tensor

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        path = Path(folder) / "model.bin"
        try:
            weights = dict(_encoder_of(path.read_bytes()))
            n_mels, dim = weights["conv1/weight"].shape[1], len(weights["conv1/bias"])
        except (KeyError, ValueError, struct.error, IndexError) as error:
            raise CodecError(f"{path}: not a Whisper model in CTranslate2 form") from error
        for name, value in weights.items():
            self.register_buffer(_field(name), torch.from_numpy(value))
        self.n_layers = sum(name.endswith("ffn/layer_norm/beta") for name in weights)
        self.dim, self.n_heads = dim, dim // HEAD_DIM
        bank = melscale_fbanks(N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("bank", bank)
        self.register_buffer("window", torch.hann_window(N_FFT))

    def cast(self, dtype: torch.dtype) -> Self:
        """Keeps the network's weights in another type, in place; what makes the spectrum stays as it is."""
        for name, value in self.named_buffers():
            if name not in ("bank", "window"):
                setattr(self, name, value.to(dtype))
        return self

    def forward(self, wave: Tensor) -> Tensor:
        """``(B, samples)`` at 16 kHz → ``(B, samples / 320, D)``."""
        return self.layers(self.mel(wave))[-1]

    def mel(self, wave: Tensor, top: Tensor | None = None) -> Tensor:
        """What the encoder sees of a sound.

        Args:
            wave: ``(B, samples)``.
            top: ``(B,)`` log10 power of the loudest band, from which on everything counts; the wave's own by default.

        Returns:
            ``(B, n_mels, samples / 160)``.
        """
        spectrum = torch.stft(wave, N_FFT, HOP_LENGTH, window=self.window, return_complex=True)[..., :-1]
        power = torch.einsum("bft,fm->bmt", torch.view_as_real(spectrum).square().sum(-1), self.bank)
        logs = power.clamp_min(1e-10).log10()
        top = logs.detach().amax((1, 2)) if top is None else top
        return (torch.maximum(logs, top[:, None, None] - DEPTH) + 4) / 4

    @staticmethod
    def loudest(mel: Tensor) -> Tensor:
        """``(B,)`` log10 power of the loudest band of what `mel` gave, as it takes it."""
        return mel.amax((1, 2)) * 4 - 4

    def layers(self, mel: Tensor) -> list[Tensor]:
        """``(B, n_mels, 2 · T)`` → ``(B, T, D)`` after every layer; the last one normalised, as the decoder reads it."""
        dtype = self._of("conv1/weight").dtype
        x = F.gelu(F.conv1d(mel.to(dtype), self._of("conv1/weight"), self._of("conv1/bias"), padding=1))
        x = F.gelu(F.conv1d(x, self._of("conv2/weight"), self._of("conv2/bias"), stride=2, padding=1)).transpose(1, 2)
        x = x + self._of("position_encodings/encodings")[: x.shape[1]].to(dtype)
        found = []
        for number in range(self.n_layers):
            x = self._layer(x, f"layer_{number}")
            found.append(x)
        found[-1] = self._normalised(x, "layer_norm")
        return found

    def _layer(self, x: Tensor, name: str) -> Tensor:
        inside = self._normalised(x, f"{name}/self_attention/layer_norm")
        joined = self._linear(inside, f"{name}/self_attention/linear_0")
        query, key, value = joined.unflatten(-1, (3, self.n_heads, HEAD_DIM)).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self._linear(heard, f"{name}/self_attention/linear_1")
        inside = self._normalised(x, f"{name}/ffn/layer_norm")
        inside = F.gelu(self._linear(inside, f"{name}/ffn/linear_0"))
        return x + self._linear(inside, f"{name}/ffn/linear_1")

    def _normalised(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (self.dim,), self._of(f"{name}/gamma"), self._of(f"{name}/beta"))

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._of(f"{name}/weight"), self._of(f"{name}/bias"))

    def _of(self, name: str) -> Tensor:
        return self.get_buffer(_field(name))


def _field(name: str) -> str:
    return name.replace("/", "_")


def _encoder_of(data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Names and float32 values of the encoder's variables in a model file; weights in integers are scaled."""
    found, place = {}, struct.calcsize("<I")

    def number(kind: str) -> int:
        nonlocal place
        value: int = struct.unpack_from(f"<{kind}", data, place)[0]
        place += struct.calcsize(f"<{kind}")
        return value

    def text() -> str:
        nonlocal place
        length = number("H")
        place += length
        return data[place - length : place].rstrip(b"\0").decode()

    text(), number("I")  # the architecture and its revision
    for _ in range(number("I")):
        name, shape = text(), [number("I") for _ in range(number("B"))]
        kind, length = number("B"), number("I")
        if name.startswith("encoder/"):
            found[name.removeprefix("encoder/")] = np.frombuffer(data[place : place + length], TYPES[kind]).reshape(shape)
        place += length
    for name, value in found.items():
        if name.endswith("_scale") or not value.shape:
            continue
        scale = found.get(f"{name}_scale", np.ones(1)).reshape(-1, *([1] * (value.ndim - 1)))
        yield name, (value / scale).astype(np.float32)
