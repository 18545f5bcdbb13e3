"""``make demo``: the bundled recordings through a ``.sct`` file at 50 tokens/s, with figures and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import codec
from benchmarks.spectrogram import Tokens, draw
from codec.audio.io import read_audio, resample
from codec.cli.main import run_script
from codec.files import decode_file, encode_file

RECORDINGS = Path(__file__).parent.parent / "tests" / "data"
OUTPUT = Path("demo-output")
RATE = 50
SAMPLE_RATE = 16_000
"""Of the bundled voice, and of what is drawn."""


def main() -> None:
    """Encodes, decodes, prints and draws."""
    OUTPUT.mkdir(exist_ok=True)
    model = codec.load(rate=RATE)
    model.decode(model.encode(read_audio(RECORDINGS / "speech.flac")[0], SAMPLE_RATE))  # load everything before timing
    table = Table("input", "kbps", "file", "encode", "decode", "output", title=f"{RATE} tokens/s, per channel")
    for name in ("speech", "music"):
        source, tokens, output = RECORDINGS / f"{name}.flac", OUTPUT / f"{name}.sct", OUTPUT / f"{name}.wav"
        encoded = encode_file(model, str(source), str(tokens))
        decoded = decode_file(model, str(tokens), str(output))
        table.add_row(
            f"{source.name}, {encoded.seconds:.1f} s × {encoded.channels} ch",
            f"{encoded.kbps / encoded.channels:.2f}",
            f"{encoded.bytes} bytes",
            f"{encoded.times_real_time:.0f}×",
            f"{decoded.times_real_time:.0f}×",
            str(output),
        )
        picture(source, tokens, output, OUTPUT / f"{name}.png")
    console = Console()
    console.print(table)
    console.print("kbps: of the tokens; file: of all channels; encode, decode: multiples of real time")
    console.print(f"Listen and look: .wav and .png in {OUTPUT.resolve()}", soft_wrap=True)


def picture(source: Path, container: Path, output: Path, path: Path, dark: bool = False) -> None:
    """Draws a recording, its tokens, and what came back.

    Args:
        source: the recording.
        container: its ``.sct`` file; the tokens of the first channel are shown.
        output: what was decoded from it.
        path: of the picture.
        dark: for pages by night.
    """
    tokens = codec.read(str(container))
    each = "" if len(tokens.codes) == 1 else " a channel"
    costs = f"{tokens.rate:g} tokens/s · {tokens.bitrate / 1000:.2f} kbps{each} · file {container.stat().st_size} bytes"
    grid = Tokens(np.asarray(tokens.codes[0]), tokens.frame_rate)
    panels: list[tuple[str, np.ndarray | Tokens]] = [
        ("original", _mono(source)),
        (f"its tokens: {costs}", grid),
        ("what comes back", _mono(output)),
    ]
    draw(panels, SAMPLE_RATE, path, dark)


def _mono(path: Path) -> np.ndarray:
    wave, rate = read_audio(path)
    return resample(wave.mean(0, keepdims=True), rate, SAMPLE_RATE)[0]


if __name__ == "__main__":
    run_script(main)
