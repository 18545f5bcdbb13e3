import shutil
from pathlib import Path

import pytest

from codec.audio.io import read_audio
from codec.data.synthetic import FESTIVAL, FLITE, sentences, synthetic_clips
from codec.errors import CodecError

TEXT = """
The quick brown fox jumps over the lazy dog.  A penny saved is a penny
earned, or so they say! Short one. What is the sound of one hand clapping, after all?
%
<b>Markup &amp; digits 1234 are no plain sentence</b> of any kind at all.
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "fortunes/usr/share/games/fortunes"
    folder.mkdir(parents=True)
    (folder / "tales").write_text(TEXT)
    (folder / "tales.dat").write_bytes(bytes(64))
    return tmp_path


def test_sentences_are_plain_whole_and_always_the_same(packages: Path) -> None:
    found = sentences(packages / "fortunes", 3)
    assert sorted(found) == [
        "A penny saved is a penny earned, or so they say!",
        "The quick brown fox jumps over the lazy dog.",
        "What is the sound of one hand clapping, after all?",
    ]
    assert sentences(packages / "fortunes", 2) == found[:2]
    with pytest.raises(CodecError, match="3 usable sentences, 4 wanted"):
        sentences(packages / "fortunes", 4)


VOICE = Path("/usr/share/festival/voices/italian/lp_diphone")  # the first of FESTIVAL
PROGRAMS = all(map(shutil.which, ("flite", "espeak-ng", "text2wave"))) and VOICE.is_dir()


@pytest.mark.skipif(not PROGRAMS, reason="needs flite, espeak-ng, festival and festvox-italp16k")
def test_each_sentence_is_spoken_once_and_labelled(packages: Path) -> None:
    clips = list(synthetic_clips(packages, flite=1, espeak=1, festival=1))
    assert clips[0].labels["speaker"] == f"flite-{FLITE[0]}"
    assert clips[1].labels["speaker"].startswith("espeak-en")
    assert clips[2].labels["speaker"] == f"festival-{next(iter(FESTIVAL))}"
    for clip in clips:
        wave, rate = read_audio(clip.path)
        assert wave.shape[1] > rate
        assert abs(wave).max() > 0.05
    before = {clip.path: Path(clip.path).stat().st_mtime_ns for clip in clips}
    again = list(synthetic_clips(packages, flite=1, espeak=1, festival=1))
    assert again == clips
    assert before == {clip.path: Path(clip.path).stat().st_mtime_ns for clip in again}


def test_a_missing_program_is_named(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(CodecError, match="apt-get install flite"):
        list(synthetic_clips(packages))


@pytest.mark.skipif(not PROGRAMS, reason="needs flite, espeak-ng, festival and festvox-italp16k")
def test_a_missing_voice_of_festival_is_named(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.data.synthetic.FESTIVAL", {"nobody_diphone": "festvox-nobody"})
    with pytest.raises(CodecError, match=r"cannot speak as nobody_diphone \(apt-get install festvox-nobody\)"):
        synthetic_clips(packages, flite=1, espeak=1, festival=1)  # before the first sentence is asked for
