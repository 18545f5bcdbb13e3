"""Corpora: where clips come from, and the one memory-mapped layout that every training stage reads."""

from codec.data.recording import LeftOut, Recording, split_of
from codec.data.store import Corpus, build

__all__ = ["Corpus", "LeftOut", "Recording", "build", "split_of"]
