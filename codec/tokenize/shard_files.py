"""Token shards as files: Parquet, and tar files for WebDataset. The same rows always give the same bytes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec.atomic import atomic_path
from codec.data.recordings.cells import need_pyarrow
from codec.data.tar_samples import add_member, tar_samples
from codec.errors import CodecError
from codec.tokenize.token_row import TokenRow

SUFFIXES = {"parquet": ".parquet", "webdataset": ".tar"}


def write_rows(path: Path, rows: Sequence[tuple[int, TokenRow]]) -> None:
    """Writes a shard, whole or not at all; the suffix names the format.

    Args:
        path: ending in one of `SUFFIXES`.
        rows: with their numbers in the corpus, which name the samples of a tar file.

    Raises:
        CodecError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            _write_parquet(temporary, [row for _, row in rows])
        else:
            _write_tar(temporary, rows)


def read_rows(path: Path) -> list[TokenRow]:
    """Reads a shard.

    Raises:
        CodecError: missing or damaged.
    """
    try:
        return _read_parquet(path) if path.suffix == ".parquet" else _read_tar(path)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"{path}: not a readable token shard ({error})") from error


def _write_parquet(path: Path, rows: list[TokenRow]) -> None:
    arrow = need_pyarrow()
    small = all(size <= 1 << 16 for row in rows for size in row.codebook_sizes)
    schema = arrow.schema(
        {
            "key": arrow.string(),
            "codes": arrow.list_(arrow.list_(arrow.uint16() if small else arrow.int32())),
            "rate": arrow.float32(),
            "vocab": arrow.int32(),
            "duration": arrow.float64(),
            "sample_rate": arrow.int32(),
            "samples": arrow.int64(),
            "codebook_sizes": arrow.list_(arrow.int32()),
            "model": arrow.string(),
            "model_rate": arrow.int32(),
            "source": arrow.string(),
        }
    )
    values = [{"codes": list(row.codes), **row.fields()} for row in rows]
    arrow.parquet.write_table(arrow.Table.from_pylist(values, schema), path, compression="zstd", row_group_size=256)


def _read_parquet(path: Path) -> list[TokenRow]:
    arrow = need_pyarrow()
    table = arrow.parquet.read_table(path, memory_map=True)
    fields = table.drop_columns(["codes"]).to_pylist()
    codes = table["codes"]
    return [TokenRow.of(row, _streams(codes[number])) for number, row in enumerate(fields)]


def _streams(cell: object) -> np.ndarray:
    streams = [values.values.to_numpy() for values in cell]  # type: ignore[attr-defined]
    return np.stack(streams)


def _write_tar(path: Path, rows: Sequence[tuple[int, TokenRow]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, row in rows:
            buffer = io.BytesIO()
            small = max(row.codebook_sizes) <= 1 << 16
            np.save(buffer, row.codes.astype("<u2" if small else "<i4"), allow_pickle=False)
            fields = json.dumps(row.fields(), sort_keys=True).encode()
            for suffix, data in (("codes.npy", buffer.getvalue()), ("json", fields)):
                # Keys may hold dots, which end a sample's name in WebDataset: the key stands in the JSON.
                add_member(archive, f"{number:012d}.{suffix}", data)


def _read_tar(path: Path) -> list[TokenRow]:
    rows = []
    for sample in tar_samples(path, lambda name, size: True, compressed=False):
        codes, fields = (sample.members[suffix].content for suffix in ("codes.npy", "json"))
        rows.append(TokenRow.of(json.loads(fields or b""), np.load(io.BytesIO(codes or b""), allow_pickle=False)))
    return rows
