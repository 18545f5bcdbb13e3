"""Tables of ``codec probe lm``: tokens as a language, and what it costs a language model that they mean something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.semantics.tables import OURS
from eval.markdown import table
from eval.semantics.scores import HeadName, Score


def language(report: dict[str, Any], scores: Sequence[Score]) -> Iterable[str]:
    """Tables of one report of ``codec probe lm``, and what meaning costs if there are scores to compare with."""
    yield "## Tokens as a language"
    about = ", ".join(f"{key} {value}" for key, value in report["about"].items())
    yield (
        "Bits per second of audio that held-out tokens take under models of increasing context (Witten–Bell n-grams, and a "
        "transformer of two layers trained on the same tokens), beside what the container spends (*nominal*). *Used* is the "
        "share of codewords seen in the training tokens, *entropy* theirs in bits per token. *Acoustic* is all acoustic "
        "streams, *both* is all there are; streams take turns, frame by frame, so that a context holds tokens of several. "
        f"Tokens per second are the codec's, in all its streams. ({about})"
    )
    rows = []
    for row in report["modelled"]:
        usage, neural = row["usage"], row["transformer"]
        rows.append(
            [
                row["stream"],
                str(row["rate"]),
                str(row["vocab"]),
                f"{row['nominal']:.0f}",
                *(f"{value:.0f}" for value in row["ngrams"].values()),
                "–" if neural is None else f"{neural:.0f}",
                f"{row['perplexity']:.0f}",
                f"{usage['used']:.1%}",
                f"{usage['entropy']:.2f}",
                str(row["train_tokens"]),
            ]
        )
    grams = list(report["modelled"][0]["ngrams"]) if rows else []
    header = ["stream", "tokens/s", "vocabulary", "nominal", *(f"{n}-gram" for n in grams), "transformer"]
    yield table([*header, "perplexity", "used", "entropy", "training tokens"], rows)
    yield from _cost(report["modelled"], scores)
    if report["labelled"]:
        yield (
            "How much a single semantic token says of the label of its clip: PNMI (share of the label's entropy that it takes "
            "away) and purity, beside what they are after clips have swapped labels; *adjusted* is PNMI above that."
        )
        rows = [
            [
                row["task"].replace("_", " "),
                str(row["rate"]),
                str(row["vocab"]),
                *(f"{row['agreement'][key]:.3f}" for key in ("pnmi", "chance_pnmi")),
                f"{_adjusted(row['agreement']):.3f}",
                *(f"{row['agreement'][key]:.3f}" for key in ("purity", "chance_purity")),
            ]
            for row in report["labelled"]
        ]
        header = ["label", "tokens/s", "vocabulary", "PNMI", "by chance", "adjusted", "purity", "by chance"]
        yield table(header, rows)


def _cost(modelled: Sequence[dict[str, Any]], scores: Sequence[Score]) -> Iterable[str]:
    """Bits that the best model needs beside what probes find in the same tokens, stream by stream."""
    smallest = min((row["vocab"] for row in modelled), default=0)
    rows = []
    for row in modelled:
        means = [_mean(scores, f"{OURS}{row['rate']}:{row['stream']}", head) for head in ("knn", "mlp")]
        if row["vocab"] != smallest or None in means:
            continue
        best = min([*row["ngrams"].values(), *([row["transformer"]] if row["transformer"] is not None else [])])
        saved = 1 - best / row["nominal"]
        cells = [row["stream"], str(row["rate"]), f"{row['nominal']:.0f}", f"{best:.0f}", f"{saved:.0%}"]
        rows.append([*cells, *(f"{mean:.1%}" for mean in means)])
    if rows:
        yield "### What meaning costs a language model"
        yield (
            "The best of the models above on each stream, semantic vocabulary "
            f"{smallest}, beside the means of the probes over the tasks from free audio. A stream that can be predicted takes "
            "fewer bits than the container spends; *saved* says how many."
        )
        yield table(["stream", "tokens/s", "nominal bit/s", "best model", "saved", "k-NN mean", "trained head mean"], rows)


def _mean(scores: Sequence[Score], embedder: str, head: HeadName) -> float | None:
    values = [s.value for s in scores if (s.suite, s.mode, s.embedder, s.head) == ("tasks", "corrected", embedder, head)]
    return float(np.mean(values)) if values else None


def _adjusted(agreement: dict[str, Any]) -> float:
    return float((agreement["pnmi"] - agreement["chance_pnmi"]) / max(1 - agreement["chance_pnmi"], 1e-9))
