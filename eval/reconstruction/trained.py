"""What a model was trained with proves nothing when it is measured: metrics that are losses, or nearly so, by codec."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from codec.baselines.names import parse
from codec.baselines.peer import family_of, history_of
from codec.errors import CodecError

DAGGER = "†"
_MEL = "its loss on sound is a distance between log-mel spectrograms"
_VOICING = "voicing of frames is one of its losses, with Praat's labels"
_PITCH = "the pitch of frames is one of its losses, with Praat's labels"
_TEACHER = "what Whisper hears was one of its losses, and taught its semantic encoder"
SEMCODEC = {
    "mel_distance": _MEL,
    "stft_distance": "part of its loss on sound is a distance between log magnitudes of single bins",
    "voicing_error": _VOICING,
    "gross_pitch_error": _PITCH,
    "fine_cents": _PITCH,
    "f0_cents": _PITCH,
    "f0_hz": _PITCH,
}
WORDS = ("wer", "cer", "dwer")
DISTANCES = {"mel_distance": _MEL}
OTHERS = {
    **dict.fromkeys(("encodec_24khz", "encodec_48khz", "dac_16khz", "dac_24khz", "dac_44khz"), DISTANCES),
    **dict.fromkeys(("snac_24khz", "speechtokenizer", "xcodec2", "peer"), DISTANCES),
}
"""By family: what their papers and code say. Mimi's published weights had no loss on spectra."""


def trained_with(codec: str, asr: str = "") -> dict[str, str]:
    """Metrics that say little of a codec, with the reason.

    Args:
        codec: its name, with its operating point.
        asr: the recogniser that hears words.

    Returns:
        Reason by metric; empty for what was never trained.

    Example:
        >>> sorted(trained_with("semcodec@50", "faster-whisper:base"))[:3], trained_with("opus@6")
        (['cer', 'dwer', 'f0_cents'], {})
    """
    try:
        name = parse(codec.partition("!")[0])
    except CodecError:
        return {}
    if name.family == "peer" and family_of(name.folder) == "plain":  # its frames are told envelope and pitch, as ours are
        return SEMCODEC
    if name.family != "semcodec":
        return OTHERS.get(name.family, {})
    return {**SEMCODEC, **(dict.fromkeys(WORDS, _TEACHER) if "whisper" in asr.lower() else {})}


def history(codec: str) -> str:
    """How a codec that was trained here as an opponent came about; nothing of all others.

    Example:
        >>> history("opus@6")
        ''
    """
    try:
        name = parse(codec.partition("!")[0])
    except CodecError:
        return ""
    return history_of(name.folder) if name.family == "peer" else ""


def mark_of(codec: str, metric: str, asr: str = "") -> str:
    """A dagger where a codec was trained with a metric.

    Example:
        >>> mark_of("semcodec@50", "mel_distance"), mark_of("semcodec@50", "stoi"), mark_of("opus@6", "mel_distance")
        ('†', '', '')
    """
    return DAGGER if metric in trained_with(codec, asr) else ""


def footnotes(codecs: Iterable[str], metrics: Collection[str], asr: str = "") -> list[str]:
    """What the daggers of a table mean, a line for each reason.

    Example:
        >>> footnotes(["opus@6", "dac_16khz@n=2", "snac_24khz"], ["stoi", "mel_distance"])
        ['† mel_distance of dac_16khz@n=2, snac_24khz: its loss on sound is a distance between log-mel spectrograms']
    """
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for codec in codecs:
        for metric, reason in trained_with(codec, asr).items():
            if metric in metrics:
                names, owners = found.setdefault(reason, ({}, {}))
                names[metric] = owners[codec] = None
    return [f"{DAGGER} {', '.join(names)} of {', '.join(owners)}: {reason}" for reason, (names, owners) in found.items()]
