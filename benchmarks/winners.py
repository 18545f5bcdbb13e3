"""Which codecs have the best figure of a column: what is bold in tables, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.exam.columns import GROUPS, WITNESS, nearest
from eval.reconstruction.trained import mark_of

COLUMNS = {column.key: column for columns in (*GROUPS.values(), WITNESS) for column in columns}
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
    column = COLUMNS[metric]
    found = {codec: column.off(value, values.get(ORIGINAL)) for codec, value in values.items() if value is not None}
    return nearest(
        {
            codec: off
            for codec, off in found.items()
            if off is not None and codec != ORIGINAL and ORACLE not in codec and not mark_of(codec, metric, asr)
        }
    )
