"""Hostile containers, for as long as one likes.

python -m tests.fuzz.container 1000000            # so many mutated inputs, from a seed
python -m tests.fuzz.container --atheris [CORPUS]  # coverage-guided, until stopped (pip install atheris)
"""

from __future__ import annotations

import io
import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from functools import lru_cache

import numpy as np
import torch

from codec.bitstream import ContainerReader, ContainerWriter
from codec.entropy import EntropyModel
from codec.errors import CodecError
from codec.header import Header
from codec.hub import load_entropy_of
from codec.tokens import Tokens

MAX_SECONDS = 2.0
SILENCE = torch.tensor([3, 4])


@lru_cache(maxsize=1)
def tables() -> EntropyModel:
    """The bundled model's."""
    return load_entropy_of("default")


def check(data: bytes) -> str:
    """Reads a container, strictly and concealing damage; returns how that ended. Anything but `CodecError` is a finding."""
    outcome = ""
    for conceal in (None, SILENCE):
        started = time.process_time()
        try:
            reader = ContainerReader(io.BytesIO(data), None, tables())
            if conceal is not None:
                reader.conceal = conceal[: len(reader.header.codebook_sizes)]
            for codes in reader.chunks():
                assert 0 < codes.shape[2] <= reader.header.chunk_frames
            assert reader.samples is not None
            outcome += "read "
        except CodecError as error:
            outcome += "".join(letter for letter in str(error) if not letter.isdigit())[:24] + " "
        assert time.process_time() - started < MAX_SECONDS
    return outcome


def seeds() -> list[bytes]:
    """Well-formed containers of many kinds."""
    rng = np.random.default_rng(0)
    found = []
    coded = tables()
    kinds = [(1, 2, 3, None), (1, 2, 50, None), (2, 1, 20, None), (1, 2, 50, coded), (3, 2, 9, coded)]
    for channels, streams, frames, entropy in kinds:
        codes = np.repeat(rng.integers(4096, size=(channels, streams, -(-frames // 4))), 4, axis=2)[:, :, :frames]
        tokens = Tokens(
            torch.from_numpy(codes), torch.full((channels,), frames * 640), 16_000, 25.0, (8192, 8192)[:streams], tables().model
        )
        sink = io.BytesIO()
        writer = ContainerWriter(sink, Header.of(tokens, entropy.id if entropy else None, chunk_seconds=0.8), entropy)
        writer.push(tokens.codes)
        writer.close(frames * 640)
        found.append(sink.getvalue())
    return found


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Flips, cuts, copies, inserts; then, mostly, puts the checksums right again, so that what lies behind them is reached."""
    raw = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(6)
        if kind < 3 and at < len(raw):
            raw[at] = rng.choice((0, 1, 127, 128, 255, raw[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
        elif kind == 3:
            del raw[at : at + rng.choice((1, 2, 8, 100))]
        elif kind == 4:
            raw[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))
        else:
            raw[at:at] = raw[max(0, at - 20) : at]
    if rng.random() < 0.7:
        mend(raw)
    return bytes(raw)


def mend(raw: bytearray) -> None:
    """Makes the checksums of the header and the first chunk fit what is there now."""
    if len(raw) < 46:
        return
    end = 26 + 4 * min(raw[19], 8) + 8 * (raw[5] & 1)
    raw[end : end + 4] = struct.pack("<I", zlib.crc32(raw[:end]))
    head = raw[end + 4 : end + 6]
    if raw[5] & 1:
        length = int.from_bytes(raw[end + 10 : end + 12], "little")
        body = raw[end + 10 : end + 12 + length]
        raw[end + 6 : end + 10] = struct.pack("<I", zlib.crc32(bytes(head + body)))


def main(count: int, seed: int = 0) -> None:
    """Runs so many inputs and prints how they ended."""
    rng, start = random.Random(seed), seeds()
    outcomes: Counter[str] = Counter()
    for number in range(count):
        data = mutate(rng.choice(start), rng) if rng.random() < 0.95 else rng.randbytes(rng.randrange(300))
        try:
            outcomes[check(data)] += 1
        except BaseException:
            print(f"finding, input {number} of seed {seed}: {data.hex()}", flush=True)
            raise
        if not (number + 1) % 50_000:
            print(number + 1, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} inputs, {len(outcomes)} kinds of outcome, 0 findings, peak memory {peak:.0f} MB")
    for outcome, times in outcomes.most_common(12):
        print(f"{times:9d}  {outcome}")


def _run_one(data: bytes) -> None:
    check(data)


def guided(arguments: list[str]) -> None:
    """Coverage-guided, by atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], _run_one)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--atheris"]:
        guided(sys.argv[2:])
    else:
        main(int(sys.argv[1]), *map(int, sys.argv[2:3]))
