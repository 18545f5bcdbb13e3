"""``codec bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.errors import CodecError

app = typer.Typer(help="Measure this machine: speed and memory.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Benchmarks."""


@app.command()
def speed(
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: as many as there are.")] = 0,
    hour: Annotated[bool, typer.Option(help="Also run a one-hour file and report its peak memory.")] = True,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Encode and decode speed of a 60 s clip, start-up times, and memory of a one-hour file."""
    from benchmarks.speed import main

    main(model, threads, hour, json)


@app.command()
def quality(
    corpus: Annotated[str, typer.Option(help="A folder made by codec train corpus.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    split: Annotated[str, typer.Option(help="valid for choosing, test for reporting.")] = "valid",
    clips: Annotated[int, typer.Option(help="Clips per domain.")] = 40,
    asr: Annotated[str | None, typer.Option(help="faster-whisper model name or folder, for word error rates.")] = None,
    peers: Annotated[bool, typer.Option(help="Also run Codec2 and Opus, where installed.")] = True,
    vocab: Annotated[int, typer.Option()] = 32768,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file.")] = None,
) -> None:
    """Quality on held-out clips of the free corpus, beside classical codecs."""
    import codec
    from benchmarks.quality import main

    main(codec.load(model, vocab=vocab), corpus, split, clips, asr, output, peers, vocab)


@app.command()
def entropy(
    corpus: Annotated[str, typer.Option(help="A folder made by codec train corpus.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    split: Annotated[str, typer.Option(help="valid for choosing, test for reporting.")] = "valid",
    clips: Annotated[int, typer.Option(help="Clips per domain; 0: all.")] = 0,
    rates: Annotated[str, typer.Option(help="Comma-separated.")] = "25,50,100",
    vocab: Annotated[int, typer.Option()] = 8192,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON lines.")] = None,
) -> None:
    """What entropy coding saves on held-out clips of the free corpus."""
    import codec
    from benchmarks.entropy import main
    from train.corpora.store import Corpus

    main(codec.load(model), Corpus(corpus), split, clips, [int(rate) for rate in rates.split(",")], vocab, output)


@app.command()
def codes(
    corpus: Annotated[str, typer.Option(help="A folder made by codec train corpus.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    hours: Annotated[float, typer.Option(help="Of training audio.")] = 12.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file.")] = None,
) -> None:
    """Share of every codebook that is used on training audio, and its entropy."""
    import codec
    from benchmarks.codes import main

    main(codec.load(model), corpus, hours, output)


@app.command()
def kmeans(
    n: Annotated[int, typer.Option("--points", help="Number of points.")] = 1_000_000,
    dim: Annotated[int, typer.Option(help="Width of a point.")] = 128,
    k: Annotated[int, typer.Option("--clusters", help="Number of clusters.")] = 8192,
    iterations: Annotated[int, typer.Option(help="Lloyd passes.")] = 3,
    libraries: Annotated[str, typer.Option(help="Comma-separated; the first one is what the others are compared with.")] = (
        "semcodec,faiss-cpu,scikit-learn"
    ),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON lines, appended.")] = None,
) -> None:
    """Large-scale k-means beside faiss-cpu, scikit-learn and kmeans-pytorch, from the same first centroids."""
    from benchmarks.kmeans import LIBRARIES, compare

    chosen = libraries.split(",")
    unknown = set(chosen) - set(LIBRARIES)
    if unknown:
        raise CodecError(f"no library {', '.join(sorted(unknown))}; known are {', '.join(LIBRARIES)}")
    compare(chosen, n, dim, k, iterations, output)


def sweep(
    codecs: Annotated[str, typer.Option(help="Comma-separated, for example semcodec@25,semcodec@50,opus@6,codec2@700C.")],
    data: Annotated[str, typer.Option(help="A folder of audio, a manifest, or a corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables, plots and the report.")],
) -> None:
    """Rate and distortion of many codecs on the same clips: tables, plots, and a page to listen to."""
    from benchmarks.sweep import main

    main(codecs.split(","), data, output)
