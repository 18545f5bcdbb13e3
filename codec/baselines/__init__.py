"""Other codecs behind this project's interface: neural ones with their published weights, classical ones as programs.

>>> from codec.baselines import open_codec
>>> codec2 = open_codec("codec2@700C")  # doctest: +SKIP
>>> codec2.decode(codec2.encode(wave, 16_000))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codec.lazy import lazily

if TYPE_CHECKING:
    from codec.baselines.opening import open_codec as open_codec
    from codec.baselines.registry import is_known as is_known
    from codec.baselines.registry import known_codecs as known_codecs
    from codec.baselines.registry import load_tokenizer as load_tokenizer

# Imported on first use, since `codec.hub` looks up other codecs here, and opening a codec by its name needs `codec.hub`.
_HOMES = {
    "is_known": "codec.baselines.registry",
    "known_codecs": "codec.baselines.registry",
    "load_tokenizer": "codec.baselines.registry",
    "open_codec": "codec.baselines.opening",
}
__all__ = ["is_known", "known_codecs", "load_tokenizer", "open_codec"]
__getattr__ = lazily(__name__, _HOMES)
