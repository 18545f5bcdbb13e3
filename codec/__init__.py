"""A neural audio codec with meaning in its tokens: 25–100 tokens/s for speech, music and any sound.

>>> import codec
>>> model = codec.load()
>>> tokens = model.encode(wave, sample_rate=24000, rate=50)  # doctest: +SKIP
>>> wave = model.decode(tokens)  # doctest: +SKIP
>>> codec.save(tokens, "x.sct")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codec.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from codec.container.bitstream import read as read
    from codec.container.bitstream import save as save
    from codec.errors import CodecError as CodecError
    from codec.hub import load as load
    from codec.hub import models as models
    from codec.model import Codec as Codec
    from codec.protocol import AudioCodec as AudioCodec
    from codec.protocol import SemanticCodec as SemanticCodec
    from codec.token_spec import TokenSpec as TokenSpec
    from codec.tokens import Tokens as Tokens

# Imported on first use, so that `codec --help` does not wait for torch.
_HOMES = {
    "AudioCodec": "codec.protocol",
    "Codec": "codec.model",
    "CodecError": "codec.errors",
    "SemanticCodec": "codec.protocol",
    "TokenSpec": "codec.token_spec",
    "Tokens": "codec.tokens",
    "load": "codec.hub",
    "models": "codec.hub",
    "read": "codec.container.bitstream",
    "save": "codec.container.bitstream",
}
__all__ = ["AudioCodec", "Codec", "CodecError", "SemanticCodec", "TokenSpec", "Tokens", "load", "models", "read", "save"]
__getattr__ = lazily(__name__, _HOMES)
