"""``codec tokenize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tokenize(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder, .jsonl manifest, WebDataset .tar, Hugging Face data set or .parquet.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of token shards; the same command resumes it.")],
    model: Annotated[str, typer.Option("--model", "-m", help="default, a folder, or a .safetensors file.")] = "default",
    rate: Annotated[int, typer.Option("--rate", "-r", help="Tokens per second: 25, 50 or 100.")] = 50,
    vocab: Annotated[int | None, typer.Option("--vocab", help="Semantic vocabulary; default: 8192.")] = None,
    semantic_only: Annotated[bool, typer.Option("--semantic-only", help="Leave out the acoustic tokens.")] = False,
    format: Annotated[str, typer.Option("--format", "-f", help="parquet, webdataset, or both.")] = "parquet",
    kind: Annotated[
        str | None, typer.Option(help="Of SRC: folder, manifest, webdataset or huggingface; default: what it looks like.")
    ] = None,
    shard_rows: Annotated[int, typer.Option(min=1, help="Recordings in a shard.")] = 512,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; 0: in this one; default: one a processor, or GPU.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: GPUs if there are any.")] = "cpu",
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Ray cluster to work on, or local.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Redo shards in which rows failed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The manifest as one JSON line on standard output.")] = False,
) -> None:
    """Turn a corpus into shards of tokens. Exit code 1: done, but some rows failed; the manifest names them."""
    from codec.tokenize.command import Options, run

    options = Options(
        source, output, model, rate, vocab, semantic_only, format, kind, shard_rows, workers, device, ray, retry_failed
    )
    if run(options, json):
        raise typer.Exit(1)
