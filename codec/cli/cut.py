"""``codec cut`` and ``codec cat``: less of a container, and several as one, without decoding."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from codec.container.bitstream import read, save
from codec.container.entropy import EntropyModel
from codec.container.header import Header
from codec.container.reader import shipped_entropy
from codec.errors import CodecError
from codec.tokens import Tokens


def cut_file(source: str, target: str, rate: int | None, start: float, stop: float | None, overwrite: bool) -> Tokens:
    """Keeps what lies between two times, and the first tokens of every frame.

    Args:
        source: ``.sct`` file.
        target: where to.
        rate: tokens per second that stay; None: all.
        start: in seconds.
        stop: in seconds; None: the end.
        overwrite: replace what is there.

    Returns:
        What was written.

    Raises:
        CodecError: it is no container, has no such rate or nothing at that time in it, or the target is there.
    """
    _check_target([source], target, overwrite)
    tokens = read(source, start, stop)
    if not tokens.codes.shape[2]:
        raise CodecError(f"{source}: there is nothing from {start:g} s{f' to {stop:g} s' if stop is not None else ' on'}")
    tokens = tokens if rate is None else _fewer(tokens, rate)
    save(tokens, target, _tables(source))
    return tokens


def join_files(sources: Sequence[str], target: str, overwrite: bool) -> Tokens:
    """Puts containers of one model, rate and vocabulary behind each other.

    Args:
        sources: ``.sct`` files.
        target: where to.
        overwrite: replace what is there.

    Returns:
        What was written.

    Raises:
        CodecError: one is no container or unlike the first, or the target is there.
    """
    _check_target(sources, target, overwrite)
    parts = [read(source) for source in sources]
    for source, part in zip(sources, parts, strict=True):
        try:
            Tokens.cat([parts[0].between(0, 0), part.between(0, 0)], dim=2)
        except CodecError as error:
            raise CodecError(f"{source} cannot follow {sources[0]}: {error}") from error
    joined = Tokens.cat(parts, dim=2)
    save(joined, target, _tables(sources[0]))
    return joined


def _check_target(sources: Sequence[str], target: str, overwrite: bool) -> None:
    if "-" in (*sources, target):
        raise CodecError("codec cut and codec cat take files, not pipes; a file called - is ./-")
    is_there = os.path.exists(target)
    if is_there and (not overwrite or any(os.path.exists(each) and os.path.samefile(each, target) for each in sources)):
        raise CodecError(f"{target}: is there; --overwrite replaces it, but never the input")


def _tables(source: str) -> EntropyModel | None:
    """Those that a file is entropy-coded with: what is made of it is, too."""
    with open(source, "rb") as handle:
        header = Header.read(handle)
    return shipped_entropy(header) if header.entropy else None


def _fewer(tokens: Tokens, rate: int) -> Tokens:
    """The same with as many streams as make up a rate.

    Raises:
        CodecError: none do.
    """
    sizes = tokens.codebook_sizes
    rates = [tokens.frame_rate * count for count in range(1, len(sizes) + 1)]
    if rate not in rates:
        known, per_stream = ", ".join(f"{each:g}" for each in rates), tokens.frame_rate
        raise CodecError(f"{rate} tokens/s are not in a stream of {len(sizes)} tokens at {per_stream:g} frames/s: {known}")
    kept = rates.index(rate) + 1
    return replace(tokens, codes=tokens.codes[:, :kept], codebook_sizes=sizes[:kept])
