from pathlib import Path

import pytest

from codec.atomic import atomic_path, atomic_write
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
