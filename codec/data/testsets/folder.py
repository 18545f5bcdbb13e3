"""Any folder of audio files, with transcripts where there are some."""

from __future__ import annotations

import json
from pathlib import Path

from codec.data.domains import Domain
from codec.data.folder import folder_clips
from codec.data.testsets.clip import Clip
from codec.errors import CodecError

TRANSCRIPTS = "transcripts.jsonl"


def folder(root: Path, domain: Domain = "speech", language: str = "en") -> list[Clip]:
    """Every audio file below a folder, whole; sub-folders named speech, music or sound tell the domain.

    Transcripts come from ``transcripts.jsonl`` in the folder, ``{"path": "a/b.wav", "text": "…", "language": "en"}`` a
    line, or from ``b.txt`` beside ``b.wav``.

    Args:
        root: the folder.
        domain: of files that no sub-folder tells of.
        language: of transcripts that do not say.

    Raises:
        CodecError: no such folder, no audio in it, or a transcript that is damaged or of a file that is not there.
    """
    if not root.is_dir():
        raise CodecError(f"{root}: no such folder")
    transcripts = _transcripts(root, language)
    clips = []
    for found in folder_clips(root, domain):
        text, spoken = transcripts.pop(found.source, (None, None))
        beside = Path(found.path).with_suffix(".txt")
        if text is None and beside.is_file():
            text, spoken = _text(beside), language
        clips.append(Clip(found.source, found.path, found.domain, found.source, text=text, language=spoken))
    if transcripts:
        raise CodecError(f"{root / TRANSCRIPTS}: no audio file {next(iter(transcripts))}")
    return clips


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CodecError(f"{path}: not a readable transcript ({error})") from error


def _transcripts(root: Path, language: str) -> dict[str, tuple[str, str]]:
    path = root / TRANSCRIPTS
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            row = json.loads(line)
            found[str(Path(row["path"]).as_posix())] = str(row["text"]), str(row.get("language", language))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CodecError(f'{path}, line {number}: not {{"path": …, "text": …}}') from error
    return found
