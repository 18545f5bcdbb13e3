"""Corpora by kind: folders, manifests, WebDataset shards, Hugging Face datasets; each becomes the same rows."""

from codec.data.recordings.find import KINDS, read_source

__all__ = ["KINDS", "read_source"]
