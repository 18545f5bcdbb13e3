"""What strangers send: lists that name files of the server, formats that only ffmpeg reads, audio that is cut."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from codec.serve.limits import Limits
from tests.conftest import DATA
from tests.fuzz.audio import lists
from tests.fuzz.lockdown import Watch, is_possible

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is optional")


@needs_ffmpeg
@pytest.mark.skipif(not is_possible(), reason="watches files as Linux does")
@pytest.mark.parametrize("ffmpeg", [False, True])
def test_nothing_of_the_server_is_read(serve: Callable[[Limits], str], tmp_path: Path, ffmpeg: bool) -> None:
    (tmp_path / "canary").mkdir()
    canary = tmp_path / "canary" / "canary.wav"
    soundfile.write(canary, np.full(16_000, 0.25), 16_000)
    link = tmp_path / "link.wav"
    link.symlink_to(canary)
    address = serve(Limits(ffmpeg=ffmpeg))
    watch = Watch(canary.parent)
    for target in (canary, link):
        for suffix, data in lists(target).items():
            answer = httpx.post(f"{address}/encode", content=data, timeout=60)
            assert answer.status_code == 400, suffix
            assert str(target) not in answer.text
    assert not watch.opened()
    watch.close()


@needs_ffmpeg
def test_ffmpeg_only_where_it_was_asked_for(serve: Callable[[Limits], str], tmp_path: Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-i", DATA / "speech.flac", tmp_path / "x.m4a"], check=True)
    data = (tmp_path / "x.m4a").read_bytes()
    answer = httpx.post(f"{serve(Limits())}/encode", content=data, timeout=60)
    assert (answer.status_code, "need ffmpeg, which is not used" in answer.text) == (400, True)
    assert httpx.post(f"{serve(Limits(ffmpeg=True))}/encode", content=data, timeout=60).status_code == 200


def test_what_is_missing_of_an_upload_is_told(server: str) -> None:
    sink = io.BytesIO()
    soundfile.write(sink, np.zeros(16_000), 16_000, format="WAV")
    whole = httpx.post(f"{server}/encode", content=sink.getvalue(), timeout=60)
    assert "x-codec-warning" not in whole.headers
    cut = httpx.post(f"{server}/encode", content=sink.getvalue()[:20_000], timeout=60)
    assert cut.status_code == 200
    assert cut.headers["x-codec-warning"] == "cut short: 12044 of 32000 bytes of audio are missing at the end"
