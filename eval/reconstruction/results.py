"""What a run measured: one row for each clip and codec, as Parquet, and where it all came from, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.atomic import atomic_path, atomic_write
from codec.data.domains import DOMAINS, Domain
from codec.errors import CodecError
from eval.reconstruction.provenance import Provenance

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Row:
    """One clip through one codec.

    Attributes:
        codec: as it was asked for.
        version: of the codec's program or weights.
        clip: name of the clip.
        clip_hash: of its samples, rate, domain and text.
        domain: speech, music or sound.
        seconds: of audio.
        bits: that the clip took; None where the codec failed.
        encode_seconds, decode_seconds: wall time on one thread.
        peak_memory: bytes of the codec once loaded, and of the work on this clip; None where the system does not tell.
        codes: tokens of each stream, for a codec that has them.
        codebook_sizes: of the streams.
        values: by metric.
        failed: reason by metric.
        error: why there are no values at all, or None.
    """

    codec: str
    version: str
    clip: str
    clip_hash: str
    domain: Domain
    seconds: float
    bits: int | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    peak_memory: int | None = None
    codes: list[list[int]] = field(default_factory=list)
    codebook_sizes: list[int] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class CodecInfo:
    """A codec that was run.

    Attributes:
        name: as it was asked for.
        version: of program or weights.
        sample_rate: it works at, in Hz.
        bitrate: nominal, in bits per second.
        delay: in seconds, taken out of every clip before anything was compared.
    """

    name: str
    version: str
    sample_rate: int
    bitrate: float
    delay: float = 0.0


@dataclass(frozen=True)
class MetricInfo:
    """What a column of the results means.

    Attributes:
        name: of the column.
        unit: ``dB``, ``%``, ``MOS`` or empty.
        higher_is_better: direction.
        cite: paper or standard.
        ratio: of a rate, the columns of its count and of what it is out of; over many clips it is the ratio of their sums.
    """

    name: str
    unit: str
    higher_is_better: bool
    cite: str = ""
    ratio: tuple[str, str] | None = None


@dataclass(frozen=True)
class Results:
    """Everything that a run found out.

    Attributes:
        rows: in the order of codecs, then of clips.
        codecs: that were run.
        metrics: that were asked for.
        refused: reason by codec, for codecs that could not be run at all.
        unreadable: reason by clip, for clips that could not be read.
        provenance: of all this.
    """

    rows: tuple[Row, ...]
    codecs: tuple[CodecInfo, ...]
    metrics: tuple[MetricInfo, ...]
    refused: dict[str, str]
    unreadable: dict[str, str]
    provenance: Provenance

    @property
    def complete(self) -> bool:
        """Every codec ran on every clip, and every metric that is for the clip's domain has a value of it."""
        return not (self.refused or self.unreadable or any(row.error or row.failed for row in self.rows))

    @property
    def domains(self) -> tuple[Domain, ...]:
        """The domains that have clips, in their usual order."""
        found = {row.domain for row in self.rows}
        return tuple(domain for domain in DOMAINS if domain in found)

    def metric(self, name: str) -> MetricInfo:
        """What is known of a column; one that a metric gives beside its own is only known by name."""
        known = {metric.name: metric for metric in self.metrics}
        return known.get(name) or MetricInfo(name, "", higher_is_better=True)

    def write(self, folder: Path) -> None:
        """Writes ``results.parquet`` and ``results.json``, each whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "results.parquet") as path:
            _pyarrow_parquet().write_table(as_table(self.rows), path)
        with atomic_write(folder / "results.json") as handle:
            rest = {key: value for key, value in asdict(self).items() if key != "rows"}
            handle.write((json.dumps(rest, indent=1) + "\n").encode())


def read_results(folder: Path) -> Results:
    """Reads what `Results.write` wrote.

    Raises:
        CodecError: missing or damaged.
    """
    try:
        raw = json.loads((folder / "results.json").read_text("utf-8-sig"))
        table = _pyarrow_parquet().read_table(folder / "results.parquet")
        return Results(
            rows=tuple(_row(record) for record in table.to_pylist()),
            codecs=tuple(CodecInfo(**info) for info in raw["codecs"]),
            metrics=tuple(MetricInfo(**{**info, "ratio": info["ratio"] and tuple(info["ratio"])}) for info in raw["metrics"]),
            refused=raw["refused"],
            unreadable=raw["unreadable"],
            provenance=Provenance(**raw["provenance"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CodecError(f"{folder}: no readable results here ({error})") from error


def as_table(rows: Sequence[Row]) -> pyarrow.Table:
    """One line a row: its fields, a column for every metric (empty where it failed or does not apply), and the reasons."""
    import pyarrow

    names = sorted({name for row in rows for name in row.values})
    columns: dict[str, Any] = {
        key: pyarrow.array([getattr(row, key) for row in rows], kind)
        for key, kind in (
            ("codec", pyarrow.string()),
            ("version", pyarrow.string()),
            ("clip", pyarrow.string()),
            ("clip_hash", pyarrow.string()),
            ("domain", pyarrow.string()),
            ("seconds", pyarrow.float64()),
            ("bits", pyarrow.int64()),
            ("encode_seconds", pyarrow.float64()),
            ("decode_seconds", pyarrow.float64()),
            ("peak_memory", pyarrow.int64()),
            ("codes", pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
            ("codebook_sizes", pyarrow.list_(pyarrow.int32())),
            ("error", pyarrow.string()),
        )
    }
    columns["failed"] = pyarrow.array(
        [sorted(row.failed.items()) for row in rows], pyarrow.map_(pyarrow.string(), pyarrow.string())
    )
    for name in names:
        columns[METRIC + name] = pyarrow.array([row.values.get(name) for row in rows], pyarrow.float64())
    return pyarrow.table(columns)


METRIC = "metric."
"""Before the name of every metric's column."""


def _row(record: dict[str, Any]) -> Row:
    values = {key.removeprefix(METRIC): record.pop(key) for key in list(record) if key.startswith(METRIC)}
    present = {key: value for key, value in values.items() if value is not None}
    return Row(**{**record, "values": present, "failed": dict(record["failed"])})


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise CodecError("results are kept as Parquet and need pyarrow: pip install 'semcodec[eval]'") from error
    return pyarrow.parquet
