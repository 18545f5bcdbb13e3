"""Corpora: where clips come from, and the one memory-mapped layout that every training stage reads."""

from train.corpora.clip import Clip, split_of
from train.corpora.store import Corpus, build

__all__ = ["Clip", "Corpus", "build", "split_of"]
