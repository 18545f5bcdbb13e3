"""The codecs of a sweep: from a command line to codecs, and from codecs to the lines of a plot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codec.baselines.names import CodecName, parse
from codec.data.domains import Domain
from codec.errors import CodecError
from eval.reconstruction.summary import Summary

OURS = "semcodec"
SPEECH_ONLY = frozenset(("codec2", "speex", "amrwb"))
"""Programs made for speech and nothing else: they are not sent music and sound, which would say nothing about them."""
LABELS = {
    "original": "original",
    "codec2": "Codec 2",
    "opus": "Opus",
    "speex": "Speex",
    "mp3": "MP3",
    "amrwb": "AMR-WB",
    "encodec_24khz": "EnCodec 24 kHz",
    "encodec_48khz": "EnCodec 48 kHz",
    "dac_16khz": "DAC 16 kHz",
    "dac_24khz": "DAC 24 kHz",
    "dac_44khz": "DAC 44 kHz",
    "mimi": "Mimi",
    "snac_24khz": "SNAC 24 kHz",
    "speechtokenizer": "SpeechTokenizer",
    "xcodec2": "X-Codec 2",
}

KNOBS = {"vocab": "vocabulary"}


@dataclass(frozen=True)
class Line:
    """Operating points that belong together, by rising bitrate.

    Attributes:
        label: for the legend.
        family: before the ``@``.
        ours: this project's codec.
        points: of one domain.
    """

    label: str
    family: str
    ours: bool
    points: tuple[Summary, ...]


def at_rates(names: Sequence[str], rates: Sequence[str]) -> list[str]:
    """Gives ours without an ``@`` each of the rates, which no other codec has.

    Example:
        >>> at_rates(["snac_24khz", "semcodec", "semcodec,vocab=4096", "opus@6"], ["25", "50"])
        ['snac_24khz', 'semcodec@25', 'semcodec@50', 'semcodec@25,vocab=4096', 'semcodec@50,vocab=4096', 'opus@6']
    """
    found: list[str] = []
    for name in names:
        front, comma, knobs = name.partition(",")
        if rates and "@" not in name and front.partition(":")[0] == OURS:
            found += [f"{front}@{rate}{comma}{knobs}" for rate in rates]
        else:
            found.append(name)
    return list(dict.fromkeys(found))


def suits(codec: str, domain: Domain) -> bool:
    """Whether a codec is meant for a domain.

    Example:
        >>> suits("codec2@450", "music"), suits("opus@6", "music")
        (False, True)
    """
    return domain == "speech" or re.split("[@:]", codec)[0] not in SPEECH_ONLY


def lines(summaries: Sequence[Summary], domain: Domain) -> list[Line]:
    """The lines of a plot: one for each family, folder and set of knobs; ours first, the original left out."""
    groups: dict[tuple[str, str], list[Summary]] = {}
    families: dict[str, str] = {}
    for summary in summaries:
        if summary.domain == domain and summary.codec != "original" and summary.kbps:
            name = _parse(summary.codec)
            groups.setdefault((name.family, _label(name)), []).append(summary)
            families[_label(name)] = name.family
    found = [
        Line(label, family, family == OURS, tuple(sorted(points, key=lambda point: point.kbps or 0)))
        for (family, label), points in groups.items()
    ]
    return sorted(found, key=lambda line: not line.ours)


def point_label(codec: str) -> str:
    """What tells a point from the others of its line.

    Example:
        >>> point_label("semcodec@50,vocab=4096"), point_label("dac_16khz@n=2"), point_label("snac_24khz")
        ('50', '2', '')
    """
    name = _parse(codec)
    return next((word for word in name.values if word != "semantic"), name.options.get("n", ""))


def _label(name: CodecName) -> str:
    extra = [f"{KNOBS.get(key, key)} {value}" for key, value in name.options.items() if key != "n"]
    extra += ["semantic only"] if "semantic" in name.values else []
    label = LABELS.get(name.family, name.family) + (f":{name.folder}" if name.folder else "")
    return f"{label} ({', '.join(extra)})" if extra else label


def _parse(codec: str) -> CodecName:
    try:
        return parse(codec)
    except CodecError:
        return CodecName(codec, codec)
