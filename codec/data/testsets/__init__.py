"""Clips to judge codecs by: published test sets in their publishers' layouts, any folder, the free corpus."""

from codec.data.testsets.clip import Clip, read_manifest, write_manifest
from codec.data.testsets.sources import clips_of

__all__ = ["Clip", "clips_of", "read_manifest", "write_manifest"]
