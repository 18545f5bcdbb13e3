"""Synthetic English speech: sentences of Debian's ``fortunes`` spoken by flite's recorded-voice models.

The free corpus has one English speaker. Flite's CLUSTERGEN voices (awb, rms, slt of CMU ARCTIC) and the diphone voice
kal16 read whole sentences, so that the codec hears other throats and every sound of English next to every other.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codec.errors import CodecError
from train.corpora.clip import Clip
from train.corpora.debian import fetch_package

VOICES = ("awb", "rms", "slt", "kal16")
SENTENCES = 2000
"""Of about 4 s each, dealt out among the voices: a little over 2 hours."""
_SENTENCE = re.compile(r"[A-Z][a-z' ,;]+(?:[A-Za-z',; -])*[.?!]")


def synthetic_clips(packages: Path, count: int = SENTENCES) -> Iterator[Clip]:
    """Speaks what is not yet spoken into ``packages/synthetic``, then yields every sentence as a clip with its text.

    Args:
        packages: where Debian packages are kept.
        count: number of sentences.

    Raises:
        CodecError: flite is missing, or the text cannot be fetched.
    """
    if not shutil.which("flite"):
        raise CodecError("source 'synthetic' needs flite: apt-get install flite")
    fetch_package(packages, "fortunes")
    folder = packages / "synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [(text, VOICES[index % len(VOICES)]) for index, text in enumerate(sentences(packages / "fortunes", count))]
    with ThreadPoolExecutor(2) as pool:
        paths = pool.map(lambda line: _speak(*line, folder), lines)
        for (text, voice), path in zip(lines, paths, strict=True):
            labels = {"speaker": f"flite-{voice}", "language": "en", "text": text}
            yield Clip(str(path), f"synthetic/{text}", "speech", "synthetic", labels)


def sentences(folder: Path, count: int) -> list[str]:
    """``count`` different plain sentences of 30 to 120 characters, the same ones every time.

    Args:
        folder: the unpacked package ``fortunes``.
        count: how many.

    Raises:
        CodecError: the package holds fewer.
    """
    found: set[str] = set()
    for path in sorted(folder.rglob("games/fortunes/*")):
        if path.is_file() and not path.suffix:
            text = re.sub(r"\s+", " ", path.read_text("utf-8", "ignore"))
            found |= {match for match in _SENTENCE.findall(text) if 30 <= len(match) <= 120}
    if len(found) < count:
        raise CodecError(f"{folder}: {len(found)} usable sentences, {count} wanted")
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())[:count]


def _speak(text: str, voice: str, folder: Path) -> Path:
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-{voice}.wav"
    if not path.exists():
        staged = path.with_suffix(".part")
        try:
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(staged)], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise CodecError(f"flite cannot speak as {voice}: {error.stderr.decode(errors='replace').strip()}") from error
        staged.rename(path)
    return path
