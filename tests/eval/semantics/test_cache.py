from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from codec.errors import CodecError
from eval.semantics.cache import CODE, Cache
from eval.semantics.embeddings.columns import Columns
from eval.semantics.xares.tasks import BY_NAME, card_of, from_card
from tests.eval.semantics.folders import Spectrum, flac, tone, tone_samples, tone_task, write_tar


class Counted(Spectrum):
    """Tells how many clips it was asked for."""

    version: str | None = "1"

    def __init__(self) -> None:
        self.clips = 0

    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
        self.clips += len(waves)
        return super().embed(waves, sample_rate)


def test_what_was_embedded_once_is_read_back(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    task, cache, counted = from_card(card_of(folder)), Cache(tmp_path / "kept"), Counted()
    tars = task.tars(folder)["test"]
    first, second = (cache(tars, task, counted, "corrected") for _ in range(2))
    assert counted.clips == 12
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.vectors, b.vectors)
        assert dataclasses.replace(a, vectors=np.zeros(0)).labels == b.labels
        assert (a.clip, a.where, a.events, a.seconds) == (b.clip, b.where, b.events, b.seconds)
    # One file for all columns.
    part = Columns("part", counted, slice(3, 7), None)
    np.testing.assert_array_equal(cache(tars, task, part, "corrected")[0].vectors, first[0].vectors[3:7])
    np.testing.assert_array_equal(part.embed([np.ones(999, np.float32)], 16_000)[0].shape, (4, 4))
    assert counted.clips == 12 + 1


def test_another_version_mode_or_content_is_another_file(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    task, cache, counted = from_card(card_of(folder)), Cache(tmp_path / "kept"), Counted()
    tars = task.tars(folder)["test"]
    cache(tars, task, counted, "corrected")
    cache(tars, task, counted, "compatible")
    counted.version = "2"
    cache(tars, task, counted, "corrected")
    assert counted.clips == 36
    write_tar(tars[0], tone_samples("test", 5))
    assert len(cache(tars, task, counted, "corrected")) == 5
    # Nothing tells whether its weights changed.
    counted.version = None
    for _ in range(2):
        cache(tars, task, counted, "corrected")
    assert counted.clips == 51


def test_other_code_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end that was mended gives other vectors under the same name and weights."""
    folder = tone_task(tmp_path / "tasks")
    task, counted = from_card(card_of(folder)), Counted()
    tars = task.tars(folder)["test"]
    monkeypatch.setattr("codec.provenance.ROOT", tmp_path)
    for package in CODE:
        (tmp_path / package / "deep").mkdir(parents=True)
        (tmp_path / package / "deep" / "features.py").write_text("mel = rounded")
    for number, (package, source) in enumerate([(CODE[0], "mel = rounded"), *((p, "mel = exact") for p in CODE)], 1):
        (tmp_path / package / "deep" / "features.py").write_text(source)
        for _ in range(2):
            Cache(tmp_path / "kept")(tars, task, counted, "corrected")
        assert counted.clips == 12 * number


def test_damaged_files_are_made_again_and_frames_are_kept(tmp_path: Path) -> None:
    task, cache, counted = BY_NAME["desed"], Cache(tmp_path / "kept"), Counted()
    events = [{"onset": 0.5, "offset": 1, "label": "Dog,Cat"}]
    tar = tmp_path / "desed" / "wds-audio-train-0.tar"
    write_tar(tar, [(f"c{i}", flac(tone(300, 1 + i, i)), events) for i in range(3)])
    first = cache([tar], task, counted, "corrected")
    assert [len(e.vectors) for e in cache([tar], task, counted, "corrected")] == [50, 100, 150]
    assert cache([tar], task, counted, "corrected")[0].events == first[0].events == ((0.5, 1.0, "Dog"), (0.5, 1.0, "Cat"))
    assert counted.clips == 3
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:200])
    cache([tar], task, counted, "corrected")
    assert counted.clips == 6


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tone_task(tmp_path / "tasks")
    (tmp_path / "file").write_text("")
    task = from_card(card_of(folder))
    with pytest.raises(CodecError, match=r"cannot keep embeddings .*--cache"):
        Cache(tmp_path / "file")(task.tars(folder)["test"], task, Counted(), "corrected")  # type: ignore[arg-type]
