"""What an embedder gave, checked before a score rests on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codec.errors import CodecError
from eval.semantics.interface import Embedder


def embed_checked(
    embedder: Embedder, waves: Sequence[np.ndarray], sample_rate: int, where: Sequence[str]
) -> Sequence[np.ndarray]:
    """`Embedder.embed`, or one line that names the embedder and the clip.

    Args:
        embedder: any, other people's among them.
        waves: ``(samples,)`` each.
        sample_rate: of all of them, in Hz.
        where: what each clip is called in messages.

    Raises:
        CodecError: the embedder failed, or gave something other than finite ``(frames, dim)`` arrays, one a clip.
    """
    try:
        outputs = embedder.embed(waves, sample_rate)
    except (RuntimeError, ValueError, OSError) as error:
        raise CodecError(f"{embedder.name} failed on clips from {where[0]} on: {error}") from error
    if not isinstance(outputs, Sequence):
        raise CodecError(f"{embedder.name}: a {type(outputs).__name__} instead of a list for clips from {where[0]} on")
    if len(outputs) != len(waves):
        raise CodecError(f"{embedder.name}: {len(outputs)} results for {len(waves)} clips from {where[0]} on")
    for clip, vectors in zip(where, outputs, strict=True):
        if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f":
            raise CodecError(f"{embedder.name}: a {_kind(vectors)} instead of an array of floats for {clip}")
        if vectors.ndim != 2 or vectors.shape[1] != embedder.dim or not len(vectors):
            raise CodecError(
                f"{embedder.name}: vectors of shape {vectors.shape} for {clip}; (frames, {embedder.dim}) is expected"
            )
        if not np.isfinite(vectors).all():
            raise CodecError(f"{embedder.name}: NaN or infinite values for {clip}")
    return outputs


def _kind(vectors: object) -> str:
    return f"{vectors.dtype} array" if isinstance(vectors, np.ndarray) else type(vectors).__name__
