"""Other codecs' architectures with the weights that ``python -m train.peers`` gave them."""

from __future__ import annotations

import json
from pathlib import Path

from codec.baselines import dac, encodec
from codec.baselines.narrow import narrowed
from codec.baselines.neural import Layout, Network, NeuralCodec, Origin
from codec.errors import CodecError
from codec.provenance import sha256_of
from eval.semantics.embeddings.clips import ClipEmbedder
from eval.semantics.embeddings.tokens import codec_vectors

CARD = "peer.json"


def peer(folder: str | Path) -> ClipEmbedder:
    """Vectors of the tokens of a codec that was trained here.

    Raises:
        CodecError: no such folder, or weights of something else.
    """
    path, weights = Path(folder) / CARD, Path(folder) / "model.safetensors"
    try:
        card = json.loads(path.read_text("utf-8-sig"))
        family, streams, width, steps = str(card["family"]), int(card["streams"]), float(card["width"]), int(card["steps"])
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}; python -m train.peers writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{path}: not the card of a trained peer ({type(error).__name__}: {error})") from error
    if not weights.is_file():
        raise CodecError(f"{weights}: not there; python -m train.peers writes it")
    name = f"peer:{Path(folder).resolve().name}"
    if family in dac.SHAPES:
        shape = dac.SHAPES[family]
        layout = Layout(shape.sampling_rate, shape.hop_length, (shape.codebook_size,) * streams)
        network: Network = dac.Dac(narrowed(family, width, weights), streams)
    elif family == "encodec_24khz":
        layout = Layout(24_000, 320, (1024,) * streams)
        network = encodec.Encodec(narrowed(family, width, weights), 0.75 * streams)
    else:
        raise CodecError(f"{path}: unknown family {family!r}")
    codec = NeuralCodec(name, network, layout, Origin(weights, sha256_of(weights)[:16]))
    codec.trained = steps > 0
    return codec_vectors(codec, name)
