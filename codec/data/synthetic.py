"""Synthetic English speech: sentences of Debian's ``fortunes``, spoken by flite, festival and espeak-ng.

The free corpus has one English speaker. Flite's CLUSTERGEN voices (awb, rms, slt of CMU ARCTIC) and its diphone voice
kal16 read whole sentences, so that the codec hears other throats and every sound of English next to every other;
festival's voices were recorded from Italian, Czech, Finnish and Catalan speakers, whose accents they keep;
espeak-ng is a formant synthesiser whose variants cross pitch, formants and accent more freely than recordings do.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from codec.data.debian import fetch_package
from codec.data.recording import Recording
from codec.errors import CodecError

ORIGIN = "synthetic"
FLITE = ("awb", "rms", "slt", "kal16")
FLITE_SENTENCES = 2000
"""Of about 4 s each, dealt out among the voices: a little over 2 hours."""
FESTIVAL = {
    "lp_diphone": "festvox-italp16k",
    "pc_diphone": "festvox-itapc16k",
    "czech_dita": "festvox-czech-dita",
    "czech_krb": "festvox-czech-krb",
    "czech_machac": "festvox-czech-machac",
    "czech_ph": "festvox-czech-ph",
    "suo_fi_lj_diphone": "festvox-suopuhe-lj",
    "hy_fi_mv_diphone": "festvox-suopuhe-mv",
    "upc_ca_ona_hts": "festvox-ca-ona-hts",
}
"""Voices and their packages."""
UNHEARD = "ked_diphone", "festvox-kdlpc16k"
"""A voice of festival's that no corpus speaks with, to tell how far voices carry (`benchmarks.voices`), and its package."""
FESTIVAL_SENTENCES = 1600
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-us", "en-gb-x-rp")
VARIANTS = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Alex", "Alicia", "Andrea", "Andy"),
    *("Annie", "Denis", "Gene", "Michael", "belinda", "david", "edward", "grandma", "john", "linda", "rob", "steph"),
)
PITCHES = (25, 40, 50, 60, 80)
"""Of espeak-ng's 0 to 99; 50 is the variant's own."""
ESPEAK_SENTENCES = 1200
_SENTENCE = re.compile(r"[A-Z][a-z' ,;]+(?:[A-Za-z',; -])*[.?!]")


def synthetic_clips(
    packages: Path, flite: int = FLITE_SENTENCES, espeak: int = ESPEAK_SENTENCES, festival: int = FESTIVAL_SENTENCES
) -> Iterator[Recording]:
    """Speaks what is not yet spoken into ``packages/synthetic``, as the clips are asked for: sentences and their texts.

    Args:
        packages: where Debian packages are kept.
        flite: number of sentences spoken by flite.
        espeak: by espeak-ng, other ones.
        festival: by festival, others again.

    Raises:
        CodecError: flite, espeak-ng, festival or one of its voices is missing, or the text cannot be fetched.
    """
    for program, package in (("flite", "flite"), ("espeak-ng", "espeak-ng"), ("text2wave", "festival")):
        if not shutil.which(program):
            raise CodecError(f"source 'synthetic' needs {package}: apt-get install {package} {' '.join(FESTIVAL.values())}")
    fetch_package(packages, "fortunes")
    folder = packages / "synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    texts = sentences(packages / "fortunes", flite + espeak + festival)
    voices = [f"flite-{FLITE[i % len(FLITE)]}" for i in range(flite)]
    voices += [f"espeak-{ACCENTS[i % len(ACCENTS)]}+{VARIANTS[i % len(VARIANTS)]}" for i in range(espeak)]
    voices += [f"festival-{list(FESTIVAL)[i % len(FESTIVAL)]}" for i in range(festival)]
    for voice in dict.fromkeys(voices[flite + espeak :]):  # a voice that is missing shows now, not when all else is spoken
        speak(folder, "Hello.", voice)
    return _spoken(folder, texts, voices)


def _spoken(folder: Path, texts: list[str], voices: list[str]) -> Iterator[Recording]:
    with ThreadPoolExecutor(2) as pool:
        paths = pool.map(partial(speak, folder), texts, voices)
        for text, voice, path in zip(texts, voices, paths, strict=True):
            labels = {"speaker": voice, "language": "en", "text": text}
            yield Recording(str(path), f"synthetic/{text}", "speech", ORIGIN, labels)


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


def speak(folder: Path, text: str, voice: str) -> Path:
    """Says a sentence, unless it lies there already.

    Args:
        folder: of the files.
        text: the sentence.
        voice: a program and its voice: ``flite-rms``, ``espeak-en-us+m1``, ``festival-ked_diphone``.

    Returns:
        The wav file.

    Raises:
        CodecError: the program has no such voice.
    """
    digest = hashlib.sha256(text.encode()).digest()
    path = folder / f"{digest.hex()[:16]}-{voice}.wav"
    if not path.exists():
        staged = path.with_suffix(".part")
        program, _, name = voice.partition("-")
        command = {
            "flite": ["flite", "-voice", name, "-t", text, "-o", str(staged)],
            "espeak": ["espeak-ng", "-v", name, "-p", str(PITCHES[digest[0] % len(PITCHES)]), "-w", str(staged), "--", text],
            "festival": ["text2wave", "-eval", f"(voice_{name})", "-o", str(staged)],
        }[program]
        spoken = subprocess.run(command, input=text.encode() if program == "festival" else None, capture_output=True)
        if spoken.returncode or not staged.exists():  # festival misses a voice without an exit status
            wanted = f" (apt-get install {dict([*FESTIVAL.items(), UNHEARD])[name]})" if program == "festival" else ""
            raise CodecError(f"{program} cannot speak as {name}{wanted}: {spoken.stderr.decode(errors='replace').strip()}")
        staged.replace(path)
    return path
