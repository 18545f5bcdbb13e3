"""``python -m benchmarks.voices``: the exam, as tables and as JSON.

Needs semcodec[eval,speech,asr,moonshine], Resemblyzer, npm; of Debian espeak-ng, festival, festvox-kdlpc16k, codec2,
opus-tools, speex.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.voices.material import PER_VOICE, Material, prepare, write_manifests
from benchmarks.voices.oracles import open_system
from benchmarks.voices.report import figures, table, tone_table
from codec.atomic import atomic_write
from codec.cli.main import run_script
from codec.data.testsets.clip import Clip
from codec.errors import CodecError
from eval.reconstruction.cache import Cache
from eval.reconstruction.command import default_cache, recogniser_name
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.results import Results
from eval.reconstruction.runner import run
from eval.reconstruction.worker import Setup

OURS = ("semcodec@100,vocab=32768", "semcodec@50,vocab=32768", "semcodec@25,vocab=32768")
ORACLES = tuple(f"{OURS[0]}!{mode}" for mode in ("exact-acoustic", "exact-semantic", "exact", "no-acoustic"))
SPEECH_CODECS = ("opus@6", "codec2@3200", "codec2@1300", "codec2@700C", "codec2@450", "speex@2.15")
SPEECH = (
    *("visqol", "stoi", "pesq_nb", "pesq_wb", "dwer", "wer", "dwer_moonshine", "wer_moonshine"),
    *("speaker_similarity", "distillmos"),
    *("voicing_error", "gross_pitch_error", "fine_cents", "harmonicity_low", "harmonicity_high"),
)
METRICS: dict[str, tuple[str, ...]] = {
    "voices": SPEECH,
    "rooms": ("visqol", "stoi", "pesq_nb", "dwer", "speaker_similarity", "distillmos", "voicing_error"),
    "tones": ("tone_level", "tone_frequency", "added_lines"),
    "music": ("visqol", "mel_distance", "added_lines"),
    "sound": ("visqol", "mel_distance", "added_lines"),
}
"""By group, in the order of its table."""


def examine(group: str, clips: list[Clip], systems: list[str], asr: str, cache: Path, workers: int) -> Results:
    """Runs systems on the clips of a group; what was measured before is taken from the cache."""
    setup = Setup(open_system, partial(metrics, METRICS[group], asr=asr), score, {"asr": recogniser_name(asr)})
    return run(systems, clips, setup, Cache(cache), workers, f"exam: {group}", {"systems": systems})


def main(
    systems: Annotated[
        list[str] | None, typer.Argument(help="Codecs, and oracles such as semcodec@100!exact. By default all of the table.")
    ] = None,
    asr: Annotated[str, typer.Option(help="Recogniser, or faster-whisper:FOLDER.")] = "faster-whisper:base",
    packages: Annotated[Path, typer.Option(help="Folder of Debian packages.")] = Path("runs/nano/packages"),
    corpus: Annotated[Path | None, typer.Option(help="Built corpus whose held-out music and sound is used.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report and the exam's own clips.")] = Path(
        "runs/voices"
    ),
    groups: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(METRICS)}.")] = ",".join(METRICS),
    workers: Annotated[int, typer.Option(help="Processes, one thread each.", min=0)] = 2,
    per_voice: Annotated[int, typer.Option(help="Clips of each voice.", min=1, max=PER_VOICE)] = PER_VOICE,
    cache: Annotated[Path | None, typer.Option(help="Folder of figures measured before.")] = None,
) -> None:
    """Voices never heard, rooms, tones, unknown tracks: every system in one table a kind."""
    chosen = list(systems or ("original", *SPEECH_CODECS, *OURS, *ORACLES))
    wanted = groups.split(",")
    try:
        if unknown := [name for name in wanted if name not in METRICS]:
            raise CodecError(f"no group {', '.join(unknown)}; known are {', '.join(METRICS)}")
        print("preparing clips", file=sys.stderr, flush=True)
        material = prepare(output / "clips", packages, corpus, per_voice)
        write_manifests(material, output / "clips")
        _report(material, wanted, chosen, asr, cache or default_cache(), workers, output)
    except CodecError as error:
        print(f"benchmarks.voices: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error


def _report(
    material: Material, groups: list[str], systems: list[str], asr: str, cache: Path, workers: int, output: Path
) -> None:
    pages, found = [], []
    for group, clips in material.groups().items():
        if group not in groups or not clips:
            continue
        results = examine(group, clips, systems, asr, cache, workers)
        for name, reason in results.refused.items():
            print(f"{name}: {reason}", file=sys.stderr)
        rows = figures(group, results, METRICS[group])
        found += rows
        if group == "tones":
            page = tone_table(results.rows, [info.name for info in results.codecs])
        else:
            page = table(rows, METRICS[group], asr)
        pages.append(f"## {group.capitalize()}: {len(clips)} clips\n\n{page}\n")
        print(pages[-1], flush=True)
    with atomic_write(output / "voices.md") as handle:
        handle.write("\n".join(pages).encode())
    with atomic_write(output / "voices.json") as handle:
        handle.write((json.dumps([asdict(row) for row in found], indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    run_script(main)
