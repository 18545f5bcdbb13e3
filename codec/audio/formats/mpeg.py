"""MPEG audio (MP1, MP2, MP3): a row of frames without an index, so that its length is only known once all are counted.

Decoders believe what the first frame says of the number of frames, or guess it from the first bit rate. Here every frame
header is read, and the first frame is written anew where it is not there or does not tell the truth.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from functools import lru_cache

from codec.audio.formats.layout import Layout, Part, Piece, Window

SYNC_BYTES = 1 << 16
"""So far behind a tag frames are looked for; some tags are longer than they say."""
_DECODER_DELAY = 529
"""Of layer 3, in samples: what mpg123 takes off."""
_SYNC = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]")
NO_TAGS = b"ID3\4\0\0\0\0\0\x0a" + bytes(10)
"""An empty tag, by which libsndfile knows what follows; without, it first looks for files named ``._`` that would tell it."""
_RATES = (44_100, 48_000, 32_000)
KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (2 stands for 2.5 too) and layer; layer 3 of version 2 is as layer 2."""


@dataclass(frozen=True)
class Header:
    """What the four bytes before a frame say.

    Attributes:
        size: of the frame in bytes.
        samples: of each channel.
        rate: in Hz.
        layer: 1, 2 or 3.
        side: bytes between the header and what an information frame says.
        kind: what frames of one stream have in common.
    """

    size: int
    samples: int
    rate: int
    layer: int
    side: int
    kind: tuple[int, int, int, bool]


@lru_cache(maxsize=4096)
def parse(head: bytes) -> Header | None:
    """The header of a frame of known size, or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return None
    low = version != 3
    rate = _RATES[rate] >> (0, 1, 2)[{3: 0, 2: 1, 0: 2}[version]]
    kbps = KBPS[2 if low else 1, min(layer, 2) if low else layer][index]
    padding, mono = head[2] >> 1 & 1, head[3] >> 6 == 3
    samples = 384 if layer == 1 else 576 if layer == 3 and low else 1152
    size = (kbps * 12_000 // rate + padding) * 4 if layer == 1 else samples * kbps * 125 // rate + padding
    side = (9 if mono else 17) if low else (17 if mono else 32)
    return Header(size, samples, rate, layer, side, (version, layer, rate, mono))


def after_tags(window: Window, start: int = 0) -> int:
    """Where the ID3v2 tags end that begin here."""
    while len(head := window.at(start, 10)) == 10 and head[:3] == b"ID3" and max(head[6:]) < 128:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        start += 10 + size + (10 if head[5] & 16 else 0)
    return start


@dataclass
class _Stream:
    """Frames that belong together: of one kind, after at most one frame that tells about them."""

    first: Header
    information: bytes = b""
    frames: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    broken: bool = False

    def add(self, start: int, header: Header) -> None:
        self.frames += 1
        end = start + header.size
        if self.ranges and self.ranges[-1][1] == start:
            self.ranges[-1] = self.ranges[-1][0], end
        else:
            self.ranges.append((start, end))


def layout(window: Window, start: int) -> Layout | None:
    """Every frame, grouped into streams; None if there are none."""
    # Not anywhere: other containers hold such frames, too.
    first = _next_frame(window, start, start + SYNC_BYTES if start else 1)
    if first < 0:
        return None
    streams, foreign = _walk(window, first)
    if not streams:
        return None
    missing = [f"{foreign} bytes between its frames are no MPEG audio"] if foreign else []
    parts = []
    for stream in streams:
        pieces, lost = _told_right(stream)
        samples = stream.frames * stream.first.samples if stream.first.layer < 3 else None
        if stream.frames:
            parts.append(Part((NO_TAGS, *pieces), samples))
        if lost > 0:
            missing.append(f"cut short: {lost * stream.first.samples / stream.first.rate:.2f} s are missing at the end")
        elif stream.broken:
            missing.append("cut short within its last frame")
    return Layout(tuple(parts), tuple(missing)) if parts else None


def _walk(window: Window, position: int) -> tuple[list[_Stream], int]:
    """All streams, and how many bytes between frames belong to nothing."""
    streams: list[_Stream] = []
    foreign = 0
    while position + 4 <= window.size:
        header = parse(window.at(position, 4))
        if header is None or (streams and header.kind != streams[-1].first.kind and not _confirmed(window, position, header)):
            after = _after_tag(window, position)
            following = _next_frame(window, after, window.size)
            if following < 0:
                break
            foreign += following - after
            position = following
            continue
        if position + header.size > window.size:
            if streams:
                streams[-1].broken = True
            break
        frame = window.at(position, min(header.size, 4 + header.side + 160)) if header.layer == 3 else b""
        if told := is_information(frame, header):
            streams.append(_Stream(header, window.at(position, header.size)))
        elif not streams or streams[-1].first.kind != header.kind:
            streams.append(_Stream(header))
        if not told:
            streams[-1].add(position, header)
        position += header.size
    return streams, foreign


def _confirmed(window: Window, position: int, header: Header) -> bool:
    """Whether another frame of the kind follows, or the end of the file does."""
    if position + header.size == window.size:
        return True
    following = parse(window.at(position + header.size, 4))
    return following is not None and following.kind == header.kind


def _next_frame(window: Window, position: int, end: int) -> int:
    while (position := window.find(_SYNC, position, end)) >= 0:
        header = parse(window.at(position, 4))
        if header is not None and _confirmed(window, position, header):
            return position
        position += 1
    return -1


def _after_tag(window: Window, position: int) -> int:
    """Where a tag ends that begins here; here, if there is none."""
    head = window.at(position, 32)
    if head[:3] == b"TAG":
        return position + 128
    if head[:8] == b"APETAGEX":
        return position + 32 + int.from_bytes(head[12:16], "little")
    return after_tags(window, position)


def is_information(frame: bytes, header: Header) -> bool:
    """Whether a frame of layer 3 holds no sound, but what encoders tell about the file."""
    at = 4 + header.side
    return frame[at : at + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"


def _told_right(stream: _Stream) -> tuple[tuple[Piece, ...], int]:
    """What to decode, with a first frame that tells how much there is; and how many frames are missing of what it told."""
    frame, side = stream.information, 4 + stream.first.side
    size = sum(end - start for start, end in stream.ranges)
    if stream.first.layer < 3:
        return tuple(stream.ranges), 0
    told = struct.unpack_from(">I", frame, side + 8)[0] if len(frame) > side + 12 and frame[side + 7] & 1 else None
    if told is None or frame[36:40] == b"VBRI":
        told = struct.unpack_from(">I", frame, 50)[0] if frame[36:40] == b"VBRI" and len(frame) > 54 else None
        lost = 0 if told is None else told - stream.frames
        return (_first_frame(stream, size), *stream.ranges), lost if lost > 1 or stream.broken else 0
    lost = told - stream.frames
    # Some encoders count the frame that tells it, too; the number of bytes then tells that none is missing.
    if lost == 0 or (lost == 1 and _told_bytes(frame, side) in (size, size + len(frame))):
        return (frame, *stream.ranges), 0
    return (_corrected(frame, side, stream.frames, size), *stream.ranges), max(lost, 0)


def _told_bytes(frame: bytes, side: int) -> int:
    return int(struct.unpack_from(">I", frame, side + 12)[0]) if frame[side + 7] & 2 and len(frame) >= side + 16 else 0


def _corrected(frame: bytes, side: int, frames: int, size: int) -> bytes:
    """With the true number of frames and bytes, and no padding at an end that is not there."""
    raw, flags, at = bytearray(frame), frame[side + 7], side + 12
    struct.pack_into(">I", raw, side + 8, frames)
    if flags & 2:
        struct.pack_into(">I", raw, at, size + len(frame))
    at += 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    if len(raw) >= at + 24 and frame[at : at + 4] in (b"LAME", b"Lavc", b"Lavf"):
        raw[at + 22] &= 0xF0
        raw[at + 23] = 0
    return bytes(raw)


def _first_frame(stream: _Stream, size: int) -> bytes:
    """An information frame for a stream that has none: decoders then need not guess.

    mpg123 takes its own delay off the beginning of whatever has such a frame, which other decoders do not do where no encoder
    told its delay. A frame of silence, and a delay that together with its own is that frame, leave every sample in place.
    """
    first = stream.first
    version, layer, _, mono = first.kind
    rate = {44_100: 0, 48_000: 1, 32_000: 2}[first.rate << (0, 1, 2)[{3: 0, 2: 1, 0: 2}[version]]]
    fixed = 0xFF, 0xE1 | version << 3 | (4 - layer) << 1
    heads = (bytes((*fixed, index << 4 | rate << 2, 0xC0 if mono else 0)) for index in range(1, 15))
    sizes = ((head, header.size) for head in heads if (header := parse(head)) is not None)
    head, room = next((head, room) for head, room in sizes if room >= 4 + first.side + 16 + 24)
    told = b"Xing" + struct.pack(">III", 3, stream.frames + 1, size + 2 * room)
    delay = (first.samples - _DECODER_DELAY) << 12 | _DECODER_DELAY
    encoder = b"LAME3.100".ljust(21, b"\0") + delay.to_bytes(3, "big")
    return (head + bytes(first.side) + told + encoder).ljust(room, b"\0") + head.ljust(room, b"\0")
