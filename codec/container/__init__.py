"""Tokens on disk: the ``.sct`` container, its bit packing and entropy coding, and arrays for other programs."""
