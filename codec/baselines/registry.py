"""Every codec that can be named, and what it needs on this machine."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from codec.baselines.interface import Reconstructor
from codec.baselines.names import CodecName, parse
from codec.baselines.neural import NeuralCodec
from codec.baselines.programs import ProgramCodec, find
from codec.baselines.semcodec import TokenReconstructor, open_semcodec
from codec.baselines.weights import WEIGHTS, require_weights
from codec.errors import CodecError

_EXTRA = "pip install semcodec[baselines]"


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
class _Family:
    """How a family is opened: a function of a module that is imported only then."""

    about: str
    example: str
    module: str
    function: str
    packages: tuple[str, ...] = ()
    how: str = _EXTRA
    programs: tuple[tuple[str, str], ...] = ()

    def opener(self) -> Callable[..., object]:
        function: Callable[..., object] = getattr(importlib.import_module(f"codec.baselines.{self.module}"), self.function)
        return function


def _hf(about: str, example: str, module: str, function: str) -> _Family:
    return _Family(about, example, module, function, ("transformers",))


_ENCODEC48 = "EnCodec, stereo 48 kHz, any sound, 3 6 12 24 kbit/s; not a codec of tokens alone"
_FAMILIES: dict[str, _Family] = {
    "encodec_24khz": _hf("EnCodec, any sound, 1.5 3 6 12 24 kbit/s", "encodec_24khz@1.5", "encodec", "open_encodec_24khz"),
    "encodec_48khz": _hf(_ENCODEC48, "encodec_48khz@3", "encodec", "EncodecStereo"),
    "dac_16khz": _hf("Descript codec, any sound, 1-12 codebooks of 0.5 kbit/s", "dac_16khz@n=2", "dac", "open_dac"),
    "dac_24khz": _hf("Descript codec, any sound, 1-32 codebooks of 0.75 kbit/s", "dac_24khz@n=2", "dac", "open_dac"),
    "dac_44khz": _hf("Descript codec, any sound, 1-9 codebooks of 0.86 kbit/s", "dac_44khz@n=2", "dac", "open_dac"),
    "mimi": _hf("speech, 1-32 codebooks of 0.1375 kbit/s, the first one semantic", "mimi@n=8", "mimi", "open_mimi"),
    "snac_24khz": _Family("speech, 0.98 kbit/s at three time scales", "snac_24khz", "snac", "open_snac", ("snac",)),
    "speechtokenizer": _Family(
        "speech, 1-8 codebooks of 0.5 kbit/s, the first one semantic", "speechtokenizer@n=2", "speechtokenizer",
        "open_speechtokenizer", ("speechtokenizer", "beartype"), "pip install speechtokenizer beartype",
    ),
    "xcodec2": _hf("speech, 0.8 kbit/s, one codebook of 65536; 0.6 G weights", "xcodec2", "xcodec2", "open_xcodec2"),
    "opus": _Family(
        "any sound, 6-256 kbit/s", "opus@6", "opus", "open_opus",
        programs=(("opusenc", "opus-tools"), ("opusdec", "opus-tools")),
    ),
    "codec2": _Family(
        "speech, 450 700C 1200 1300 1400 1600 2400 3200 bit/s", "codec2@700C", "codec2", "open_codec2",
        programs=(("c2enc", "codec2"), ("c2dec", "codec2")),
    ),
    "speex": _Family(
        "speech, 2.15 3.95 5.95 8 11 15 18.2 24.6 kbit/s", "speex@2.15", "speex", "open_speex",
        programs=(("speexenc", "speex"), ("speexdec", "speex")),
    ),
    "mp3": _Family("any sound, 8-320 kbit/s", "mp3@8", "mp3", "open_mp3", programs=(("lame", "lame"),)),
    "amrwb": _Family("speech, 6.6-23.85 kbit/s", "amrwb@6.6", "amrwb", "open_amrwb", programs=(("ffmpeg", "ffmpeg"),)),
}  # fmt: skip
_UNAVAILABLE = {
    "hificodec": "HiFi-Codec has no maintained loader: its code (AcademiCodec) is not on PyPI and states no licence",
}


def is_known(text: str) -> bool:
    """Whether a name is one of a codec here, our own aside."""
    family = text.partition("@")[0]
    return family in _FAMILIES or family in _UNAVAILABLE


def open_codec(name: str, trained_only: bool = True) -> Reconstructor:
    """A codec at one operating point.

    Args:
        name: ``semcodec@50,vocab=32768``, ``encodec_24khz@1.5``, ``dac_16khz@n=2``, ``opus@6``, …: `known_codecs`.
        trained_only: refuse an architecture whose weights are not on this machine; if False it gets random ones and says
            so by ``trained``.

    Raises:
        CodecError: unknown name or knob, or something is missing; says how to get it.
    """
    parsed = parse(name)
    if parsed.family == "semcodec":
        return open_semcodec(parsed)
    codec = _open(parsed, trained_only)
    if isinstance(codec, NeuralCodec):
        return TokenReconstructor(name, codec, codec.version, codec.trained)
    assert isinstance(codec, Reconstructor)
    return codec


def load_tokenizer(name: str, trained_only: bool = True) -> NeuralCodec:
    """A neural codec as a codec of tokens; `codec.load` comes here for all names but its own.

    Raises:
        CodecError: unknown name or knob, something is missing, or the codec has no tokens.
    """
    parsed = parse(name)
    family = _FAMILIES.get(parsed.family)
    if family is not None and not _has_tokens(parsed.family):
        raise parsed.refuse("has no tokens to load; codec eval and codec sweep take it")
    codec = _open(parsed, trained_only)
    assert isinstance(codec, NeuralCodec)
    return codec


def _has_tokens(family: str) -> bool:
    return family in WEIGHTS and family != "encodec_48khz"


def _open(name: CodecName, trained_only: bool) -> object:
    if name.family in _UNAVAILABLE:
        raise name.refuse(_UNAVAILABLE[name.family])
    if name.family not in _FAMILIES:
        raise name.refuse(f"unknown; known are semcodec, {', '.join(_FAMILIES)}")
    family = _FAMILIES[name.family]
    if family.programs:
        for program, package in family.programs:
            find(program, package)
        return family.opener()(name)
    return family.opener()(name, trained_only)


def known_codecs() -> list[KnownCodec]:
    """Every codec that can be named, our own aside; imports none of them."""
    found = []
    for name, family in _FAMILIES.items():
        missing = _missing(name, family)
        found.append(KnownCodec(name, family.example, family.about, not missing, missing, _has_tokens(name)))
    return found + [KnownCodec(name, name, "not available", False, why, False) for name, why in _UNAVAILABLE.items()]


def _missing(name: str, family: _Family) -> str:
    lacking = [package for package in family.packages if importlib.util.find_spec(package) is None]
    if lacking:
        return f"{' and '.join(lacking)}: {family.how}"
    try:
        for program, package in family.programs:
            find(program, package)
        if name in WEIGHTS:
            require_weights(name)
        if name == "amrwb":
            from codec.baselines.amrwb import ffmpeg

            ffmpeg()
    except CodecError as error:
        return str(error)
    return ""


__all__ = ["KnownCodec", "ProgramCodec", "is_known", "known_codecs", "load_tokenizer", "open_codec"]
