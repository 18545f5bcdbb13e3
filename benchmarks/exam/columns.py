"""The rows and columns of a card: which figures stand where, what they are called, and which of two is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from eval.reconstruction.robustness import CHANGES

Better = Literal["higher", "lower", "original"]
BETTER: dict[str, Better] = {"kept": "higher", "first": "higher", "edits": "lower"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: of the figure.
        heading: short.
        better: which of two is; ``original``: the one nearer to what the sound itself has.
        unit: ``%``, ``dB``, … or empty.
        about: what it is, where the heading does not say.
    """

    key: str
    heading: str
    better: Better
    unit: str = ""
    about: str = ""

    def off(self, value: float, original: float | None) -> float | None:
        """How far a figure is from the best that can be, in its own unit; None where that is the original's, which has none."""
        if self.better == "original":
            return None if original is None else abs(value - original)
        return -value if self.better == "higher" else value


def nearest(off: Mapping[str, float]) -> set[str]:
    """Names of those who are least far off; a lone one is not the best of anything.

    Example:
        >>> nearest({"a": 0.1, "b": 0.2}), nearest({"a": 0.1})
        ({'a'}, set())
    """
    return {name for name, value in off.items() if value == min(off.values())} if len(off) > 1 else set()


AUDIOBOX = (
    Column("audiobox_pq", "Audiobox PQ", "higher", "", "production quality"),
    Column("audiobox_ce", "Audiobox CE", "higher", "", "content enjoyment"),
    Column("audiobox_cu", "Audiobox CU", "higher", "", "content usefulness"),
    Column("audiobox_pc", "Audiobox PC", "original", "", "production complexity"),
)
SPEECH = (
    Column("dwer", "dWER", "lower", "%", "words against those that the same recogniser hears in the original"),
    Column("wer", "WER", "lower", "%", "words against the transcript"),
    Column("speaker_similarity", "similarity", "higher", "", "cosine of speaker embeddings: GE2E by Resemblyzer"),
    Column("distillmos", "DistillMOS", "higher"),
    Column("dnsmos", "DNSMOS", "higher"),
    Column("utmosv2", "UTMOSv2", "higher"),
    Column("scoreq", "SCOREQ", "higher"),
    Column("scoreq_distance", "SCOREQ distance", "lower", "", "from the original"),
    *AUDIOBOX,
    Column("pesq_wb", "PESQ-WB", "higher"),
    Column("pesq_nb", "PESQ-NB", "higher"),
    Column("stoi", "STOI", "higher"),
    Column("visqol", "ViSQOL", "higher"),
    Column("gross_pitch_error", "gross pitch errors", "lower", "%", "voiced frames whose pitch is off by a fifth or more"),
    Column("fine_cents", "pitch, cents", "lower", "", "error of the others, root mean square"),
    Column("voicing_error", "voicing errors", "lower", "%"),
    Column("harmonicity_low", "harmonicity < 1 kHz", "original", "", "correlation one period later; best near the original"),
    Column("harmonicity_high", "harmonicity 1–4 kHz", "original", "", "the same, where buzz and whisper differ first"),
    Column("mel_distance", "mel distance", "lower"),
)
ANY = (
    Column("visqol", "ViSQOL", "higher", "", "of music and sound in its audio mode at 48 kHz"),
    Column("mel_distance", "mel distance", "lower"),
    Column("stft_distance", "STFT distance", "lower"),
    *AUDIOBOX,
)
TONES = (
    Column("tones_kept", "kept", "higher", "%", "level within 6 dB and frequency within 1 %"),
    Column("tone_change", "level change", "lower", "dB", "12 dB and more count as 12: the tone is lost"),
    Column("tone_frequency", "frequency change", "lower", "%"),
    Column("added_lines", "drawn lines", "original", "dB", "most prominent spectral line that the original lacks"),
)
WITNESS = (
    Column("dwer_moonshine", "dWER by Moonshine", "lower", "%", "words against those that Moonshine hears in the original"),
    Column("wer_moonshine", "WER by Moonshine", "lower", "%", "words that Moonshine hears, against the transcript"),
)
"""English speech in the exam of voices: by a recogniser that taught no codec here."""
GROUPS: dict[str, tuple[Column, ...]] = {"speech": SPEECH, "music": ANY, "sound": ANY, "tones": TONES}
"""By kind of clip, in the order of the card."""
SLOW = ("dnsmos", "pesq_nb", "gross_pitch_error", "fine_cents", "voicing_error", "harmonicity_low", "harmonicity_high")
"""Left out of the quick exam."""
NAMES = {
    "gain": "gain ±6 dB",
    "shift": "shift",
    "noise30": "noise, 30 dB",
    "noise20": "noise, 20 dB",
    "again": "second pass",
    "mp3": "MP3",
}
TOKENS: dict[str, tuple[Column, ...]] = {
    figure: tuple(Column(f"{figure}_{change}", NAMES[change], better, "%", about) for change, about in CHANGES.items())
    for figure, better in BETTER.items()
}
"""By figure: tokens of all streams that stay, of the first one, and edits from one sequence to the other."""
LANGUAGE = (
    Column("bits_per_second", "bits/s", "lower", "", "of audio, that a small transformer needs for tokens that it never saw"),
    Column("perplexity", "perplexity", "lower", "", "per token, of the same transformer after the same steps"),
)
DELAY = "delay"
"""Known of a codec before it is measured."""
COSTS = (
    Column("encode_multiply_adds", "encoder M mult-adds/s", "lower", "M"),
    Column("decode_multiply_adds", "decoder M mult-adds/s", "lower", "M"),
    Column("parameters", "parameters, M", "lower", "M"),
    Column("encode_speed", "encode ×", "higher", "", "seconds of audio per second of work, one thread"),
    Column("decode_speed", "decode ×", "higher"),
    Column("peak_memory", "memory, MB", "lower", "", "of the process, Python and torch included"),
    Column("start_up", "start-up, s", "lower", "", "from nothing to the first second encoded and decoded"),
    Column("lookahead", "waits for, s", "lower", "", "future sound that was seen to matter, constant delay taken out"),
    Column(DELAY, "delay, ms", "lower", "", "constant, the same for all clips; taken out before anything was compared"),
)
MEASURED = tuple(dict.fromkeys(column.key for columns in GROUPS.values() for column in columns))
"""Metrics to open."""


@dataclass(frozen=True)
class Axis:
    """A row of the profile.

    Attributes:
        group: of the figure.
        key: of the figure.
        title: of the row.
    """

    group: str
    key: str
    title: str


PROFILE = (
    Axis("speech", "dwer", "words"),
    Axis("speech", "speaker_similarity", "voice"),
    Axis("speech", "distillmos", "naturalness"),
    Axis("speech", "pesq_wb", "PESQ-WB"),
    Axis("speech", "stoi", "STOI"),
    Axis("speech", "visqol", "ViSQOL"),
    Axis("speech", "gross_pitch_error", "pitch"),
    Axis("speech", "voicing_error", "voicing"),
    Axis("tones", "tones_kept", "tones"),
    Axis("music", "visqol", "music, ViSQOL"),
    Axis("sound", "visqol", "sound, ViSQOL"),
    Axis("kept", "kept_noise30", "tokens, 30 dB noise"),
    Axis("kept", "kept_shift", "tokens, shift"),
)
BANDS = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, float("inf")))
"""Of bit rates, in kbit/s, within which codecs are compared."""
