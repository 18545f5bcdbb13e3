"""Natural synthetic speech by Kokoro-82M: what is said, how it is pronounced, who says it, and the clips that come of it."""

from codec.data.speech.clips import kokoro_clips
from codec.data.speech.voices import HELD_OUT_VOICES, VOICES

__all__ = ["HELD_OUT_VOICES", "VOICES", "kokoro_clips"]
