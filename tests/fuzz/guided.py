"""Hostile containers, led by coverage, until stopped: python -m tests.fuzz.guided [CORPUS] [-max_total_time=SECONDS …]."""

from __future__ import annotations

import random
import sys


def main() -> None:
    """Runs atheris over the target of `tests.fuzz.container`; a finding is whatever is raised."""
    try:
        import atheris
    except ImportError:
        sys.exit(
            "coverage-guided fuzzing needs atheris: pip install atheris (or, without: python -m tests.fuzz.container 1000000)"
        )
    with atheris.instrument_imports(include=["codec", "quantizers"]):
        from tests.fuzz.container import check, mend, seeds
    start = seeds()

    def target(data: bytes) -> None:
        check(data)  # which tells how it ended; libFuzzer wants to be told nothing

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        """By atheris, from a well-formed container to begin with; then mostly with the checksums put right again."""
        rng = random.Random(seed)
        raw = bytearray(atheris.Mutate(data if len(data) > 1 else rng.choice(start), max_size))
        if rng.random() < 0.7:
            mend(raw)
        return bytes(raw[:max_size])

    atheris.Setup([sys.argv[0], "-max_len=4096", *sys.argv[1:]], target, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
