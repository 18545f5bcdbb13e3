"""``codec encode --stream -`` and ``codec decode --stream -``."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys
from contextlib import AbstractContextManager, nullcontext

from codec.audio.pcm import PcmFormat
from codec.cli.options import DecodeOptions, EncodeOptions
from codec.errors import AudioError, CodecError
from codec.files import FileReport
from codec.hub import load_codec
from codec.outputs import standard_input, standard_output
from codec.pipes import decode_stream, encode_stream
from codec.threads import one_each


def encode_live(inputs: list[str], output: str | None, options: EncodeOptions, raw: str | None, low_latency: bool) -> bool:
    """Encodes standard input to standard output until it ends, and tells whether something is missing."""
    _check_pipes(inputs, output)
    if options.format != "sct":
        raise CodecError(f"streams are containers, not {options.format}")
    pcm = PcmFormat.parse(raw) if raw else None
    with _threads(low_latency):
        codec = load_codec(options.model, options.rate, options.vocab, options.device)
        pipes = standard_input(), standard_output()
        report = encode_stream(codec, *pipes, pcm, None, None, options.semantic_only, options.entropy, low_latency)
    return _tell(report, options.json, options.strict)


def decode_live(inputs: list[str], output: str | None, options: DecodeOptions, raw: bool, low_latency: bool) -> bool:
    """Decodes standard input to standard output until it ends, and tells whether something is missing."""
    _check_pipes(inputs, output)
    with _threads(low_latency):
        codec = load_codec(options.model, device=options.device, decoder=options.decoder)
        pipes = standard_input(), standard_output()
        report = decode_stream(codec, *pipes, options.sample_rate, options.conceal, raw, low_latency)
    return _tell(report, options.json)


def _check_pipes(inputs: list[str], output: str | None) -> None:
    if inputs != ["-"] or output not in (None, "-"):
        raise CodecError("--stream works from standard input to standard output: name - as the input and no other output")


def _threads(low_latency: bool) -> AbstractContextManager[None]:
    """One thread for windows of 80 ms: there is little to share out, and on a busy machine threads wait for each other."""
    return one_each() if low_latency else nullcontext()


def _tell(report: FileReport, json: bool, strict: bool = False) -> bool:
    """Prints what is to be said of a stream; whether it was not whole.

    Raises:
        AudioError: it did, and that is refused.
    """
    if json:
        print(jsonlib.dumps(dataclasses.asdict(report)), file=sys.stderr)
    for warning in report.warnings:
        if strict:
            raise AudioError(f"standard input: {warning}")
        if not json:
            print(f"codec: standard input: {warning}", file=sys.stderr)
    if report.damaged_chunks and not json:
        print(f"codec: standard input: {report.damaged_chunks} damaged chunks muted", file=sys.stderr)
    return bool(report.warnings or report.damaged_chunks)
