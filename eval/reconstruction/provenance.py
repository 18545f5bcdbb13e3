"""Where figures come from: versions, machine, settings, data, date."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from codec import __version__
from codec.processes import processors
from codec.provenance import revision

PACKAGES = (
    *("torch", "torchaudio", "numpy", "soxr", "soundfile", "pesq", "pystoi", "visqol-python"),
    *("librosa", "speechmos", "distillmos", "Resemblyzer", "jiwer", "whisper-normalizer", "pocketsphinx"),
    *("moonshine-voice", "faster-whisper", "transformers", "encodec", "descript-audio-codec"),
)
"""Whose versions change figures."""


@dataclass(frozen=True)
class Provenance:
    """All that is needed to make the same figures again.

    Attributes:
        semcodec: version of this package.
        revision: of its source, ``+changes`` if there were any; None outside a checkout.
        packages: version by package, of those installed.
        python: version.
        machine: processor and system.
        cpus: that this process may use.
        workers: processes that measured at the same time.
        seed: of everything random.
        config: what was asked for.
        data: where clips come from.
        clips: how many.
        data_hash: of names and content of all clips.
        date: of the end of the run, UTC.
    """

    semcodec: str
    revision: str | None
    packages: dict[str, str]
    python: str
    machine: str
    cpus: int
    workers: int
    seed: int
    config: dict[str, Any]
    data: str
    clips: int
    data_hash: str
    date: str


def trace(config: Mapping[str, Any], data: str, hashes: Sequence[tuple[str, str]], workers: int, seed: int) -> Provenance:
    """The provenance of a run that ends now.

    Args:
        config: what was asked for.
        data: where clips come from.
        hashes: name and content hash of every clip.
        workers: processes.
        seed: of everything random.
    """
    digest = hashlib.sha256()
    for name, clip_hash in hashes:
        digest.update(f"{name}\0{clip_hash}\n".encode())
    return Provenance(
        semcodec=__version__,
        revision=revision(),
        packages=installed(PACKAGES),
        python=platform.python_version(),
        machine=f"{platform.machine()} {platform.system()}",
        cpus=processors(),
        workers=workers,
        seed=seed,
        config=dict(config),
        data=data,
        clips=len(hashes),
        data_hash=digest.hexdigest(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def data_name(data: str) -> str:
    """The end of a path, which says what the data are without telling where this machine keeps them.

    Example:
        >>> data_name("/home/me/runs/nano/corpus"), data_name("libritts:/data/LibriTTS")
        ('nano/corpus', 'libritts:data/LibriTTS')
    """
    kind, colon, path = data.rpartition(":")
    parts = [part for part in Path(path).parts if part != Path(path).anchor]
    return kind + colon + "/".join(parts[-2:])


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are there."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
