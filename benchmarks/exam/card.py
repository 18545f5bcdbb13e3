"""A card: all figures of an exam with their intervals, what they are worth, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from benchmarks.exam.columns import COSTS, DELAY, GROUPS, LANGUAGE, TOKENS, Column, nearest
from benchmarks.exam.cost import Cost
from benchmarks.exam.opening import ANCHORS
from codec.atomic import atomic_write
from codec.errors import CodecError, first_error
from eval.colours import colour_of
from eval.reconstruction.interface import Scores
from eval.reconstruction.provenance import Provenance
from eval.reconstruction.results import MetricInfo, Results, Row
from eval.reconstruction.statistics import summarise
from eval.reconstruction.trained import history, trained_with
from eval.semantics.language.any_codec import Predicted

FORMAT: Final = "semcodec-exam/1"


@dataclass(frozen=True)
class Figure:
    """A mean over clips, or for rates a ratio of sums.

    Attributes:
        value: on the clips at hand.
        low, high: ends of the 95 % bootstrap interval; None of a single clip.
        clips: that it is over.
        failed: clips that have no value.
        trained_with: why it is no evidence, where the codec was trained with something like it.
    """

    value: float
    low: float | None
    high: float | None
    clips: int
    failed: int
    trained_with: str | None = None


@dataclass(frozen=True)
class Examined:
    """One codec at one operating point.

    Attributes:
        name: as it was asked for.
        version: of its program or weights.
        anchor: the sound itself or noise, between which the others lie.
        colour: in all pictures.
        kbps: measured over all clips of the first kind that it was sent; None of the sound itself.
        tokens_per_second: of codecs of tokens.
        sample_rate: that it works at, in Hz.
        delay: in ms, taken out before anything was compared.
        figures: by kind of clip, or of what becomes of tokens, and column.
        cost: on one thread; None of anchors and where it could not be measured.
        history: how it came about, of codecs that were trained here to be compared with.
    """

    name: str
    version: str
    anchor: bool
    colour: str
    kbps: float | None
    tokens_per_second: float | None
    sample_rate: int
    delay: float
    figures: dict[str, dict[str, Figure]]
    cost: Cost | None = None
    history: str = ""


@dataclass(frozen=True)
class Card:
    """The results of one exam, as the card shows them.

    Attributes:
        format: of this file.
        clips: how many of each kind.
        seconds: of audio of each kind.
        columns: of the tables, by kind.
        codecs: in the order asked for.
        missing: metrics that were not measured, with what they need.
        problems: what failed, a line each.
        asr: recogniser of the words.
        quick: fewer clips and metrics.
        provenance: of all this.
    """

    format: Literal["semcodec-exam/1"]
    clips: dict[str, int]
    seconds: dict[str, float]
    columns: dict[str, list[Column]]
    codecs: list[Examined]
    missing: dict[str, str]
    problems: list[str]
    asr: str
    quick: bool
    provenance: Provenance

    def write(self, path: Path) -> None:
        """Writes ``card.json``."""
        with atomic_write(path) as handle:
            handle.write((json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode())


def read_card(path: Path) -> Card:
    """Reads what `Card.write` wrote.

    Raises:
        CodecError: missing, damaged, or of another format.
    """
    try:
        return TypeAdapter(Card).validate_json(path.read_bytes())
    except ValidationError as error:
        raise CodecError(f"{path}: no card of {FORMAT} ({first_error(error)})") from error
    except OSError as error:
        raise CodecError(f"{path}: {error.strerror}") from error


def schema() -> str:
    """JSON schema of ``card.json``."""
    return json.dumps(TypeAdapter(Card).json_schema(), indent=1, ensure_ascii=False) + "\n"


def examined(
    results: Results,
    groups: Mapping[str, str],
    metrics: Mapping[str, MetricInfo],
    costs: Mapping[str, Cost],
    languages: Mapping[str, Predicted],
    asr: str,
) -> list[Examined]:
    """What a run found out of every codec.

    Args:
        results: of the run.
        groups: kind by clip.
        metrics: of all columns.
        costs: by codec.
        languages: how well tokens are predicted, by codec.
        asr: recogniser of the words.
    """
    found = []
    for info in results.codecs:
        rows = [row for row in results.rows if row.codec == info.name]
        done = [row for row in rows if row.error is None]
        worth = trained_with(info.name, asr)
        figures = {}
        for group, columns in {**GROUPS, **TOKENS}.items():
            own = [row for row in rows if group in TOKENS or group == groups[row.clip]]
            infos = {c.key: metrics.get(c.key) or MetricInfo(c.key, c.unit, c.better == "higher") for c in columns}
            cells = {key: _figure(own, info, worth) for key, info in infos.items()}
            if known := {key: cell for key, cell in cells.items() if cell is not None}:
                figures[group] = known
        if info.name in languages:
            figures["language"] = _language(languages[info.name])
        first = next((group for group in GROUPS if any(groups[row.clip] == group for row in done)), None)
        heard = [row for row in done if groups[row.clip] == first]
        seconds = sum(row.seconds for row in heard)
        tokens = sum(len(row.codes) * len(row.codes[0]) for row in heard if row.codes)
        found.append(
            Examined(
                name=info.name,
                version=info.version,
                anchor=info.name in ANCHORS,
                colour=colour_of(info.name),
                kbps=None if info.name in ANCHORS or not seconds else sum(row.bits or 0 for row in heard) / seconds / 1000,
                tokens_per_second=tokens / seconds if tokens else None,
                sample_rate=info.sample_rate,
                delay=1000 * info.delay,
                figures=figures,
                cost=costs.get(info.name),
                history=history(info.name),
            )
        )
    return found


def _language(predicted: Predicted) -> dict[str, Figure]:
    each = predicted.bits_per_second
    bits = Figure(each.value, each.low, each.high, each.clips, 0)
    return {"bits_per_second": bits, "perplexity": Figure(predicted.perplexity, None, None, each.clips, 0)}


def _figure(rows: Sequence[Row], metric: MetricInfo, worth: Mapping[str, str]) -> Figure | None:
    """Over those rows that have it; None where none has."""
    scores = {row.clip: Scores(row.values, row.failed) for row in rows if row.error is None}
    mean = summarise(metric, scores)
    if mean is None:
        return None
    failed = sum(metric.name in row.failed or row.error is not None for row in rows)
    return Figure(mean.value, mean.low, mean.high, mean.clips, failed, worth.get(metric.name))


def best(codecs: Sequence[Examined], group: str, column: Column) -> set[str]:
    """Names of the codecs whose figure is the best of a column.

    Neither anchors take part nor figures that a codec was trained with; a lone figure is not the best of anything.
    """
    values = {codec.name: value for codec in codecs if (value := distance(codecs, codec, group, column)) is not None}
    return nearest({c.name: values[c.name] for c in codecs if c.name in values and _competes(c, group, column.key)})


def _competes(codec: Examined, group: str, key: str) -> bool:
    figure = codec.figures.get(group, {}).get(key)
    return not codec.anchor and (figure is None or figure.trained_with is None)


def distance(codecs: Sequence[Examined], codec: Examined, group: str, column: Column) -> float | None:
    """How far a figure is from the best that can be, in its own unit and direction; None where there is none."""
    value = value_of(codec, group, column.key)
    if value is None:
        return None
    return column.off(value, next((value_of(other, group, column.key) for other in codecs if other.name == ANCHORS[0]), None))


def value_of(codec: Examined, group: str, key: str) -> float | None:
    """A figure of a codec, or of its cost."""
    if group == "cost" and key == DELAY:
        return None if codec.anchor else codec.delay
    if group == "cost":
        return None if codec.cost is None else getattr(codec.cost, key)
    figure = codec.figures.get(group, {}).get(key)
    return None if figure is None else figure.value


def columns_of(codecs: Sequence[Examined]) -> dict[str, list[Column]]:
    """Columns in which any codec has a figure, by kind."""
    every = {**GROUPS, **TOKENS, "language": LANGUAGE, "cost": COSTS}
    known = {
        group: [column for column in columns if any(value_of(codec, group, column.key) is not None for codec in codecs)]
        for group, columns in every.items()
    }
    return {group: columns for group, columns in known.items() if columns}
