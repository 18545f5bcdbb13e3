"""The corpus stage: audio of all sources in one place, and copies of it at other speeds."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from itertools import chain
from pathlib import Path

from codec.atomic import atomic_write
from codec.data import Corpus, build
from codec.data.perturb import perturb
from codec.data.sources import clips_of, linked_folders
from train.config import TrainConfig

LITTLE_HOURS = 0.5
"""Less audio is only good for a try."""


def collect(config: TrainConfig) -> dict[str, float]:
    """Builds the corpus of a training, or what is left of it, and says what it lacks.

    Returns:
        Hours and counts of what was left out, for the stage's figures.

    Raises:
        CodecError: a source that cannot be had, or nothing usable in any.
    """
    folder = config.folder("corpus")
    if not (folder / "clips.jsonl").exists():
        for source in config.corpus.sources:
            if linked := linked_folders(source):
                print(f"warning: {source}: linked folders are not entered: {linked}; name them as sources", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="codec-corpus-") as scratch:
            # Opened before the first is read: a package or voice that is missing shows at once (folders are looked at in turn).
            found = [clips_of(source, config.folder("packages"), Path(scratch)) for source in config.corpus.sources]
            report = build(chain.from_iterable(found), folder)
        print(f"hours: {report['hours']}  left out: {report['left_out']}")
        if report["warned"]:
            print(f"{report['warned']} clips were read with a warning: {folder / 'report.json'} tells which, by kind")
    _warn_of_splits(Corpus(folder))
    hours = perturb(Corpus(folder), config.corpus.copies, config.seed, config.corpus.rerecorded, config.corpus.disturbed)
    with atomic_write(folder / "perturbed.json") as handle:
        handle.write(json.dumps({"hours": hours, "copies": config.corpus.copies}).encode())
    print(f"speed-perturbed copies: {hours:.2f} h")
    report = json.loads((folder / "report.json").read_text("utf-8"))
    kept = {f"hours/{key}": value for key, value in report["hours"].items()}
    return kept | {f"left_out/{key}": count for key, count in report["left_out"].items()} | {"hours/copies": hours}


def _warn_of_splits(corpus: Corpus) -> None:
    """Says which domains no figure will tell anything of, and that little audio makes a model of little."""
    hours: defaultdict[str, float] = defaultdict(float)
    for entry in corpus.entries:
        hours[f"{entry.clip.domain}/{entry.split}"] += entry.seconds / 3600
    for domain in sorted({entry.clip.domain for entry in corpus.entries if entry.split == "train"}):
        if not hours[f"{domain}/valid"]:
            print(f"warning: no validation clips of {domain}: their hashes chose none; add sources", file=sys.stderr)
    if (total := sum(hours.values())) < LITTLE_HOURS:
        print(f"warning: {60 * total:.1f} minutes of audio are enough to try this, not to train a model", file=sys.stderr)
