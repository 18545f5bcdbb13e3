"""Temporary files of the service: private, and gone however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from codec.serve.workspace import PREFIX, Workspace, remove_leftovers


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_only_this_user_can_enter_and_nothing_stays(place: Path) -> None:
    workspace = Workspace()
    assert [path.stat().st_mode & 0o777 for path in place.iterdir()] == [0o700]
    with workspace.folder() as one, workspace.folder() as two:
        assert one != two
        (one / "body").write_bytes(b"RIFF")
    with pytest.raises(IsADirectoryError), workspace.folder() as folder:
        folder.write_bytes(b"RIFF")
    assert not list(workspace.path.iterdir())
    workspace.close()
    assert not list(place.iterdir())


def test_servers_leave_each_other_alone(place: Path) -> None:
    one, two = Workspace(), Workspace()
    remove_leftovers()
    assert one.path.is_dir()
    assert two.path.is_dir()
    one.close()
    assert two.path.is_dir()
    two.close()


CHILD = """
import sys, time
from codec.serve.workspace import Workspace
workspace = Workspace()
with workspace.folder() as folder:
    (folder / "body").write_bytes(b"RIFF")
    print(workspace.path, flush=True)
    sys.stdin.read() if sys.argv[1] == "wait" else sys.exit(3)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_server_left_goes_when_the_next_one_starts(place: Path, number: int) -> None:
    words = [sys.executable, "-c", CHILD, "wait"]
    environment = os.environ | {"TMPDIR": str(place)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        left = Path(child.stdout.readline().strip())
        Workspace().close()
        assert len(list(left.glob("*/body"))) == 1, "a running server keeps what it has"
        child.send_signal(number)
    assert len(list(left.glob("*/body"))) == 1
    Workspace().close()
    assert not list(place.iterdir())


def test_a_process_that_exits_takes_its_folder_along(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, "exit"], env=os.environ | {"TMPDIR": str(place)}, capture_output=True)
    assert done.returncode == 3
    assert not list(place.iterdir())


def test_links_and_files_that_only_look_like_it_stay(place: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (place / f"{PREFIX}link").symlink_to(tmp_path / "precious")
    (place / f"{PREFIX}file").touch()
    left = place / f"{PREFIX}left"
    left.mkdir()
    (left / "link").symlink_to(tmp_path / "precious")
    remove_leftovers()
    assert not left.exists()
    assert (tmp_path / "precious" / "file").exists()
    assert {path.name for path in place.iterdir()} == {f"{PREFIX}link", f"{PREFIX}file"}
