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
    onnx: Annotated[
        Path | None, typer.Option(help="Folder for ONNX files, which need no torch; the model's own folder will do.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="With --onnx: large weights in 8 bits, for browsers.")] = False,
    hf: Annotated[Path | None, typer.Option(help="Hugging Face folder, for codec.load and AutoModel.")] = None,
) -> None:
    """Write a trained codec for codec.load and --model, or a model in the formats of others."""
    if config is not None:
        from train.stages import export_model

        export_model(read_config(config, overrides or []), output)
        return
    if overrides or output or not (onnx or hf):
        raise CodecError("name --config of a training run, or --onnx or --hf and a folder")
    from codec.export.write import write_onnx
    from codec.hub import load_own
    from codec.huggingface.folder import write_folder

    loaded = load_own(model)
    if onnx:
        write_onnx(loaded, onnx, int8)
        _tell(onnx)
    if hf:
        write_folder(loaded, hf)
        _tell(hf)


def _tell(folder: Path) -> None:
    """Prints what lies in a folder now."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    typer.echo(f"{folder}: " + ", ".join(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in files))
