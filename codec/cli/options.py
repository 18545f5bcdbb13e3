"""What ``codec encode`` and ``codec decode`` are told, for files and for live streams alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncodeOptions:
    """Of ``codec encode``.

    Attributes:
        model: name or folder.
        device: where its networks run.
        rate: tokens per second; None: the model's default.
        vocab: semantic vocabulary; None: the model's default.
        format: ``sct``, ``npy`` or ``jsonl``.
        semantic_only: leave out the acoustic tokens.
        entropy: entropy-code the container.
        strict: refuse audio of which something is missing.
        json: reports as JSON lines.
    """

    model: str
    device: str
    rate: int | None
    vocab: int | None
    format: str
    semantic_only: bool
    entropy: bool
    strict: bool
    json: bool


@dataclass(frozen=True)
class DecodeOptions:
    """Of ``codec decode``.

    Attributes:
        model: name or folder.
        device: where its networks run.
        decoder: ``fast`` or ``diffusion``.
        sample_rate: of the output in Hz; None: that of the original.
        conceal: mute damaged chunks.
        json: reports as JSON lines.
    """

    model: str
    device: str
    decoder: str
    sample_rate: int | None
    conceal: bool
    json: bool
