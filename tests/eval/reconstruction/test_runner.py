"""The runner: the same rows whatever happens in between, nothing done twice, nothing hidden, nothing stopped by what fails."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from codec.data import progress
from codec.errors import CodecError
from eval.reconstruction import runner
from eval.reconstruction.cache import Cache
from eval.reconstruction.results import Results, Row, read_results
from eval.reconstruction.runner import run
from eval.reconstruction.summary import summarise
from eval.reconstruction.usage import StreamUsage
from eval.reconstruction.worker import Setup
from tests.eval.reconstruction.doubles import SETUP, Tone, make_metrics, open_codec, score

ROOT = Path(__file__).parents[3]
CLIPS = [Tone(f"clip{i}", text="hello") for i in range(4)] + [Tone("drum", "sound")]
MEASURED = {"encode_seconds": None, "decode_seconds": None, "peak_memory": None}
"""What two runs of the same thing may differ in."""


def lasting(rows: tuple[Row, ...]) -> list[Row]:
    return [dataclasses.replace(row, **MEASURED) for row in rows]


def test_rows_have_every_codec_clip_and_metric_in_order(tmp_path: Path) -> None:
    results = run(["bits@4", "bits@8"], CLIPS, SETUP, Cache(tmp_path), workers=0)
    assert [(row.codec, row.clip) for row in results.rows] == [(c, k.name) for c in ("bits@4", "bits@8") for k in CLIPS]
    assert results.complete
    assert all(row.bits == 800 * int(row.codec[-1]) for row in results.rows)
    words = {"wer", "wer_errors", "wer_words"}
    assert all(set(row.values) == {"error"} | (words if row.domain == "speech" else set()) for row in results.rows)
    fine, coarse = ([row.values["error"] for row in results.rows if row.codec == f"bits@{n}"] for n in (8, 4))
    assert all(a < b for a, b in zip(fine, coarse, strict=True))


def test_processes_give_the_same_rows_and_one_that_dies_is_named(tmp_path: Path) -> None:
    codecs = ["bits@4", "dies", "bits@8"]
    parallel = run(codecs, CLIPS[:2], SETUP, Cache(tmp_path / "a"), 2, wanted=lambda c, k: c != "dies" or k == CLIPS[0])
    serial = run(["bits@4", "bits@8"], CLIPS[:2], SETUP, Cache(tmp_path / "b"), workers=0)
    assert lasting(tuple(row for row in parallel.rows if row.codec != "dies")) == lasting(serial.rows)
    [dead] = [row for row in parallel.rows if row.codec == "dies"]
    assert "died" in (dead.error or "")
    assert not parallel.complete


def test_cached_clips_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("DOUBLES_LOG", str(log))
    first = run(["bits@4"], CLIPS[:3], SETUP, Cache(tmp_path / "c"), workers=0)
    assert len(log.read_text().split()) == 3
    second = run(["bits@4"], CLIPS[:4], SETUP, Cache(tmp_path / "c"), workers=0)
    assert len(log.read_text().split()) == 4
    assert second.rows[:3] == first.rows

    renamed = dataclasses.replace(CLIPS[0], text="other words")
    run(["bits@4"], [renamed], SETUP, Cache(tmp_path / "c"), workers=0)
    assert len(log.read_text().split()) == 5, "other words give another word error rate"
    other = Setup(open_codec, make_metrics, score, {"asr": "another"})
    run(["bits@4"], [renamed], other, Cache(tmp_path / "c"), workers=0)
    assert len(log.read_text().split()) == 6, "so does another recogniser"


@pytest.mark.parametrize(
    "place", ["codec/baselines/opus.py", "codec/networks/samplers.py", "codec/a/b/c.py", "quantizers/ans.py"]
)
def test_what_runs_and_counts_is_part_of_the_key(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However deep it lies: the published model's sampler did not count."""
    monkeypatch.setattr("codec.provenance.ROOT", tmp_path)
    for file in ("codec/model.py", "quantizers/packing.py", "eval/reconstruction/delay.py", place):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("bits = 8 * len(data)")
    before = runner.metrics_version([], SETUP)
    assert runner.metrics_version([], SETUP) == before
    (tmp_path / place).write_text("bits = 8 * sum(map(len, packets))")
    assert runner.metrics_version([], SETUP) != before


def test_damaged_cache_is_measured_again(tmp_path: Path) -> None:
    first = run(["bits@4"], CLIPS[:1], SETUP, Cache(tmp_path), workers=0)
    [entry] = tmp_path.rglob("*.json")
    for damage in (b"", b"{", b'{"codec": 3}', b"[]", b"\xff"):
        entry.write_bytes(damage)
        again = run(["bits@4"], CLIPS[:1], SETUP, Cache(tmp_path), workers=0)
        assert lasting(again.rows) == lasting(first.rows)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "RuntimeError: the model went away"),
        ("nan", "1 samples that are not finite"),
        ("short", "the output has shape (799,), the input (800,)"),
        ("half the rate", "the output has shape (400,), the input (800,)"),
        ("stereo", "the output has shape (2, 800), the input (800,)"),
    ],
)
def test_a_codec_that_fails_on_every_clip_is_named_and_the_rest_goes_on(tmp_path: Path, name: str, reason: str) -> None:
    results = run([name, "bits@4"], CLIPS, SETUP, Cache(tmp_path), workers=0)
    assert all(reason in (row.error or "") and not row.values for row in results.rows if row.codec == name)
    assert all(row.error is None for row in results.rows if row.codec == "bits@4")
    assert not results.complete


def test_a_codec_that_fails_on_some_clips_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("DOUBLES_LOG", str(log))
    for _ in range(2):
        results = run(["sometimes"], CLIPS, SETUP, Cache(tmp_path / "c"), workers=0)
    failed = sum(row.error is not None for row in results.rows)
    assert 0 < failed < len(CLIPS)
    assert len(log.read_text().split()) == len(CLIPS) + failed


def test_codecs_that_cannot_be_opened_or_are_not_trained_are_refused(tmp_path: Path) -> None:
    results = run(["missing@1", "random", "bits@4"], CLIPS[:1], SETUP, Cache(tmp_path), workers=0)
    assert results.refused == {
        "missing@1": "program c2enc is missing: apt-get install codec2",
        "random": "its weights are random: figures would mean nothing",
    }
    assert [row.codec for row in results.rows] == ["bits@4"]
    assert not results.complete


def test_clips_that_cannot_be_read_and_missing_transcripts_are_named(tmp_path: Path) -> None:
    clips = [Tone("unreadable"), Tone("empty", samples=0), Tone("no words")]
    results = run(["bits@4"], clips, SETUP, Cache(tmp_path), workers=0)
    assert results.unreadable == {"unreadable": "unreadable.wav: not audio", "empty": "no samples"}
    [row] = results.rows
    assert row.failed == {"wer": "no transcript"}
    assert not run(["bits@4"], clips[2:], SETUP, Cache(tmp_path), workers=0).complete
    assert "wer" not in row.values


def test_impossible_requests(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="no clips"):
        run(["bits@4"], [], SETUP, Cache(tmp_path), workers=0)
    with pytest.raises(CodecError, match="two clips are called 'clip0'"):
        run(["bits@4"], [CLIPS[0], CLIPS[0]], SETUP, Cache(tmp_path), workers=0)


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    clips = [*CLIPS, Tone("no words")]
    results = run(["bits@4", "raises", "missing"], clips, SETUP, Cache(tmp_path / "c"), 0, "doubles", {"codecs": ["bits@4"]})
    results.write(tmp_path / "out")
    assert read_results(tmp_path / "out") == results
    assert results.provenance.clips == len(clips)
    assert results.provenance.config == {"codecs": ["bits@4"]}
    (tmp_path / "out" / "results.json").write_text("{}")
    with pytest.raises(CodecError, match="no readable results"):
        read_results(tmp_path / "out")


SCRIPT = """
import sys
from pathlib import Path
from eval.reconstruction.cache import Cache
from eval.reconstruction.runner import run
from tests.eval.reconstruction import doubles

folder = Path(sys.argv[1])
clips = [doubles.Tone(f"clip{i}", text="hello") for i in range(40)]
if len(sys.argv) > 2:
    import time
    measure = doubles.score
    doubles.SETUP = doubles.Setup(doubles.open_codec, doubles.make_metrics, lambda *a: (time.sleep(0.05), measure(*a))[1])
run(["bits@4", "bits@8"], clips, doubles.SETUP, Cache(folder / "cache"), workers=0).write(folder / "out")
"""


def test_killed_and_resumed_gives_the_same_parquet(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    subprocess.run([sys.executable, "-c", SCRIPT, whole], cwd=ROOT, check=True)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, halves, "slowly"], cwd=ROOT)
    while len(list(halves.rglob("*.json"))) < 10:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (halves / "out").exists()
    before = {path: path.read_bytes() for path in halves.rglob("*.json")}
    assert len(before) < 80
    subprocess.run([sys.executable, "-c", SCRIPT, halves], cwd=ROOT, check=True)
    assert all(path.read_bytes() == content for path, content in before.items()), "done work was done again"

    tables = [pyarrow.parquet.read_table(folder / "out" / "results.parquet") for folder in (whole, halves)]
    assert tables[0].drop_columns(list(MEASURED)).equals(tables[1].drop_columns(list(MEASURED)))


ORPHANS = """
from pathlib import Path
from eval.reconstruction.cache import Cache
from eval.reconstruction.runner import run
from tests.eval.reconstruction.doubles import SETUP, Tone

if __name__ == "__main__":
    run(["sleeps"], [Tone("clip")], SETUP, Cache(Path("cache")), workers=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not killed this way there")
def test_a_killed_run_leaves_no_processes_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "script.py").write_text(ORPHANS)
    environment = os.environ | {"DOUBLES_LOG": str(log), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, env=environment)
    while not (log.is_file() and log.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    worker = int(log.read_text())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 45
    while alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Runs, and is not just a name in the table that nobody has collected."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_log_is_told_how_far_it_is_and_how_long_it_will_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "TELL_EVERY", 0.0)
    run(["bits@4", "bits@8"], [Tone("clip0"), Tone("clip1")], SETUP, Cache(tmp_path), workers=0)
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("measuring: 4 of 4, bits@8, ")
    assert told[-2].startswith("measuring: 3 of 4, bits@8, ")
    assert all(line.endswith(" s left") for line in told[1:])


def test_clips_of_the_same_content_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUBLES_LOG", str(tmp_path / "log"))
    results = run(["bits@4"], [Tone("ab"), Tone("ba")], SETUP, Cache(tmp_path / "c"), workers=0)
    assert [row.clip for row in results.rows] == ["ab", "ba"]
    assert (tmp_path / "log").read_text().split() == ["bits@4"]
    assert run(["bits@4"], [Tone("ab"), Tone("ba")], SETUP, Cache(tmp_path / "c2"), workers=0).rows[0].bits == 3200


def test_memory_and_speed_are_measured(tmp_path: Path) -> None:
    results: Results = run(["bits@4"], CLIPS, SETUP, Cache(tmp_path), workers=0)
    for row in results.rows:
        assert row.encode_seconds is not None
        assert row.encode_seconds > 0
        assert row.peak_memory is None or row.peak_memory >= 0


def test_use_of_codebooks_is_measured_and_written(tmp_path: Path) -> None:
    results = run(["tokens", "bits@4"], CLIPS[:2], SETUP, Cache(tmp_path / "c"), workers=0)
    results.write(tmp_path / "out")
    assert read_results(tmp_path / "out") == results
    coded, plain = summarise(results)
    assert coded.streams == (StreamUsage(4, 1600, 0.5, 1.0), StreamUsage(8, 1600, 0.125, 0.0))
    assert plain.streams == ()
    assert run(["tokens"], CLIPS[:2], SETUP, Cache(tmp_path / "c"), workers=0).rows == results.rows[:2], "also from the cache"
    [strange] = run(["strange"], CLIPS[:1], SETUP, Cache(tmp_path / "c"), workers=0).rows
    assert strange.error == "codes lie outside their codebooks: from 8 to 8 in stream 1, which has 8"
