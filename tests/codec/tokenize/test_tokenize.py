import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
import torch
import webdataset

from codec.audio.io import read_audio
from codec.cli import main
from codec.data.recordings.rows import Row
from codec.errors import CodecError
from codec.model import Codec
from codec.tokenize.command import Options, tokenize
from codec.tokenize.dataset import TokenDataset
from codec.tokenize.plan import Plan, Settings
from codec.tokenize.run import finish, prepare
from codec.tokenize.work import Report, Task, journal_path
from tests.codec.tokenize.conftest import contents, write_noise
from tests.conftest import DATA


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten recordings of several rates, lengths and channels, and three that are none."""
    folder = tmp_path / "mixed"
    for number in range(10):
        rate, channels = (8_000, 16_000, 44_100)[number % 3], 1 + number % 2
        write_noise(folder / f"{number}.flac", 0.2 + 0.1 * (number % 4), rate, channels, seed=number)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("not audio")
    soundfile.write(folder / "none.wav", np.zeros(0), 16_000)
    return folder


def test_rows_are_what_the_library_gives(run: Callable, mixed: Path, tiny: Codec, tmp_path: Path) -> None:
    manifest = run(mixed, tmp_path / "out", format="both")
    assert (manifest["rows"], manifest["tokenized"], manifest["failed"]) == (13, 10, 3)
    reasons = {failure["key"]: failure["reason"] for failure in manifest["failures"]}
    assert reasons["empty"] == "empty.wav: file is empty"
    assert reasons["none"] == "contains no samples"
    assert "text.wav" in reasons["text"]
    rows = TokenDataset(tmp_path / "out")
    assert len(rows) == 10
    for item in rows:
        row = item["row"]
        wave, rate = read_audio(mixed / f"{row.key}.flac")
        expected = tiny.encode(wave.mean(0), rate)
        assert item["codes"].equal(expected.codes[0])
        assert (row.sample_rate, row.samples, row.duration) == (rate, wave.shape[1], wave.shape[1] / rate)
        assert (row.rate, row.vocab, row.source) == (50, 32, {"path": f"{row.key}.flac"})
        assert tiny.decode(row.tokens()).equal(tiny.decode(expected))
    hours = sum(item["row"].duration for item in rows) / 3600
    assert manifest["hours"] == pytest.approx(hours)
    assert manifest["tokens"] == sum(item["codes"].numel() for item in rows)


def test_both_formats_hold_the_same_for_the_tools_of_others(run: Callable, mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out", format="both", shard_rows=20)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "shards" / "000000.parquet").to_pylist()
    dataset = webdataset.WebDataset(str(tmp_path / "out" / "shards" / "000000.tar"), shardshuffle=False).decode()
    samples = list(dataset)
    assert len(table) == len(samples) == 10
    for row, sample in zip(table, samples, strict=True):
        np.testing.assert_array_equal(row.pop("codes"), sample["codes.npy"])
        assert row == sample["json"]


def test_the_same_bytes_again_and_nothing_done_twice(run: Callable, mixed: Path, tmp_path: Path) -> None:
    first = run(mixed, tmp_path / "one", format="both")
    run(mixed, tmp_path / "two", format="both")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert run(mixed, tmp_path / "one", format="both") == first
    lost = tmp_path / "two" / "shards" / "000001.parquet"
    kept = tmp_path / "two" / "shards" / "000000.parquet"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    redone = run(mixed, tmp_path / "two", format="both")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert kept.stat().st_mtime_ns == before
    assert redone["shards"] == first["shards"]
    assert 0 < redone["last_run"]["tokens"] < redone["tokens"]


def test_mended_rows_are_taken_on_request(run: Callable, mixed: Path, tmp_path: Path) -> None:
    assert run(mixed, tmp_path / "out")["failed"] == 3
    write_noise(mixed / "empty.wav", 0.3)
    assert run(mixed, tmp_path / "out")["failed"] == 3
    assert run(mixed, tmp_path / "out", retry_failed=True)["failed"] == 2


def test_shards_of_replaced_recordings_are_made_anew(run: Callable, tmp_path: Path) -> None:
    for number in range(8):
        write_noise(tmp_path / f"in/{number}.wav", 0.3, seed=number)
    run(tmp_path / "in", tmp_path / "out")
    kept = tmp_path / "out/shards/000000.parquet"
    before = kept.stat().st_mtime_ns
    write_noise(tmp_path / "in/6.wav", 0.3, seed=99)  # of the same length and size
    redone = run(tmp_path / "in", tmp_path / "out")
    assert redone["last_run"]["shards_of_replaced_files"] == 1
    assert kept.stat().st_mtime_ns == before
    run(tmp_path / "in", tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    assert run(tmp_path / "in", tmp_path / "out") == redone


def test_copies_of_a_corpus_and_files_that_are_gone_make_nothing_anew(run: Callable, tmp_path: Path) -> None:
    for number in range(8):
        write_noise(tmp_path / f"in/{number}.wav", 0.3, seed=number)
    (tmp_path / "in/all.jsonl").write_text("".join(json.dumps({"audio": f"{n}.wav"}) + "\n" for n in range(8)))
    first = run(tmp_path / "in/all.jsonl", tmp_path / "out")
    shutil.copytree(tmp_path / "in", tmp_path / "copied", copy_function=shutil.copyfile)  # with dates of its own
    (tmp_path / "copied/1.wav").unlink()
    assert run(tmp_path / "copied/all.jsonl", tmp_path / "out") == first
    for report in (tmp_path / "out/shards").glob("*.json"):  # as an older version wrote them
        report.write_text(json.dumps({k: v for k, v in json.loads(report.read_text()).items() if k != "sources"}))
    write_noise(tmp_path / "in/6.wav", 0.5)
    assert run(tmp_path / "in/all.jsonl", tmp_path / "out") == first


def test_a_folder_of_other_tokens_is_refused(run: Callable, mixed: Path, tmp_path: Path) -> None:
    run(mixed, tmp_path / "out")
    with pytest.raises(CodecError, match="rate 50 is now 25"):
        run(mixed, tmp_path / "out", rate=25)
    write_noise(mixed / "new.wav", 0.1)
    with pytest.raises(CodecError, match="rows 13 is now 14"):
        run(mixed, tmp_path / "out")
    (mixed / "new.wav").rename(mixed / "0.wav")
    (mixed / "0.flac").unlink()
    with pytest.raises(CodecError, match="rows of the corpus have changed"):
        run(mixed, tmp_path / "out")
    (tmp_path / "out" / "plan.json").write_text("[]")
    with pytest.raises(CodecError, match="damaged"):
        run(mixed, tmp_path / "out")
    with pytest.raises(CodecError, match="would become part of the corpus"):
        run(mixed, mixed / "out")
    with pytest.raises(CodecError, match="not empty"):
        run(mixed, DATA)


def test_exit_codes(mixed: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["tokenize", "--workers", "0", "--model", str(tiny_folder), "--vocab", "32", *map(str, words)])
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    code, _, error = call(mixed, "-o", tmp_path / "some")
    assert code == 1
    assert "10 of 13 rows" in error
    assert error.count("codec: ") == 3
    (tmp_path / "good").mkdir()
    shutil.copy(mixed / "1.flac", tmp_path / "good")
    code, out, error = call(tmp_path / "good", "-o", tmp_path / "all", "--json", "--semantic-only", "--device", "auto")
    assert (code, error) == (0, "")
    assert json.loads(out)["codebook_sizes"] == [32]
    assert TokenDataset(tmp_path / "all", "interleave")[0]["codes"].ndim == 1
    for words, message in (
        ([tmp_path / "nowhere"], "no such file"),
        ([tmp_path / "good", "--rate", "7"], "rate 7"),
        ([tmp_path / "good", "--format", "csv"], "format 'csv'"),
        ([tmp_path / "good", "--device", "tpu"], "device 'tpu'"),
        ([tmp_path / "good", "--device", "auto", "--ray", "local"], "not at a cluster's"),
        ([tmp_path / "good", "--model", "haoheliu/SemantiCodec"], "our own kind"),
    ):
        code, out, error = call(*words, "-o", tmp_path / "refused")
        assert (code, out) == (2, "")
        assert message in error
        assert error.count("\n") == 1
        assert not (tmp_path / "refused").exists()


def test_real_recordings_come_back(shipped: Codec, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("speech", "music"):
        shutil.copy(DATA / f"{name}.flac", tmp_path / "in")
    manifest = tokenize(Options(tmp_path / "in", tmp_path / "out", rate=100, workers=0, format="webdataset"))
    assert manifest["failed"] == 0
    for item in TokenDataset(tmp_path / "out"):
        wave, rate = read_audio(DATA / f"{item['key']}.flac")
        back = shipped.decode(item["row"].tokens())
        assert back.shape == (1, -(-wave.shape[1] * 16_000 // rate))
        level = wave.std() / back.numpy().std()
        assert 0.5 < level < 2


def test_a_row_that_keeps_killing_workers_is_given_up(tmp_path: Path) -> None:
    """Workers are acted: whoever reads row 2 dies; the second worker also dies of something else, once."""
    settings = Settings("0" * 16, 50, 32, (32,), ("webdataset",), 4)
    plan = Plan(settings, [Row(str(n), str(n)) for n in range(8)], "")
    output = tmp_path / "out"
    prepare(output, plan, tmp_path / "corpus")
    tried: list[Task] = []

    def execute(waiting) -> Iterator[tuple[Task, Report | None]]:
        while waiting:
            task = waiting.popleft()
            tried.append(task)
            if task.shard == 0 and 2 not in task.poisoned:
                journal_path(output, task).write_text("1" if len(tried) == 1 else "2")
                yield task, None
            else:
                yield task, Report(task.shard, 4 - len(task.poisoned), 0.0, 0, 1.0, {})

    seen = []
    manifest = finish(output, plan, execute, False, seen.append)
    assert [task.shard for task in tried] == [0, 1, 0, 0, 0, 0]
    assert tried[-1].poisoned == {2}
    assert manifest["tokenized"] == 7
    assert manifest["last_run"]["workers_died"] == seen[-1].deaths == 4
    assert not (output / ".work").exists()


def test_workers_that_never_begin_end_the_run(tmp_path: Path) -> None:
    settings = Settings("0" * 16, 50, 32, (32,), ("webdataset",), 4)
    plan = Plan(settings, [Row("a", "a")], "")
    prepare(tmp_path / "out", plan, tmp_path / "corpus")

    def execute(waiting) -> Iterator[tuple[Task, Report | None]]:
        while waiting:
            yield waiting.popleft(), None

    with pytest.raises(CodecError, match="before they began"):
        finish(tmp_path / "out", plan, execute, False, lambda now: None)


def test_threads_are_given_back(run: Callable, mixed: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    run(mixed, tmp_path / "out")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_a_folder_that_is_called_as_the_model_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    write_noise(tmp_path / "corpus" / "a.wav", 0.5)
    (tmp_path / "default").mkdir()
    monkeypatch.chdir(tmp_path)
    manifest = run(tmp_path / "corpus", tmp_path / "tokens", model="default", vocab=8192)
    assert (manifest["failed"], manifest["rows"]) == (0, 1)
