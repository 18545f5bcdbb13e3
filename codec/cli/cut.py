"""``codec cut``: fewer tokens a second without decoding, where a stream of many tokens holds one of fewer."""

from __future__ import annotations

import os
from pathlib import Path

from codec.atomic import atomic_write
from codec.container.bitstream import ContainerReader, ContainerWriter
from codec.container.header import Header
from codec.errors import CodecError, ContainerError


def cut_file(source: str, target: str, rate: int, overwrite: bool) -> Header:
    """Leaves the last acoustic tokens of every frame out.

    Args:
        source: ``.sct`` file.
        target: where to.
        rate: tokens per second that stay.
        overwrite: replace what is there.

    Returns:
        The header of what was written.

    Raises:
        CodecError: it is no container, has no such rate in it, or the target is there.
    """
    if os.path.exists(target) and (not overwrite or os.path.samefile(source, target)):
        raise CodecError(f"{target}: is there; --overwrite replaces it, but never the input")
    try:
        with open(source, "rb") as handle:
            reader = ContainerReader(handle)
            header = _fewer(reader.header, rate)
            with atomic_write(Path(target)) as written:
                writer = ContainerWriter(written, header)
                for codes in reader.chunks():
                    writer.push(codes[:, : len(header.codebook_sizes)])
                assert reader.samples is not None
                writer.close(reader.samples)
    except OSError as error:
        raise CodecError(f"{error.filename or target}: {error.strerror}") from error
    except ContainerError as error:
        raise ContainerError(f"{source}: {error}") from error
    return header


def _fewer(header: Header, rate: int) -> Header:
    """The same header with as many streams as make up a rate.

    Raises:
        CodecError: none do.
    """
    sizes, per_stream = header.codebook_sizes, header.frame_rate
    rates = [per_stream * count for count in range(1, len(sizes) + 1)]
    if rate not in rates:
        known = ", ".join(f"{each:g}" for each in rates)
        raise CodecError(f"{rate} tokens/s are not in a stream of {len(sizes)} tokens at {per_stream:g} frames/s: {known}")
    kept = sizes[: rates.index(rate) + 1]
    return Header(
        header.model, header.sample_rate, header.channels, per_stream, kept, header.chunk_frames, None, header.model_rate
    )
