"""A build that is killed at any moment, and started again as the stage does it, ends like an unbroken one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codec.data import Corpus, build
from codec.data.folder import folder_clips
from codec.data.perturb import perturb
from tests.codec.data.test_corpora import write


class KilledError(Exception):
    pass


def killer(real: Callable[..., object], at: int, done: bool) -> Callable[..., object]:
    """Stands in for a function whose call number ``at`` is the last: it is still done, or not any more."""
    calls = []

    def stand_in(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == at and not done:
            raise KilledError
        value = real(*given, **named)
        if len(calls) == at:
            raise KilledError
        return value

    return stand_in


def start(audio: Path, folder: Path) -> float:
    """What the corpus stage does; hours of copies."""
    if not (folder / "clips.jsonl").exists():
        build(folder_clips(audio), folder)
    return perturb(Corpus(folder), {"speech": 1, "music": 1})


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(("call", "at"), [("write_text", 1), ("write_text", 2), *(("replace", at) for at in (1, 2, 3, 4))])
def test_a_killed_build_ends_like_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int, done: bool
) -> None:
    for index in range(3):
        write(tmp_path / "in" / f"{index}.wav", 0.3, seed=index)
    (tmp_path / "in" / "broken.wav").write_text("no audio")
    hours = start(tmp_path / "in", tmp_path / "whole")
    assert hours > 0
    with monkeypatch.context() as patch:
        patch.setattr(Path, call, killer(getattr(Path, call), at, done))
        with pytest.raises(KilledError):
            start(tmp_path / "in", tmp_path / "killed")
    assert start(tmp_path / "in", tmp_path / "killed") == hours
    whole, killed = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("whole", "killed"))
    assert set(whole) == {"audio.i16", "clips.jsonl", "report.json"}
    assert whole == killed


def test_an_older_manifest_is_never_beside_newer_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in" / "0.wav", 0.5)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    monkeypatch.setattr(Path, "replace", killer(Path.replace, 1, done=True))
    with pytest.raises(KilledError):
        build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    assert not (tmp_path / "corpus" / "clips.jsonl").exists()
