"""All offline tasks, and the one function that builds them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.data.store import Corpus
from codec.errors import CodecError
from eval.semantics.interface import TaskCard
from eval.semantics.tasks import instruments, mixtures, rhythm, scenes, singing, sounds, speakers, spoken
from eval.semantics.tasks.corpus_clips import Clips
from eval.semantics.tasks.item import Item
from eval.semantics.tasks.write import About, write_task

FREE, SYNTHETIC = "free corpus", "flite and espeak-ng"


@dataclass(frozen=True)
class CorpusTask:
    """A task from the free corpus and speech synthesisers.

    Attributes:
        about: its card.
        build: the corpus and a seed → its clips.
    """

    about: About
    build: Callable[[Clips, int], list[Item]]


@dataclass(frozen=True)
class SoundFontTask:
    """A task from a SoundFont.

    Attributes:
        about: its card.
        build: the SoundFont and a seed → its clips.
    """

    about: About
    build: Callable[[Path, int], list[Item]]


TASKS: tuple[CorpusTask | SoundFontTask, ...] = (
    CorpusTask(
        About(
            "word",
            f"{SYNTHETIC}; {FREE} (asterisk)",
            "voices, one of them a person",
            "speech",
            also_seen="one of the two synthetic test voices (flite's slt) in other sentences",
        ),
        spoken.word,
    ),
    CorpusTask(
        About("letter_or_digit", f"espeak-ng; {FREE} (klettres, asterisk)", "speakers", "speech"), spoken.letter_or_digit
    ),
    CorpusTask(About("language", "espeak-ng", "voices and numbers", "speech"), spoken.language),
    CorpusTask(
        About(
            "prompt_language", f"{FREE} (asterisk, klettres, ktuberling); espeak-ng", "speakers, and whole sentences", "speech"
        ),
        spoken.prompt_language,
    ),
    CorpusTask(About("object_word", f"{FREE} (ktuberling)", "languages and speakers", "speech"), spoken.object_word),
    CorpusTask(About("prompt", f"{FREE} (asterisk)", "speaker", "speech"), spoken.prompt),
    CorpusTask(About("taunt", f"{FREE} (hedgewars)", "voices", "speech"), spoken.taunt),
    CorpusTask(About("drum", f"{FREE} (hydrogen)", "drum kits", "sound"), sounds.drum),
    CorpusTask(About("domain", FREE, "packages", "speech, music, sound"), sounds.domain),
    CorpusTask(About("music_family", FREE, "tracks", "music"), sounds.music_family),
    SoundFontTask(About("instrument_family", "FluidR3 SoundFont", "instruments", "music"), instruments.instrument_family),
    CorpusTask(About("speaker_count", SYNTHETIC, "voices", "speech"), mixtures.speaker_count),
    CorpusTask(About("tempo", f"{FREE} (hydrogen)", "drum kits", "music"), rhythm.tempo),
    SoundFontTask(About("note_pitch", "FluidR3 SoundFont", "instruments", "music"), instruments.note_pitch),
    CorpusTask(About("sung_pitch", SYNTHETIC, "voices", "music"), singing.sung_pitch),
    CorpusTask(
        About(
            "speaker_verification",
            f"{FREE} (asterisk, hedgewars, klettres, ktuberling), in simulated rooms",
            "speakers",
            "speech",
            kind="verification",
        ),
        speakers.speaker_verification,
    ),
    CorpusTask(
        About("sound_events", f"{FREE}, mixed", "speakers, tracks and drum kits", "speech, music, sound", kind="frame"),
        scenes.sound_events,
    ),
)


def task_names() -> tuple[str, ...]:
    """The names of all offline tasks."""
    return tuple(task.about.name for task in TASKS)


def build_tasks(
    output: str | Path,
    corpus: str | Path,
    soundfont: str | Path = instruments.SOUNDFONT,
    names: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[TaskCard], None] = lambda card: None,
    failed: Callable[[About, CodecError], None] | None = None,
) -> list[TaskCard]:
    """Builds offline tasks as tar files; the same arguments give the same bytes.

    Args:
        output: one folder per task is made in it.
        corpus: the free corpus, as ``codec train corpus`` builds it.
        soundfont: of General MIDI.
        names: of tasks; all of them if empty.
        seed: of every choice.
        progress: told of every task that is done.
        failed: told of every task that could not be built, and why; None: the first ends it.

    Raises:
        CodecError: an unknown task, no corpus, or, unless ``failed`` is told, a program or file that is missing, or a corpus
            that lacks what a task needs.
    """
    if strange := sorted(set(names) - set(task_names())):
        raise CodecError(f"unknown task {strange[0]!r}; there are {', '.join(task_names())}")
    wanted = [task for task in TASKS if not names or task.about.name in names]
    clips = Clips(Corpus(corpus)) if any(isinstance(task, CorpusTask) for task in wanted) else None
    cards = []
    for task in wanted:
        task_seed = seed + zlib.crc32(task.about.name.encode())
        try:
            cards.append(write_task(task.about, _items(task, clips, Path(soundfont), task_seed), Path(output), task_seed))
        except CodecError as error:
            if failed is None:
                raise
            failed(task.about, error)
        else:
            progress(cards[-1])
    return cards


def _items(task: CorpusTask | SoundFontTask, clips: Clips | None, soundfont: Path, seed: int) -> list[Item]:
    if isinstance(task, SoundFontTask):
        return task.build(soundfont, seed)
    assert clips is not None
    return task.build(clips, seed)
