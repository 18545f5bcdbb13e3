"""What rates and levels of tokens cost a language model: the same small one learns from each for the same processor time.

python examples/lm/levels.py recordings/ -o levels.json --minutes 1
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from accelerate import Accelerator
from sequences import read

from codec.errors import CodecError
from codec.tokenize import Options, TokenDataset, tokenize
from train import Plan, learn

LEVELS = ((25, 1), (25, 2), (50, 1), (50, 2), (100, 4))
"""Tokens per second, and how many of each frame's tokens are learned. Two of 100 are those of 50."""


def levels(recordings: Path, plan: Plan, tokens: Path) -> dict[str, Any]:
    """Tokenises recordings at every rate, and trains a model on every level.

    Args:
        recordings: a folder; sub-folders are classes.
        plan: how to learn; minutes are those of the processor, all cores together.
        tokens: a folder for shards.
    """
    rows, seconds = [], 0.0
    for rate, streams in LEVELS:
        shards = tokens / str(rate)
        if not shards.exists():
            tokenize(Options(recordings, shards, rate=rate, workers=0))
            seconds = sum(float(item["row"].tokens().duration[0]) for item in TokenDataset(shards))
        vocabulary, training, held_out = read(shards, streams)
        print(f"{rate} tokens/s, {streams} of each frame's")
        _, curve = learn(vocabulary, training, held_out, plan, Accelerator(cpu=True), time.process_time)
        bits = sum((size - 1).bit_length() for size in vocabulary.codebook_sizes)
        rows.append({"rate": rate, "streams": streams, "stored": bits * vocabulary.frame_rate, "curve": curve})
    about = {"recordings": len(training) + len(held_out), "held_out": len(held_out), "minutes_of_audio": round(seconds / 60, 1)}
    sizes = {"width": plan.width, "layers": plan.layers, "batch": plan.batch, "crop_seconds": plan.seconds}
    spent = {"processor_minutes": plan.minutes, "steps": plan.steps}
    return {**about, "vocabulary": vocabulary.vocab, "model": vocabulary.model, **sizes, **spent, "levels": rows}


def main(
    recordings: Annotated[Path, typer.Argument(help="A folder; its sub-folders are classes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON.")],
    minutes: Annotated[float, typer.Option(help="Of processor time for each level.")] = 1.0,
    steps: Annotated[int | None, typer.Option(help="Of each level, however long they take.")] = None,
    width: Annotated[int, typer.Option(help="Of the model.")] = Plan.width,
    layers: Annotated[int, typer.Option(help="Of the model.")] = Plan.layers,
    batch: Annotated[int, typer.Option(help="Crops of four seconds.")] = Plan.batch,
) -> None:
    """Measure what each rate and level costs."""
    with tempfile.TemporaryDirectory() as tokens:
        plan = Plan(minutes, steps, width=width, layers=layers, batch=batch)
        found = levels(recordings, plan, Path(tokens))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    try:
        typer.run(main)
    except CodecError as error:
        raise SystemExit(f"levels.py: {error}") from error
