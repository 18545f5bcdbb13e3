"""``codec bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codec.errors import CodecError
from codec.processes import processors
from eval.cli import Asr

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
    seconds: Annotated[int, typer.Option(min=1, help="Length of the clip.")] = 60,
    peers: Annotated[bool, typer.Option(help="Also run EnCodec and DAC on it: minutes, and semcodec[baselines].")] = True,
) -> None:
    """Encode and decode speed of a clip beside EnCodec and DAC, start-up times, and memory of a one-hour file."""
    from benchmarks.speed import main

    main(model, threads, hour, json, seconds, peers)


@app.command()
def threads(
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: one a processor.")] = 0,
    busy: Annotated[int, typer.Option(min=0, help="Processes beside it that never rest: a busy machine.")] = 0,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Clips of 3 s to 4 minutes on one thread, with threads inside operations, and with a thread for each window."""
    from benchmarks.threads import main

    main(model, threads, busy, json)


@app.command()
def latency(
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    seconds: Annotated[int, typer.Option(min=2, help="Of audio, sent at the pace of real time.")] = 20,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Milliseconds from microphone to loudspeaker through encode and decode --stream --low-latency, in real time."""
    from benchmarks.latency import main

    main(model, seconds, json)


@app.command()
def ui(json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Seconds until a codec ticked on the page of codec ui begins: the first one, then others of the model that is loaded."""
    from benchmarks.page import main

    main(json)


@app.command()
def onnx(
    clips: Annotated[list[Path] | None, typer.Argument(help="Recordings, for example tests/data/*.flac.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="A folder made by codec train corpus: its test clips, too.")] = None,
    minutes: Annotated[float, typer.Option(help="Of the corpus, shared out between its domains.")] = 20.0,
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON lines.")] = None,
) -> None:
    """What ONNX files with weights of 16 and of 8 bits keep of torch's tokens and sound, their size and speed."""
    from benchmarks.portable import main

    main(clips or [], corpus, minutes, model, output)


@app.command()
def gpu(
    clips: Annotated[list[Path] | None, typer.Argument(help="Recordings whose tokens are compared with a CPU's.")] = None,
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    device: Annotated[str, typer.Option(help="cuda, or cuda:1.")] = "cuda",
    together: Annotated[int, typer.Option(min=1, help="Clips that go through together.")] = 32,
    seconds: Annotated[int, typer.Option(min=1, help="Length of each.")] = 20,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON lines.")] = None,
) -> None:
    """Hours of audio per second of a GPU, its memory, tokens beside a CPU's; and EnCodec, DAC and Mimi: semcodec[baselines]."""
    from benchmarks.gpu import main

    main(model, device, together, seconds, clips or [], output)


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
    from benchmarks.entropy import main
    from codec.data.store import Corpus
    from codec.hub import load_own

    main(load_own(model), Corpus(corpus), split, clips, [int(rate) for rate in rates.split(",")], vocab, output)


@app.command()
def codes(
    corpus: Annotated[str, typer.Option(help="A folder made by codec train corpus.")],
    model: Annotated[str, typer.Option("--model", "-m")] = "default",
    hours: Annotated[float, typer.Option(help="Of training audio.")] = 12.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file.")] = None,
) -> None:
    """Share of every codebook that is used on training audio, and its entropy."""
    from benchmarks.codes import main
    from codec.hub import load_own

    main(load_own(model), corpus, hours, output)


@app.command()
def kmeans(
    sizes: Annotated[
        str, typer.Option(help="Points × their width × clusters, comma-separated; kmeans-pytorch manages the first default.")
    ] = "10000x64x256,100000x64x1024,1000000x128x8192",
    iterations: Annotated[int, typer.Option(min=1, help="Lloyd passes.")] = 10,
    libraries: Annotated[str, typer.Option(help="Comma-separated; the first one is what the others are compared with.")] = (
        "semcodec,faiss-cpu,scikit-learn,kmeans-pytorch"
    ),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON lines of this run.")] = None,
) -> None:
    """Large-scale k-means beside faiss-cpu, scikit-learn and kmeans-pytorch, from the same first centroids."""
    from benchmarks.kmeans import LIBRARIES, compare

    chosen = libraries.split(",")
    unknown = set(chosen) - set(LIBRARIES)
    if unknown:
        raise CodecError(f"no library {', '.join(sorted(unknown))}; known are {', '.join(LIBRARIES)}")
    compare(chosen, [_size(size) for size in sizes.split(",")], iterations, output)


def _size(text: str) -> tuple[int, int, int]:
    """Points, width and clusters.

    Raises:
        CodecError: no three numbers from 1 on, or fewer points than twice the clusters.
    """
    words = text.replace("×", "x").split("x")
    if len(words) != 3 or not all(word.strip().isdecimal() for word in words):
        raise CodecError(f"--sizes {text}: points, width and clusters are written as 100000x64x1024")
    n, dim, k = map(int, words)
    if not (dim and k) or n < 2 * k:
        raise CodecError(f"--sizes {text}: two points a cluster are the fewest")
    return n, dim, k


@app.command()
def official(
    rate: Annotated[int, typer.Option(help="Tokens per second: 25, 50 or 100.")] = 100,
    threads: Annotated[int, typer.Option(help="CPU threads; 0: as many as there are.")] = 0,
    compile: Annotated[bool, typer.Option("--compile", help="Also measure the compiled U-Net: minutes of compiling.")] = False,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Seconds to decode 10.24 s with the published SemantiCodec: as the reference does it, and as we do."""
    from benchmarks.official import main
    from codec.semanticodec.config import RATES

    if rate not in RATES:
        raise CodecError(f"rate {rate} is not one of {', '.join(map(str, RATES))} tokens/s")
    main(rate, threads, compile, json)


def sweep(
    codecs: Annotated[str, typer.Option(help="Comma-separated, for example original,semcodec,opus@6,codec2@700C.")],
    data: Annotated[str, typer.Option(help="Folder, manifest, built corpus or published set, as for codec eval reconstruct.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables, plots and the report.")],
    rates: Annotated[str, typer.Option(help="Comma-separated tokens per second, for semcodec without an @.")] = "",
    metrics: Annotated[str | None, typer.Option(help="Comma-separated; default: all that semcodec[eval] installs.")] = None,
    asr: Asr = "pocketsphinx",
    clips: Annotated[int | None, typer.Option(min=1, help="At most so many clips of each domain.")] = None,
    reference: Annotated[str | None, typer.Option(help="Codec to take paired differences from.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Clips of each domain to listen to.")] = 2,
    paper: Annotated[bool, typer.Option("--paper", help="Draw in the SemantiCodec paper's figures, of other clips.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a processor.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of what was measured before; default: in the user's cache.")
    ] = None,
) -> None:
    """Rate and distortion of many codecs on the same clips: tables, plots, a page; exit code 1 if anything failed."""
    typer.echo(f"sweep: reading {data} …", err=True)  # before what takes seconds to import
    from benchmarks.sweep.points import at_rates
    from benchmarks.sweep.run import main
    from eval.reconstruction.command import Options
    from eval.reconstruction.names import split_codecs

    chosen = at_rates(split_codecs(codecs), [rate for rate in rates.split(",") if rate])
    names = metrics.split(",") if metrics else None
    options = Options(chosen, data, names, asr, clips, reference, workers, cache)
    raise typer.Exit(main(options, output, examples, paper))


def exam(
    codecs: Annotated[
        list[str] | None, typer.Argument(metavar="[CODEC]...", help="Names: semcodec, opus@6, hf:FOLDER …")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for card.html, card.json and card.md.")] = Path("card"),
    clips: Annotated[
        str | None, typer.Option("--clips", "--data", help="Your own: folder, manifest, built corpus or published set.")
    ] = None,
    beside: Annotated[
        str | None, typer.Option(help="Codecs to compare with, comma-separated, or none; default: Opus and Codec 2.")
    ] = None,
    command: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two programs as a codec: 'my_enc {in} {bits}' 'my_dec {bits} {out}', wav in and out."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer clips and metrics: minutes.")] = False,
    asr: Asr = "pocketsphinx",
    also: Annotated[str, typer.Option(help="Metrics whose weights you have: utmosv2, scoreq, audiobox_pq …")] = "",
    per_domain: Annotated[int | None, typer.Option(min=1, help="At most so many of your clips of each domain.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Corpus or folder whose tokens a small transformer learns: bits/s, perplexity.")
    ] = None,
    cost: Annotated[bool, typer.Option(help="Also measure multiply-adds, memory, start-up and the like.")] = True,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes; default: one a processor.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of what was measured before; default: in the user's cache.")
    ] = None,
) -> None:
    """Examine any codec: words, voice, tones, music, robust tokens, cost, on one card. Exit code 1 if anything failed.

    Without --clips: a small set of bundled recordings and made sounds, good for a look, not for a claim.
    """
    typer.echo("exam, loading what it is made of …", err=True)  # seconds of a first start

    from benchmarks.exam.opening import Opener
    from benchmarks.exam.run import Exam, main, with_beside
    from benchmarks.sweep.points import at_rates
    from eval.reconstruction.command import default_cache
    from eval.reconstruction.names import split_codecs

    opener, chosen = Opener(), at_rates(split_codecs(" ".join(codecs or ())), ("25", "50", "100"))
    if command:
        name = opener.named(*command)
        opener, chosen = Opener({name: command}), [*chosen, name]
    options = Exam(
        codecs=with_beside(chosen, beside, quick) if chosen else (),
        opener=opener,
        output=output,
        clips=clips,
        per_domain=per_domain,
        asr=asr,
        also=tuple(filter(None, also.split(","))),
        quick=quick,
        language=language,
        cost=cost,
        workers=processors() if workers is None else workers,
        cache=cache or default_cache(),
    )
    raise typer.Exit(main(options))
