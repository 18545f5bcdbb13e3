"""Kokoro's 54 voices: which language each speaks, and which of them training never hears."""

from __future__ import annotations

from codec.data.recording import Split

VOICES: dict[str, tuple[str, ...]] = {
    "en-us": (
        *("af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river"),
        *("af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx", "am_puck"),
        "am_santa",
    ),
    "en-gb": ("bf_alice", "bf_emma", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_george", "bm_lewis"),
    "es": ("ef_dora", "em_alex", "em_santa"),
    "fr": ("ff_siwis",),
    "hi": ("hf_alpha", "hf_beta", "hm_omega", "hm_psi"),
    "it": ("if_sara", "im_nicola"),
    "ja": ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"),
    "pt": ("pf_dora", "pm_alex", "pm_santa"),
    "zh": (
        *("zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi"),
        *("zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang"),
    ),
}
"""By language, as espeak-ng names it."""

HELD_OUT_VOICES: dict[str, Split] = {
    "af_kore": "valid",
    "em_alex": "valid",
    "hf_beta": "valid",
    "jf_nezumi": "valid",
    "zf_xiaoni": "valid",
    "am_fenrir": "test",
    "bm_daniel": "test",
    "ff_siwis": "test",
    "im_nicola": "test",
    "pm_alex": "test",
}
"""Two American voices, one British, and one of every other language. French has one voice, so that training hears French
only with the accents of other voices."""


def training_voices(language: str | None = None) -> list[str]:
    """Voices that training may hear, of one language or of all."""
    found = [voice for spoken, voices in VOICES.items() if language in (None, spoken) for voice in voices]
    return [voice for voice in found if voice not in HELD_OUT_VOICES]


def language_of(voice: str) -> str:
    """The language that a voice was made for."""
    return next(language for language, voices in VOICES.items() if voice in voices)
