"""Windows on threads of their own: the same tokens and sound, whatever the number of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from codec import threads
from codec.cli import main
from codec.files import decode_file, encode_file
from codec.model import Codec
from codec.threads import at_once, in_order, side_by_side


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Workers of this test's own, and as many threads afterwards as before."""
    before = torch.get_num_threads()
    threads._forget()
    yield
    threads._forget()
    torch.set_num_threads(before)


def noise(seconds: float, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((channels, int(seconds * 16_000))).astype(np.float32) * 0.1


@pytest.mark.parametrize("count", [2, 3])
def test_tokens_and_sound_are_those_of_one_thread(tiny: Codec, tmp_path: Path, count: int) -> None:
    soundfile.write(tmp_path / "x.wav", noise(95, 2).T, 16_000)
    wave, batch = noise(70), noise(3, 5)
    torch.set_num_threads(1)
    encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "one.sct"))
    decode_file(tiny, str(tmp_path / "one.sct"), str(tmp_path / "one.wav"))
    one, several = tiny.encode(wave, 16_000), tiny.encode(batch, 16_000)
    sound = tiny.decode(one)
    torch.set_num_threads(count)
    encode_file(tiny, str(tmp_path / "x.wav"), str(tmp_path / "more.sct"))
    decode_file(tiny, str(tmp_path / "one.sct"), str(tmp_path / "more.wav"))
    assert (tmp_path / "one.sct").read_bytes() == (tmp_path / "more.sct").read_bytes()
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "more.wav").read_bytes()
    assert torch.equal(tiny.encode(wave, 16_000).codes, one.codes)
    assert torch.equal(tiny.encode(batch, 16_000).codes, several.codes)
    assert torch.equal(tiny.decode(one), sound)


def test_every_window_has_one_thread_and_the_process_keeps_its_own() -> None:
    torch.set_num_threads(2)
    seen: list[tuple[int, str]] = []
    both = threading.Barrier(2, timeout=60)

    def function(item: torch.Tensor) -> int:
        both.wait()  # returns only if two run at once
        seen.append((torch.get_num_threads(), threading.current_thread().name))
        return at_once()

    assert side_by_side(function, list(torch.zeros(4, 1))) == [1, 1, 1, 1]  # a window within a window starts no more
    assert {number for number, _ in seen} == {1}
    assert len({name for _, name in seen}) == 2
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_one_window_has_one_thread_too() -> None:
    """A short clip, which several threads would only wait over."""
    torch.set_num_threads(2)
    assert side_by_side(lambda item: torch.get_num_threads(), [torch.zeros(1)]) == [1]


def test_errors_come_out() -> None:
    torch.set_num_threads(2)

    def fail(item: torch.Tensor) -> None:
        raise ValueError(str(item.item()))

    with pytest.raises(ValueError, match=r"1\.0"):
        side_by_side(fail, [torch.ones(1), torch.zeros(1)])


def test_a_forked_process_starts_workers_of_its_own() -> None:
    torch.set_num_threads(2)
    assert side_by_side(float, [torch.ones(1)] * 3) == [1.0] * 3
    child = os.fork()
    if not child:
        os._exit(0 if side_by_side(lambda item: 7, [torch.ones(1)] * 3) == [7] * 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_files_go_side_by_side_and_are_told_in_order() -> None:
    both, taken = threading.Barrier(2, timeout=60), []

    def function(item: int) -> int:
        taken.append(item)
        if item < 2:
            both.wait()  # returns only if two run at once
        return 10 * item

    assert list(in_order(function, range(40), 2, lambda: None)) == list(range(0, 400, 10))
    taken.clear()
    results = in_order(function, range(2, 1000), 2, lambda: None)
    assert [next(results), next(results)] == [20, 30]
    results.close()
    assert len(taken) < 10  # never far ahead


def test_what_still_runs_is_told_to_stop() -> None:
    stopping = threading.Event()

    def function(item: int) -> int:
        if item:
            assert stopping.wait(60)
            return item
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        list(in_order(function, [0, 1], 2, stopping.set))


def test_a_folder_on_two_threads(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files, failures and permissions are those of one thread."""
    (tmp_path / "in").mkdir()
    for number in range(6):
        soundfile.write(tmp_path / "in" / f"{number}.wav", noise(1 + number / 10).T, 16_000)
    (tmp_path / "in" / "3.wav").write_text("no audio")
    told, made = [], []
    for count in (1, 2):
        torch.set_num_threads(count)
        with pytest.raises(SystemExit) as caught:
            main(["encode", str(tmp_path / "in"), "-o", str(tmp_path / f"{count}"), "--model", str(tiny_folder)])
        assert caught.value.code == 2
        told.append([line.split(" → ")[0] for line in capsys.readouterr().err.splitlines()])
        made.append({path.name: (path.read_bytes(), path.stat().st_mode) for path in (tmp_path / f"{count}").iterdir()})
    assert made[0] == made[1]
    assert len(made[0]) == 5
    assert told[0] == told[1]
