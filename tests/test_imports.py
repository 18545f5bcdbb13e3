"""Packages import each other in one direction only, as CONTRIBUTING.md draws it, and modules never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (("quantizers",), ("codec",), ("eval", "train"), ("benchmarks",))
"""Lowest first; a package may import what lies below it, not what lies beside it."""
PACKAGES = [package for layer in LAYERS for package in layer]


def modules() -> dict[str, Path]:
    """Every module of the packages, by its dotted name."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    return dict(zip(names, files, strict=True))


def imported(source: str, facade: bool = False) -> Iterator[tuple[int, str]]:
    """Lines and dotted names of all imports, those within functions, too.

    ``from a.b import c`` gives both ``a.b`` and ``a.b.c``, since ``c`` may be a module.

    Args:
        source: of a module.
        facade: leave out imports for type checkers only, by which an ``__init__.py`` tells what it imports on first use.
    """
    tree = ast.parse(source)
    skipped = {
        inner
        for node in ast.walk(tree)
        if facade and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def needed(name: str, source: str, facade: bool, known: Mapping[str, Path]) -> set[str]:
    """Modules that importing one runs, or may run later: what it names, and the packages around that, but not its own."""
    wanted = {other for _, other in imported(source, facade) if other in known}
    around = {".".join(other.split(".")[:depth]) for other in wanted for depth in range(1, other.count(".") + 1)}
    own = {".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 2)}
    return (wanted | around) - own


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package: str) -> None:
    depth = next(index for index, layer in enumerate(LAYERS) if package in layer)
    forbidden = {other for layer in LAYERS[depth:] for other in layer} - {package} | {"tests"}
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imported(path.read_text("utf-8"))
        if name.partition(".")[0] in forbidden
    }
    assert not wrong


def test_no_module_imports_itself_by_way_of_others() -> None:
    known = modules()
    graph = {name: needed(name, path.read_text("utf-8"), path.name == "__init__.py", known) for name, path in known.items()}
    assert sum(map(len, graph.values())) > 1000
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_every_package_has_a_layer() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert found == set(PACKAGES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import codec.audio, numpy\nif TYPE_CHECKING:\n    import eval\n"
        "def f():\n    from train.data import Corpus\n    from . import eval\n"
    )
    always = [(1, "codec.audio"), (1, "numpy"), (5, "train.data"), (5, "train.data.Corpus")]
    assert sorted(imported(source)) == sorted([*always, (3, "eval")])
    assert sorted(imported(source, facade=True)) == always
