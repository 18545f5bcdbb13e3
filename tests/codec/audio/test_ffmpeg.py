"""ffmpeg opens nothing but the bytes it is given: whatever strangers' files name, a canary stays unread."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.audio import ffmpeg
from codec.audio.formats import mp4
from codec.audio.io import AudioReader, read_audio
from codec.cli.main import main
from codec.data.recording import Recording
from codec.data.recordings.opening import open_place
from codec.data.recordings.places import FilePlace
from codec.data.store import build
from codec.data.testsets.clip import Clip
from codec.errors import AudioError, CodecError
from eval.listening.workbench import Shelf, read_sound
from eval.semantics.clips import read_clips
from tests.conftest import DATA
from tests.fuzz.audio import lists
from tests.fuzz.lockdown import Watch, is_possible

pytestmark = [
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is optional"),
    pytest.mark.skipif(not is_possible(), reason="watches files as Linux does"),
]
SUFFIXES = sorted(lists(Path("/canary.wav")))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A recording that nobody may open; who does is found out at the end."""
    path = tmp_path / "canary" / "canary.wav"
    path.parent.mkdir()
    soundfile.write(path, np.full(16_000, 0.25), 16_000)
    watch = Watch(path.parent)
    yield path
    opened = watch.opened()
    watch.close()
    assert not opened


def test_the_watch_sees_who_opens_a_file(tmp_path: Path) -> None:
    """Whatever ffmpeg would do if it were free."""
    (tmp_path / "x.wav").write_bytes(b"")
    watch = Watch(tmp_path)
    assert not watch.opened()
    subprocess.run(["cat", tmp_path / "x.wav"], check=True)
    assert watch.opened() == {"x.wav"}
    watch.close()


def test_ffmpeg_left_to_itself_would_follow_a_list(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.full(16_000, 0.25), 16_000)
    (tmp_path / "x.m3u8").write_bytes(lists(tmp_path / "secret.wav")["ffconcat"])
    command = ["ffmpeg", "-v", "quiet", "-f", "concat", "-safe", "0", "-i", tmp_path / "x.m3u8", "-f", "f32le", "-"]
    assert len(subprocess.run(command, capture_output=True).stdout) == 64_000


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_name_others_are_refused(canary: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(lists(canary)[suffix])
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["m3u8", "ffconcat", "mpd", "srt"])
def test_every_reader_refuses_them(
    canary: Path, tmp_path: Path, suffix: str, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mkv"  # a suffix that all of them take
    data = lists(canary)[suffix]
    path.write_bytes(data)
    for arguments in (["encode", path, "-o", tmp_path / "x.sct"], ["info", path], ["play", path]):
        model = ["--model", str(tiny_folder)] if arguments[0] != "info" else []
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), *model])
        assert caught.value.code == 2
    with pytest.raises(CodecError), open_place(str(tmp_path), FilePlace("x.mkv")) as sound:
        list(sound.blocks)
    for stream in (0, 1):
        with pytest.raises(CodecError):
            Clip("x", str(path), "speech", "x", stream=stream).load()
    with pytest.raises(CodecError, match="no usable audio"):
        build([Recording(str(path), "x", "speech", "x")], tmp_path / "corpus", workers=1)
    with pytest.raises(CodecError):
        read_sound(data, "x", Shelf())
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, content in (("a.m4a", data), ("a.json", json.dumps({"label": 1}).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(CodecError):
        list(read_clips([tmp_path / "x.tar"]))
    capsys.readouterr()


def test_a_link_in_an_archive_is_no_recording(canary: Path, tmp_path: Path, tiny_folder: Path) -> None:
    """Neither a symbolic link in a tar file nor one that an upload names is followed."""
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("a.wav")
        member.type, member.linkname = tarfile.SYMTYPE, str(canary)
        archive.addfile(member)
    with pytest.raises(SystemExit) as caught:
        main(["tokenize", str(tmp_path / "x.tar"), "-o", str(tmp_path / "out"), "-m", str(tiny_folder), "--workers", "0"])
    assert caught.value.code == 2
    link = tmp_path / "link.wav"
    link.symlink_to(canary)
    path = tmp_path / "x.m3u8"
    path.write_bytes(lists(link)["m3u8"])
    with pytest.raises(AudioError):
        read_audio(path)


def test_ffmpeg_gets_a_pipe_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of a file, no other protocol, and demuxers that are all known not to follow names."""
    started: list[list[str]] = []
    popen = subprocess.Popen

    def note(command: list[str], **options: object) -> object:
        started.append(command)
        return popen(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(ffmpeg.subprocess, "Popen", note)
    subprocess.run(["ffmpeg", "-v", "error", "-i", DATA / "speech.flac", tmp_path / "x.m4a"], check=True)
    started.clear()
    read_audio(tmp_path / "x.m4a")
    ((*command,),) = started
    assert not any("/" in word for word in command)
    assert command[command.index("-protocol_whitelist") + 1] == "pipe"
    allowed = set(command[command.index("-format_whitelist") + 1].split(","))
    following = {
        "hls",
        "concat",
        "concatf",
        "dash",
        "imf",
        "image2",
        "image2pipe",
        "sdp",
        "rtsp",
        "lavfi",
        "tee",
        "data",
        "vobsub",
    }
    assert not allowed & (
        following | {"srt", "ass", "webm_dash_manifest", "applehttp", "tedcaptions", "ffmetadata", "matroska,webm"}
    )


def test_ffmpeg_can_be_forbidden(tmp_path: Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-i", DATA / "speech.flac", tmp_path / "x.m4a"], check=True)
    with pytest.raises(AudioError, match="which is not used"):
        AudioReader(tmp_path / "x.m4a", ffmpeg=False)


def test_only_one_module_gives_files_to_ffmpeg() -> None:
    """Baselines make AMR with it, out of samples; everything else goes through `codec.audio.ffmpeg`."""
    root = Path(__file__).parents[3]
    sources = [path for name in ("codec", "train", "eval") for path in (root / name).rglob("*.py")]
    users = {path.name for path in sources if any(call in path.read_text() for call in ('["ffmpeg"', '["ffprobe"', "ffmpeg()"))}
    assert users == {"ffmpeg.py", "amrwb.py"}


def test_an_index_at_the_end_of_a_long_file_is_found(tmp_path: Path) -> None:
    """Longer than what ffmpeg keeps of a pipe."""
    soundfile.write(tmp_path / "x.wav", np.random.default_rng(0).standard_normal(3_000_000) * 0.1, 48_000)
    subprocess.run(["ffmpeg", "-v", "error", "-i", "x.wav", "-c:a", "alac", "x.m4a"], cwd=tmp_path, check=True)
    assert os.path.getsize(tmp_path / "x.m4a") > 4_000_000
    with AudioReader(tmp_path / "x.m4a") as reader:
        reader.skip(2_900_000)
        assert sum(map(len, reader.blocks())) == 100_000
        assert reader.missing == ()


def test_an_index_of_boxes_in_boxes_is_no_way_in(tmp_path: Path) -> None:
    """Three thousand levels deep: refused in one line, and no ffmpeg is left behind."""
    box = b""
    for _ in range(3000):
        box = struct.pack(">I4s", 8 + len(box), b"trak") + box
    data = struct.pack(">I4s", 12, b"ftyp") + b"M4A " + struct.pack(">I4s", 16, b"mdat") + bytes(8)
    path = tmp_path / "deep.m4a"
    path.write_bytes(data + struct.pack(">I4s", 8 + len(box), b"moov") + box)
    with pytest.raises(AudioError):
        read_audio(path)
    running = [name.read_text() for name in Path("/proc").glob(f"{os.getpid()}/task/*/children")]
    children = [Path(f"/proc/{child}/comm") for line in running for child in line.split()]
    assert not [child for child in children if child.exists() and child.read_text().strip() == "ffmpeg"]


@pytest.mark.parametrize(("name", "form"), [(b"stco", ">u4"), (b"co64", ">u8")])
def test_places_in_an_index_move_with_it(name: bytes, form: str) -> None:
    places = np.array([0, 7, 2**31, 2**32 - 1], form)
    table = bytes(4) + struct.pack(">I", len(places)) + places.tobytes()
    index = bytearray(struct.pack(">I4s", 8 + len(table), name) + table)
    for holder in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        index[:0] = struct.pack(">I4s", 8 + len(index), holder)
    mp4._shift(index, 8, len(index), 100)
    wanted = [(int(place) + 100) % (1 << 8 * places.itemsize) for place in places]
    assert np.frombuffer(index, form, len(places), len(index) - places.nbytes).tolist() == wanted
