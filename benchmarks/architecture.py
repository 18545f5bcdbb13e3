"""``python -m benchmarks.architecture``: the picture in ``docs/architecture.md``, drawn from the code's own imports.

``python -m benchmarks.architecture FOLDER PICTURE`` draws another checkout, of before there were six rooms for example.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

from codec.atomic import atomic_path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
ROOMS = {"benchmarks": (2.0, 3.0), "train": (0.6, 2.0), "eval": (3.4, 2.0), "codec": (2.0, 1.0), "quantizers": (2.0, 0.0)}
"""Places of the rooms: who imports stands above."""
FORMER = {"tokenizing": (-0.6, 1.0), "corpora": (-0.6, 0.0), "serve": (4.6, 1.0)}
"""Of rooms that are inside of others now."""
WIDTH, HEIGHT = 2.0, 0.56


def lines_of(room: Path) -> int:
    """Counts the lines of Python in files of git."""
    return sum(len(path.read_text("utf-8").splitlines()) for path in room.rglob("*.py"))


def imports(root: Path, rooms: Iterable[str]) -> Counter[tuple[str, str]]:
    """How many modules of one room import another room."""
    found: Counter[tuple[str, str]] = Counter()
    for room in rooms:
        for path in (root / room).rglob("*.py"):
            found.update((room, other) for other in _imported(path.read_text("utf-8")) & {*rooms} - {room})
    return found


def _imported(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in names}


def draw(root: Path = ROOT, picture: Path = PICTURE) -> None:
    """Writes the picture of a checkout."""
    rooms = {room: place for room, place in (ROOMS | FORMER).items() if (root / room).is_dir()}
    figure, axes = plt.subplots(figsize=(7 if rooms == ROOMS else 10, 4.2))
    for (source, target), count in sorted(imports(root, rooms).items()):
        (x, y), (to_x, to_y) = rooms[source], rooms[target]
        bend = 0.35 if y - to_y > 1.5 else 0.0
        axes.annotate(
            "",
            (to_x, to_y + HEIGHT / 2),
            (x, y - HEIGHT / 2),
            arrowprops={
                "arrowstyle": "-|>", "color": "#8a8f98", "lw": 0.6 + count / 60, "connectionstyle": f"arc3,rad={bend}"
            },
        )  # fmt: skip
    for room, (x, y) in rooms.items():
        box = FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT, "round,pad=0,rounding_size=0.1", fc="#eef3fb", ec="#33527a"
        )
        axes.add_patch(box)
        axes.text(x, y + 0.08, room, ha="center", va="center", fontsize=12, color="#1d2f47")
        lines = f"{lines_of(root / room):,} lines".replace(",", " ")
        axes.text(x, y - 0.15, lines, ha="center", va="center", fontsize=8, color="#555")
    axes.set_xlim(min(x for x, _ in rooms.values()) - 1.2, max(x for x, _ in rooms.values()) + 1.2)
    axes.set_ylim(-0.4, 3.4)
    axes.axis("off")
    with atomic_path(picture) as path:
        figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(*map(Path, sys.argv[1:]))
