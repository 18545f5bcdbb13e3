"""``codec eval reconstruct``: from names on a command line to results, and a table of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from codec.atomic import atomic_write
from codec.data.testsets import clips_of
from codec.data.testsets.clip import Clip
from codec.device import find_device
from codec.errors import CodecError
from codec.processes import processors
from codec.provenance import sha256_of
from eval.reconstruction.cache import Cache, cache_key
from eval.reconstruction.compact import print_compact
from eval.reconstruction.original import open_any
from eval.reconstruction.provenance import data_name
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.results import Results
from eval.reconstruction.runner import run
from eval.reconstruction.show import as_text, complain
from eval.reconstruction.summary import summarise
from eval.reconstruction.worker import Setup


def default_cache() -> Path:
    """Where rows are kept between runs: ``$XDG_CACHE_HOME/semcodec/reconstruct``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "semcodec" / "reconstruct"


@dataclass(frozen=True)
class Options:
    """Those of the command line.

    Attributes:
        codecs: names, as for `open_any`.
        data: as for `codec.data.testsets.clips_of`.
        metrics: names; None: all that the eval extra installs.
        asr: recogniser of the word error rate.
        clips: a domain at most; None: all.
        reference: codec to take paired differences from; one of ``codecs``.
        workers: processes; None: as many as there are processors.
        cache: folder of rows measured before; None: `default_cache`.
        device: that models of our own work on: ``cpu``, ``cuda``, or ``auto``.

    Raises:
        CodecError: no codecs, or the reference is none of them: before hours of work, not after.
    """

    codecs: Sequence[str]
    data: str
    metrics: Sequence[str] | None = None
    asr: str = "pocketsphinx"
    clips: int | None = None
    reference: str | None = None
    workers: int | None = None
    cache: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.codecs:
            raise CodecError("no codecs: name some, for example --codecs semcodec@50,opus@6,codec2@700C")
        if self.reference and self.reference not in self.codecs:
            raise CodecError(f"the reference {self.reference} is not among the codecs: {' '.join(self.codecs)}")


def measure(
    options: Options,
    wanted: Callable[[str, Clip], bool] = lambda codec, clip: True,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Results, list[Clip]]:
    """Runs codecs on data.

    Args:
        options: of the command line.
        wanted: whether a codec is to run on a clip.
        say: told what is being done, a line each.

    Raises:
        CodecError: no such data or metric, no folder for the cache, something that a metric needs is missing, or no codec could
            be run on any clip.
    """
    cache = options.cache or default_cache()
    check_folder(cache)
    codecs, names, asr = list(options.codecs), options.metrics, options.asr
    chosen = clips_of(options.data, per_domain=options.clips)
    say(f"{len(chosen)} clips, {len(codecs)} codecs; opening them and measuring their delays …")
    device = str(find_device(options.device))
    # Rows of a processor are what they always were; a GPU's have other speeds, and may have other near ties.
    settings = {"asr": recogniser_name(asr), **({} if device == "cpu" else {"device": device})}
    setup = Setup(partial(open_any, device=device), partial(metrics, names, asr=asr), score, settings)
    config = {"codecs": codecs, "clips": options.clips, "metrics": None if names is None else list(names)}
    workers = options.workers if options.workers is not None else processors()
    results = run(codecs, chosen, setup, Cache(cache), workers, data_name(options.data), config, wanted)
    if not results.rows:
        reasons = [f"{name}: {reason}" for name, reason in {**results.refused, **results.unreadable}.items()]
        raise CodecError(f"nothing was measured: {'; '.join(reasons) or 'no codec here is for clips of these domains'}")
    return results, list(chosen)


def recogniser_name(asr: str) -> str:
    """As it was asked for; a folder by its name and a hash of its files' content, as its path says nothing elsewhere."""
    kind, _, model = asr.partition(":")
    folder = Path(model)
    if not model or not folder.is_dir():
        return asr
    files = [(path.name, sha256_of(path)) for path in sorted(folder.iterdir()) if path.is_file()]
    return f"{kind}:{folder.resolve().name} {cache_key(str(files))[:8]}"


def check_folder(folder: Path) -> None:
    """Before hours of work, not after; makes nothing.

    Raises:
        CodecError: nothing can be written there.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise CodecError(f"{folder}: {nearest} is not a folder that can be written to")


def main(options: Options, output: Path, as_json: bool) -> int:
    """Measures, writes, prints one table that fits the terminal; all figures are in ``tables.txt`` beside the results.

    Args:
        options: of the command line.
        output: folder for the results.
        as_json: print a JSON line for each codec and domain, not a table.

    Returns:
        1 if a codec, a clip or a metric failed, else 0.

    Raises:
        CodecError: as `measure`, or no folder for the results.
    """
    check_folder(output)
    results, _ = measure(options, say=lambda line: print(line, file=sys.stderr, flush=True))
    results.write(output)
    summaries = summarise(results, options.reference)
    tables = output / "tables.txt"
    with atomic_write(tables) as handle:
        handle.write(as_text(results, summaries, options.reference).encode())
    if as_json:
        for summary in summaries:
            print(json.dumps(asdict(summary)))
    else:
        print_compact(results, summaries)
        print(f"all figures, with intervals: {tables}")
    complain(results)
    return 0 if results.complete else 1
