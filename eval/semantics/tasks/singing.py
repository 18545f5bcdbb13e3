"""Which note is sung: syllables of synthetic voices, laid on notes by Praat's overlap-add, by voices never heard."""

from __future__ import annotations

from itertools import product

import numpy as np

from codec.errors import CodecError
from eval.semantics.tasks.corpus_clips import Clips
from eval.semantics.tasks.instruments import PITCHES, note_name
from eval.semantics.tasks.item import Item
from eval.semantics.tasks.programs import SAMPLE_RATE, Voice, say_all, to_int16
from eval.semantics.tasks.spoken import VOICES

SYLLABLES = ("la", "no", "me", "do", "lee", "ma")
SUNG = {"train": 2, "valid": 2, "test": 4}
"""Times that a voice sings every note."""
SECONDS = 0.8
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
"""Of the speaking voices."""
DETUNED, VIBRATO, VIBRATO_HZ = 0.15, 0.3, 5.5
"""In semitones, at most: of a whole note, and to either side of it."""
STEP_SECONDS = 0.01


def sung_pitch(clips: Clips, seed: int) -> list[Item]:
    """Which of 24 notes is sung, a little out of tune and with vibrato, as singers do."""
    random = np.random.default_rng(seed)
    spoken, items = _spoken(), []
    for split, singers in VOICES.items():
        for voice, pitch, _ in product(singers, PITCHES, range(SUNG[split])):
            syllable = SYLLABLES[int(random.integers(len(SYLLABLES)))]
            sung = on_note(spoken[voice, syllable], pitch + random.uniform(-DETUNED, DETUNED), random)
            items.append(Item(sung, note_name(pitch), voice.name, split))
    return items


def on_note(wave: np.ndarray, pitch: float, random: np.random.Generator) -> np.ndarray:
    """A spoken syllable as a sung note: ``(samples,)`` int16 at 16 kHz, about `SECONDS` long.

    Args:
        wave: ``(samples,)`` int16 with something voiced in it.
        pitch: MIDI number, 60 is middle C; need not be whole.
        random: decides everything else.

    Raises:
        CodecError: parselmouth is missing.
    """
    try:
        import parselmouth
        from parselmouth.praat import call, run
    except ImportError as error:
        raise CodecError("sung_pitch needs Praat: pip install praat-parselmouth") from error
    sound = parselmouth.Sound(wave.astype(np.float64) / 32768, SAMPLE_RATE)
    run(f"random_initializeWithSeedUnsafelyButPredictably ({random.integers(2**31)})")  # consonants get pulses at random
    seconds = len(wave) / SAMPLE_RATE
    manipulation = call(sound, "To Manipulation", STEP_SECONDS, LOWEST_HZ, HIGHEST_HZ)
    depth, phase = random.uniform(0, VIBRATO), random.uniform(0, 2 * np.pi)
    tier = call("Create PitchTier", "note", 0, seconds)
    for time in np.arange(0, seconds, STEP_SECONDS):
        later = time * SECONDS / seconds  # the vibrato is that of the sound after it was lengthened
        bent = pitch + depth * np.sin(2 * np.pi * VIBRATO_HZ * later + phase)
        call(tier, "Add point", float(time), float(440 * 2 ** ((bent - 69) / 12)))
    length = call("Create DurationTier", "length", 0, seconds)
    call(length, "Add point", 0, SECONDS / seconds)
    call([tier, manipulation], "Replace pitch tier")
    call([length, manipulation], "Replace duration tier")
    sung = call(manipulation, "Get resynthesis (overlap-add)").values[0]
    return to_int16(sung * 0.3 / max(np.abs(sung).max(), 1e-9))


def _spoken() -> dict[tuple[Voice, str], np.ndarray]:
    jobs = [(voice, syllable) for voices in VOICES.values() for voice, syllable in product(voices, SYLLABLES)]
    return dict(zip(jobs, say_all([(voice, text, "en") for voice, text in jobs]), strict=True))
