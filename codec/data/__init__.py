"""Corpora: where clips come from, and the one memory-mapped layout that every training stage reads."""

from codec.data.clip import Clip, LeftOut, split_of
from codec.data.store import Corpus, build

__all__ = ["Clip", "Corpus", "LeftOut", "build", "split_of"]
