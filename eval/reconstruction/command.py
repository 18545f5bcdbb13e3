"""``codec eval reconstruct``: from names on a command line to results, and a table of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eval.datasets import clips_of
from eval.reconstruction.cache import Cache, cache_key
from eval.reconstruction.interface import Domain
from eval.reconstruction.original import open_any
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.results import MetricInfo, Results
from eval.reconstruction.runner import run
from eval.reconstruction.summary import Score, Summary, metric_names, summarise
from eval.reconstruction.worker import Clip, Setup


def default_cache() -> Path:
    """Where rows are kept between runs: ``$XDG_CACHE_HOME/semcodec/reconstruct``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "semcodec" / "reconstruct"


def measure(
    codecs: Sequence[str],
    data: str,
    names: Sequence[str] | None = None,
    asr: str = "pocketsphinx",
    clips: int | None = None,
    workers: int | None = None,
    cache: Path | None = None,
    wanted: Callable[[str, Clip], bool] = lambda codec, clip: True,
) -> tuple[Results, list[Clip]]:
    """Runs codecs on data.

    Args:
        codecs: names, as for `open_any`.
        data: as for `eval.datasets.clips_of`.
        names: of metrics; None: all that the eval extra installs.
        asr: recogniser of the word error rate.
        clips: a domain at most; None: all.
        workers: processes; None: as many as there are processors.
        cache: folder of rows measured before.
        wanted: whether a codec is to run on a clip.

    Raises:
        CodecError: no such data or metric, or something that a metric needs is missing.
    """
    chosen = clips_of(data, per_domain=clips)
    setup = Setup(open_any, partial(metrics, names, asr=asr), score, {"asr": recogniser_name(asr)})
    config = {"codecs": list(codecs), "clips": clips, "metrics": None if names is None else list(names)}
    workers = workers if workers is not None else os.cpu_count() or 1
    return run(codecs, chosen, setup, Cache(cache or default_cache()), workers, Path(data).name, config, wanted), list(chosen)


def recogniser_name(asr: str) -> str:
    """A name, or that of a folder with a hash of what lies in it: never a path, which says nothing elsewhere."""
    folder = Path(asr)
    if not folder.is_dir():
        return asr
    files = [(path.name, path.stat().st_size) for path in sorted(folder.iterdir()) if path.is_file()]
    return f"{folder.resolve().name} {cache_key(str(files))[:8]}"


def main(
    codecs: Sequence[str],
    data: str,
    output: Path,
    names: Sequence[str] | None,
    asr: str,
    clips: int | None,
    reference: str | None,
    workers: int | None,
    cache: Path | None,
    as_json: bool,
) -> int:
    """Measures, writes, prints.

    Returns:
        1 if a codec or a clip failed, else 0.

    Raises:
        CodecError: as `measure`.
    """
    results, _ = measure(codecs, data, names, asr, clips, workers, cache)
    results.write(output)
    summaries = summarise(results, reference)
    if as_json:
        for summary in summaries:
            print(json.dumps(asdict(summary)))
    else:
        show(results, summaries, reference)
    complain(results)
    return 0 if results.complete else 1


def show(results: Results, summaries: Sequence[Summary], reference: str | None) -> None:
    """Prints a table for every domain, and with a reference one of paired differences."""
    console = Console()
    for domain in results.domains:
        infos = [results.metric(name) for name in metric_names(results, domain)]
        rows = [summary for summary in summaries if summary.domain == domain]
        titles = [f"{info.name}{' %' if info.unit == '%' else ''} {'↑' if info.higher_is_better else '↓'}" for info in infos]
        table = Table("codec", "kbit/s", *titles, "encode", "decode", "failed", title=f"{domain}, {rows[0].clips} clips")
        for row in rows:
            speeds = [f"{speed:.0f} ×" if speed else "–" for speed in (row.encode_speed, row.decode_speed)]
            kbps = "–" if row.kbps is None else f"{row.kbps:.2f}"
            table.add_row(row.codec, kbps, *(_cell(row.scores[i.name], i) for i in infos), *speeds, str(row.failed))
        console.print(table)
        if reference:
            _differences(console, domain, infos, rows, titles, reference)


def complain(results: Results) -> None:
    """Names on standard error what did not run."""
    console = Console(stderr=True, highlight=False, markup=False)
    for codec, reason in results.refused.items():
        console.print(f"{codec} was not run: {reason}")
    for clip, reason in results.unreadable.items():
        console.print(f"{clip} cannot be read: {reason}")
    for row in results.rows:
        if row.error:
            console.print(f"{row.codec} failed on {row.clip}: {row.error}")


def _differences(
    console: Console,
    domain: Domain,
    infos: Sequence[MetricInfo],
    rows: Sequence[Summary],
    titles: Sequence[str],
    reference: str,
) -> None:
    table = Table("codec", *titles, title=f"{domain}, paired differences: codec − {reference}")
    for row in rows:
        if row.codec != reference:
            found = [row.scores[info.name].difference for info in infos]
            table.add_row(row.codec, *("–" if d is None else f"{d.value:+.3g} {_ends(d.low, d.high)}" for d in found))
    console.print(table)


def _cell(score: Score, info: MetricInfo) -> str:
    failed = f" ({score.failed} failed)" if score.failed else ""
    if score.mean is None:
        return f"–{failed}"
    return f"{score.mean.value:.3g} {_ends(score.mean.low, score.mean.high)}{failed}"


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"({low:.3g} … {high:.3g})"
