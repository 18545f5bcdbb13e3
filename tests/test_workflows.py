"""What a host of the repository would run is there, and says what it installs for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.commands import check

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMMANDS = ("codec ", "make ", "python -m codec ", "python -m pytest ")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_commands_of_workflows_exist(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    known = [line for line in lines if line.startswith(COMMANDS)]
    assert known
    for line in known:
        check(line.replace("python -m codec ", "codec ").replace("python -m pytest ", "pytest "))


def test_every_python_that_is_allowed_is_tried() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    tried = yaml.safe_load(WORKFLOWS[0].read_text("utf-8"))["jobs"]["library"]["strategy"]["matrix"]["python"]
    assert re.findall(r'requires-python = ">=([\d.]+)"', project) == [tried[0]]
    assert set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)) <= set(tried)
