"""Tasks as tar files that the ``xares`` package and our own runner read, the same bytes every time."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codec.atomic import atomic_path
from codec.data.tar_samples import add_member
from eval.semantics.interface import SPLITS, Kind, TaskCard
from eval.semantics.tasks.item import Item, check

SAMPLE_RATE = 16_000
METRICS: dict[Kind, str] = {"clip": "accuracy", "frame": "segmentf1_macro", "verification": "EER_inv"}
READY = ".audio_tar_ready"
"""Tells the ``xares`` package that there is nothing to download."""


@dataclass(frozen=True)
class About:
    """What a task's card says of it.

    Attributes:
        name: of the task and its folder.
        source: where the audio comes from.
        held_out: what the test split has that the train split has not.
        domain: speech, music, sound, or several.
        kind: what is predicted: a class of a clip, what sounds when, or whether two clips have the same label.
        also_seen: what the default model heard of the test split besides recordings, which are counted; in words.
    """

    name: str
    source: str
    held_out: str
    domain: str
    kind: Kind = "clip"
    also_seen: str = ""


def write_task(about: About, items: Iterable[Item], root: Path, seed: int) -> TaskCard:
    """Writes ``<root>/<name>/wds-audio-<split>-000000.tar`` and ``task.json``.

    Raises:
        CodecError: the task leaks, or a split is empty; nothing is written.
    """
    items = list(items)
    check(about.name, items, known_classes=about.kind != "verification")
    folder = root / about.name
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counter(item.split for item in items)
    order = np.random.default_rng(seed).permutation(len(items))
    for split in SPLITS:
        _write_tar(folder / f"wds-audio-{split}-000000.tar", [items[i] for i in order if items[i].split == split])
    heard = sum(item.heard for item in items if item.split == "test")
    counted = f"{heard} of {counts['test']} test clips, without labels" if heard else ""
    card = TaskCard(
        name=about.name,
        kind=about.kind,
        metric=METRICS[about.kind],
        classes=tuple(sorted({name for item in items for name in item.classes})),
        source=about.source,
        held_out=about.held_out,
        seen="; ".join(filter(None, [counted, about.also_seen])),
        seed=seed,
        counts={split: counts[split] for split in SPLITS},
        weight=float(counts["test"]),
        sample_rate=SAMPLE_RATE,
        domain=about.domain,
    )
    card.write(root)
    (folder / READY).touch()
    return card


def _write_tar(path: Path, items: Sequence[Item]) -> None:
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, item in enumerate(items):
            flac = io.BytesIO()
            soundfile.write(flac, item.wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            add_member(tar, f"{number:05d}.flac", flac.getvalue())
            add_member(tar, f"{number:05d}.json", json.dumps(_fields(item), ensure_ascii=False).encode())


def _fields(item: Item) -> dict[str, object]:
    if not item.events:
        return {"label": item.label, "group": item.group}
    events = [{"onset": onset, "offset": offset, "label": name} for onset, offset, name in item.events]
    return {"events": events, "group": item.group, "also": item.also}
