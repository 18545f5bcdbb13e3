"""How audio files are laid out: what they promise, what of it is there, and what to show a decoder of it."""

from codec.audio.formats.layout import Layout, Part, Piece, Spliced, Window
from codec.audio.formats.sniff import layout_of

__all__ = ["Layout", "Part", "Piece", "Spliced", "Window", "layout_of"]
