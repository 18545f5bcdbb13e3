"""Writes a model's ONNX files: graphs beside its own weights, or beside smaller ones for browsers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.atomic import atomic_path, atomic_write
from codec.errors import CodecError
from codec.model import Codec
from codec.portable import NUMBERS, SETTINGS

if TYPE_CHECKING:
    from onnx import ModelProto

WEIGHTS, SQUEEZED = "weights.bin", "weights.bin.gz"
"""Of 8 bits, beside their graphs: as onnxruntime reads them from a folder, and as a page fetches them."""


def write_onnx(model: Codec, folder: Path, int8: bool = False) -> list[Path]:
    """Writes ``encoder.onnx``, ``decoder.onnx`` and ``onnx.json``, with weights beside them.

    Args:
        model: of our own, read from a folder.
        folder: where to; may be the model's own.
        int8: weights in ``weights.bin``, the large ones in 8 bits, and the same in ``weights.bin.gz`` for browsers; else
            ``model.safetensors`` is what graphs refer to.

    Returns:
        All files that onnxruntime reads.

    Raises:
        CodecError: not such a model, onnx is not installed, or the folder cannot be written.
    """
    try:
        from codec.export.decoder import decoder_graph
        from codec.export.encoder import encoder_graph
        from codec.export.storage import Beside, Packed, Storage, squeezed
    except ImportError as error:
        raise CodecError(f"ONNX files need {error.name}: pip install 'semcodec[onnx]'") from error
    from codec.networks.source_filter_codec import SourceFilterNetworks

    if type(model) is not Codec or not isinstance(model.networks, SourceFilterNetworks) or model.folder is None:
        raise CodecError(f"{model.name}: only models of our own kind in a folder can be exported")
    networks, own = model.networks, model.folder / "model.safetensors"
    storage: Storage
    if int8:
        storage = Packed({name: value.cpu().numpy() for name, value in networks.state_dict().items()}, WEIGHTS)
    else:
        storage = Beside(own)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not int8 and not (folder / own.name).exists():
            shutil.copyfile(own, folder / own.name)
        elif not int8 and (folder / own.name).read_bytes() != own.read_bytes():
            raise CodecError(f"{folder}: has weights of another model")
        _save(encoder_graph(networks, storage), folder / "encoder.onnx")
        _save(decoder_graph(networks, storage), folder / "decoder.onnx")
        if isinstance(storage, Packed):
            for name, data in ((WEIGHTS, bytes(storage.data)), (SQUEEZED, squeezed(bytes(storage.data)))):
                with atomic_write(folder / name) as handle:
                    handle.write(data)
        with atomic_write(folder / SETTINGS) as handle:
            handle.write((json.dumps(_settings(model), indent=1) + "\n").encode())
    except OSError as error:
        raise CodecError(f"cannot write {folder}: {error.strerror}") from error
    weights = WEIGHTS if int8 else own.name
    return [folder / name for name in ("encoder.onnx", "decoder.onnx", weights, SETTINGS)]


def _save(graph: ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(graph.SerializeToString(deterministic=True))


def _settings(model: Codec) -> dict[str, Any]:
    engine = model.engine
    return {
        "fingerprint": model.fingerprint,
        "sample_rate": engine.sample_rate,
        "points": {str(rate): list(point) for rate, point in engine.points.items()},
        "vocabs": list(engine.vocabs),
        "acoustic_sizes": list(engine.codebook_sizes(engine.vocabs[0])[1:]),
        **{name: getattr(engine, name) for name in NUMBERS},
    }
