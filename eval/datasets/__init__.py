"""Clips to judge codecs by: published test sets in their publishers' layouts, any folder, the free corpus."""

from eval.datasets.clip import Clip, read_manifest, write_manifest
from eval.datasets.sources import clips_of

__all__ = ["Clip", "clips_of", "read_manifest", "write_manifest"]
