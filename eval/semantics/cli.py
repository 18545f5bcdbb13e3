"""``codec probe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from codec.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eval.semantics.interface import Embedder, TaskCard
    from eval.semantics.tasks.write import About

Name = TypeVar("Name", bound=str)

app = typer.Typer(help="Measure how much meaning tokens and latents carry.", no_args_is_help=True)

Codecs = Annotated[str, typer.Option("--codecs", "-c", help="Embedders, comma-separated: logmel,semcodec@50:semantic,…")]
Tasks = Annotated[Path, typer.Option("--tasks", "-t", help="Folder of task folders, as codec probe tasks makes it.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for results.")]
Model = Annotated[str, typer.Option("--model", "-m", help="What semcodec stands for: default, or a folder.")]
Only = Annotated[str, typer.Option(help="Names of tasks, comma-separated; all if left out.")]
Untrained = Annotated[bool, typer.Option("--untrained", help="Codecs whose weights are not here get random ones, and a mark.")]
Seed = Annotated[int, typer.Option(help="Of first weights and order.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output, nothing else.")]


@app.callback()
def root() -> None:
    """Probes."""


@app.command()
def tasks(
    corpus: Annotated[Path, typer.Option(help="A folder made by codec train corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Gets one folder per task.")],
    only: Only = "",
    soundfont: Annotated[Path | None, typer.Option(help="Of General MIDI, for instruments.")] = None,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
    json: Json = False,
) -> None:
    """Build probing tasks from free audio. A task that cannot be built is named, the others go on, and the exit code is 1."""
    import json as jsonlib
    import sys
    from dataclasses import asdict

    from eval.semantics.tasks import build_tasks
    from eval.semantics.tasks.instruments import SOUNDFONT

    missing: list[str] = []

    def built(card: TaskCard) -> None:
        counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
        print(jsonlib.dumps(asdict(card)) if json else f"{card.name}: {len(card.classes)} classes, {counts}", flush=True)

    def failed(about: About, error: CodecError) -> None:
        missing.append(about.name)
        reason = str(error).removeprefix(f"task {about.name}: ")
        print(f"codec: {about.name}, from {about.source}, cannot be built: {reason}", file=sys.stderr, flush=True)

    build_tasks(output, corpus, soundfont or SOUNDFONT, _listed(only), seed, built, failed)
    if missing:
        raise typer.Exit(1)


@app.command()
def run(
    codecs: Codecs,
    tasks: Tasks,
    output: Output,
    heads: Annotated[str, typer.Option(help="knn, mlp, or both with a comma.")] = "knn,mlp",
    modes: Annotated[str, typer.Option(help="corrected; compatible repeats the defects of X-ARES 0.1.3.")] = (
        "corrected,compatible"
    ),
    only: Only = "",
    untrained: Untrained = False,
    model: Model = "default",
    seed: Seed = 42,
    cache: Annotated[Path | None, typer.Option(help="Of embeddings; if left out, a hidden folder beside the tasks.")] = None,
    json: Json = False,
) -> None:
    """Score embedders on tasks: our own offline runner of X-ARES. A task that fails is reported, the others go on."""
    from eval.semantics.cache import FOLDER
    from eval.semantics.probe import find_tasks, run_probes
    from eval.semantics.scores import HEADS, MODES

    chosen, opener = (_among(heads, list(HEADS)), _among(modes, MODES)), _opener(model, untrained)
    folders = find_tasks(tasks, _listed(only))
    results = run_probes(_embedders(codecs), opener, folders, *chosen, output, seed, json, cache or tasks / FOLDER)
    if results.failures:
        raise typer.Exit(1)


@app.command()
def xares(
    codecs: Codecs,
    tasks: Tasks,
    output: Annotated[Path, typer.Option("--output", "-o", help="Working folder for the package.")],
    only: Only = "",
    prepare: Annotated[bool, typer.Option("--prepare", help="Write encoder and task files and stop.")] = False,
    json: Json = False,
) -> None:
    """Score embedders on our own task folders with the real xares package, unchanged."""
    import json as jsonlib
    import sys
    from dataclasses import asdict

    from eval.semantics.probe import find_tasks
    from eval.semantics.scores import Failure
    from eval.semantics.xares import real

    chosen = find_tasks(tasks, _listed(only))
    if prepare:
        encoders, files = real.prepare(output, _embedders(codecs), chosen)
        for encoder in encoders.values():
            print(f"cd {output} && python -m xares.run {encoder} {' '.join(files.values())} --max-jobs 0")
        return
    failed = False
    for found in real.run_real(output, _embedders(codecs), chosen):
        if isinstance(found, Failure):
            failed = True
            print(found.reason, file=sys.stderr)
        else:
            values = "  ".join(f"{head} {value:6.1%}" for head, value in found.values.items())
            print(jsonlib.dumps(asdict(found)) if json else f"{found.task:24} {found.embedder:32} {values}", flush=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def hear(
    codecs: Codecs,
    tasks: Annotated[Path, typer.Option("--tasks", "-t", help="Folder of HEAR's task folders.")],
    output: Output,
    untrained: Untrained = False,
    model: Model = "default",
    seed: Seed = 42,
    json: Json = False,
) -> None:
    """Score embedders with HEAR's probe, on its published task folders."""
    from eval.semantics.probe import run_hear

    if run_hear(_embedders(codecs), _opener(model, untrained), tasks, output, seed, json).failures:
        raise typer.Exit(1)


@app.command()
def lm(
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file.")],
    corpus: Annotated[Path | None, typer.Option(help="A folder made by codec train corpus: audio to model.")] = None,
    task: Annotated[Path | None, typer.Option(help="Or a task folder: its splits are modelled.")] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Task folders whose labels tokens are compared with.")] = None,
    rates: Annotated[str, typer.Option(help="Tokens per second, comma-separated.")] = "25,50,100",
    vocabs: Annotated[str, typer.Option(help="Semantic vocabularies, comma-separated.")] = "4096,32768",
    minutes: Annotated[
        float, typer.Option(help="Of the corpus to count and train on; a fifth of it to validate, and to test.")
    ] = 60,
    steps: Annotated[int, typer.Option(help="Of the transformer's training; 0: n-grams only.", min=0)] = 600,
    model: Model = "default",
    seed: Annotated[int, typer.Option(help="Of audio, weights and order.")] = 0,
    json: Json = False,
) -> None:
    """Count and model tokens: usage, entropy, n-gram and transformer bits per second of audio, PNMI against labels."""
    from eval.semantics.language.command import main

    if (corpus is None) == (task is None):
        raise CodecError("give either --corpus or --task: the audio whose tokens are modelled")
    numbers = [_numbers(rates), _numbers(vocabs)]
    main(output, corpus, task, labels or [], numbers[0], numbers[1], minutes, steps, model, seed, json)


@app.command()
def tune(
    on: Annotated[str, typer.Option(help="Names of tasks whose labels are learned, comma-separated.")],
    tasks: Tasks,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the tuned model; probe it as tuned:FOLDER.")],
    steps: Annotated[int, typer.Option(help="Of training.", min=1)] = 300,
    model: Model = "default",
    seed: Annotated[int, typer.Option(help="Of heads and order.")] = 0,
) -> None:
    """Fine-tune our semantic encoder on the labels of some tasks, then freeze it; probe it on the others."""
    import sys

    from codec.hub import check_model
    from eval.semantics.probe import find_tasks
    from eval.semantics.tuning import Tuning, tune

    check_model(model, own=True)
    names = _listed(on)
    if not names:
        raise CodecError("--on: name the tasks to learn from")

    def told(step: int, value: float) -> None:
        print(f"step {step}: {value:.1%} right on the validation splits", flush=True)

    folders = find_tasks(tasks, names)
    print(f"tuning the encoder on {', '.join(names)}, {steps} steps …", file=sys.stderr, flush=True)
    tune(model, folders, output, Tuning(steps=steps, seed=seed), told)


def _opener(model: str, untrained: bool) -> Callable[[str], Embedder]:
    from codec.hub import check_model
    from eval.semantics.embeddings import open_embedder
    from eval.semantics.probe import open_untrained

    check_model(model)

    def open_any(name: str) -> Embedder:
        return (open_untrained(name) if untrained else None) or open_embedder(name, model)

    return open_any


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _embedders(text: str) -> list[str]:
    """Names of embedders: ``logmel|dc,level`` and ``semcodec@50,vocab=4096:semantic`` hold commas of their own."""
    from eval.semantics.options import OPTIONS

    names: list[str] = []
    for part in _listed(text):
        if names and (part in OPTIONS or part.startswith("vocab=")):
            names[-1] += f",{part}"
        else:
            names.append(part)
    return names


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in _listed(text)]
    except ValueError as error:
        raise CodecError(f"{text!r}: whole numbers with commas are expected") from error


def _among(text: str, known: Sequence[Name]) -> list[Name]:
    strange = set(_listed(text)) - set(known)
    if strange or not _listed(text):
        raise CodecError(f"{text!r}: choose among {', '.join(known)}")
    return [name for name in known if name in _listed(text)]
