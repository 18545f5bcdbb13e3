"""Every format, whole and in every state it is found in: as many samples as ffmpeg finds, or a word about what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codec.audio.io import AudioReader
from codec.errors import AudioError
from tests.codec.audio.formats.clips import DAMAGE, FORMATS, HARMLESS, ffmpeg_samples, make

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is optional")
NATIVE = list(FORMATS)[: list(FORMATS).index("aac")]
"""Read without ffmpeg."""
JOINABLE = [name for name in NATIVE if name.startswith(("flac", "ogg-mono", "opus", "mp3"))]
"""Of which two files end to end are one that is twice as long."""
PIPED = [name for name, format in FORMATS.items() if format.form]
CASES = [(name, damage) for name in FORMATS for damage in DAMAGE if name in NATIVE or damage in ("cut", "twice")]
SPOILT_HEADERS = [(name, state) for state, (start, _) in HARMLESS.items() for name in NATIVE if name.startswith(start)]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make(tmp_path_factory.mktemp("clips"))


def read(path: Path, ffmpeg: bool = True) -> tuple[int, int, tuple[str, ...]]:
    """Samples, sample rate and what is missing; of a file that is refused none, and why."""
    try:
        with AudioReader(path, ffmpeg=ffmpeg) as reader:
            return sum(map(len, reader.blocks())), reader.info.sample_rate, reader.missing
    except AudioError as error:
        return 0, 16_000, (str(error),)


def changed(clips: dict[str, Path], name: str, change, folder: Path) -> Path:
    path = folder / f"x{clips[name].suffix}"
    path.write_bytes(change(clips[name].read_bytes()))
    return path


@pytest.mark.parametrize("name", [*FORMATS, *(f"{name}-piped" for name in PIPED)])
def test_whole_files_have_all_samples_and_no_warning(clips: dict[str, Path], name: str) -> None:
    samples, rate, missing = read(clips[name], ffmpeg=name not in NATIVE)
    assert not missing
    expected, their_rate = ffmpeg_samples(clips[name])
    if not expected:  # of its own wav, w64 and aiff out of pipes, ffmpeg reads nothing
        expected, their_rate = ffmpeg_samples(clips[name.removesuffix("-piped")])
    assert samples * their_rate == expected * rate


@pytest.mark.parametrize(("name", "state"), SPOILT_HEADERS)
def test_headers_that_do_not_know_the_size_lose_nothing(clips: dict[str, Path], name: str, state: str, tmp_path: Path) -> None:
    path = changed(clips, name, HARMLESS[state][1], tmp_path)
    samples, _, missing = read(path, ffmpeg=False)
    assert not missing
    # Whatever stands behind the samples is taken for some of them where the header does not tell.
    assert 0 <= samples - read(clips[name])[0] <= 16


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_damaged_files_agree_or_say_what_is_missing(clips: dict[str, Path], name: str, damage: str, tmp_path: Path) -> None:
    path = changed(clips, name, DAMAGE[damage], tmp_path)
    samples, rate, missing = read(path)
    expected, their_rate = ffmpeg_samples(path)
    slack = FORMATS[name].frame
    if damage == "cut":
        assert missing
        assert samples < read(clips[name])[0]
    if not missing:
        # ffmpeg loses a frame where two files meet, or counts the delay of the second one.
        assert samples >= expected * rate / their_rate - (2 * slack if damage == "twice" else 0)
    if damage == "cut" and FORMATS[name].suffix != "wav":
        assert samples >= expected * rate / their_rate - slack


@pytest.mark.parametrize("name", JOINABLE)
def test_two_files_end_to_end_are_both_read(clips: dict[str, Path], name: str, tmp_path: Path) -> None:
    path = changed(clips, name, DAMAGE["twice"], tmp_path)
    samples, _, missing = read(path, ffmpeg=False)
    assert samples == 2 * read(clips[name])[0]
    assert not missing
