"""``peer:FOLDER``: other codecs' architectures with the weights that ``python -m train.peers`` gave them."""

from __future__ import annotations

import json
from pathlib import Path

from codec.baselines import dac, encodec
from codec.baselines.names import CodecName
from codec.baselines.narrow import narrowed
from codec.baselines.neural import Layout, Network, NeuralCodec, Origin
from codec.baselines.plain import CODEBOOK_SIZE, Plain, load_plain
from codec.errors import CodecError
from codec.provenance import sha256_of

CARD = "peer.json"
TITLES = {
    "encodec_24khz": "EnCodec's architecture",
    **dict.fromkeys(dac.SHAPES, "DAC's architecture"),
    "plain": "our decoder's architecture behind a plain residual quantiser",
}


def open_peer(name: CodecName, trained_only: bool = True) -> NeuralCodec:
    """A codec that was trained here, at the bit rate that it was trained for.

    Raises:
        CodecError: no folder, or knobs, which peers have not.
    """
    if name.folder is None or name.values or name.options:
        raise name.refuse("write peer: and the folder that python -m train.peers wrote, without knobs")
    codec = load_peer(Path(name.folder), name.text)
    if trained_only and not codec.trained:
        raise name.refuse("its weights are random: train it with python -m train.peers")
    return codec


def family_of(folder: str | None) -> str | None:
    """Whose architecture lies in a folder; None where that is not to be found out."""
    try:
        return str(json.loads((Path(folder or "") / CARD).read_text("utf-8-sig"))["family"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def history_of(folder: str | None) -> str:
    """How the codec in a folder came about, in words; nothing where that is not to be found out."""
    try:
        card = json.loads((Path(folder or "") / CARD).read_text("utf-8-sig"))
        millions, hours = card["parameters"] / 1e6, card["processor_minutes"] / 60
        title = TITLES[card["family"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"{title}, {millions:.1f} M parameters, trained on our audio for {hours:.1f} processor hours"


def load_peer(folder: Path, name: str) -> NeuralCodec:
    """The codec in a folder; whether it was trained at all it says itself.

    Args:
        folder: that ``python -m train.peers`` wrote.
        name: of the codec.

    Raises:
        CodecError: no such folder, or weights of something else.
    """
    path, weights = folder / CARD, folder / "model.safetensors"
    try:
        card = json.loads(path.read_text("utf-8-sig"))
        family, streams, width, steps = str(card["family"]), int(card["streams"]), float(card["width"]), int(card["steps"])
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}; python -m train.peers writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{path}: not the card of a trained peer ({type(error).__name__}: {error})") from error
    if not weights.is_file():
        raise CodecError(f"{weights}: not there; python -m train.peers writes it")
    layout, network = _network(family, streams, width, weights)
    codec = NeuralCodec(name, network, layout, Origin(weights, sha256_of(weights)[:16]))
    codec.trained = steps > 0
    return codec


def _network(family: str, streams: int, width: float, weights: Path) -> tuple[Layout, Network]:
    if family in dac.SHAPES:
        shape = dac.SHAPES[family]
        layout = Layout(shape.sampling_rate, shape.hop_length, (shape.codebook_size,) * streams)
        return layout, dac.Dac(narrowed(family, width, weights), streams)
    if family == "encodec_24khz":
        return Layout(24_000, 320, (1024,) * streams), encodec.Encodec(narrowed(family, width, weights), 0.75 * streams)
    if family == "plain":
        networks = load_plain(weights, streams)
        return Layout(networks.sample_rate, networks.hop_length, (CODEBOOK_SIZE,) * streams), Plain(networks)
    raise CodecError(f"{weights.parent / CARD}: unknown family {family!r}")
