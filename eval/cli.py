"""``codec eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eval.listening.cli import Device, demo
from eval.listening.cli import app as listen

app = typer.Typer(help="Measure a codec: how close its output is, what its tokens mean.", no_args_is_help=True)
app.add_typer(listen, name="listen")
app.command()(demo)

Codecs = Annotated[
    str, typer.Option(help="Names, comma-separated: original, semcodec@50, semcodec@50,vocab=32768, opus@6, codec2@700C, …")
]
Data = Annotated[
    str,
    typer.Option(
        help="Folder, manifest (.jsonl), built corpus (its test split), or libritts: audioset: musdb18: and a folder."
    ),
]
Metrics = Annotated[str | None, typer.Option(help="Comma-separated; default: all that semcodec[eval] installs.")]
Asr = Annotated[
    str,
    typer.Option(
        help="Recogniser for word errors: pocketsphinx, moonshine, or faster-whisper: or transformers: and a name or folder."
    ),
]
Clips = Annotated[int | None, typer.Option(min=1, help="At most so many clips of each domain.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a processor.")]
Cache = Annotated[Path | None, typer.Option(help="Folder of what was measured before; default: in the user's cache folder.")]


@app.callback()
def root() -> None:
    """Evaluation."""


@app.command()
def reconstruct(
    codecs: Codecs,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results.parquet, results.json and tables.txt.")],
    metrics: Metrics = None,
    asr: Asr = "pocketsphinx",
    clips: Clips = None,
    reference: Annotated[str | None, typer.Option(help="Codec to take paired differences from.")] = None,
    workers: Workers = None,
    cache: Cache = None,
    device: Device = "cpu",
    json: Annotated[bool, typer.Option("--json", help="One JSON line per codec and domain on standard output.")] = False,
) -> None:
    """Send clips through codecs and measure what comes back. Resumes; exit code 1 if anything failed."""
    from eval.reconstruction.command import Options, main
    from eval.reconstruction.names import split_codecs

    names = metrics.split(",") if metrics else None
    options = Options(split_codecs(codecs), data, names, asr, clips, reference, workers, cache, device)
    raise typer.Exit(main(options, output, json))


@app.command()
def versa(
    codec: Annotated[str, typer.Option(help="Name of one codec, for example semcodec@50.")],
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the lists, the configuration and the wav files.")],
    clips: Clips = None,
    device: Device = "cpu",
) -> None:
    """Write the inputs that VERSA scores: pairs of wav files, their lists, transcripts, and a configuration."""
    from codec.data.testsets import clips_of
    from eval.interop.versa import write_versa
    from eval.reconstruction.command import check_folder
    from eval.reconstruction.original import open_any

    check_folder(output)
    written = write_versa(open_any(codec, device), clips_of(data, per_domain=clips), output)
    for clip, reason in written.failed.items():
        typer.echo(f"{clip} is left out: {reason}", err=True)
    typer.echo(f"{len(written.clips)} pairs in {output}; there, run python {written.command}")
    raise typer.Exit(1 if written.failed else 0)
