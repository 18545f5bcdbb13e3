"""What ``--data`` means: a published set, a built corpus, a manifest, or a folder."""

from __future__ import annotations

from pathlib import Path

from codec.data.testsets.clip import Clip, read_manifest
from codec.data.testsets.folder import folder
from codec.data.testsets.free import held_out
from codec.data.testsets.published import audioset, libritts, musdb18
from codec.errors import CodecError

PUBLISHED = {"libritts": libritts, "audioset": audioset, "musdb18": musdb18}


def clips_of(source: str, split: str = "test", per_domain: int | None = None) -> list[Clip]:
    """Clips of ``libritts:FOLDER``, ``audioset:FOLDER``, ``musdb18:FOLDER``, a built corpus, ``X.jsonl``, or any folder.

    Args:
        source: which.
        split: of a built corpus.
        per_domain: at most so many of each domain, the first ones; None: all, of the published sets the paper's number.

    Raises:
        CodecError: nothing there, or not what it should be.
    """
    kind, colon, rest = source.partition(":")
    if colon and kind in PUBLISHED:
        return _first(PUBLISHED[kind](Path(rest)), per_domain)
    path = Path(source)
    if (path / "clips.jsonl").is_file() and (path / "audio.i16").is_file():
        return held_out(path, split, per_domain)
    if path.suffix == ".jsonl":
        return _first(read_manifest(path), per_domain)
    if not path.is_dir():
        known = ", ".join(f"{name}:FOLDER" for name in PUBLISHED)
        raise CodecError(f"{source}: no such folder; known are {known}, manifests (X.jsonl) and folders")
    return _first(folder(path), per_domain)


def _first(clips: list[Clip], per_domain: int | None) -> list[Clip]:
    if per_domain is None:
        return clips
    domains = {clip.domain for clip in clips}
    kept = {clip.name for domain in domains for clip in [c for c in clips if c.domain == domain][:per_domain]}
    return [clip for clip in clips if clip.name in kept]
