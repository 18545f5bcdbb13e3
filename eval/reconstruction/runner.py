"""Every codec on every clip with every metric: parallel, cached, resumable, and not stopped by what fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from codec.baselines.interface import Reconstructor
from codec.data.progress import Teller
from codec.data.testsets.clip import Clip
from codec.errors import CodecError, one_line
from codec.provenance import code_version
from eval.reconstruction.cache import Cache, cache_key
from eval.reconstruction.delay import in_time
from eval.reconstruction.pool import execute
from eval.reconstruction.provenance import PACKAGES, installed, trace
from eval.reconstruction.results import CodecInfo, MetricInfo, Results, Row
from eval.reconstruction.worker import Job, Setup, hash_clip


def run(
    codecs: Sequence[str],
    clips: Sequence[Clip],
    setup: Setup,
    cache: Cache,
    workers: int = 2,
    data: str = "",
    config: Mapping[str, Any] | None = None,
    wanted: Callable[[str, Clip], bool] = lambda codec, clip: True,
) -> Results:
    """Measures.

    Args:
        codecs: names that ``setup.open_codec`` knows.
        clips: with unique names.
        setup: how workers open codecs and metrics.
        cache: rows measured before.
        workers: processes, each with one thread; 0: in this process.
        data: where the clips come from, for the provenance.
        config: what was asked for, for the provenance.
        wanted: whether a codec is to run on a clip.

    Raises:
        CodecError: no clips, two of one name, or an impossible choice of metrics.
    """
    names = [clip.name for clip in clips]
    if not clips:
        raise CodecError("no clips to measure")
    if len(set(names)) < len(names):
        raise CodecError(f"two clips are called {next(name for name in names if names.count(name) > 1)!r}")
    metrics = [MetricInfo(m.name, m.unit, m.higher_is_better, m.cite, m.ratio) for m in setup.make_metrics()]
    hashes, seconds, unreadable = _read(clips)
    readable = [clip for clip in clips if clip.name in hashes]
    infos, refused = _inspect(list(dict.fromkeys(codecs)), setup.open_codec, readable)
    code = metrics_version(metrics, setup)
    jobs = [
        Job(info.name, info.version, clip, hashes[clip.name], seconds[clip.name],
            cache_key(hashes[clip.name], info.name, info.version, str(info.delay), code), info.delay)
        for info in infos
        for clip in readable
        if wanted(info.name, clip)
    ]  # fmt: skip
    rows = _measure(jobs, setup, cache, workers)
    provenance = trace(
        {**(config or {}), **setup.settings},
        data,
        [(name, hashes[name]) for name in names if name in hashes],
        workers,
        setup.seed,
    )
    return Results(tuple(rows), tuple(infos), tuple(metrics), refused, unreadable, provenance)


def metrics_version(metrics: Sequence[MetricInfo], setup: Setup) -> str:
    """The version of all that a value depends on besides clip and weights: metrics, settings, packages, and source.

    Weights and programs have versions of their own; what runs them, resamples for them and counts their bits has not.
    """
    source = code_version("eval/reconstruction", "codec", "quantizers")
    packages = sorted(installed(PACKAGES).items())
    settings = sorted(setup.settings.items())
    return cache_key(str([m.name for m in metrics]), str(settings), str(setup.seed), str(packages), source)


def _read(clips: Sequence[Clip]) -> tuple[dict[str, str], dict[str, float], dict[str, str]]:
    """Content hash and seconds by clip, and reasons for those that cannot be read."""
    hashes, seconds, unreadable = {}, {}, {}
    for clip in clips:
        try:
            wave, sample_rate = clip.load()
        except (CodecError, OSError) as error:
            unreadable[clip.name] = one_line(str(error))
            continue
        if not len(wave):
            unreadable[clip.name] = "no samples"
            continue
        hashes[clip.name], seconds[clip.name] = hash_clip(clip, wave, sample_rate), len(wave) / sample_rate
    return hashes, seconds, unreadable


def _inspect(
    names: Sequence[str], open_codec: Callable[[str], Reconstructor], clips: Sequence[Clip]
) -> tuple[list[CodecInfo], dict[str, str]]:
    """Codecs that can be run, with the delay that they know or the clips show, and reasons for those that cannot."""
    infos, refused = [], {}
    for name in names:
        try:
            codec = open_codec(name)
            late = in_time(codec, clips).delay or 0.0 if codec.trained else 0.0
        except Exception as error:  # a foreign package may fail in any way; the other codecs go on
            refused[name] = one_line(str(error) if isinstance(error, CodecError) else f"{type(error).__name__}: {error}")
            continue
        if codec.trained:
            infos.append(CodecInfo(name, codec.version, codec.sample_rate, codec.bitrate, late))
        else:
            refused[name] = "its weights are random: figures would mean nothing"
    return infos, refused


def _measure(jobs: Sequence[Job], setup: Setup, cache: Cache, workers: int) -> list[Row]:
    """Rows in the order of jobs; clips of the same content are measured once. Says how far it is, to a terminal or a log."""
    rows = {job.key: row for job in jobs if (row := cache.get(job.key))}
    left = {job.key: job for job in jobs if job.key not in rows}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        total, started, seconds = len(rows) + len(left), time.monotonic(), 0.0
        task = bar.add_task("measuring", total=total, completed=len(rows))
        tell = Teller("measuring", total, bar.disable)
        tell(len(rows), "", 0)
        for job, row in execute(list(left.values()), setup, workers):
            cache.put(job.key, row)
            rows[job.key] = row
            seconds += job.seconds
            bar.update(task, advance=1, description=job.codec)
            tell(len(rows), f"{len(rows)} of {total}, {job.codec}", seconds / max(time.monotonic() - started, 1e-9))
    return [replace(rows[job.key], clip=job.clip.name) for job in jobs]
