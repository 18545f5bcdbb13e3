"""What a program must not take for granted of its system: POSIX, a UTF-8 locale, or a shell that leaves brackets alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [
    path
    for folder in ("codec", "quantizers", "train", "eval", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
POSIX = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"}
"""Modules that Windows does not have."""


def problems(source: str) -> Iterator[tuple[int, str]]:
    """Lines that depend on the system, and why."""
    tree = ast.parse(source, feature_version=(3, 10))
    for node in tree.body:  # within a function or a try it is somebody's decision
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from ((node.lineno, f"imports {name}") for name in names if name in POSIX)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "rename":
            yield call.lineno, "fails on Windows where the target is there: replace() does not"
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if "encoding" in given or None in given:
            continue
        if name == "read_text" and not call.args:
            yield call.lineno, "reads text in the locale's encoding"
        if name == "write_text" and len(call.args) < 2:
            yield call.lineno, "writes text in the locale's encoding"
        if isinstance(given.get("text"), ast.Constant):
            yield call.lineno, "talks to a program in the locale's encoding"
        if (
            name == "open"
            and not ast.unparse(call.func).startswith("tarfile.")
            and _is_text_mode([*call.args, *given.values()])
        ):
            yield call.lineno, "opens text in the locale's encoding"


def _is_text_mode(arguments: list[ast.expr]) -> bool:
    modes = [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return any(set(mode) <= set("rwaxt+") and mode for mode in modes)


@pytest.mark.parametrize("folder", ["codec", "quantizers", "train", "eval", "benchmarks", "examples"])
def test_no_source_depends_on_the_system(folder: str) -> None:
    files = [path for path in FILES if path.relative_to(ROOT).parts[0] == folder]
    assert files
    found = [f"{path.relative_to(ROOT)}:{line} {why}" for path in files for line, why in problems(path.read_text("utf-8"))]
    assert not found


def test_what_depends_on_it_is_found() -> None:
    source = (
        "import os, fcntl\nfrom resource import getrusage\np.read_text()\np.write_text('x')\n"
        "run(['x'], text=True)\nopen(path, 'w')\np.open('a')\n"
        "try:\n    import fcntl\nexcept ImportError:\n    pass\n"
        "p.read_text('utf-8')\np.open('rb')\nopen('x', 'w', encoding='utf-8')\nrun(['x'], text=True, encoding='utf-8')\n"
        "tarfile.open(path, 'w')\np.rename(q)\n"
    )
    assert [line for line, _ in sorted(problems(source))] == [1, 2, 3, 4, 5, 6, 7, 17]
    with pytest.raises(SyntaxError):
        list(problems("def f[T](x: T) -> T: ..."))


def unquoted(text: str) -> list[str]:
    """Commands that zsh would refuse ("no matches found") and PowerShell would take apart at commas."""
    return re.findall(r"pip install (?:-\S+ )*[\w.-]*\[[^]]*\]", text)


def test_extras_are_quoted_wherever_somebody_may_copy_them() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "Makefile",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob(".github/workflows/*.yml")),
    ]
    assert not {str(path.relative_to(ROOT)): found for path in (*FILES, *pages) if (found := unquoted(path.read_text("utf-8")))}
    assert unquoted("pip install -e .[dev] && pip install semcodec[web,serve]") == [
        "pip install -e .[dev]",
        "pip install semcodec[web,serve]",
    ]
    assert not unquoted("pip install 'semcodec[web]' -e '.[dev]'")
