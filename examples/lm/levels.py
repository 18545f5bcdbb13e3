"""What rates and levels of tokens cost a language model: the same small one learns from each for the same processor time.

python examples/lm/levels.py recordings/ -o levels.json --minutes 1
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from accelerate import Accelerator
from sequences import read

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.tokenize import Options, TokenDataset, tokenize
from train import Plan, learn

LEVELS = ((25, 1), (25, 2), (50, 1), (50, 2), (100, 4))
"""Tokens per second, and how many of each frame's tokens are learned. Two of 100 are those of 50."""


def levels(recordings: Path, plan: Plan, work: Path) -> dict[str, Any]:
    """Tokenises recordings at every rate, and trains a model on every level.

    Args:
        recordings: a folder; sub-folders are classes.
        plan: how to learn; minutes are those of the processor, all cores together.
        work: a folder for shards and for the levels that are done, which are taken from there.
    """
    rows, seconds = [], 0.0
    for rate, streams in LEVELS:
        shards = work / str(rate)
        tokenize(Options(recordings, shards, rate=rate, workers=0))
        seconds = sum(float(item["row"].tokens().duration[0]) for item in TokenDataset(shards))
        vocabulary, training, held_out = read(shards, streams)
        print(f"{rate} tokens/s, {streams} of each frame's")
        done = work / f"{rate}-{streams}.json"
        asked = {"plan": asdict(plan), "model": vocabulary.model}
        known = json.loads(done.read_text("utf-8")) if done.is_file() else {}
        if {key: known.get(key) for key in asked} != asked:
            _, curve = learn(vocabulary, training, held_out, plan, Accelerator(cpu=True), time.process_time)
            known = {**asked, "curve": curve}
            with atomic_write(done) as handle:
                handle.write(json.dumps(known).encode())
        bits = sum((size - 1).bit_length() for size in vocabulary.codebook_sizes)
        rows.append({"rate": rate, "streams": streams, "stored": bits * vocabulary.frame_rate, "curve": known["curve"]})
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
    """Measure what each rate and level costs. Stopped, it goes on from what lies beside the output until all is done."""
    work = output.with_name(output.name + ".unfinished")
    work.mkdir(parents=True, exist_ok=True)
    found = levels(recordings, Plan(minutes, steps, width=width, layers=layers, batch=batch), work)
    output.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    shutil.rmtree(work)


if __name__ == "__main__":
    try:
        typer.run(main)
    except CodecError as error:
        raise SystemExit(f"levels.py: {error}") from error
