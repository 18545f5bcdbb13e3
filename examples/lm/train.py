"""Trains a small transformer on audio tokens, and tells how many bits a second of audio takes it as it learns.

codec tokenize recordings/ -o shards/ --rate 50
python examples/lm/train.py shards/ -o lm/ --minutes 2
accelerate launch --num_processes 8 examples/lm/train.py shards/ -o lm/ --minutes 60 --width 768 --layers 12
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from accelerate import Accelerator
from sequences import Crops, Vocabulary, read
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import LlamaConfig, LlamaForCausalLM

from codec.errors import CodecError

MEASURE_BATCHES = 4
"""Of held-out crops, the same each time; they are not counted as time to learn in."""
MEASUREMENTS = 8
"""Over a training."""


def build(vocabulary: Vocabulary, frames: int, width: int, layers: int) -> LlamaForCausalLM:
    """An untrained model with room for crops of so many frames."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary.size,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            max_position_embeddings=1 + frames * vocabulary.streams,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=vocabulary.pattern.special,
        )
    )


def loss_of(model: Any, crops: Tensor, pad: int) -> Tensor:
    """Mean nats of a token, padding left out."""
    found: Tensor = model(input_ids=crops, attention_mask=crops != pad, labels=crops.masked_fill(crops == pad, -100)).loss
    return found


@dataclass(frozen=True)
class Plan:
    """How to learn.

    Attributes:
        minutes: of learning.
        steps: of learning, however long they take; None: as many as the minutes allow.
        seconds: of audio in a crop.
        batch: crops a process.
        width: of the model.
        layers: of the model.
        learning_rate: at its highest.
        seed: of everything random.
    """

    minutes: float = 2.0
    steps: int | None = None
    seconds: float = 4.0
    batch: int = 8
    width: int = 192
    layers: int = 4
    learning_rate: float = 1e-3
    seed: int = 0


def learn(
    vocabulary: Vocabulary,
    training: list[Tensor],
    held_out: list[Tensor],
    plan: Plan,
    accelerator: Accelerator,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Any, list[dict[str, float]]]:
    """Trains a model.

    Args:
        vocabulary: of the sequences.
        training: sequences to learn from, ``(N,)`` each.
        held_out: sequences to measure on.
        plan: how.
        accelerator: of this process.
        clock: seconds that count.

    Returns:
        The model, and what a second of held-out audio cost it, eight times on its way.
    """
    torch.manual_seed(plan.seed)
    frames = max(1, round(plan.seconds * vocabulary.frame_rate))
    pad = vocabulary.pattern.special
    model = build(vocabulary, frames, plan.width, plan.layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    loader = DataLoader(Crops(training, frames, vocabulary, 1 << 30, plan.seed), plan.batch)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    crops_to_measure = Crops(held_out, frames, vocabulary, plan.batch * MEASURE_BATCHES, plan.seed + 1)
    tests = list(DataLoader(crops_to_measure, plan.batch))
    curve: list[dict[str, float]] = []

    @torch.no_grad()
    def measure(step: int, seconds_so_far: float) -> None:
        model.eval()
        nats = sum(loss_of(model, crops.to(accelerator.device), pad).item() for crops in tests) / len(tests)
        model.train()
        point = {
            "seconds": round(seconds_so_far, 1),
            "step": step,
            "bits_per_token": round(nats / math.log(2), 3),
            "bits_per_second": round(nats / math.log(2) * vocabulary.tokens_per_second, 1),
        }
        curve.append(point)
        accelerator.print(json.dumps(point))

    began, due = clock(), 0.0
    for step, crops in enumerate(loader):
        seconds_so_far = clock() - began
        share = seconds_so_far / (60 * plan.minutes) if plan.steps is None else step / plan.steps
        # Clocks differ, and all processes must stop at the same step.
        passed = min(1.0, float(accelerator.reduce(torch.tensor(share, device=accelerator.device), "mean")))
        if passed >= min(due, 1.0):
            paused = clock()
            measure(step, seconds_so_far)
            began += clock() - paused
            due = passed + 1 / MEASUREMENTS
        if passed >= 1:
            break
        for group in optimizer.param_groups:
            warm, low = min(1.0, (step + 1) / 20), 0.05
            group["lr"] = plan.learning_rate * warm * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * passed)))
        optimizer.zero_grad()
        accelerator.backward(loss_of(model, crops, pad))
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model, curve


def main(
    shards: Annotated[Path, typer.Argument(help="What codec tokenize wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.")],
    minutes: Annotated[float, typer.Option(help="To train.")] = Plan.minutes,
    steps: Annotated[int | None, typer.Option(help="To train, however long they take.")] = None,
    streams: Annotated[int | None, typer.Option(help="Of each frame's tokens, the semantic one first; default: all.")] = None,
    seconds: Annotated[float, typer.Option(help="Of audio in a crop.")] = Plan.seconds,
    batch: Annotated[int, typer.Option(help="Crops a process.")] = Plan.batch,
    width: Annotated[int, typer.Option(help="Of the model.")] = Plan.width,
    layers: Annotated[int, typer.Option(help="Of the model.")] = Plan.layers,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = Plan.learning_rate,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = Plan.seed,
) -> None:
    """Train on tokens until the time is over."""
    vocabulary, training, held_out = read(shards, streams)
    output.mkdir(parents=True, exist_ok=True)
    plan = Plan(minutes, steps, seconds, batch, width, layers, learning_rate, seed)
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
    model, curve = learn(vocabulary, training, held_out, plan, accelerator)
    if accelerator.is_main_process:
        accelerator.unwrap_model(model).save_pretrained(output)
        vocabulary.save(output)
        (output / "curve.json").write_text(json.dumps(curve, indent=1) + "\n", "utf-8")
    accelerator.print(f"{output}: {curve[0]['bits_per_second']:g} → {curve[-1]['bits_per_second']:g} bit/s of held-out audio")


if __name__ == "__main__":
    try:
        typer.run(main)
    except CodecError as error:
        raise SystemExit(f"train.py: {error}") from error
