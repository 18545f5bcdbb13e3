"""Readers for published datasets, in the layouts in which their publishers ship them.

Each takes the dataset's root folder and yields clips in a stable order; the source is what must not be split: a reader,
a recording, a video, a song. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from codec.audio.folders import paths_below
from codec.data.folder import audio_files
from codec.data.recording import Recording
from codec.data.tables import read_records, read_rows
from codec.errors import CodecError


def libritts(root: Path) -> Iterator[Recording]:
    """``<subset>/<speaker>/<chapter>/<id>.wav`` with ``<id>.normalized.txt`` beside it (LibriTTS, LibriTTS-R)."""
    for path in audio_files(root):
        subset, speaker = path.parent.parent.parent.name, path.parent.parent.name
        labels = {"speaker": speaker, "language": "en", "subset": subset}
        text = path.with_suffix(".normalized.txt")
        if text.is_file():
            labels["text"] = text.read_text("utf-8-sig", "replace").strip()
        yield Recording(str(path), f"libritts/{speaker}", "speech", "LibriTTS", labels)


def gigaspeech(root: Path) -> Iterator[Recording]:
    """``audio/<source>/<part>/<id>.opus`` named by ``GigaSpeech.json``; whole recordings, an hour or so each."""
    manifest = root / "GigaSpeech.json"
    if not manifest.is_file():
        raise CodecError(f"{root}: GigaSpeech.json is missing")
    recordings = read_records(manifest, "audios", ("aid", "path"))
    if recordings is None:
        raise CodecError(f"{manifest}: no list of audios in it")
    for recording in recordings:
        path = root / str(recording["path"])
        labels = {"language": "en", "kind": str(recording.get("source", ""))}
        yield Recording(str(path), f"gigaspeech/{recording['aid']}", "speech", "GigaSpeech", labels)


def audioset(root: Path) -> Iterator[Recording]:
    """``*segments.csv`` of the publisher, and audio files named ``[Y]<video id>…`` in any folder below."""
    labels: dict[str, str] = {}
    for table in (path for path in paths_below(root, frozenset({".csv"})) if path.name.endswith("segments.csv")):
        labels.update({row[0]: row[3] for row in read_rows(table) if len(row) >= 4})
    for path in audio_files(root):
        video = _video_id(path.stem, labels)
        classes = {"classes": labels[video]} if video in labels else {}
        yield Recording(str(path), f"youtube/{video}", "sound", "AudioSet", classes)


def _video_id(stem: str, known: dict[str, str]) -> str:
    """Downloads are named ``ID``, ``Y<ID>`` or ``ID_start_end``; an ID has 11 characters."""
    candidates = (stem[:11], stem[1:12])
    return next((candidate for candidate in candidates if candidate in known), stem[:11])


def musdb18(root: Path) -> Iterator[Recording]:
    """``train|test/<artist - title>.stem.mp4``, or as wav (MUSDB18-HQ) ``train|test/<artist - title>/<stem>.wav``."""
    for path in audio_files(root):
        song = path.name.removesuffix(".stem.mp4") if path.name.endswith(".stem.mp4") else path.parent.name
        stem = "mixture" if path.name.endswith(".stem.mp4") else path.stem
        yield Recording(str(path), f"musdb18/{song}", "music", "MUSDB18", {"song": song, "stem": stem})


def fma(root: Path) -> Iterator[Recording]:
    """``<000…155>/<track id>.mp3``."""
    for path in audio_files(root):
        yield Recording(str(path), f"fma/{path.stem}", "music", "FMA", {"track": path.stem})


def vggsound(root: Path) -> Iterator[Recording]:
    """``vggsound.csv`` (video, start, label, split) and files named ``<video>_<start, six digits>.*``."""
    table = root / "vggsound.csv"
    rows = read_rows(table) if table.is_file() else []
    labels = {(row[0], row[1].zfill(6)): row[2] for row in rows if len(row) >= 3}
    for path in audio_files(root):
        video, _, start = path.stem.rpartition("_")
        label = labels.get((video, start))
        yield Recording(str(path), f"youtube/{video}", "sound", "VGGSound", {"class": label} if label else {})


def wavcaps(root: Path) -> Iterator[Recording]:
    """``json_files/**/*.json`` with captions, and ``<id>.flac`` in any folder below."""
    captions: dict[str, str] = {}
    for table in paths_below(root, frozenset({".json"})):
        for row in read_records(table, "data", ("id",)) or ():  # lists of what to leave out lie beside those of captions
            captions[str(row["id"]).removesuffix(".wav")] = str(row.get("caption", ""))
    for path in audio_files(root):
        labels = {"caption": captions[path.stem]} if path.stem in captions else {}
        yield Recording(str(path), f"wavcaps/{path.stem}", "sound", "WavCaps", labels)


LAYOUTS: dict[str, Callable[[Path], Iterator[Recording]]] = {
    "libritts": libritts,
    "gigaspeech": gigaspeech,
    "audioset": audioset,
    "musdb18": musdb18,
    "fma": fma,
    "vggsound": vggsound,
    "wavcaps": wavcaps,
}


def layout_clips(name: str, root: Path) -> Iterator[Recording]:
    """Clips of a dataset by the name of its layout.

    Raises:
        CodecError: no such layout, no such folder, or nothing in it.
    """
    if name not in LAYOUTS:
        raise CodecError(f"no dataset layout {name!r}; known are {', '.join(LAYOUTS)}")
    if not root.is_dir():
        raise CodecError(f"{root}: no such folder")
    found = False
    for clip in LAYOUTS[name](root):
        found = True
        yield clip
    if not found:
        raise CodecError(f"{root}: no audio in the layout of {name}")


__all__ = ["LAYOUTS", "layout_clips"]
