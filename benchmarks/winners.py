"""Which codecs have the best figure of a column: what is bold in tables, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.exam.columns import GROUPS
from eval.reconstruction.trained import mark_of

BETTER = {column.key: column.better for columns in GROUPS.values() for column in columns}
ORIGINAL, ORACLE = "original", "!"


def winners(metric: str, values: Mapping[str, float | None], asr: str = "") -> set[str]:
    """Names of the codecs whose figure is the best.

    Neither the original takes part, nor oracles, nor figures of a metric that a codec was trained with; a lone figure is not
    the best of anything.

    Args:
        metric: of the column.
        values: by codec; None where there is none.
        asr: the recogniser that heard words.

    Example:
        >>> sorted(winners("stoi", {"original": 1.0, "opus@6": 0.9, "codec2@450": 0.7}))
        ['opus@6']
    """
    own = {
        codec: value
        for codec, value in values.items()
        if value is not None and codec != ORIGINAL and ORACLE not in codec and not mark_of(codec, metric, asr)
    }
    wanted = values.get(ORIGINAL) if BETTER[metric] == "original" else None
    if len(own) < 2 or (BETTER[metric] == "original" and wanted is None):
        return set()
    far = {codec: abs(value - wanted) if wanted is not None else value for codec, value in own.items()}
    ends = max(far.values()) if BETTER[metric] == "higher" else min(far.values())
    return {codec for codec, value in far.items() if value == ends}
