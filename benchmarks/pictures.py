"""The README's picture of a voice, its tokens and what comes back, by day and by night: ``python -m benchmarks.pictures``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import codec
from benchmarks.demo import RATE, RECORDINGS, picture
from codec.cli.main import run_script
from codec.files import decode_file, encode_file

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def main() -> None:
    """Encodes, decodes and draws."""
    source, model = RECORDINGS / "speech.flac", codec.load(rate=RATE)
    with tempfile.TemporaryDirectory() as scratch:
        container, output = Path(scratch) / "speech.sct", Path(scratch) / "speech.wav"
        encode_file(model, str(source), str(container))
        decode_file(model, str(container), str(output))
        for name, dark in (("speech.png", False), ("speech-dark.png", True)):
            picture(source, container, output, IMAGES / name, dark)


if __name__ == "__main__":
    run_script(main)
