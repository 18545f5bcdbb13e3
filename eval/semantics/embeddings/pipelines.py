"""The speech encoders of torchaudio's pipelines: ``torchaudio:HUBERT_BASE``, ``torchaudio:WAV2VEC2_LARGE`` and so on."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
import torchaudio

from codec.errors import CodecError
from eval.semantics.embeddings.clips import ClipEmbedder

HOP, REACH, WINDOW_SECONDS = 320, 400, 30


class Bundle(Protocol):
    """What is used of a torchaudio bundle."""

    @property
    def sample_rate(self) -> float:
        """The sample rate in Hz."""
        ...

    def get_model(self, *, dl_kwargs: dict[str, object] | None = None) -> Any:
        """The model with its weights, downloaded on first use."""
        ...


def pipeline(name: str) -> ClipEmbedder:
    """Last hidden states of a self-supervised bundle, 50 a second.

    Raises:
        CodecError: no such bundle, or weights that are not here and out of reach.
    """
    bundle = getattr(torchaudio.pipelines, name, None)
    if not isinstance(bundle, torchaudio.pipelines.Wav2Vec2Bundle):
        known = [key for key, value in vars(torchaudio.pipelines).items() if type(value) is torchaudio.pipelines.Wav2Vec2Bundle]
        raise CodecError(f"torchaudio has no self-supervised encoder {name!r}; known are {', '.join(sorted(known))}")
    return bundle_encoder(bundle, f"torchaudio:{name}")


def bundle_encoder(bundle: Bundle, name: str) -> ClipEmbedder:
    """The embedder of one bundle; see `pipeline`."""
    try:
        model = bundle.get_model(dl_kwargs={"weights_only": True}).eval()
    except OSError as error:
        raise CodecError(f"{name}: its weights are not on this machine and cannot be fetched ({error})") from error

    def run(wave: np.ndarray) -> np.ndarray:
        layers, _ = model.extract_features(torch.from_numpy(wave)[None])
        return layers[-1][0].numpy()

    rate = int(bundle.sample_rate)
    with torch.inference_mode():
        dim = run(np.zeros(rate, np.float32)).shape[1]
    return ClipEmbedder(name, run, dim, HOP, rate, WINDOW_SECONDS * rate, REACH)
