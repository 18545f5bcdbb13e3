"""Vectors of the tokens of other codecs' architectures with the weights that ``python -m train.peers`` gave them."""

from __future__ import annotations

from pathlib import Path

from codec.baselines.peer import load_peer
from eval.semantics.embeddings.clips import ClipEmbedder
from eval.semantics.embeddings.tokens import codec_vectors


def peer(folder: str | Path) -> ClipEmbedder:
    """Vectors of the tokens of a codec that was trained here.

    Raises:
        CodecError: no such folder, or weights of something else.
    """
    name = f"peer:{Path(folder).resolve().name}"
    return codec_vectors(load_peer(Path(folder), name), name)
