from __future__ import annotations

from pathlib import Path

import pytest

from codec.errors import CodecError
from codec.provenance import code_version


def test_every_change_below_a_package_counts(tmp_path: Path) -> None:
    """Content, names and places of its source; not what running it leaves behind."""
    deep = tmp_path / "package" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "one.py").write_text("1")
    versions = [code_version("package", root=tmp_path)]
    for name, text in (("one.py", "2"), ("two.py", "2"), ("../two.py", "2")):
        (deep / name).write_text(text)
        versions.append(code_version("package", root=tmp_path))
    (deep / "two.py").rename(deep / "three.py")
    versions.append(code_version("package", root=tmp_path))
    assert len(set(versions)) == 5
    (deep / "__pycache__").mkdir()
    (deep / "__pycache__" / "one.pyc").write_bytes(b"compiled")
    assert code_version("package", root=tmp_path) == versions[-1]


def test_a_package_without_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="nowhere"):
        code_version("nowhere", root=tmp_path)
