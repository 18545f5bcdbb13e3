"""The registry of embedders: from a name to an embedder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast, get_args

import codec
from codec.errors import CodecError
from codec.hub import check_model, load_codec
from codec.protocol import AudioCodec, Stream
from eval.semantics.embeddings import tokens
from eval.semantics.interface import Embedder
from eval.semantics.options import Ensemble, with_options

EXAMPLES = (
    "logmel",
    "semcodec@50:context",
    "semcodec@50:semantic-context",
    "semcodec@50:semantic",
    "semcodec@50:acoustic",
    "semcodec@50:both",
    "semcodec@50:ids",
    "semcodec:features",
    "encodec_24khz@3",
    "encodec_24khz@3:ids",
    "whisper-ct2:FOLDER",
    "whisper:openai/whisper-base",
    "wav2vec2:facebook/wav2vec2-base",
    "hubert:facebook/hubert-base-ls960",
    "data2vec:facebook/data2vec-audio-base",
    "wavlm:microsoft/wavlm-base",
    "qwen2-audio:Qwen/Qwen2-Audio-7B",
    "torchaudio:HUBERT_BASE",
    "dasheng:base",
    "audiomae:FILE",
    "beats:FILE",
    "peer:FOLDER",
    "tuned:FOLDER",
)
"""One name of every kind."""
OURS, IN_CONTEXT = "semcodec", ("context", "semantic-context")
ENCODERS = {
    "wav2vec2": ("huggingface", "wave_model", "wav2vec2"),
    "hubert": ("huggingface", "wave_model", "hubert"),
    "data2vec": ("huggingface", "wave_model", "data2vec"),
    "wavlm": ("huggingface", "wave_model", "wavlm"),
    "whisper": ("huggingface", "mel_model", "whisper"),
    "qwen2-audio": ("huggingface", "mel_model", "qwen2-audio"),
    "whisper-ct2": ("whisper_ct2", "whisper_ct2"),
    "torchaudio": ("pipelines", "pipeline"),
    "dasheng": ("dasheng", "dasheng"),
    "audiomae": ("audiomae", "audiomae"),
    "beats": ("beats", "beats"),
    "peer": ("peer", "peer"),
    "tuned": ("tokens", "tuned_features"),
}
"""Family → module, function, and what comes before the weights' name. Imported when asked for: some take seconds."""


def open_embedder(name: str, model: str | Path | None = None) -> Embedder:
    """Opens an embedder by name; `EXAMPLES` has one of every kind.

    ``A+B`` is an ensemble of two or more, and ``A|silence,dc,level`` cleans what A hears (`eval.semantics.options`).

    Args:
        name: ``CODEC[@RATE][:WHAT]`` for a codec's tokens, ``FAMILY:WEIGHTS`` for an encoder.
        model: which of our models ``semcodec`` stands for; the bundled one if left out.

    Raises:
        CodecError: unknown name, or weights or packages that are missing.

    Example:
        >>> open_embedder("logmel").dim
        80
    """
    plain, bar, words = name.partition("|")
    if bar:
        inner = open_embedder(plain, model)
        return with_options(inner, words.split(","), f"{inner.name}|{words}")
    if "+" in name:
        members = [open_embedder(part, model) for part in name.split("+")]
        return Ensemble(members, "+".join(member.name for member in members))
    family, colon, rest = name.partition(":")
    head, at, rate = family.partition("@")
    if not head or (colon and not rest) or (at and not rate):
        raise CodecError(f"embedder {name!r} is not of the form CODEC[@RATE][:WHAT] or FAMILY:WEIGHTS")
    if name == "logmel":
        from eval.semantics.embeddings.spectral import logmel

        return logmel()
    if head == OURS:
        return _ours(name, rate, rest or "semantic", model)
    if family in ENCODERS:
        if not rest:
            raise CodecError(f"embedder {name!r}: name its weights too, as in {_example(family)}")
        module = importlib.import_module(f"eval.semantics.embeddings.{ENCODERS[family][0]}")
        return getattr(module, ENCODERS[family][1])(*ENCODERS[family][2:], rest)
    return _other_codec(name)


def _ours(name: str, rate: str, what: str, model: str | Path | None) -> Embedder:
    rate, _, vocab = rate.partition(",vocab=")
    if (rate and not rate.isdecimal()) or (vocab and not vocab.isdecimal()):
        raise CodecError(f"embedder {name!r}: rate and vocabulary of {OURS} are whole numbers, as in {OURS}@50,vocab=32768")
    check_model(model, own=what in ("features", *IN_CONTEXT))
    ours = load_codec(model, rate=int(rate or 50), vocab=int(vocab) if vocab else None)
    if what == "features":
        return tokens.our_features(ours, name)
    if what in IN_CONTEXT:
        return tokens.in_context(ours, name, semantic_only=what != IN_CONTEXT[0])
    if what == "ids":
        return tokens.codec_ids(ours, name)
    if what in get_args(Stream):
        return tokens.our_vectors(ours, name, cast(Stream, what))
    raise CodecError(
        f"embedder {name!r}: after the colon goes one of {', '.join([*IN_CONTEXT, *get_args(Stream)])}, ids, features"
    )


def _other_codec(name: str) -> Embedder:
    plain = name.removesuffix(":ids")
    try:
        opened: AudioCodec = codec.load(plain)
    except CodecError as error:
        raise CodecError(f"embedder {name!r}: {error}; encoders are {', '.join(['logmel', *ENCODERS])}") from error
    return tokens.codec_vectors(opened, name) if plain == name else tokens.codec_ids(opened, name)


def _example(family: str) -> str:
    return next(example for example in EXAMPLES if example.startswith(f"{family}:"))
