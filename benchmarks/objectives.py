"""Objectives for the semantic encoder, compared by what probes find in features that cost the same processor time.

``python -m benchmarks.objectives --corpus runs/nano/corpus --teacher whisper-base --tasks runs/probe/tasks -o runs/objectives``
trains one trunk from scratch with each objective, probes all of them beside log-mel, the trunk with random weights and the
shipped encoder, and writes ``benchmarks/results/objectives.json``. What is trained already is not trained again, and what was
interrupted goes on. Time is that of the processor, so that other work on the machine takes nothing from one of them alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
import typer

from benchmarks.tables import RESULTS
from codec.atomic import atomic_write
from codec.cli.main import run_script
from codec.data.store import SAMPLE_RATE, Corpus, Entry, line
from codec.errors import CodecError
from codec.features import LogMel
from codec.networks.semantic import SemanticEncoder
from codec.provenance import sha256_of
from eval.semantics.embeddings import open_embedder
from eval.semantics.embeddings.tokens import encoder_features
from eval.semantics.interface import Embedder
from eval.semantics.probe import find_tasks, run_probes
from train.cli import read_config
from train.clock import ProcessorTime
from train.config import TrainConfig
from train.crops import FRAMES_PER_SECOND
from train.loop import no_figures, train
from train.parallel import join
from train.run import Average, cosine
from train.ssl.pretrain import crops_of, pretraining
from train.ssl.teacher import WhisperTeacher, cache_features

Objective = Literal["mae", "jepa", "distil"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
UNTRAINED = "untrained"
BESIDE = ("logmel", "semcodec:features")
HELD_OUT = 0.1
"""Hours of validation clips for every hour of training clips."""
RESULT, CLIPS = "trained.json", "clips.jsonl"


@dataclass(frozen=True)
class Trained:
    """What a training took.

    Attributes:
        objective: of the training.
        steps: that fitted into its time.
        minutes: of processor time.
        teacher_minutes: of processor time that the teacher's features took before; 0 without a teacher.
        audio_hours: in all crops together.
        figures: on validation crops, at the end.
    """

    objective: Objective
    steps: int
    minutes: float
    teacher_minutes: float
    audio_hours: float
    figures: dict[str, float]


def compare(config: TrainConfig, corpus: Path, tasks: Sequence[Path], minutes: float, hours: float) -> dict[str, Any]:
    """Trains what is not trained yet and probes everything.

    Args:
        config: trunk, batches and learning rate; its ``root`` gets a folder per objective.
        corpus: a built one.
        tasks: folders of probing tasks.
        minutes: of processor time for each objective.
        hours: of the corpus to train on, the same for all.

    Raises:
        CodecError: no corpus, no teacher, or a task that cannot be scored.
    """
    root = Path(config.root)
    about = {"minutes": minutes, "hours": hours, "threads": torch.get_num_threads(), "seed": config.seed}
    _claim(root, about)
    if not (root / "corpus" / CLIPS).is_file():
        choose_clips(Corpus(corpus), root / "corpus", config, hours)
    teacher_minutes = _teacher(config)
    trained = [_trained(name, config, minutes, teacher_minutes) for name in OBJECTIVES]
    names = [*BESIDE, UNTRAINED, *OBJECTIVES]
    results = run_probes(
        names, lambda name: _open(name, config), tasks, ["knn", "mlp"], ["corrected"], root, 42, cache=root / "embeddings"
    )
    if results.failures:
        raise CodecError(results.failures[0].reason)
    return {"about": about, "trained": [asdict(one) for one in trained], "scores": [asdict(one) for one in results.scores]}


def _claim(root: Path, about: dict[str, Any]) -> None:
    path = root / "about.json"
    if path.is_file() and json.loads(path.read_text("utf-8")) != about:
        raise CodecError(f"{root}: holds a comparison with other settings ({path.read_text('utf-8')}); choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about), "utf-8")


def choose_clips(corpus: Corpus, folder: Path, config: TrainConfig, hours: float) -> None:
    """A part of a corpus as a corpus of its own, with the domains in the shares that crops are drawn in."""
    chosen: list[Entry] = []
    total = sum(config.ssl.weights.values())
    for split, amount in {"train": hours, "valid": HELD_OUT * hours}.items():
        for domain, weight in config.ssl.weights.items():
            entries = [entry for entry in corpus.select(split, domain) if entry.speed == 1.0]
            order = np.random.default_rng(config.seed).permutation(len(entries))
            ends = np.cumsum([entries[i].samples for i in order]) / SAMPLE_RATE / 3600
            chosen += [entries[i] for i in order[: 1 + int(np.searchsorted(ends, amount * weight / total))]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "audio.i16").unlink(missing_ok=True)
    (folder / "audio.i16").symlink_to((corpus.folder / "audio.i16").resolve())
    with atomic_write(folder / CLIPS) as handle:
        handle.write("".join(map(line, chosen)).encode())


def _teacher(config: TrainConfig) -> float:
    """Minutes of processor time that the teacher's features took, now or earlier."""
    spent = config.folder("teacher") / "minutes.json"
    if not spent.is_file():
        clock = ProcessorTime()
        teachers = [WhisperTeacher(folder) for folder in config.ssl.teachers]
        cache_features(Corpus(config.folder("corpus")), teachers, config.folder("teacher"))
        spent.write_text(json.dumps(clock.seconds / 60), "utf-8")
    return float(json.loads(spent.read_text("utf-8")))


def _trained(name: Objective, config: TrainConfig, minutes: float, teacher_minutes: float) -> Trained:
    path = config.folder(name) / RESULT
    if not path.is_file():
        found = train_for(name, config, minutes, teacher_minutes if name == "distil" else 0.0)
        with atomic_write(path) as handle:
            handle.write(json.dumps(asdict(found)).encode())
    return Trained(**json.loads(path.read_text("utf-8")))


def train_for(name: Objective, config: TrainConfig, minutes: float, teacher_minutes: float) -> Trained:
    """Trains one objective until its time is spent, or goes on from the last checkpoint.

    Raises:
        CodecError: the loss is no longer a number, or the folder holds a training with another config.
    """
    torch.manual_seed(config.seed)
    config = config.model_copy(update={"ssl": config.ssl.model_copy(update={"objective": name, "steps": sys.maxsize})})
    stage, place = config.ssl, join()
    data, valid = crops_of(config, place)
    whole, clock = pretraining(config, data, valid, place), ProcessorTime()

    def rate(step: int) -> float:
        """It falls with time: the last step is the one that the steps until now promise."""
        share = max(1e-9, clock.seconds / (60 * minutes))
        return cosine(step, round(step / share), stage.learning_rate)

    training = replace(
        whole,
        name=name,
        validate=no_figures,
        beside={**whole.beside, "clock": clock},
        rate=rate,
        ended=lambda: clock.seconds >= 60 * minutes,
    )
    _, done, averaged = train(config, stage, data, place, training)
    audio = done * stage.batch_size * stage.crop_frames / FRAMES_PER_SECOND / 3600
    return Trained(name, done, clock.seconds / 60, teacher_minutes, audio, dict(whole.validate(averaged)))


def _open(name: str, config: TrainConfig) -> Embedder:
    if name in BESIDE:
        return open_embedder(name)
    torch.manual_seed(config.seed)
    average = Average(SemanticEncoder(config.model.semantic, config.model.mel.n_mels))
    version = f"seed {config.seed}"
    if name != UNTRAINED:
        path = config.folder(name) / "checkpoint.pt"
        average.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["parts"]["average"])
        version = sha256_of(path)
    mel = LogMel(config.model.sample_rate, **config.model.mel.model_dump())
    return encoder_features(mel, average.module, name, version, trained=name != UNTRAINED)


def main(
    corpus: Annotated[Path, typer.Option(help="A folder made by codec train corpus.")],
    teacher: Annotated[Path, typer.Option(help="A size of Whisper, or the folder of such a model in CTranslate2 form.")],
    tasks: Annotated[Path, typer.Option("--tasks", "-t", help="Folder of task folders, as codec probe tasks makes it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for trainings and embeddings.")],
    only: Annotated[str, typer.Option(help="Names of tasks, comma-separated.")] = "word,letter_or_digit,drum,instrument_family",
    minutes: Annotated[float, typer.Option(min=0.01, help="Of processor time for each objective.")] = 8,
    hours: Annotated[float, typer.Option(min=0.01, help="Of the corpus to train on.")] = 2,
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file: trunk and batches.")] = Path(
        "train/configs/nano.yaml"
    ),
) -> None:
    """Compare objectives for the semantic encoder."""
    try:
        settings = read_config(config, [f"root={output}", f"ssl.teacher={teacher}"])
        found = compare(settings, corpus, find_tasks(tasks, only.split(",")), minutes, hours)
        with atomic_write(RESULTS / "objectives.json") as handle:
            handle.write((json.dumps(found, indent=1) + "\n").encode())
    except CodecError as error:
        print(f"benchmarks.objectives: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    run_script(main)
