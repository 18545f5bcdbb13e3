"""Writes a model as ONNX files or as ``torch.export`` programs, one for each rate and half."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from codec.atomic import atomic_path, atomic_write
from codec.config import ModelConfig
from codec.errors import CodecError
from codec.export.graphs import Traced, trace_decoder, trace_encoder
from codec.model import Codec
from codec.networks.networks import first_architecture
from codec.streaming import WHOLE

RUNNER = Path(__file__).with_name("runtime.py")


def write_onnx(model: Codec, folder: Path, rates: Iterable[int] | None = None, int8: bool = False) -> None:
    """Writes ``encoder_RATE.onnx``, ``decoder_RATE.onnx``, ``codec.json`` and a runner that needs no torch.

    Args:
        model: its default vocabulary is the one that is exported.
        folder: made if it is not there.
        rates: tokens per second; default: all of the model.
        int8: also write ``….int8.onnx``: weights of the large layers in 8 bits, inputs quantised as they come.

    Raises:
        CodecError: no such rate, or onnx and onnxscript are not installed.
    """
    try:
        import onnx as _onnx  # noqa: F401
        import onnxscript as _onnxscript  # noqa: F401

        if int8:
            import onnxruntime.quantization as _quantization  # noqa: F401
    except ImportError as error:
        raise CodecError(f"ONNX needs {error.name}: pip install semcodec[onnx]") from error
    stacks = _stacks(model, rates)
    _make(folder)
    for name, traced in _halves(model, stacks):
        program = torch.onnx.export(
            traced.program, dynamo=True, input_names=[traced.input], output_names=[traced.output], verbose=False
        )
        assert program is not None
        with atomic_path(folder / f"{name}.onnx") as path:
            program.save(str(path))
        if int8:
            with atomic_path(folder / f"{name}.int8.onnx") as path:
                quantise(folder / f"{name}.onnx", path, model.networks.config)
    _describe(model, folder, stacks)
    shutil.copyfile(RUNNER, folder / RUNNER.name)


def write_torch(model: Codec, folder: Path, rates: Iterable[int] | None = None) -> None:
    """Writes ``encoder_RATE.pt2``, ``decoder_RATE.pt2`` and ``codec.json``; ``torch.export.load`` reads them.

    Raises:
        CodecError: no such rate.
    """
    stacks = _stacks(model, rates)
    _make(folder)
    for name, traced in _halves(model, stacks):
        with atomic_path(folder / f"{name}.pt2") as path:
            torch.export.save(traced.program, str(path))
    _describe(model, folder, stacks)


def quantise(source: Path, target: Path, config: ModelConfig) -> None:
    """Weights of the networks' large layers in 8 bits; transforms, codebooks and small layers stay as they are."""
    import onnx
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    parts = (config.semantic, config.acoustic, config.decoder)
    shapes = {shape for part in parts for shape in ((part.dim, part.hidden_dim), (part.hidden_dim, part.dim))}
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        graph = onnx.load(str(folded)).graph
        large = {weight.name for weight in graph.initializer if tuple(weight.dims) in shapes}
        nodes = [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and large.intersection(node.input)]
        quantize_dynamic(
            str(folded),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=nodes,
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


def _stacks(model: Codec, rates: Iterable[int] | None) -> dict[int, int]:
    """Frames per token of each rate; refuses the published SemantiCodec, whose networks are others."""
    if type(model) is not Codec:
        raise CodecError(f"{model.name}: only models of our own can be exported")
    return {rate: model.stack_of(rate) for rate in sorted(rates or model.rates)}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodecError(f"cannot write {folder}: {error.strerror}") from error


def _halves(model: Codec, stacks: dict[int, int]) -> Iterator[tuple[str, Traced]]:
    networks = copy.deepcopy(first_architecture(model.networks, "codec export")).to("cpu")  # of a model on a GPU, too
    for rate, stack in stacks.items():
        yield f"encoder_{rate}", trace_encoder(networks, stack, model.vocab)
        yield f"decoder_{rate}", trace_decoder(networks, stack, model.vocab)


def _describe(model: Codec, folder: Path, stacks: dict[int, int]) -> None:
    networks = model.networks
    settings: dict[str, Any] = {
        "fingerprint": model.fingerprint,
        "sample_rate": model.sample_rate,
        "hop_length": networks.config.hop_length,
        "edge": networks.edge,
        "core": WHOLE.core,
        "encoder_context": networks.encoder_context,
        "decoder_context": networks.decoder_context,
        "decoder_step": networks.decoder_step,
        "codebook_sizes": model.codebook_sizes,
        "stacks": stacks,
    }
    with atomic_write(folder / "codec.json") as handle:
        handle.write((json.dumps(settings, indent=1) + "\n").encode())
