"""Other codecs behind this project's interface: neural ones with their published weights, classical ones as programs.

>>> from codec.baselines import open_codec
>>> codec2 = open_codec("codec2@700C")  # doctest: +SKIP
>>> codec2.decode(codec2.encode(wave, 16_000))  # doctest: +SKIP
"""

from __future__ import annotations

from codec.baselines.registry import is_known as is_known
from codec.baselines.registry import known_codecs as known_codecs
from codec.baselines.registry import load_tokenizer as load_tokenizer
from codec.baselines.registry import open_codec as open_codec

__all__ = ["is_known", "known_codecs", "load_tokenizer", "open_codec"]
