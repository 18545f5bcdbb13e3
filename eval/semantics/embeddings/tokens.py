"""What the tokens of a codec say: their vectors, their bare numbers, or the features that they were made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from codec.errors import CodecError
from codec.features import LogMel
from codec.hub import load_own
from codec.model import Codec
from codec.networks.reader_file import fingerprint_of_reader
from codec.networks.semantic import SemanticEncoder
from codec.protocol import AudioCodec, SemanticCodec, Stream
from codec.vectors import READ_STREAMS
from eval.semantics.embeddings.clips import ClipEmbedder, Run, whole_hops
from eval.semantics.embeddings.columns import Columns

TUNED = "tuned"
"""Key of a model's config under which it stands what it was tuned on."""


def codec_vectors(codec: AudioCodec, name: str) -> ClipEmbedder:
    """Vectors of the tokens of any codec, as the codec itself embeds them."""

    def run(wave: np.ndarray) -> np.ndarray:
        return codec.embed(codec.encode(wave, codec.sample_rate))[0].float().cpu().numpy()

    return _of_codec(codec, name, run, codec.bitrate)


def codec_ids(codec: AudioCodec, name: str) -> ClipEmbedder:
    """The token numbers themselves, one in 0 … 1 per stream: what a probe gets without an embedding."""

    def run(wave: np.ndarray) -> np.ndarray:
        tokens = codec.encode(wave, codec.sample_rate)
        return (tokens.codes[0].T / torch.tensor(tokens.codebook_sizes)).float().numpy()

    return _of_codec(codec, name, run, codec.bitrate)


def our_vectors(codec: SemanticCodec, name: str, stream: Stream) -> ClipEmbedder | Columns:
    """Our semantic codewords, pitch and acoustic coefficients, or both side by side, at the codec's rate and vocabulary."""
    both = codec_vectors(codec, f"{name.rpartition(':')[0] or name}:both" if stream != "both" else name)
    if stream == "both":
        return both
    semantic = codec.spec().first(1).bitrate
    width = codec.embed(codec.encode(np.zeros(codec.sample_rate, np.float32), codec.sample_rate), "semantic").shape[2]
    if stream == "semantic":
        return Columns(name, both, slice(0, width), semantic)
    return Columns(name, both, slice(width, both.dim), codec.bitrate - semantic)


def in_context(codec: SemanticCodec, name: str, semantic_only: bool = False) -> ClipEmbedder:
    """What our reader makes of tokens and those around them.

    Args:
        codec: a model of ours.
        name: as it was asked for.
        semantic_only: acoustic tokens are not read.

    Raises:
        CodecError: not a model of ours, or one without a reader.
    """
    if not isinstance(codec, Codec) or codec.folder is None:
        raise CodecError(f"embedder {name!r}: {codec.name} has no reader of its tokens")

    def run(wave: np.ndarray) -> np.ndarray:
        tokens = codec.encode(wave, codec.sample_rate)
        return codec.embed_in_context(tokens.semantic_only() if semantic_only else tokens)[0].float().cpu().numpy()

    codec.reader  # noqa: B018 - a model without one says so now
    bitrate = codec.spec().first(1 if semantic_only else READ_STREAMS).bitrate
    version = f"{codec.fingerprint}-{fingerprint_of_reader(codec.folder)}"
    return _of_codec(codec, name, run, bitrate, version)


def our_features(codec: SemanticCodec, name: str) -> ClipEmbedder:
    """Our semantic encoder before k-means, 50 frames a second: what quantisation started from."""
    if not isinstance(codec, Codec):
        raise CodecError(f"embedder {name!r}: {codec.name} gives semantic, acoustic, both or ids, not features")
    return encoder_features(codec.networks.mel, codec.networks.semantic, name, codec.fingerprint)


def encoder_features(mel: LogMel, encoder: SemanticEncoder, name: str, version: str, trained: bool = True) -> ClipEmbedder:
    """Features of a semantic encoder outside a codec."""
    device, hop = encoder.head.weight.device, 2 * mel.mel.hop_length

    def run(wave: np.ndarray) -> np.ndarray:
        padded = torch.from_numpy(whole_hops(wave, hop)).to(device)
        return encoder(mel(padded[None]))[0].float().cpu().numpy()

    width, rate = encoder.head.out_features, mel.mel.sample_rate
    return ClipEmbedder(name, run, width, hop, rate, trained=trained, version=version)


def tuned_features(folder: str | Path) -> ClipEmbedder:
    """`our_features` of an encoder that ``codec probe tune`` trained on labels and froze.

    Raises:
        CodecError: no model there.
    """
    tuned = our_features(load_own(folder), f"tuned:{Path(folder).resolve().name}")
    tuned.learned = tuned_on(Path(folder))
    return tuned


def tuned_on(folder: Path) -> tuple[str, ...]:
    """Names of the tasks whose labels an encoder learned; none where an older version did not write them down."""
    try:
        return tuple(map(str, json.loads((folder / "config.json").read_text("utf-8-sig"))[TUNED]["tasks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _of_codec(codec: AudioCodec, name: str, run: Run, bitrate: float, version: str | None = None) -> ClipEmbedder:
    with torch.inference_mode():
        dim = run(np.zeros(codec.sample_rate, np.float32)).shape[1]
    return ClipEmbedder(
        name,
        run,
        dim,
        codec.sample_rate / codec.frame_rate,
        codec.sample_rate,
        trained=getattr(codec, "trained", True),
        bitrate=bitrate,
        version=version or codec.fingerprint,
    )
