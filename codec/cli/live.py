"""``codec encode --stream -`` and ``codec decode --stream -``."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys
from contextlib import AbstractContextManager, nullcontext

from codec.audio.pcm import PcmFormat
from codec.errors import AudioError, CodecError
from codec.files import FileReport
from codec.hub import load_codec
from codec.outputs import standard_input, standard_output
from codec.pipes import decode_stream, encode_stream
from codec.threads import one_each


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
    strict: bool,
    json: bool,
) -> bool:
    """From standard input to standard output, until it ends; whether that came too early."""
    _check_pipes(inputs, output)
    if format != "sct":
        raise CodecError(f"streams are containers, not {format}")
    pcm = PcmFormat.parse(raw) if raw else None
    with _threads(low_latency):
        codec = load_codec(model, rate, vocab, device)
        report = encode_stream(codec, standard_input(), standard_output(), pcm, None, None, semantic_only, entropy, low_latency)
    _print(report, json)
    for warning in report.warnings:
        if strict:
            raise AudioError(f"standard input: {warning}")
        if not json:
            print(f"codec: standard input: {warning}", file=sys.stderr)
    return bool(report.warnings)


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
) -> bool:
    """From standard input to standard output, until it ends; whether that came too early."""
    _check_pipes(inputs, output)
    with _threads(low_latency):
        codec = load_codec(model, device=device, decoder=decoder)
        report = decode_stream(codec, standard_input(), standard_output(), sample_rate, conceal, raw, low_latency)
    _print(report, json)
    for warning in report.warnings:
        if not json:
            print(f"codec: standard input: {warning}", file=sys.stderr)
    return bool(report.warnings)


def _check_pipes(inputs: list[str], output: str | None) -> None:
    if inputs != ["-"] or output not in (None, "-"):
        raise CodecError("--stream works from standard input to standard output: name - as the input and no other output")


def _threads(low_latency: bool) -> AbstractContextManager[None]:
    """One thread for windows of 80 ms: there is little to share out, and on a busy machine threads wait for each other."""
    return one_each() if low_latency else nullcontext()


def _print(report: FileReport, json: bool) -> None:
    if json:
        print(jsonlib.dumps(dataclasses.asdict(report)), file=sys.stderr)
