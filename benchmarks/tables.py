"""Writes the tables of measured figures into the README and the model card: ``python -m benchmarks.tables``.

Text between ``<!-- name -->`` and ``<!-- /name -->`` is replaced by what ``benchmarks/results`` says; a test keeps both equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import benchmarks.kmeans
from benchmarks.voices.report import heading, shown_unit
from benchmarks.winners import winners
from codec.cli.main import run_script
from eval.markdown import table, table_head, table_row
from eval.reconstruction.results import Results, read_results
from eval.reconstruction.summary import Summary, summarise
from eval.reconstruction.trained import mark_of

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "export.md",
    ROOT / "docs" / "semantic-encoder.md",
    ROOT / "docs" / "kmeans.md",
    ROOT / "docs" / "language-models.md",
)
LISTENER = "faster-whisper:base"
"""Who heard the words of these tables."""
VOCAB = ",vocab=32768"
"""Of all our rows: said once, above the table."""
COLUMNS = {
    "speech": {"visqol": "ViSQOL", "stoi": "STOI", "pesq_nb": "PESQ-NB", "wer": "WER", "mel_distance": "mel distance"},
    "music": {"visqol": "ViSQOL", "mel_distance": "mel distance"},
    "sound": {"visqol": "ViSQOL", "mel_distance": "mel distance"},
}
EXAM = (
    *("dwer", "wer_moonshine", "speaker_similarity", "distillmos", "pesq_nb", "stoi", "visqol"),
    *("voicing_error", "harmonicity_high"),
)
"""Columns of the exam's voices."""
SHOWN = {**COLUMNS["speech"], "delay": "delay"}


def quality() -> str:
    """Speech in full, then music and sound side by side, from the sweep's results."""
    results = read_results(RESULTS / "sweep")
    found = {(row.codec, row.domain): row for row in summarise(results)}
    names = [codec.name for codec in results.codecs]
    clips = {domain: sorted({row.clip for row in results.rows if row.domain == domain}) for domain in COLUMNS}
    lines = [f"Speech, {len(clips['speech'])} clips of the test split, {_count('voice', map(_voice, clips['speech']))}:", ""]
    lines += table_head(["codec", "kbps", *COLUMNS["speech"].values(), "delay"])
    speech = {name: found[name, "speech"] for name in names}
    first = _first(speech, "speech")
    for name, row in speech.items():
        lines.append(table_row([_name(name), _kbps(row), *_cells(row, "speech", first), _cell(row, "delay")]))
    heading = f"Music ({len(clips['music'])} clips, {_count('track', (clip.partition('@')[0] for clip in clips['music']))})"
    lines += ["", f"{heading} and sound ({len(clips['sound'])}), ViSQOL in its 48 kHz audio mode:", ""]
    lines += table_head(["codec", "kbps", "music ViSQOL", "music mel distance", "sound ViSQOL", "sound mel distance"])
    music, sound = ({name: found[name, domain] for name in names if (name, domain) in found} for domain in ("music", "sound"))
    for name in music:
        cells = [_cells(rows[name], domain, _first(rows, domain)) for rows, domain in ((music, "music"), (sound, "sound"))]
        lines.append(table_row([_name(name), _kbps(music[name]), *cells[0], *cells[1]]))
    if failed := failures(results):
        lines += ["", f"Left out of the means of at least one codec: {'; '.join(failed)}."]
    return "\n".join(lines)


def voices() -> str:
    """The exam's voices: what is hardest first, metrics that the model was trained with marked."""
    rows = [row for row in json.loads((RESULTS / "voices" / "voices.json").read_text("utf-8")) if row["group"] == "voices"]
    lines = table_head(["codec", "kbps", *map(heading, EXAM)])
    first = {name: winners(name, {row["codec"]: row["means"][name]["value"] for row in rows}, LISTENER) for name in EXAM}
    for row in rows:
        kbps = "–" if row["codec"] == "original" else f"{row['kbps']:.2f}"
        cells = (_bold(_exam_cell(row, name), row["codec"] in first[name]) for name in EXAM)
        lines.append(table_row([_name(row["codec"]), kbps, *cells]))
    return "\n".join(lines)


def _exam_cell(row: dict[str, Any], name: str) -> str:
    value = row["means"][name]["value"]
    return (f"{value:.0f}{unit}" if (unit := shown_unit(name)) else f"{value:.2f}") + mark_of(row["codec"], name, LISTENER)


def failures(results: Results) -> list[str]:
    """Which metrics of the table have no value, on how many clips, with one codec or more, and why."""
    clips: dict[tuple[str, str], set[str]] = {}
    reasons: dict[tuple[str, str], set[str]] = {}
    for row in results.rows:
        for metric in row.failed.keys() & SHOWN.keys():
            clips.setdefault((metric, row.domain), set()).add(row.clip)
            reason = row.failed[metric].removeprefix(f"{SHOWN[metric]}: ").rstrip(".")
            reasons.setdefault((metric, row.domain), set()).add(reason)
    return [
        f"{SHOWN[metric]} of {len(names)} {domain} clips ({', '.join(sorted(reasons[metric, domain]))})"
        for (metric, domain), names in sorted(clips.items())
    ]


def _voice(clip: str) -> str:
    """Who speaks, by a clip's name: Kokoro's voices stand behind its own."""
    first, _, rest = clip.partition("/")
    return rest.partition("/")[0] if first == "kokoro" else first


def _count(what: str, names: Iterable[str]) -> str:
    """How many different ones of something there are."""
    count = len(set(names))
    return f"one {what}" if count == 1 else f"{count} {what}s"


def speed() -> str:
    """What was measured, and the bar that the design set."""
    rows = [json.loads(line) for line in (RESULTS / "speed.jsonl").read_text("utf-8").splitlines()]
    return table(["on two CPU cores, float32", "median", "bar"], [_speed_cells(row) for row in rows])


def _speed_cells(row: dict[str, str | float]) -> list[str]:
    digits = 0 if str(row["unit"]).startswith("×") and float(row["value"]) >= 10 else 2
    return [str(row["what"]), f"{row['value']:.{digits}f} {row['unit']}", str(row["bar"])]


def onnx() -> str:
    """What ONNX files with weights of 16 and of 8 bits keep of tokens and sound, beside torch."""
    header = [
        "weights",
        "MB",
        "fetched",
        "tokens/s",
        "tokens flipped, by stream",
        "mel distance",
        "by torch",
        "encode",
        "by torch",
    ]
    lines = table_head(header)
    for row in (json.loads(line) for line in (RESULTS / "onnx.jsonl").read_text("utf-8").splitlines()):
        flipped = ", ".join(f"{share:.2%}" for share in row["flipped"])
        sound, speed = (
            [f"{row[key]:.{digits}f}{unit}" for key in (name, f"{name}_torch")]
            for name, digits, unit in (("mel", 3, ""), ("encode", 0, " ×"))
        )
        sizes = [f"{row[key]:.1f}" for key in ("megabytes", "compressed")]
        lines.append(table_row([row["form"], *sizes, str(row["rate"]), flipped, *sound, *speed]))
    return "\n".join(lines)


def objectives() -> str:
    """What probes find after the same processor time with each objective: k-NN and trained head on every task."""
    path = RESULTS / "objectives.json"
    if not path.is_file():
        return "Not measured yet: `python -m benchmarks.objectives --help`."
    found = json.loads(path.read_text("utf-8"))
    values = {(row["embedder"], row["task"], row["head"]): row["value"] for row in found["scores"]}
    trained = {row["objective"]: row for row in found["trained"]}
    tasks = list(dict.fromkeys(task for _, task, _ in values))
    header = ["features", "steps", "minutes", "of the teacher before", *(task.replace("_", " ") for task in tasks), "mean"]
    lines = table_head(header)
    for name in dict.fromkeys(name for name, _, head in values if head != "majority"):
        about = trained.get(name)
        cost = [f"{about['steps']}", f"{about['minutes']:.1f}", f"{about['teacher_minutes']:.1f}"] if about else ["–"] * 3
        both = [[values[name, task, head] for head in ("knn", "mlp")] for task in tasks]
        means = [sum(column) / len(column) for column in zip(*both, strict=True)]
        lines.append(table_row([name, *cost, *(" / ".join(f"{value:.1%}" for value in pair) for pair in [*both, means])]))
    majority = [values["majority class", task, "majority"] for task in tasks]
    cells = [f"{value:.1%}" for value in [*majority, sum(majority) / len(majority)]]
    return "\n".join([*lines, table_row(["majority class", *["–"] * 3, *cells])])


def kmeans() -> str:
    """k-means of every library, one size under the other."""
    rows = [json.loads(line) for line in (RESULTS / "kmeans.jsonl").read_text("utf-8").splitlines()]
    sizes: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sizes.setdefault(benchmarks.kmeans.heading(row), []).append(row)
    lines = ([size, *cells] for size, rows in sizes.items() for cells in benchmarks.kmeans.lines(rows))
    return table(["points", *benchmarks.kmeans.COLUMNS], lines)


def lm_levels() -> str:
    """What a second of held-out audio costs a language model as it learns, at every rate and level of tokens."""
    path = RESULTS / "lm-levels.json"
    if not path.is_file():
        return "Not measured yet: `python examples/lm/levels.py --help`."
    found = json.loads(path.read_text("utf-8"))
    after = {share: f"after {round(60 * found['processor_minutes'] * share)} s" for share in (0, 0.25, 0.5, 1)}
    header = ["`--rate`", "`--streams`", "tokens/s", "bit/s as stored", *after.values(), "of what is stored", "steps"]
    about = (
        f"{found['recordings']} recordings, {found['minutes_of_audio']:g} minutes, {found['held_out']} of them held out; "
        f"vocabulary {found['vocabulary']}; width {found['width']}, {found['layers']} layers, {found['batch']} crops of "
        f"{found['crop_seconds']:g} s a step. Bit/s of held-out audio, by processor time of learning:"
    )
    lines = [about, "", *table_head(header)]
    for level in found["levels"]:
        curve = level["curve"]
        bits = [min(curve, key=lambda point: abs(point["seconds"] - share * curve[-1]["seconds"])) for share in after]
        tokens = bits[0]["bits_per_second"] / bits[0]["bits_per_token"]
        cells = [str(level["rate"]), str(level["streams"]), f"{tokens:.3g}", f"{level['stored']:.4g}"]
        cells += [f"{point['bits_per_second']:.0f}" for point in bits]
        lines.append(table_row([*cells, f"{curve[-1]['bits_per_second'] / level['stored']:.0%}", str(curve[-1]["step"])]))
    return "\n".join(lines)


def _name(name: str) -> str:
    return name.replace(VOCAB, "")


def _kbps(row: Summary) -> str:
    return "–" if row.kbps is None or row.codec == "original" else f"{row.kbps:.2f}"


def _cells(row: Summary, domain: str, first: dict[str, set[str]]) -> list[str]:
    return [_bold(_cell(row, metric), row.codec in first[metric]) for metric in COLUMNS[domain]]


def _first(rows: dict[str, Summary], domain: str) -> dict[str, set[str]]:
    """The best codecs of every column."""
    values = {metric: {name: _value(row, metric) for name, row in rows.items()} for metric in COLUMNS[domain]}
    return {metric: winners(metric, found, LISTENER) for metric, found in values.items()}


def _value(row: Summary, metric: str) -> float | None:
    score = row.scores.get(metric)
    return None if score is None or score.mean is None else score.mean.value


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _cell(row: Summary, metric: str) -> str:
    score = row.scores.get(metric)
    if score is None or score.mean is None:
        return "–"
    value, mark = score.mean.value, mark_of(row.codec, metric, LISTENER)
    if metric == "wer":
        return f"{value:.1f}%{mark}"
    return f"{round(value)} ms" if metric == "delay" else f"{value:.2f}{mark}"


TABLES: dict[str, Callable[[], str]] = {
    "voices": voices,
    "quality": quality,
    "speed": speed,
    "onnx": onnx,
    "objectives": objectives,
    "kmeans": kmeans,
    "lm-levels": lm_levels,
}


def fill(text: str) -> str:
    """Replaces every marked part of a page."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if pattern.search(text):
            text = pattern.sub(lambda match, make=make: f"{match[1]}{make()}\n{match[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Writes the tables of README.md and docs from the files that measurements left."""
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    run_script(main)
