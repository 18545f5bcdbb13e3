"""``codec eval reconstruct``: from names on a command line to results, and a table of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from codec.data.testsets import clips_of
from codec.data.testsets.clip import Clip
from codec.errors import CodecError
from eval.reconstruction.cache import Cache, cache_key
from eval.reconstruction.original import open_any
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.results import Results
from eval.reconstruction.runner import run
from eval.reconstruction.show import complain, show
from eval.reconstruction.summary import summarise
from eval.reconstruction.worker import Setup


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
        data: as for `codec.data.testsets.clips_of`.
        names: of metrics; None: all that the eval extra installs.
        asr: recogniser of the word error rate.
        clips: a domain at most; None: all.
        workers: processes; None: as many as there are processors.
        cache: folder of rows measured before.
        wanted: whether a codec is to run on a clip.

    Raises:
        CodecError: no such data or metric, no folder for the cache, or something that a metric needs is missing.
    """
    cache = cache or default_cache()
    check_folder(cache)
    chosen = clips_of(data, per_domain=clips)
    setup = Setup(open_any, partial(metrics, names, asr=asr), score, {"asr": recogniser_name(asr)})
    config = {"codecs": list(codecs), "clips": clips, "metrics": None if names is None else list(names)}
    workers = workers if workers is not None else os.cpu_count() or 1
    return run(codecs, chosen, setup, Cache(cache), workers, data_name(data), config, wanted), list(chosen)


def recogniser_name(asr: str) -> str:
    """As it was asked for; a folder by its name and a hash of what lies in it, as its path says nothing elsewhere."""
    kind, _, model = asr.partition(":")
    folder = Path(model)
    if not model or not folder.is_dir():
        return asr
    files = [(path.name, path.stat().st_size) for path in sorted(folder.iterdir()) if path.is_file()]
    return f"{kind}:{folder.resolve().name} {cache_key(str(files))[:8]}"


def data_name(data: str) -> str:
    """The end of a path, which says what the data are without telling where this machine keeps them.

    Example:
        >>> data_name("/home/me/runs/nano/corpus"), data_name("libritts:/data/LibriTTS")
        ('nano/corpus', 'libritts:data/LibriTTS')
    """
    kind, colon, path = data.rpartition(":")
    parts = [part for part in Path(path).parts if part != Path(path).anchor]
    return kind + colon + "/".join(parts[-2:])


def check_names(codecs: Sequence[str], reference: str | None) -> None:
    """Before hours of work, not after.

    Raises:
        CodecError: no codecs, or the reference is none of them.
    """
    if not codecs:
        raise CodecError("no codecs: name some, for example --codecs semcodec@50,opus@6,codec2@700C")
    if reference and reference not in codecs:
        raise CodecError(f"the reference {reference} is not among the codecs: {' '.join(codecs)}")


def check_folder(folder: Path) -> None:
    """Before hours of work, not after; makes nothing.

    Raises:
        CodecError: nothing can be written there.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise CodecError(f"{folder}: {nearest} is not a folder that can be written to")


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
        1 if a codec, a clip or a metric failed, else 0.

    Raises:
        CodecError: as `measure`, or no folder for the results.
    """
    check_names(codecs, reference)
    check_folder(output)
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
