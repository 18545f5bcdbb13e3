"""Command lines of the documentation, read by the parsers that would run them. Nothing is run."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from codec.cli.commands import LATER
from codec.cli.main import UsageError, app
from codec.errors import CodecError
from tests.test_imports import PACKAGES
from train.cli import STATUS
from train.config_file import read_config
from train.stages import STAGES

ROOT = Path(__file__).parent.parent
HELP = {"-h", "--help"}
ENDS = ("|", "||", "&&", ";")
OURS = re.compile(rf"({'|'.join((*PACKAGES, 'tests'))})/")


@cache
def whole_command() -> Any:
    """``codec`` with every sub-command loaded."""
    group: Any = typer.main.get_command(app)
    for name in LATER:
        group.load(name)
    return group


class DocumentedError(Exception):
    """A command line that would not do what the documentation says."""


def check(line: str, whole: bool = True) -> None:
    """Every option exists and takes its value, stages and keys of configs exist, and so do files of this repository.

    Args:
        line: as in a shell: pipes, redirections, several commands. What is neither ``codec``, ``python -m`` nor ``make``
            is not looked at.
        whole: what a command requires is there.

    Raises:
        DocumentedError: something does not, with the command's own words.
    """
    for words in _commands(line):
        program, arguments = Path(words[0]).name, words[1:]
        if program == "codec":
            _check_codec(arguments, whole)
        elif program.startswith("python") and arguments[:1] == ["-m"]:
            _check_module(arguments[1], arguments[2:], whole)
        elif program == "make":
            _check_target(arguments)
        elif program == "pytest":
            _check_selection(arguments)


def _commands(line: str) -> list[list[str]]:
    """The words of each command, without redirections and variables set before it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    commands: list[list[str]] = [[]]
    words = iter(lexer)
    for word in words:
        if word in ENDS:
            commands.append([])
        elif set(word) <= set("<>&"):
            next(words, None)
        elif commands[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def _check_codec(words: list[str], whole: bool) -> None:
    command: Any = whole_command()
    path: list[str] = []
    while hasattr(command, "commands"):
        if not words or words[0] in HELP:
            if whole and not words:
                raise DocumentedError("codec: names no command")
            return
        name, *words = words
        if name not in command.commands:
            raise DocumentedError(f"codec: no command {name}; there are {', '.join(command.commands)}")
        command = command.commands[name]
        path.append(name)
    given = _parsed(command, words, whole)
    if path in (["train"], ["export"]) and given:
        _check_training(given["config"], given.get("words", given.get("overrides")) or [])


def _check_module(name: str, words: list[str], whole: bool) -> None:
    if name.partition(".")[0] not in (*PACKAGES, "tests"):
        return
    try:
        found = find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise DocumentedError(f"python -m {name}: no such module")
    program = find_spec(f"{name}.__main__") if found.submodule_search_locations else found
    assert program is not None
    assert program.origin is not None
    _check_files(words)
    if re.search(r"(typer\.run|run_script)\(main\)", Path(program.origin).read_text("utf-8")):
        app = typer.Typer()
        app.command()(importlib.import_module(program.name).main)
        _parsed(typer.main.get_command(app), words, whole)


def _check_target(words: list[str]) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise DocumentedError(done.stderr)
    for line in done.stdout.replace("\\\n", " ").splitlines():
        check(line)


def _check_selection(words: list[str]) -> None:
    """Of ``pytest``: its files exist, and ``-k`` chooses some of their tests."""
    wanted = words.index("-k") if "-k" in words else len(words)
    paths, expression = [word for word in words[:wanted] if OURS.match(word)], words[wanted + 1 : wanted + 2]
    if not paths:
        return
    _check_files(paths)
    files = [file for path in paths for file in ([ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("test_*.py"))]
    names = [f"{file.name}::{name}" for file in files for name in _tests(file)]
    if not names or (expression and not any(_chosen(expression[0], name) for name in names)):
        raise DocumentedError(f"pytest {shlex.join(words)}: chooses no test")


def _tests(file: Path) -> list[str]:
    """Names of its tests, each with the words that those of its examples may come from."""
    tree = ast.parse(file.read_text("utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    tables = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    return [" ".join([test.name, *_words(test.decorator_list), *_words(tables)]) for test in tests]


def _words(nodes: Sequence[ast.AST]) -> list[str]:
    inner = [part for node in nodes for part in ast.walk(node)]
    return [part.value for part in inner if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _chosen(expression: str, name: str) -> bool:
    """What ``pytest -k`` makes of a name: every word is true if the name holds it."""
    return bool(eval(re.sub(r"\b(?!(?:and|or|not)\b)\w+", lambda word: str(word[0].lower() in name.lower()), expression)))


def _parsed(command: Any, words: list[str], whole: bool) -> dict[str, Any]:
    """Arguments as the command gets them; none if they are not whole, or ask for help only."""
    _check_files(words)
    asks = bool(HELP & {*words})
    try:
        context = command.make_context(command.name, [word for word in words if word not in HELP])
    except UsageError as error:
        if type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError") and (asks or not whole):
            return {}
        raise DocumentedError(f"{command.name}: {error.format_message()}") from error
    return {} if asks else context.params


def _check_training(config: Path | None, words: list[str]) -> None:
    """Stages and keys."""
    names = [word for word in words if "=" not in word]
    if names[:1] == ["decoder"]:  # and folders of recordings
        names, config = [], Path("decoder")
    if config is None and names and ("/" in names[-1] or names[-1] == "ROOT"):  # a run's folder, with its own config
        names.pop()
        config = Path("nano")
    unknown = set(names) - {stage.name for stage in STAGES} - {STATUS}
    if unknown:
        raise DocumentedError(f"train: no stage {', '.join(sorted(unknown))}")
    if config is not None:
        try:
            read_config(ROOT / config if config.suffix else config, [word for word in words if "=" in word])
        except CodecError as error:
            raise DocumentedError(str(error)) from error


def _check_files(words: list[str]) -> None:
    for word in words:
        if OURS.match(word) and not any(ROOT.glob(word)):
            raise DocumentedError(f"{word}: not in this repository")
