"""``codec export``: a training run as a model, and a model in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.errors import CodecError
from train.config_file import read_config


def export(
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Export a training run: its config.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --config: folder; default: ROOT/model.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="What the other formats are made from.")] = "default",
    onnx: Annotated[Path | None, typer.Option(help="Folder for ONNX files and a runner without torch.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="With --onnx: also with weights of 8 bits.")] = False,
    torch: Annotated[Path | None, typer.Option(help="Folder for torch.export programs.")] = None,
    hf: Annotated[Path | None, typer.Option(help="Hugging Face folder, for codec.load and AutoModel.")] = None,
    rates: Annotated[str, typer.Option(help="With --onnx and --torch: comma-separated; default: all.")] = "",
    vocab: Annotated[int | None, typer.Option(help="With --onnx and --torch: semantic vocabulary; default: 8192.")] = None,
) -> None:
    """Write a trained codec for codec.load and --model, or a model in the formats of others."""
    if config is not None:
        from train.stages import export_model

        export_model(read_config(config, overrides or []), output)
        return
    if overrides or output or not (onnx or torch or hf):
        raise CodecError("name --config of a training run, or --onnx, --torch or --hf and a folder")
    from codec.export.huggingface import write_folder
    from codec.export.write import write_onnx, write_torch
    from codec.hub import load_own

    if not all(rate.isdecimal() for rate in rates.split(",") if rate):
        raise CodecError(f"--rates {rates}: whole numbers of tokens per second, comma-separated")
    loaded, chosen = load_own(model, vocab=vocab), [int(rate) for rate in rates.split(",") if rate] or None
    if onnx:
        write_onnx(loaded, onnx, chosen, int8)
    if torch:
        write_torch(loaded, torch, chosen)
    if hf:
        write_folder(loaded, hf)
