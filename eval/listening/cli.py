"""``codec eval listen``, ``codec eval demo`` and ``codec ui``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codec.errors import CodecError

if TYPE_CHECKING:
    from codec.baselines.interface import Reconstructor
    from codec.data.testsets import Clip

app = typer.Typer(help="Listening tests in a browser: MUSHRA, preference of two, opinion scores.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder that listen make wrote.")]
Codecs = Annotated[list[str], typer.Option("--codecs", "-c", help="semcodec@50, opus@6, …; comma-separated.")]
Data = Annotated[
    list[str],
    typer.Option("--data", "-d", help="Folder with speech/, music/, sound/, a manifest, libritts:FOLDER, …; repeatable."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of every random choice.")]
Device = Annotated[str, typer.Option(help="For models of our own: cpu, cuda, or auto, a GPU if there is one.")]
Host = Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0 for the whole network.")]


def _open(names: list[str], device: str) -> list[Reconstructor]:
    from functools import partial

    from codec.baselines import open_codec
    from codec.hub import load_codec
    from eval.reconstruction.names import split_codecs

    return [open_codec(name, load=partial(load_codec, device=device)) for name in split_codecs(" ".join(names))]


def _clips(data: list[str]) -> list[Clip]:
    from codec.data.testsets import clips_of

    found: dict[str, Clip] = {}
    for source in dict.fromkeys(data):
        for clip in clips_of(source):
            # Two folders may both have a speech/1.wav; analysis tells clips by their names.
            name = clip.name if clip.name not in found else f"{source}: {clip.name}"
            found[name] = replace(clip, name=name)
    return list(found.values())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """A folder that cannot be written is the user's to put right."""
    try:
        yield
    except OSError as error:
        raise CodecError(f"{error.filename or folder}: {error.strerror or error}") from error


@app.command()
def make(
    codecs: Codecs,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Study folder to write.")],
    clips: Annotated[
        str, typer.Option(help="Clips of each domain, as in speech=3,music=2; default: as in SemantiCodec's paper.")
    ] = "speech=30,music=25,sound=50",
    mode: Annotated[
        str, typer.Option(help="mushra (0–100 beside a reference), ab (preference of two), acr (1–5), bs1116 or abx.")
    ] = "mushra",
    title: Annotated[str, typer.Option(help="Shown to raters.")] = "Listening test",
    per_rater: Annotated[int | None, typer.Option(help="Trials of one rater; default: all.")] = None,
    days: Annotated[float | None, typer.Option(help="Until links expire; default: never.")] = None,
    instructions: Annotated[Path | None, typer.Option(help="Markdown for the first page, instead of its own words.")] = None,
    consent: Annotated[Path | None, typer.Option(help="Markdown beside the box that raters tick.")] = None,
    questions: Annotated[Path | None, typer.Option(help="YAML: a list of id, text, kind and options.")] = None,
    comments: Annotated[bool, typer.Option("--comments", help="A field for remarks with every trial.")] = False,
    checks: Annotated[int, typer.Option(min=0, max=20, help="Checks of attention, heard by everybody.")] = 0,
    completion: Annotated[str, typer.Option(help="Code, or https address, for who has finished (Prolific and the like).")] = "",
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Pick clips, run every codec, add hidden reference and anchors, match loudness, write a study folder."""
    from typing import cast, get_args

    from eval.listening.briefing import read_briefing
    from eval.listening.make import Recipe, make_study
    from eval.listening.study import Mode

    if mode not in get_args(Mode):
        raise CodecError(f"mode {mode!r} is not one of {', '.join(get_args(Mode))}")
    if days is not None and not 0 < days < 36_500:
        raise CodecError(f"links cannot expire after {days:g} days; give a number between 0 and 36500")
    closes = datetime.now(timezone.utc) + timedelta(days=days) if days is not None else None
    briefing = read_briefing(instructions, consent, questions, comments, completion)
    recipe = Recipe(parse_clips(clips), cast(Mode, mode), title, seed, per_rater, closes, briefing, checks)
    with _writing(output):
        study = make_study(output, _clips(data), _open(codecs, device), recipe, say=typer.echo)
    sounds = len(study.conditions)
    typer.echo(f"{output}: {len(study.trials)} trials, {study.per_rater} a rater, {sounds} conditions")
    typer.echo(f"next: codec eval listen serve {output}")


def parse_clips(text: str) -> dict[str, int]:
    """``speech=3,music=2`` → numbers by domain.

    Raises:
        CodecError: it reads otherwise.

    Example:
        >>> parse_clips("speech=3,sound=1")
        {'speech': 3, 'sound': 1}
    """
    from codec.data.domains import DOMAINS

    found: dict[str, int] = {}
    for part in text.split(","):
        domain, _, number = part.strip().partition("=")
        counts = number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10_000
        if domain not in DOMAINS or domain in found or not counts:
            raise CodecError(f"clips {text!r}: write for example speech=3,music=2 with domains out of {', '.join(DOMAINS)}")
        found[domain] = int(number)
    return found


@app.command()
def serve(
    study: Folder,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="To serve on.")] = 8000,
) -> None:
    """Serve a study folder; prints the invitation. Ratings are on disk at once; stop and start again at any time."""
    from eval.listening.server import make_app
    from eval.listening.study import load_study
    from eval.listening.web import run_server

    server = make_app(study)
    invite, watch = load_study(study).invite, server.state.watch
    shown = "this machine's address" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host

    def ready(taken: int) -> None:
        typer.echo(f"invite raters with: http://{shown}:{taken}/#join={invite}")
        typer.echo(f"watch how they get on: http://{shown}:{taken}/watch#{watch}")

    run_server(server, host, port, ready)


@app.command()
def analyse(
    study: Folder,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to write; default: STUDY/analysis.")] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Ratings as Parquet instead of CSV.")] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST:SECOND", help="Conditions to test; repeatable; default: every two codecs."),
    ] = None,
) -> None:
    """Screen raters, compute means, intervals and tests; write a report, a plot and tables, and always all ratings."""
    from eval.listening.analyse import analyse, write_analysis
    from eval.listening.study import load_study

    names = [condition.name for condition in load_study(study).conditions] if compare else []
    with _writing(output or study):
        analysis = analyse(study, [parse_pair(text, names) for text in compare or []])
        for path in write_analysis(analysis, output or study / "analysis", parquet):
            typer.echo(str(path))
    if not analysis.kept:
        raise CodecError(f"{study}: screening left nobody, so there are no figures; the report says why, rater by rater")


def parse_pair(text: str, names: list[str]) -> tuple[str, str]:
    """Two conditions with a colon between them, which names may have, too.

    Raises:
        CodecError: they are not two of ``names``.

    Example:
        >>> parse_pair("semcodec:x@50:opus@6", ["semcodec:x@50", "opus@6"])
        ('semcodec:x@50', 'opus@6')
    """
    for first in names:
        second = text.removeprefix(f"{first}:")
        if text.startswith(f"{first}:") and second in names and second != first:
            return first, second
    raise CodecError(f"compare {text!r}: write two conditions with a colon between them, out of {', '.join(names)}")


@app.command()
def export(study: Folder, output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")]) -> None:
    """Write the page for hosting without a server; raters save a file, which belongs in STUDY/results/."""
    from eval.listening.export import export_study

    with _writing(output):
        export_study(study, output)
    typer.echo(f"{output}: put it on any web server; put the files that raters send into {study / 'results'}")


def demo(
    codecs: Codecs,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    clips: Annotated[str, typer.Option(help="Clips of each domain, as in speech=3,music=2.")] = "speech=3,music=3,sound=3",
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "semcodec",
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Write a static page: clips of each domain, the original beside every codec, with spectrograms."""
    from eval.listening.demo import write_demo

    with _writing(output):
        write_demo(output, _clips(data), _open(codecs, device), parse_clips(clips), title, seed, say=typer.echo)
    typer.echo(f"{output / 'index.html'}")


def ui(
    port: Annotated[int, typer.Option(help="To serve on, on this machine only.")] = 8765,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Try codecs on your own sounds: record or drop a file, switch in place, see spectrograms and tokens."""
    import webbrowser

    from eval.listening.ui import make_ui
    from eval.listening.web import run_server

    def ready(taken: int) -> None:
        address = f"http://127.0.0.1:{taken}"
        typer.echo(f"open {address} in a browser; Ctrl-C ends")
        if browser:
            webbrowser.open(address)

    run_server(make_ui(), "127.0.0.1", port, ready)
