"""Entry point: ``codec encode``, ``decode``, ``info``, ``models``, ``play``, and the sub-commands of `codec.cli.commands`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codec import __version__
from codec.cli.commands import LazyGroup
from codec.cli.options import DecodeOptions, EncodeOptions, seconds_of
from codec.cli.terminal import give_up_output, use_any_encoding
from codec.container.part import Part
from codec.errors import CodecError
from codec.extras import how_to_get

if TYPE_CHECKING:
    from codec.tokens import Tokens

OURS = ("codec", "quantizers", "train", "eval", "benchmarks")
"""Packages of this project: what they lack is a mistake here, and shows where."""
# Of whichever click typer brings along.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    cls=LazyGroup,
    help="A neural audio codec with meaning in its tokens: 25, 50 or 100 tokens/s for speech, music and any sound.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Option("--model", "-m", help="default, a folder, or a .safetensors file.")]
Decoder = Annotated[
    str, typer.Option("--decoder", help="fast, or diffusion for a model that was trained with such a decoder beside it.")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto: a GPU if there is one.")]
Start = Annotated[str | None, typer.Option("--from", metavar="TIME", help="In seconds, or as 1:02:03; default: the beginning.")]
Stop = Annotated[str | None, typer.Option("--to", metavar="TIME", help="In seconds, or as 1:02:03; default: the end.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per file on standard output, nothing else.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Options before the command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def encode(
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Audio files, folders, globs, or - for a pipe.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File, folder, or -; default: x.sct beside x.wav.")
    ] = None,
    model: Model = "default",
    device: Device = "cpu",
    rate: Annotated[int | None, typer.Option("--rate", "-r", help="Tokens per second: 25, 50 or 100; default: 50.")] = None,
    vocab: Annotated[
        int | None, typer.Option("--vocab", help="Semantic vocabulary: 4096, 8192, 16384 or 32768; default: 8192.")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="sct, npy or jsonl.")] = "sct",
    semantic_only: Annotated[bool, typer.Option("--semantic-only", help="Leave out the acoustic tokens.")] = False,
    entropy: Annotated[bool, typer.Option("--entropy", help="Entropy-code the container: smaller, the same tokens.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Live: from pipe to pipe, every chunk as soon as it is ready; IN is -.")
    ] = False,
    raw: Annotated[
        str | None, typer.Option("--raw", help="With --stream: 16-bit samples, RATE or RATE:CHANNELS; default: wav.")
    ] = None,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="With --stream: 80 ms windows; not quite the tokens of a whole file.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Redo files of a folder that are already encoded, replace what is not ours.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse audio of which something is missing, instead of encoding the rest.")
    ] = False,
    json: Json = False,
) -> None:
    """Encode audio to tokens. Folders are encoded with everything below them, and can be resumed.

    What is there and was not made by codec, or with other settings, is replaced only with --overwrite.
    Exit code 1: done, but some audio was cut short or damaged; the report says what is missing.
    """
    options = EncodeOptions(model, device, rate, vocab, format, semantic_only, entropy, strict, json)
    if stream:
        from codec.cli.live import encode_live

        raise typer.Exit(int(encode_live(inputs, output, options, raw, low_latency)))
    if raw or low_latency:
        raise CodecError("--raw and --low-latency go with --stream")
    from codec.cli.jobs import encode_all

    raise typer.Exit(int(encode_all(inputs, output, options, overwrite) > 0))


@app.command()
def decode(
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help=".sct files, folders, globs, or - for a pipe.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="File (.wav .flac .ogg .mp3 .opus), folder, or -; default: x.decoded.wav."),
    ] = None,
    model: Model = "default",
    device: Device = "cpu",
    decoder: Decoder = "fast",
    sample_rate: Annotated[int | None, typer.Option(help="Of the output in Hz; default: that of the original.")] = None,
    conceal: Annotated[bool, typer.Option("--conceal", help="Mute damaged chunks, and take files that break off.")] = False,
    start: Start = None,
    stop: Stop = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --from: begin 2 s before it, not at the beginning; sounds the same.")
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Live: from pipe to pipe, sound as soon as it is ready; IN is -.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="With --stream: 16-bit samples without a wav header.")] = False,
    low_latency: Annotated[bool, typer.Option("--low-latency", help="With --stream: look only 160 ms ahead.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there; without it, none is ever replaced.")
    ] = False,
    json: Json = False,
) -> None:
    """Decode tokens to audio of exactly the original length and sample rate, or the part between --from and --to.

    A part has the samples of the whole, which everything before it is decoded for; with --quick it takes no longer than it
    lasts, and oscillators and noise begin elsewhere.
    x.sct becomes x.decoded.wav, in folders too: no recording is replaced. Exit code 1: the container breaks off, and
    what is there was decoded (--conceal, --stream).
    """
    part = None if start is None and stop is None else Part(seconds_of(start) or 0.0, seconds_of(stop))
    if stream and part:
        raise CodecError("--from and --to are for files, not for --stream")
    if quick and not start:
        raise CodecError("--quick goes with --from")
    options = DecodeOptions(model, device, decoder, sample_rate, conceal, json, part, quick)
    if stream:
        from codec.cli.live import decode_live

        raise typer.Exit(int(decode_live(inputs, output, options, raw, low_latency)))
    if raw or low_latency:
        raise CodecError("--raw and --low-latency go with --stream")
    from codec.cli.jobs import decode_all

    raise typer.Exit(int(decode_all(inputs, output, options, overwrite) > 0))


@app.command()
def cut(
    source: Annotated[str, typer.Argument(metavar="IN", help=".sct file.")],
    output: Annotated[str, typer.Option("--output", "-o", help=".sct file.")],
    rate: Annotated[int | None, typer.Option(help="Tokens per second that stay; default: all.")] = None,
    start: Start = None,
    stop: Stop = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
) -> None:
    """Take a part out of a .sct file, or lower its bitrate, without decoding: the last acoustic tokens are left out."""
    from codec.cli.cut import cut_file

    if rate is None and start is None and stop is None:
        raise CodecError("say what stays: --rate, --from, --to")
    _show(output, cut_file(source, output, rate, seconds_of(start) or 0.0, seconds_of(stop), overwrite))


@app.command()
def cat(
    sources: Annotated[list[str], typer.Argument(metavar="IN...", help=".sct files of one model, rate and vocabulary.")],
    output: Annotated[str, typer.Option("--output", "-o", help=".sct file.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
) -> None:
    """Put .sct files behind each other without decoding them."""
    from codec.cli.cut import join_files

    _show(output, join_files(sources, output, overwrite))


def _show(output: str, tokens: Tokens) -> None:
    kbps = len(tokens) * tokens.bitrate / 1000
    print(f"{output}: {float(tokens.duration[0]):.2f} s, {tokens.rate:g} tokens/s, {kbps:.2f} kbps")


@app.command()
def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=".sct files, .npy or .jsonl codes, or audio files.")],
    json: Json = False,
) -> None:
    """Show what a container (or audio file) holds, and its true bitrate."""
    from codec.cli.show import show_files

    show_files(files, json)


@app.command()
def models(
    fetch: Annotated[str | None, typer.Option("--fetch", metavar="NAME", help="Download a codec's published weights.")] = None,
    json: Json = False,
) -> None:
    """List the codecs that can be named, and what each still needs on this machine."""
    from codec.cli.models import fetch_weights, show_models

    if fetch is not None:
        fetch_weights(fetch, json)
    else:
        show_models(json)


@app.command()
def play(file: Annotated[str, typer.Argument(help=".sct or audio file.")], model: Model = "default") -> None:
    """Decode a file and play it through ffplay, paplay, aplay or afplay."""
    from codec.cli.show import play_file

    play_file(file, model)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits; what a user can put right is one line on standard error and exit code 2."""
    _execute(lambda: typer.main.get_command(app), sys.argv[1:] if arguments is None else arguments)


def run_script(function: Callable[..., object]) -> None:
    """Runs a module's function on the command line, as ``typer.run`` does, and ends as `main` does."""
    script = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    script.command()(function)
    _execute(lambda: typer.main.get_command(script), sys.argv[1:])


def _execute(command: Callable[[], Any], words: list[str]) -> None:
    use_any_encoding()
    try:
        _refuse_empty(words)
        code = command()(words, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except CodecError as error:
        _fail(str(error))
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in OURS:
            raise
        if isinstance(error, ModuleNotFoundError) and (command_line := how_to_get(package)):
            _fail(f"{package} is not installed: {command_line}")
        _fail(f"{error.name or 'a package'} cannot be imported: {error}")
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(2)
        _fail(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our pipe went away, which click makes an exit of.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        give_up_output()
        sys.exit(141)
    except OSError as error:
        # Files are named where they are opened; what is left are full disks and devices behind open ones.
        give_up_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_empty(words: list[str]) -> None:
    """An empty argument is a variable that was not set; as a path it would mean the current folder.

    Raises:
        CodecError: there is one.
    """
    for number, word in enumerate(words, 1):
        if not word or re.fullmatch(r"(--)?[A-Za-z][\w.-]*=", word):  # also key=value of training
            raise CodecError(f"argument {number} ({word or repr(word)}) is empty; write . for the current folder")


def _fail(message: str) -> None:
    print(f"codec: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
