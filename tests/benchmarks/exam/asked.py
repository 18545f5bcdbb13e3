"""A small exam, as tests ask for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.exam.opening import Opener
from benchmarks.exam.run import Exam


def exam(output: Path, folder: Path | None, **changes: object) -> Exam:
    asked = Exam(
        codecs=("codec2@1300", "semcodec@25"),
        opener=Opener(),
        output=output,
        clips=str(folder) if folder else None,
        per_domain=None,
        asr="pocketsphinx",
        also=(),
        quick=True,
        language=None,
        cost=False,
        workers=0,
        cache=output / "cache",
    )
    return replace(asked, **changes)  # type: ignore[arg-type]
