"""Work on other processes: in its order, never far ahead, and none that is forked, with locks that nobody would release."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from codec import processes
from codec.data import Corpus, build
from codec.data.folder import folder_clips
from codec.errors import CodecError
from codec.processes import in_order, processors
from tests.codec.data.test_corpora import write


def later_first(number: int) -> int:
    """Of any two that begin together the second is done first."""
    time.sleep(0.02 * (number % 2 == 0))
    return -number


def odd(number: int) -> int:
    """Fails at one, dies at another."""
    if number == 3:
        raise CodecError("three")
    if number == 5:
        os._exit(1)
    return number


def test_results_come_in_the_order_of_their_tasks_and_never_far_ahead() -> None:
    read: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(12):
            read.append(number)
            yield number

    for taken, (task, result) in enumerate(in_order(tasks(), partial(partial, later_first), 2, ahead=4)):
        assert (task, result) == (taken, -taken)
        assert len(read) <= taken + 4
    assert len(read) == 12
    assert list(in_order([], partial(partial, later_first), 2, ahead=4)) == []


@pytest.mark.parametrize(("tasks", "message"), [([1, 3], "^three$"), ([1, 5], r"a process died .* at 5$")])
def test_what_goes_wrong_is_one_line(tasks: list[int], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        list(in_order(tasks, partial(partial, odd), 1, ahead=4))


def test_corpora_and_labels_are_made_without_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("parselmouth")
    from train.config import TrainConfig
    from train.voice.pitch import cache_labels, open_labels

    def fork() -> int:
        raise AssertionError("a forked process has the locks of torch's threads")

    for index in range(12):
        write(tmp_path / "in" / f"{index}.wav", 0.5, seed=index)
    monkeypatch.setattr(os, "fork", fork)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    config = TrainConfig(root=str(tmp_path))
    cache_labels(config)
    corpus = Corpus(tmp_path / "corpus")
    labels = open_labels(config, corpus)
    assert labels.shape[1] == 2
    assert np.isfinite(labels).all()


@pytest.mark.parametrize(
    ("quota", "count"), [("max 100000", 6), ("250000 100000", 3), ("10000 100000", 1), ("900000 100000", 6), (None, 6)]
)
def test_processors_are_those_that_may_be_used(
    quota: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(processes, "_QUOTA", tmp_path / "cpu.max")
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert processors() == count
