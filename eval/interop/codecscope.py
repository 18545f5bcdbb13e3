"""Our codec for codecscope (PyPI): ``codecscope.analyze(wave, sample_rate, CodecscopeAdapter(codec.load(rate=50)))``."""

from __future__ import annotations

from typing import Any

import numpy as np

from codec.errors import CodecError
from codec.model import Codec


class CodecscopeAdapter:
    """What codecscope calls an adapter.

    codecscope knows one codebook size for all streams and takes the bitrate from it. Where our streams differ, it gets the
    size whose bits per token are the mean of theirs, so that the bitrate is right; its utilisation then is that of this size.

    Args:
        model: at the rate and vocabulary to judge.

    Attributes:
        name: with the operating point.
        sample_rate: in Hz, to which codecscope resamples.
    """

    def __init__(self, model: Codec) -> None:
        self._model = model
        self.name = f"semcodec:{model.name}@{model.rate},vocab={model.vocab}"
        self.sample_rate = model.sample_rate

    def encode(self, audio: np.ndarray) -> Any:
        """``(samples,)`` at ``sample_rate`` → ``codecscope.CodecOutput``.

        Raises:
            CodecError: codecscope is not installed.
        """
        try:
            from codecscope import CodecOutput
        except ImportError as error:
            raise CodecError("codecscope is not installed: pip install codecscope") from error
        tokens = self._model.encode(np.asarray(audio, np.float32), self.sample_rate)
        frames = tokens.codes.shape[2]
        return CodecOutput(
            codes=[stream.numpy() for stream in tokens.codes[0]],
            codebook_size=round(2 ** (tokens.bits_per_frame / len(tokens.codebook_sizes))),
            reconstruction=self._model.decode(tokens)[0].numpy(),
            n_samples=round(frames * self.sample_rate / tokens.frame_rate),
        )
