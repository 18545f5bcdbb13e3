"""``codec encode --stream -`` and ``codec decode --stream -``."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys

from codec.errors import CodecError
from codec.files import FileReport
from codec.hub import load_codec
from codec.pipes import PcmFormat, decode_stream, encode_stream


def encode_live(
    inputs: list[str],
    output: str | None,
    model: str,
    device: str,
    rate: int | None,
    vocab: int | None,
    format: str,
    semantic_only: bool,
    entropy: bool,
    raw: str | None,
    low_latency: bool,
    json: bool,
) -> None:
    """From standard input to standard output, until it ends."""
    _check_pipes(inputs, output)
    if format != "sct":
        raise CodecError(f"streams are containers, not {format}")
    pcm = PcmFormat.parse(raw) if raw else None
    _choose_threads(low_latency)
    codec = load_codec(model, rate, vocab, device)
    report = encode_stream(
        codec, sys.stdin.buffer, sys.stdout.buffer, pcm, None, None, semantic_only, entropy, low_latency
    )  # fmt: skip
    _print(report, json)


def decode_live(
    inputs: list[str],
    output: str | None,
    model: str,
    device: str,
    decoder: str,
    sample_rate: int | None,
    conceal: bool,
    raw: bool,
    low_latency: bool,
    json: bool,
) -> None:
    """From standard input to standard output, until it ends."""
    _check_pipes(inputs, output)
    _choose_threads(low_latency)
    codec = load_codec(model, device=device, decoder=decoder)
    _print(decode_stream(codec, sys.stdin.buffer, sys.stdout.buffer, sample_rate, conceal, raw, low_latency), json)


def _check_pipes(inputs: list[str], output: str | None) -> None:
    if inputs != ["-"] or output not in (None, "-"):
        raise CodecError("--stream works from standard input to standard output: name - as the input and no other output")


def _choose_threads(low_latency: bool) -> None:
    """One thread for windows of 80 ms: there is little to share out, and on a busy machine threads wait for each other."""
    if low_latency:
        import torch

        torch.set_num_threads(1)


def _print(report: FileReport, json: bool) -> None:
    if json:
        print(jsonlib.dumps(dataclasses.asdict(report)), file=sys.stderr)
