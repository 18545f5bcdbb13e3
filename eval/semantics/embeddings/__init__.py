"""Embeddings of any codec or encoder, opened by name."""

from eval.semantics.embeddings.registry import EXAMPLES, open_embedder

__all__ = ["EXAMPLES", "open_embedder"]
