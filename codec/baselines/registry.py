"""Every codec that can be named, and what it needs on this machine."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass

from codec.baselines import amrwb, codec2, mp3, opus, speex
from codec.baselines.dac import open_dac
from codec.baselines.encodec import EncodecStereo, open_encodec_24khz
from codec.baselines.huggingface import open_huggingface
from codec.baselines.interface import Reconstructor
from codec.baselines.mimi import open_mimi
from codec.baselines.names import CodecName, parse
from codec.baselines.neural import NeuralCodec
from codec.baselines.peer import open_peer
from codec.baselines.programs import ProgramCodec, find
from codec.baselines.reconstructor import TokenReconstructor
from codec.baselines.snac import open_snac
from codec.baselines.speechtokenizer import open_speechtokenizer
from codec.baselines.weights import require_weights
from codec.baselines.xcodec2 import open_xcodec2
from codec.errors import CodecError


@dataclass(frozen=True)
class KnownCodec:
    """A codec that can be named.

    Attributes:
        name: family, as before the ``@``.
        example: a whole name.
        about: one line.
        ready: what it needs is on this machine.
        missing: what is not, and how to get it; empty if ready.
        tokens: it is a codec of tokens, which `codec.load` takes.
    """

    name: str
    example: str
    about: str
    ready: bool
    missing: str
    tokens: bool


@dataclass(frozen=True)
class _Network:
    example: str
    about: str
    open: Callable[[CodecName, bool], NeuralCodec | EncodecStereo]
    package: str = "transformers"
    tokens: bool = True


@dataclass(frozen=True)
class _Program:
    example: str
    about: str
    open: Callable[[CodecName], ProgramCodec]
    package: str
    programs: tuple[str, ...]


_NETWORKS = {
    "encodec_24khz": _Network("encodec_24khz@1.5", "EnCodec, any sound, 1.5 3 6 12 24 kbps", open_encodec_24khz),
    "encodec_48khz": _Network(
        "encodec_48khz@3", "EnCodec in stereo, any sound, 3 6 12 24 kbps; more than tokens", EncodecStereo, tokens=False
    ),
    "dac_16khz": _Network("dac_16khz@n=2", "Descript codec, any sound, 1-12 codebooks of 0.5 kbps", open_dac),
    "dac_24khz": _Network("dac_24khz@n=2", "Descript codec, any sound, 1-32 codebooks of 0.75 kbps", open_dac),
    "dac_44khz": _Network("dac_44khz@n=2", "Descript codec, any sound, 1-9 codebooks of 0.86 kbps", open_dac),
    "mimi": _Network("mimi@n=8", "speech, 1-32 codebooks of 0.1375 kbps, the first one semantic", open_mimi),
    "snac_24khz": _Network("snac_24khz", "speech, 0.98 kbps at three time scales", open_snac, "snac"),
    "speechtokenizer": _Network(
        "speechtokenizer@n=2", "speech, 1-8 codebooks of 0.5 kbps, the first one semantic", open_speechtokenizer,
        "speechtokenizer",
    ),
    "xcodec2": _Network("xcodec2", "speech, 0.8 kbps, one codebook of 65536; 0.6 G weights", open_xcodec2),
}  # fmt: skip
_PROGRAMS = {
    "opus": _Program("opus@6", "any sound, 6-256 kbps", opus.open_opus, opus.PACKAGE, ("opusenc", "opusdec")),
    "codec2": _Program(
        "codec2@700C", "speech, 450 700C 1200 1300 1400 1600 2400 3200 bit/s", codec2.open_codec2, codec2.PACKAGE,
        ("c2enc", "c2dec"),
    ),
    "speex": _Program(
        "speex@2.15", "speech, 2.15 3.95 5.95 8 11 15 18.2 24.6 kbps", speex.open_speex, speex.PACKAGE,
        ("speexenc", "speexdec"),
    ),
    "mp3": _Program("mp3@8", "any sound, 8-320 kbps", mp3.open_mp3, mp3.PACKAGE, ("lame",)),
    "amrwb": _Program("amrwb@6.6", "speech, 6.6-23.85 kbps", amrwb.open_amrwb, amrwb.PACKAGE, ("ffmpeg",)),
}  # fmt: skip
_UNAVAILABLE = {
    "hificodec": "HiFi-Codec has no maintained loader: its code (AcademiCodec) is not on PyPI and states no licence",
}


_OF_FOLDERS: dict[str, Callable[[CodecName, bool], NeuralCodec]] = {"peer": open_peer, "hf": open_huggingface}
"""Families of which a folder, behind a colon, says everything."""


def is_known(text: str) -> bool:
    """Whether a name is one of a codec here, our own aside."""
    family = re.split("[@:]", text)[0]
    return family in _NETWORKS or family in _PROGRAMS or family in _UNAVAILABLE or family in _OF_FOLDERS


def require_known(text: str) -> None:
    """Refuses the name of no codec, before anything is loaded.

    Raises:
        CodecError: it is unknown, or no name.
    """
    name = parse(text)
    if name.family != "semcodec" and not is_known(text):
        raise _unknown(name)


def open_other(name: CodecName, trained_only: bool = True) -> Reconstructor:
    """A codec of others at one operating point; arguments are those of `codec.baselines.open_codec`.

    Raises:
        CodecError: unknown name or knob, or something is missing; says how to get it.
    """
    if name.family in _PROGRAMS:
        return _open_program(name)
    if name.family in _OF_FOLDERS:
        codec = _OF_FOLDERS[name.family](name, trained_only)
        return TokenReconstructor(name.text, codec, codec.version, codec.trained)
    if name.family in _NETWORKS:
        network = _NETWORKS[name.family].open(name, trained_only)
        if isinstance(network, NeuralCodec):
            return TokenReconstructor(name.text, network, network.version, network.trained)
        return network
    raise _unknown(name)


def load_tokenizer(name: str, trained_only: bool = True) -> NeuralCodec:
    """A neural codec as a codec of tokens; `codec.load` comes here for all names but its own.

    Raises:
        CodecError: unknown name or knob, something is missing, or the codec has no tokens.
    """
    parsed = parse(name)
    if parsed.family in _PROGRAMS or (parsed.family in _NETWORKS and not _NETWORKS[parsed.family].tokens):
        raise parsed.refuse("has no tokens to load; codec eval and codec sweep take it")
    if parsed.family in _OF_FOLDERS:
        return _OF_FOLDERS[parsed.family](parsed, trained_only)
    if parsed.family not in _NETWORKS:
        raise _unknown(parsed)
    network = _NETWORKS[parsed.family].open(parsed, trained_only)
    assert isinstance(network, NeuralCodec)
    return network


def known_codecs() -> list[KnownCodec]:
    """Every codec that can be named, our own aside; imports none of their packages."""
    found = []
    for name, network in _NETWORKS.items():
        missing = _missing_for(name, network)
        found.append(KnownCodec(name, network.example, network.about, not missing, missing, network.tokens))
    for name, program in _PROGRAMS.items():
        missing = _reason(lambda program=program: _open_program(parse(program.example)))  # type: ignore[misc]
        found.append(KnownCodec(name, program.example, program.about, not missing, missing, False))
    return found + [KnownCodec(name, name, "not available", False, why, False) for name, why in _UNAVAILABLE.items()]


def _open_program(name: CodecName) -> ProgramCodec:
    family = _PROGRAMS[name.family]
    for program in family.programs:
        find(program, family.package)
    return family.open(name)


def _missing_for(name: str, network: _Network) -> str:
    if importlib.util.find_spec(network.package) is None:
        return f"needs the package {network.package}: pip install 'semcodec[baselines]'"
    return _reason(lambda: require_weights(name))


def _reason(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except CodecError as error:
        return str(error)
    return ""


def _unknown(name: CodecName) -> CodecError:
    if name.family in _UNAVAILABLE:
        return name.refuse(_UNAVAILABLE[name.family])
    return name.refuse(f"unknown; known are semcodec, {', '.join([*_NETWORKS, *_PROGRAMS])}")
