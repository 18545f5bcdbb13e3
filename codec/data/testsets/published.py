"""The three sets of the SemantiCodec paper (arXiv 2405.00233, section IV), drawn anew with a fixed seed from what their
publishers ship; the paper's own choice of clips is not part of it, so figures compare in kind, not clip by clip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from codec.data.layouts import layout_clips
from codec.data.recording import Recording
from codec.data.testsets.clip import Clip
from codec.errors import AudioError, CodecError

MUSDB18_STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""In the order of the audio streams of a ``.stem.mp4``."""
SILENCE_RMS = 10 ** (-60 / 20)
PIECE_SECONDS = 10


def libritts(root: Path, count: int = 300, seed: int = 0) -> list[Clip]:
    """Utterances of 8 to 10 s from ``test-clean`` of LibriTTS or LibriTTS-R.

    Args:
        root: folder that holds ``test-clean/<speaker>/<chapter>/<id>.wav`` with ``<id>.normalized.txt`` beside.
        count: how many to draw.
        seed: of the draw.

    Raises:
        CodecError: no such folder, fewer than ``count`` such utterances, or one without its transcript.
    """
    recordings = [r for r in layout_clips("libritts", root) if r.labels["subset"] == "test-clean"]
    fitting = [r for r in recordings if 8 <= _seconds(r.path) <= 10]
    chosen = _draw(fitting, count, seed, f"{root}: utterances of 8 to 10 s in test-clean")
    mute = next((r.path for r in chosen if "text" not in r.labels), None)
    if mute:
        raise CodecError(f"{mute}: no transcript {Path(mute).stem}.normalized.txt beside it")
    return [
        Clip(f"libritts/{Path(r.path).stem}", r.path, "speech", r.source, text=r.labels["text"], language="en") for r in chosen
    ]


def audioset(root: Path, count: int = 500, seed: int = 0) -> list[Clip]:
    """Segments of AudioSet's evaluation part.

    Args:
        root: folder that holds ``eval_segments.csv`` and audio files named after their video below it; files of segments
            that are not in it are passed over.
        count: how many to draw.
        seed: of the draw.

    Raises:
        CodecError: no such folder or table, or fewer than ``count`` files.
    """
    tables = sorted(root.rglob("eval_segments.csv"))
    if root.is_dir() and not tables:
        raise CodecError(f"{root}: eval_segments.csv is missing, which tells the evaluation part from the rest")
    listed = {line.split(",")[0] for table in tables for line in table.read_text("utf-8-sig").splitlines()}
    found = {r.source: r for r in layout_clips("audioset", root) if r.source.removeprefix("youtube/") in listed}
    chosen = _draw(list(found.values()), count, seed, f"{root}: segments of eval_segments.csv")
    return [Clip(f"audioset/{r.source.removeprefix('youtube/')}", r.path, "sound", r.source, duration=10) for r in chosen]


def musdb18(root: Path, songs: int = 50, seed: int = 0) -> list[Clip]:
    """Mixture and four stems of every test song, a random piece of 10 s that is not silent from each.

    Args:
        root: folder that holds ``test/<artist - title>.stem.mp4``, or ``test/<artist - title>/<stem>.wav`` (MUSDB18-HQ).
        songs: how many there are to be.
        seed: of the pieces; each depends on its song and stem alone.

    Raises:
        CodecError: no such folder, another number of songs, a stem missing, or silent throughout.
    """
    clips = []
    for recording in layout_clips("musdb18", root):
        if "test" not in Path(recording.path).relative_to(root).parts and root.name != "test":
            continue
        container = recording.path.endswith(".stem.mp4")
        for stem in MUSDB18_STREAMS if container else (recording.labels["stem"],):
            song = recording.labels["song"]
            stream = MUSDB18_STREAMS.index(stem) if container else 0
            clips.append(Clip(f"musdb18/{song}/{stem}", recording.path, "music", recording.source, stream=stream))
    found = {clip.name for clip in clips}
    titles = sorted({clip.source.removeprefix("musdb18/") for clip in clips})
    missing = [f"{song}/{stem}" for song in titles for stem in MUSDB18_STREAMS if f"musdb18/{song}/{stem}" not in found]
    if len(titles) != songs or missing or len(clips) != len(titles) * len(MUSDB18_STREAMS):
        lack = f", without {missing[0]}" if missing else ""
        raise CodecError(f"{root}: {len(titles)} test songs, {len(clips)} stems and mixtures{lack}; {songs} songs are wanted")
    return [_piece(clip, seed) for clip in clips]


def _piece(clip: Clip, seed: int) -> Clip:
    """A random 10 s of which at least half of the seconds lie above −60 dBFS; if there are none, of those with most."""
    wave, sample_rate = clip.load()
    seconds = wave[: len(wave) // sample_rate * sample_rate].reshape(-1, sample_rate)
    loud = np.sqrt((seconds**2).mean(1)) > SILENCE_RMS
    if not loud.any():
        raise CodecError(f"{clip.path}: {clip.name} is silent throughout")
    length = min(PIECE_SECONDS, len(loud))
    heard = np.convolve(loud, np.ones(length), "valid")
    starts = np.flatnonzero(heard >= min(length / 2, heard.max()))
    random = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(clip.name.encode()).digest()[:8], "big")])
    start = float(random.choice(starts))
    return Clip(clip.name, clip.path, clip.domain, clip.source, start, float(length), stream=clip.stream)


def _seconds(path: str) -> float:
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{path}: not readable audio ({error})") from error


def _draw(recordings: Sequence[Recording], count: int, seed: int, what: str) -> list[Recording]:
    if len(recordings) < count:
        raise CodecError(f"{what}: {len(recordings)} found, {count} wanted")
    ordered = sorted(recordings, key=lambda recording: (recording.source, Path(recording.path).name))
    return [ordered[i] for i in sorted(np.random.default_rng(seed).permutation(len(ordered))[:count].tolist())]
