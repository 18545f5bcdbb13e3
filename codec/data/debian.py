"""The free corpus: about 13 hours of speech, music and sound that Debian packages, with labels.

Every package is fetched with ``apt-get download`` and unpacked without being installed. Licences are in
``docs/data-card.md``. The default model is trained on it and on what `codec.data.synthetic` makes, and on nothing else.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from codec.audio.io import AUDIO_SUFFIXES
from codec.data.domains import Domain
from codec.data.recording import Recording
from codec.errors import CodecError

PACKAGES: dict[str, Domain] = {
    "asterisk-core-sounds-en-g722": "speech",
    "asterisk-core-sounds-es-g722": "speech",
    "asterisk-core-sounds-fr-g722": "speech",
    "asterisk-core-sounds-it-g722": "speech",
    "asterisk-core-sounds-ru-g722": "speech",
    "asterisk-core-sounds-en": "speech",  # holds the transcripts
    "asterisk-prompt-it-menardi-wav": "speech",
    "klettres-data": "speech",
    "ktuberling-data": "speech",
    "hedgewars-data": "speech",  # its music and effects are told apart below
    "warzone2100-music": "music",
    "wesnoth-1.16-music": "music",
    "asterisk-moh-opsound-wav": "music",
    "supertuxkart-data": "music",  # its effects are told apart below
    "hydrogen-drumkits": "sound",
    "sonic-pi-samples": "sound",
    "oxygen-sounds": "sound",
    "sound-theme-freedesktop": "sound",
}
MORE_PACKAGES: dict[str, Domain] = {
    "planetblupi-music-ogg": "music",
    "singularity-music": "music",
    "colobot-common-sounds": "sound",
    "freedroidrpg-data": "sound",
    "unknown-horizons": "sound",
    "flare-game": "sound",
    "hyperrogue-music": "sound",
    "extremetuxracer-data": "sound",
    "supertux-data": "sound",
    "torcs-data": "sound",
}
"""Music of ten more composers, effects, engines, ambience and some spoken lines: the source ``debian-more``."""
HELD_OUT_PEOPLE = {"asterisk-prompt-es-co": "es", "asterisk-prompt-fr-armelle": "fr"}
"""Packages of one person's prompts each, recorded for telephones as GSM, which no corpus takes, and their languages: people for
the exam (`benchmarks.voices`)."""


def fetch(folder: Path, packages: Iterable[str] = PACKAGES) -> None:
    """Downloads and unpacks packages into ``folder/<package>/``; those already there are kept.

    Raises:
        CodecError: apt-get is missing or cannot reach a package.
    """
    for package in packages:
        fetch_package(folder, package)


def fetch_package(folder: Path, package: str) -> None:
    """Downloads and unpacks one package into ``folder/<package>/``, if it is not there.

    Raises:
        CodecError: apt-get is missing or cannot reach it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / package).is_dir():
        return
    for stale in folder.glob(f"{package}_*.deb"):  # an interrupted run left it; the mirror may have another version by now
        stale.unlink(missing_ok=True)
    shutil.rmtree(folder / f".{package}", ignore_errors=True)
    try:
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder / f".{package}")], check=True)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise CodecError(f"cannot fetch Debian package {package} (needs Debian or Ubuntu, apt-get update): {error}") from error
    (folder / f".{package}").replace(folder / package)
    archive.unlink()


def clips(folder: Path, packages: Mapping[str, Domain] = PACKAGES) -> Iterator[Recording]:
    """All clips of the unpacked packages, with source, domain and labels, in a stable order."""
    transcripts = _transcripts(folder / "asterisk-core-sounds-en")
    for package, domain in packages.items():
        root = folder / package
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file() and not path.is_symlink():
                yield _describe(path, path.relative_to(root), package, domain, transcripts)


def _describe(path: Path, relative: Path, package: str, domain: Domain, transcripts: dict[str, str]) -> Recording:
    parts, stem = relative.parts, relative.stem
    labels: dict[str, str] = {}
    source = f"{package}/{relative.as_posix()}"
    if package.startswith("asterisk-") and domain == "speech":
        anchor = parts.index("sounds") + 1 if "sounds" in parts else 3
        voice = parts[anchor] if len(parts) > anchor + 1 else package
        text = "/".join((*parts[anchor + 1 : -1], stem))
        labels = {"speaker": voice, "language": _language(package), "prompt": text}
        if package == "asterisk-core-sounds-en-g722" and text in transcripts:
            labels["text"] = transcripts[text]
        source = f"{voice}/{text}"
    elif package == "klettres-data":
        labels = {"language": parts[-3], "speaker": f"klettres-{parts[-3]}", "kind": parts[-2], "prompt": stem}
    elif package == "ktuberling-data":
        labels = {"language": parts[-2], "speaker": f"ktuberling-{parts[-2]}", "prompt": stem}
    elif package == "hedgewars-data":
        if "voices" in parts:
            labels = {"speaker": parts[-2], "prompt": stem}
        else:
            domain = "music" if "Music" in parts else "sound"
    elif package == "supertuxkart-data":
        domain = "music" if "music" in parts else "sound"
    elif package == "hydrogen-drumkits":
        labels = {"kit": parts[-2], "instrument": stem}
        source = f"{package}/{parts[-2]}"  # a whole kit is one source: its hits sound alike
    elif package in MORE_PACKAGES:
        domain = _by_folder(relative, domain)
    return Recording(str(path), source, domain, package, labels)


def _by_folder(relative: Path, domain: Domain) -> Domain:
    """What games call their folders: music, and speech under several names."""
    folders = relative.parent.as_posix()
    if re.search(r"/(voice|speech|voice_samples|titles|tux_ingame_comments)(/|$)", folders):
        return "speech"
    return "music" if "/music" in folders else domain


def _language(package: str) -> str:
    match = re.search(r"-(en|es|fr|it|ru)(-|$)", package)
    return match.group(1) if match else "en"


def _transcripts(root: Path) -> dict[str, str]:
    """Prompt name → text, from the list that comes with the English prompts."""
    texts: dict[str, str] = {}
    for path in root.rglob("core-sounds-en.txt.gz"):
        for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines():
            name, colon, text = line.partition(":")
            if colon and not name.startswith(";") and not text.strip().startswith("["):
                texts[name.strip()] = text.strip()
    return texts
