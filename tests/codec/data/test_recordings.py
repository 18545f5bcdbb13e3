import io
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

from codec.data.recordings import read_source
from codec.data.recordings.opening import open_place
from codec.errors import CodecError
from tests.codec.tokenize.conftest import write_noise


def wav(seconds: float, sample_rate: int = 16_000) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, np.full(round(seconds * sample_rate), 0.25), sample_rate, format="WAV")
    return sink.getvalue()


def lengths(root: str, rows) -> dict[str, int]:
    """Samples of every row that can be used."""
    found = {}
    for row in rows:
        if row.problem is None:
            with open_place(root, row.place) as sound:
                found[row.key] = sum(map(len, sound.blocks))
    return found


def problems(rows) -> dict[str, str]:
    return {row.key: row.problem for row in rows if row.problem}


def test_folders_keep_names_apart(tmp_path: Path) -> None:
    for name in ("b/x.wav", "b/x.flac", "a.wav", ".hidden.wav"):
        write_noise(tmp_path / name, 0.1)
    (tmp_path / "readme.txt").touch()
    _, rows = read_source(tmp_path)
    assert [row.key for row in rows] == ["a", "b/x.flac", "b/x.wav"]
    assert rows[0].metadata == {"path": "a.wav"}


def test_manifests_name_files_and_segments(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 2, 8_000, 2)
    lines = [
        {"audio": "a.wav", "text": "whole", "duration": 0.5},
        {"audio_filepath": str(tmp_path / "a.wav"), "offset": 0.5, "duration": 0.25},
        {"path": "a.wav", "offset": 1.5, "key": "rest"},
        {"audio": "a.wav", "offset": -1, "key": "negative"},
        {"audio": "a.wav", "offset": 0, "duration": 1e300, "key": "endless"},
        {"audio": "a.wav", "key": "rest"},
        {"audio": "a.wav", "key": ""},
        {"audio": "a.wav", "key": "\ud800"},
        {"sound": "a.wav"},
        [1],
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "m.jsonl").write_text(text + '\n\nnot json\n{"audio": "a.wav", "key": "nan", "x": NaN}')
    root, rows = read_source(tmp_path / "m.jsonl")
    assert lengths(root, rows) == {"a.wav": 16_000, f"{tmp_path}/a.wav@0.5": 2_000, "rest": 4_000, "nan": 16_000}
    found = problems(rows)
    assert rows[0].metadata == lines[0]
    assert rows[-1].metadata["x"] is None
    assert found["rest"] == "duplicate key: row 3 has it, this is row 6"
    assert found["negative"] == found["endless"] == "offset and duration are not seconds"
    assert "no key" in found["m.jsonl:7"]
    assert "no key" in found["m.jsonl:8"]
    assert "names no audio" in found["m.jsonl:9"]
    assert "not a JSON object" in found["m.jsonl:10"]
    assert "not JSON" in found["m.jsonl:12"]


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_webdataset_shards(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "0.tar",
        {
            "d/one.wav": wav(1),
            "d/one.json": b'{"text": "hello"}',
            "d/one.cls": b"3",
            "d/one.bin": bytes([255, 254]),
            "two.left.wav": wav(2),
            "three.json": b"{}",
            "four.wav": wav(0.5),
            "four.json": b"{",
        },
    )
    write_tar(tmp_path / "1.tar", {"d/one.wav": wav(1), "five.wav": wav(0.5), "six.wav": wav(3)})
    whole = (tmp_path / "1.tar").read_bytes()
    (tmp_path / "1.tar").write_bytes(whole[:40_000])
    (tmp_path / "2.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    root, rows = read_source(tmp_path)
    usable = {row.key: row for row in rows if row.problem is None}
    assert usable["d/one"].metadata == {"shard": "0.tar", "text": "hello", "cls": "3"}
    assert lengths(root, [usable["d/one"], usable["two"]]) == {"d/one": 16_000, "two": 32_000}
    found = problems(rows)
    assert "not a whole" in found["1.tar"]
    assert "duplicate" in found["d/one"]
    assert "no audio" in found["three"]
    assert "four.json: not JSON" in found["four"]
    assert "not a whole, uncompressed tar" in found["2.tar"]
    with pytest.raises(CodecError, match=r"ends within five.wav"), open_place(root, usable["five"].place):
        pass


def test_hugging_face_parquet(tmp_path: Path) -> None:
    write_noise(tmp_path / "outside.wav", 0.25)
    cells = [{"bytes": wav(1), "path": "x.wav"}, {"bytes": None, "path": "outside.wav"}, {"bytes": None, "path": None}]
    table = pyarrow.table({"id": [7, 8, 9], "sound": cells, "text": ["a", "b", "c"], "raw": [b"1", b"2", b"3"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    root, rows = read_source(tmp_path, "huggingface")
    assert rows[0].metadata == {"id": 7, "text": "a"}
    assert lengths(root, rows[:2]) == {"7": 16_000, "8": 4_000}
    assert "not a readable table" in problems(rows)["b.parquet"]
    with pytest.raises(CodecError, match="holds no audio"), open_place(root, rows[2].place):
        pass
    pyarrow.parquet.write_table(table.drop_columns(["sound"]), tmp_path / "a.parquet")
    with pytest.raises(CodecError, match="0 columns of audio among id, text, raw"):
        read_source(tmp_path / "a.parquet")


def test_hugging_face_folders_as_the_library_writes_them(tmp_path: Path) -> None:
    import datasets

    cells = [{"bytes": wav(n + 1), "path": f"{n}.wav"} for n in range(3)]
    data = datasets.Dataset.from_dict({"recording": cells, "speaker": ["a", "b", "c"]})
    data = data.cast_column("recording", datasets.Audio(decode=False))
    datasets.DatasetDict({"train": data.select([2, 0])}).save_to_disk(tmp_path / "saved")
    root, rows = read_source(tmp_path / "saved")
    assert list(lengths(root, rows).values()) == [48_000, 16_000]
    assert rows[0].key.startswith("train/")
    assert rows[0].metadata == {"speaker": "c"}


@pytest.mark.parametrize("metadata", ["{", "[]", '{"info": null}', '{"info": {"features": [1]}}', "[" * 9_000])
def test_what_a_table_says_of_itself_need_not_be_true(tmp_path: Path, metadata: str) -> None:
    write_noise(tmp_path / "x.wav", 0.25)
    table = pyarrow.table({"audio": ["x.wav"], "when": ["now"]}).replace_schema_metadata({"huggingface": metadata})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    pyarrow.parquet.write_table(table.drop_columns(["audio"]), tmp_path / "b.parquet")
    root, rows = read_source(tmp_path, "huggingface")
    assert lengths(root, rows) == {"a.parquet:0": 4_000}
    assert rows[0].metadata == {"when": "now"}
    assert "0 columns of audio among when" in problems(rows)["b.parquet"]


def test_saved_datasets_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    for name in (str(tmp_path / "x.arrow"), "../x.arrow", "data\0.arrow"):
        (tmp_path / "saved" / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(CodecError, match="no usable rows"):
            read_source(tmp_path / "saved")


def mend_tar(raw: bytearray) -> None:
    """Makes the checksum of every header fit."""
    for start in range(0, len(raw) - 511, 512):
        if raw[start + 257 : start + 262] == b"ustar":
            raw[start + 148 : start + 156] = b" " * 8
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])


def test_damage_anywhere_is_a_failure_by_name_or_a_refusal(tmp_path: Path) -> None:
    """Mutated tables and tar files; some of these ended the whole process, inside Arrow."""
    cells = [{"bytes": bytes(50), "path": "x.wav"}] * 9
    table = pyarrow.table({"audio": cells, "text": [f"é{n}" for n in range(9)], "id": list(range(9))})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    with pyarrow.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    write_tar(tmp_path / "x.tar", {"é" * 60 + ".wav": bytes(700), "b.json": b'{"a": 1}', "b.wav": bytes(700)})
    rng = random.Random(0)
    for suffix in (".parquet", ".arrow", ".tar"):
        original = (tmp_path / f"x{suffix}").read_bytes()
        for number in range(300):
            raw = bytearray(original)
            for _ in range(rng.randint(1, 4)):
                raw[rng.randrange(len(raw))] = rng.choice((0, 1, 48, 127, 128, 255))
            if suffix == ".tar":
                mend_tar(raw)
            path = tmp_path / f"{number}{suffix}"  # a name of its own: the one before may still be mapped
            path.write_bytes(raw)
            try:
                for row in read_source(path)[1]:
                    assert (row.place is None) == (row.problem is not None)
            except CodecError as error:
                assert "\n" not in str(error)  # noqa: PT017
            path.unlink()


def test_what_cannot_be_a_corpus(tmp_path: Path) -> None:
    def refuse(path: Path, message: str, kind: str | None = None) -> None:
        with pytest.raises(CodecError, match=message):
            read_source(path, kind)

    refuse(tmp_path / "none", "no such")
    refuse(tmp_path, "no audio files")
    (tmp_path / "m.jsonl").write_text("{}\n")
    refuse(tmp_path / "m.jsonl", "no usable rows")
    (tmp_path / "m.txt").touch()
    refuse(tmp_path / "m.txt", "nor a file of")
    (tmp_path / "a.wav").touch()
    (tmp_path / "a.tar").touch()
    refuse(tmp_path, "folder and webdataset; say which")
    refuse(tmp_path, "kind 'x'", "x")
    assert len(read_source(tmp_path, "folder")[1]) == 1
