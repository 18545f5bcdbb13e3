"""What ``codec probe lm`` does."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from codec.hub import load_codec
from eval.semantics.language.measure import (
    Labelled,
    Modelled,
    label_agreement,
    model_tokens,
    read_corpus,
    read_splits,
    write_report,
)
from eval.semantics.language.transformer import Size

HELD_OUT_SHARE = 0.2


def main(
    output: Path,
    corpus: Path | None,
    task: Path | None,
    labels: Sequence[Path],
    rates: Sequence[int],
    vocabs: Sequence[int],
    minutes: float,
    steps: int,
    model: str,
    seed: int,
    json: bool,
) -> None:
    """Measures, prints and writes after every row, so that an interrupted run is not lost."""
    loaded = load_codec(model)
    size = Size(steps=steps, every=max(1, steps // 6), seed=seed) if steps else None
    held = HELD_OUT_SHARE * minutes
    if corpus is not None:
        splits = read_corpus(corpus, {"train": minutes, "valid": held, "test": held}, seed)
    else:
        assert task is not None
        splits = read_splits(task)
    source = {"corpus": f"{minutes:g} minutes to train"} if corpus is not None else {"task": task.name if task else ""}
    about: dict[str, object] = {"model": loaded.fingerprint, "steps": steps, "seed": seed, **source}
    modelled: list[Modelled] = []
    labelled: list[Labelled] = []
    for row in model_tokens(loaded, splits, rates, vocabs, size):
        modelled.append(row)
        write_report(output, modelled, labelled, about)
        neural = "" if row.transformer is None else f", transformer {row.transformer:6.1f}"
        grams = ", ".join(f"{n}-gram {value:6.1f}" for n, value in row.ngrams.items())
        text = f"{row.stream:9} {row.rate:4} tokens/s, {row.vocab:6}: {row.nominal:7.1f} bit/s, {grams}{neural}"
        print(jsonlib.dumps(asdict(row)) if json else text, flush=True)
    for folder in labels:
        for found in label_agreement(loaded, folder, rates, vocabs):
            labelled.append(found)
            write_report(output, modelled, labelled, about)
            pnmi = f"PNMI {found.agreement.pnmi:.3f}, chance {found.agreement.chance_pnmi:.3f}"
            text = f"{found.task:20} {found.rate:4} tokens/s, {found.vocab:6}: {pnmi}, purity {found.agreement.purity:.3f}"
            print(jsonlib.dumps(asdict(found)) if json else text, flush=True)
