"""Packages import each other in one direction only, as CONTRIBUTING.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (("quantizers",), ("codec",), ("eval", "train"), ("benchmarks",))
"""Lowest first; a package may import what lies below it, not what lies beside it."""
PACKAGES = [package for layer in LAYERS for package in layer]


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Lines and top-level packages of all imports, those within functions, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    depth = next(index for index, layer in enumerate(LAYERS) if package in layer)
    forbidden = {other for layer in LAYERS[depth:] for other in layer} - {package} | {"tests"}
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imported(path.read_text("utf-8"))
        if name in forbidden
    ]
    assert not wrong


def test_every_package_has_a_layer() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(PACKAGES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import codec.audio, numpy\ndef f():\n    from train.corpora import Corpus\n    from . import eval\n"
    assert sorted(imported(source)) == [(1, "codec"), (1, "numpy"), (3, "train")]
