"""Any codec by its name, our own among them."""

from __future__ import annotations

from collections.abc import Callable

from codec.baselines.interface import Reconstructor
from codec.baselines.names import CodecName, parse
from codec.baselines.reconstructor import TokenReconstructor
from codec.baselines.registry import open_other
from codec.hub import load_codec
from codec.protocol import SemanticCodec


def open_codec(name: str, trained_only: bool = True, load: Callable[..., SemanticCodec] = load_codec) -> Reconstructor:
    """A codec at one operating point.

    Args:
        name: ``semcodec@50,vocab=32768``, ``encodec_24khz@1.5``, ``dac_16khz@n=2``, ``opus@6``, …: `known_codecs`.
        trained_only: refuse an architecture whose weights are not on this machine; if False it gets random ones and says
            so by ``trained``.
        load: of models of our own, called with name, rate and vocabulary; for who keeps them loaded.

    Raises:
        CodecError: unknown name or knob, or something is missing; says how to get it.
    """
    parsed = parse(name)
    return _open_semcodec(parsed, load) if parsed.family == "semcodec" else open_other(parsed, trained_only)


def _open_semcodec(name: CodecName, load: Callable[..., SemanticCodec]) -> TokenReconstructor:
    """``semcodec@50``: tokens per second; ``vocab=32768``, ``semantic`` alone, ``semcodec:FOLDER@50`` for another model."""
    words = list(name.values)
    semantic_only = "semantic" in words[1:]
    if semantic_only:
        words.remove("semantic")
    if len(words) != 1 or not words[0].isdecimal() or set(name.options) - {"vocab"}:
        raise name.refuse("write semcodec@ and 25, 50 or 100, then ,vocab=32768 or ,semantic as needed")
    vocab = name.integer("vocab", 0, 2, 1 << 24) if "vocab" in name.options else None
    model = load(name.folder, int(words[0]), vocab)
    return TokenReconstructor(name.text, model, model.version, True, semantic_only)
