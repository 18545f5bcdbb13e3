import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from codec.atomic import atomic_path, atomic_write, remove_leftovers
from codec.errors import CodecError


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    with atomic_write(target) as handle:
        handle.write(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"old")
    with pytest.raises(TypeError), atomic_write(target) as handle:
        handle.write("not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="cannot write"), atomic_path(tmp_path / "none" / "x"):
        pass
    with pytest.raises(CodecError, match="is a folder"), atomic_path(tmp_path):
        pass


def test_a_disk_that_safetensors_finds_full_is_named(tmp_path: Path) -> None:
    tensor = {"x": np.zeros(4, np.float32)}
    with pytest.raises(CodecError, match=r"cannot write .*w\.safetensors: .*No such"), atomic_path(tmp_path / "w.safetensors"):
        save_file(tensor, tmp_path / "gone" / "w.safetensors")  # as it refuses to write anywhere
    assert not list(tmp_path.iterdir())


def test_windows_is_never_asked_for_a_process_by_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, signal 0 is Ctrl-C."""
    with atomic_path(tmp_path / "x") as temporary:
        left = temporary.with_name(temporary.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))
    left.touch()  # as if its process were gone
    monkeypatch.setattr("codec.atomic.os.kill", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr("codec.atomic._POSIX", False)
    monkeypatch.setattr("codec.atomic._here", lambda: left.name.split("-")[1])
    remove_leftovers(tmp_path)
    assert left.exists()
    monkeypatch.undo()
    remove_leftovers(tmp_path)
    assert not left.exists()
