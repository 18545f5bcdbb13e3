"""Packets of an Ogg stream (RFC 3533): what Opus and Speex files hold besides page headers."""

from __future__ import annotations

from codec.errors import CodecError

_FIXED = 27  # bytes of a page header before its segment table


def packets(data: bytes) -> list[bytes]:
    """Packets of a file with one logical stream, headers of the codec included.

    Raises:
        CodecError: not an Ogg file, or cut off.
    """
    found: list[bytes] = []
    packet = bytearray()
    position = 0
    while position < len(data):
        header = data[position : position + _FIXED]
        if len(header) < _FIXED or header[:4] != b"OggS":
            raise CodecError("not an Ogg stream, or cut off")
        table = data[position + _FIXED : position + _FIXED + header[26]]
        position += _FIXED + header[26]
        if len(table) < header[26] or position + sum(table) > len(data):
            raise CodecError("an Ogg stream is cut off")
        for size in table:
            packet += data[position : position + size]
            position += size
            if size < 255:  # a packet goes on after a full segment
                found.append(bytes(packet))
                packet.clear()
    return found
