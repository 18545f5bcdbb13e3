"""A real corpus that is built in a moment."""

from pathlib import Path

import numpy as np
import soundfile

from codec.data import build
from codec.data.folder import folder_clips
from tests.conftest import DATA


def sentence_corpus(folder: Path) -> Path:
    """A corpus of one recorded sentence, cut into twelve clips."""
    wave, rate = soundfile.read(DATA / "speech.flac", dtype="float32")
    (folder / "audio").mkdir()
    for number, part in enumerate(np.array_split(wave, 12)):
        soundfile.write(folder / "audio" / f"{number}.wav", part, rate)
    build(folder_clips(folder / "audio"), folder / "corpus")
    return folder / "corpus"
