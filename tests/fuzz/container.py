"""Hostile containers, for as long as one likes; each is read, and what is readable is now and then decoded.

python -m tests.fuzz.container 1000000 [SEED]   # so many mutated inputs, from a seed
"""

from __future__ import annotations

import io
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from codec.bundled import DEFAULT
from codec.container.bitstream import ContainerReader, ContainerWriter
from codec.container.entropy import EntropyModel, load_entropy_of
from codec.container.header import Header
from codec.errors import CodecError
from codec.files import decode_file
from codec.model import Codec
from codec.tokens import Tokens
from tests.conftest import TINY, random_networks

MAX_SECONDS = 2.0
MAX_BYTES = 200e6
DECODED_SHARE = 0.01
"""Of inputs that go all the way to a wav file, through networks that are small but real."""
SILENCE = torch.tensor([3, 4])


@lru_cache(maxsize=1)
def tables() -> EntropyModel:
    """Those of the default model."""
    return load_entropy_of("default")


@lru_cache(maxsize=1)
def model() -> Codec:
    """Tiny random networks that take the bundled model for themselves, so that its containers reach them."""
    torch.set_num_threads(1)
    networks = random_networks(0, TINY.model_copy(update={"vocabs": (4096, 8192)}))
    return Codec(networks, "tiny", tables().model, folder=DEFAULT)


def check(data: bytes) -> str:
    """Reads a container, strictly and concealing damage; returns how that ended. Anything but `CodecError` is a finding."""
    strict = _timed(lambda: _read(data, None))
    # What was read without a complaint has nothing to conceal.
    return strict if strict == "read" else f"{strict} / {_timed(lambda: _read(data, SILENCE))}"


def check_decoding(data: bytes, folder: Path) -> str:
    """Decodes to a wav file as the command line does; nothing else may appear in the folder."""
    source, target = folder / "in.sct", folder / "out.wav"
    source.write_bytes(data)
    outcome = _timed(lambda: f"decoded {decode_file(model(), str(source), str(target), conceal=True).channels}")
    found = {path.name for path in folder.iterdir()}
    assert found == ({"in.sct", "out.wav"} if outcome.startswith("decoded") else {"in.sct"}), found
    target.unlink(missing_ok=True)
    return f"to wav: {outcome}"


def _timed(work) -> str:
    """How it ended, if within the time allowed."""
    started = time.process_time()
    try:
        outcome = work()
    except CodecError as error:
        outcome = "".join(letter for letter in str(error).rpartition("in.sct: ")[2] if not letter.isdigit())[:24]
    assert time.process_time() - started < MAX_SECONDS
    return outcome


def _read(data: bytes, conceal: torch.Tensor | None) -> str:
    reader = ContainerReader(io.BytesIO(data), None, tables())
    if conceal is not None:
        reader.conceal = conceal[: len(reader.header.codebook_sizes)]
    for codes in reader.chunks():
        assert 0 < codes.shape[2] <= reader.header.chunk_frames
        for stream, size in enumerate(reader.header.codebook_sizes):
            assert conceal is not None or int(codes[:, stream].max()) < size
    assert reader.samples is not None
    return "read"


def seeds() -> list[bytes]:
    """Well-formed containers of many kinds."""
    rng = np.random.default_rng(0)
    found = []
    coded = tables()
    kinds = [(1, 2, 3, None), (1, 2, 30, None), (2, 1, 20, None), (1, 2, 30, coded), (3, 2, 9, coded)]
    for channels, streams, frames, entropy in kinds:
        codes = np.repeat(rng.integers(4096, size=(channels, streams, -(-frames // 4))), 4, axis=2)[:, :, :frames]
        tokens = Tokens(
            torch.from_numpy(codes), torch.full((channels,), frames * 640), 16_000, 25.0, (8192, 8192)[:streams], tables().model
        )
        sink = io.BytesIO()
        writer = ContainerWriter(sink, Header.of(tokens, entropy.id if entropy else None, chunk_seconds=0.4), entropy)
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
    coded, streams, channels = raw[5] & 1, min(raw[19], 8), raw[18]
    end = 26 + 4 * streams + 8 * coded
    raw[end : end + 4] = struct.pack("<I", zlib.crc32(raw[:end]))
    start = end + 10
    if coded:
        length = 2 + int.from_bytes(raw[start : start + 2], "little")
    else:
        widths = (int.from_bytes(raw[26 + 4 * stream : 30 + 4 * stream], "little") for stream in range(streams))
        bits = channels * sum(max(size - 1, 1).bit_length() for size in widths)
        length = -(-int.from_bytes(raw[end + 4 : end + 6], "little") * bits // 8)
    body = bytes(raw[end + 4 : end + 6] + raw[start : start + length])
    raw[end + 6 : end + 10] = struct.pack("<I", zlib.crc32(body))


def main(count: int, seed: int = 0) -> None:
    """Runs so many inputs and prints how they ended."""
    rng, start = random.Random(seed), seeds()
    outcomes: Counter[str] = Counter()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        for data in start:
            check(data), check_decoding(data, Path(name))
        before = _peak()
        for number in range(count):
            data = mutate(rng.choice(start), rng) if rng.random() < 0.95 else rng.randbytes(rng.randrange(300))
            try:
                outcomes[check(data)] += 1
                if rng.random() < DECODED_SHARE:
                    outcomes[check_decoding(data, Path(name))] += 1
                assert _peak() - before < MAX_BYTES
            except BaseException:
                print(f"finding, input {number} of seed {seed}: {data.hex()}", flush=True)
                raise
            if not (number + 1) % 50_000:
                print(number + 1, flush=True)
    grown, speed = (_peak() - before) / 1e6, count / (time.process_time() - started)
    print(f"{count} inputs of seed {seed}, {len(outcomes)} kinds of outcome, 0 findings")
    print(f"{speed:.0f} inputs per second of processor time; {grown:.0f} MB more memory than the well-formed ones took")
    for outcome, times in outcomes.most_common():
        print(f"{times:9d}  {outcome}")


def _peak() -> int:
    """Largest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
