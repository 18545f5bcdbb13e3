"""A small corpus of real speech."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from codec.data import build
from codec.data.folder import folder_clips
from tests.conftest import DATA


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    wave, rate = soundfile.read(DATA / "speech.flac", dtype="float32")
    (folder / "in" / "speech").mkdir(parents=True)
    for index in range(6):
        soundfile.write(folder / "in" / "speech" / f"{index}.wav", wave[index * 8000 : index * 8000 + 24_000], rate)
    build(folder_clips(folder / "in"), folder / "corpus")
    return folder / "corpus"
