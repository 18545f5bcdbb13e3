"""What ``codec tokenize`` does with its options."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from codec.arrays import has_torch
from codec.audio.folders import PassedOver, passed_over
from codec.audio.io import AUDIO_SUFFIXES
from codec.bundled import BUNDLED, folder_of
from codec.data.recordings import read_source
from codec.data.recordings.cells import need_pyarrow
from codec.data.recordings.places import FilePlace
from codec.data.recordings.rows import Row
from codec.errors import CodecError
from codec.hub import WITH_TORCH, check_model, load_codec
from codec.processes import in_processes, processors
from codec.tokenize.plan import Plan, Settings
from codec.tokenize.ray_pool import execute_on_ray
from codec.tokenize.run import MANIFEST, Execute, Progress, finish, prepare
from codec.tokenize.shard_files import SUFFIXES
from codec.tokenize.work import Report, Setup, Task, work

SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Options:
    """Those of the command line."""

    source: Path
    output: Path
    model: str = "default"
    rate: int = 50
    vocab: int | None = None
    semantic_only: bool = False
    format: str = "parquet"
    kind: str | None = None
    shard_rows: int = 512
    workers: int | None = None
    device: str = "cpu"
    ray: str | None = None
    retry_failed: bool = False


def run(options: Options, json: bool) -> int:
    """Tokenises and tells of it.

    Returns:
        How many rows failed.

    Raises:
        CodecError: unusable corpus, options or output.
    """
    console = Console(stderr=True)
    columns = (TextColumn("tokenizing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[audio]}"))
    with Bar(*columns, TimeElapsedColumn(), console=console, transient=True, disable=json or not console.is_terminal) as bar:
        task = bar.add_task("", total=None, audio="reading the corpus")

        def progress(now: Progress) -> None:
            died = f", {now.deaths} workers died" if now.deaths else ""
            bar.update(task, total=now.total, completed=now.shards, audio=f"{now.hours:.2f} h of audio{died}")

        manifest = tokenize(options, progress)
    if json:
        print(jsonlib.dumps(manifest))
    else:
        console.print(_summary(options.output, manifest), highlight=False, soft_wrap=True, markup=False)
    if left := str(PassedOver(manifest.get("other_files", {}), manifest.get("linked_folders", 0))):
        print(f"codec: {options.source}: {left}", file=sys.stderr)
    for failure in manifest["failures"][:SHOWN_FAILURES]:
        print(f"codec: {failure['key']} ({failure['source']}): {failure['reason']}", file=sys.stderr)
    if manifest["failed"] > SHOWN_FAILURES:
        rest = manifest["failed"] - SHOWN_FAILURES
        print(f"codec: and {rest} more, listed in {options.output / MANIFEST}", file=sys.stderr)
    return int(manifest["failed"])


def tokenize(options: Options, progress: Any = lambda now: None) -> dict[str, Any]:
    """Tokenises; returns the manifest."""
    formats = tuple(SUFFIXES) if options.format == "both" else (options.format,)
    if not set(formats) <= set(SUFFIXES):
        raise CodecError(f"format {options.format!r} is not one of {', '.join(SUFFIXES)}, both")
    if "parquet" in formats:
        need_pyarrow()
    check_model(options.model, own=True)
    options = replace(options, device=_device(options))
    model = load_codec(options.model, options.rate, options.vocab)
    sizes = model.codebook_sizes[:1] if options.semantic_only else model.codebook_sizes
    settings = Settings(model.fingerprint, model.rate, model.vocab, sizes, formats, options.shard_rows)
    root, rows = read_source(options.source, options.kind)
    plan = Plan(settings, rows, root)
    prepare(options.output, plan, options.source)
    # Workers may have another working folder.
    named = options.model if folder_of(options.model) in BUNDLED.values() else os.path.abspath(options.model)
    setup = Setup(os.path.abspath(options.output), root, named, settings)
    manifest = finish(options.output, plan, _executor(options, setup), options.retry_failed, progress)
    if options.source.is_dir():
        left = passed_over(options.source, AUDIO_SUFFIXES)
        manifest |= {"linked_folders": left.linked, "other_files": left.others if _is_folder(rows) else {}}
    return manifest


def _is_folder(rows: list[Row]) -> bool:
    """Whether every audio file of the folder was meant, not those that something names or holds."""
    return all(isinstance(row.place, FilePlace) for row in rows)


def _executor(options: Options, setup: Setup) -> Execute:
    gpus = _gpus() if options.device == "cuda" else 0
    workers = options.workers if options.workers is not None else (gpus or processors())

    def run_tasks(waiting: deque[Task]) -> Iterator[tuple[Task, Report | None]]:
        if options.ray:
            return execute_on_ray(waiting, setup, options.device, options.workers or None, options.ray)
        if workers == 0:
            return _in_this_process(waiting, setup, options.device)
        devices = [f"cuda:{n % gpus}" if gpus else "cpu" for n in range(workers)]
        # Every process makes its own function of a task.
        return in_processes(waiting, [partial(partial, work, setup, device=device) for device in devices])

    return run_tasks


def _device(options: Options) -> str:
    """``cpu``, or ``cuda`` for all GPUs; of a cluster, only who asks knows what is there.

    Raises:
        CodecError: another one, one that is not there, or ``auto`` for a cluster.
    """
    device = options.device
    if device not in ("cpu", "cuda", "auto"):
        raise CodecError(f"device {device!r} is not one of cpu, cuda, auto")
    if device == "cpu" or (device == "cuda" and options.ray):
        return device
    if options.ray:
        raise CodecError("device auto looks at this machine, not at a cluster's: say cpu or cuda beside --ray")
    if not has_torch():
        if device == "auto":
            return "cpu"
        raise CodecError(f"device {device} needs torch: {WITH_TORCH}")
    from codec.device import find_device

    return find_device(device).type


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _in_this_process(waiting: deque[Task], setup: Setup, device: str) -> Iterator[tuple[Task, Report | None]]:
    while waiting:
        task = waiting.popleft()
        yield task, work(setup, task, device)


def _summary(output: Path, manifest: dict[str, Any]) -> str:
    last = manifest["last_run"]
    died = f", {last['workers_died']} workers died" if last["workers_died"] else ""
    stale = last.get("shards_of_replaced_files", 0)
    anew = f", {stale} shards anew, since recordings were replaced" if stale else ""
    return (
        f"{output}: {manifest['tokenized']} of {manifest['rows']} rows, {manifest['hours']:.3f} h, "
        f"{manifest['tokens']} tokens; last run {last['tokens_per_second']:.0f} tokens/s{died}{anew}"
    )
