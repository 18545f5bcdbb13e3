"""Downloading published weights: only when asked for, resumable, checked, under their name only when whole."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codec.atomic import atomic_write
from codec.baselines.weights import WEIGHTS, Weights, sha256_of, weights_path
from codec.errors import CodecError, ModelError

TIMEOUT = 60
"""Seconds without a byte."""
_BLOCK = 1 << 18
Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Fetched:
    """Weights on this machine.

    Attributes:
        path: of the file.
        sha256: of its content, in hexadecimal digits.
        pinned: its publisher's checksum is known here and fits; otherwise what came first is trusted from then on.
        new: it was downloaded just now.
    """

    path: Path
    sha256: str
    pinned: bool
    new: bool


def fetch(family: str, progress: Progress | None = None) -> Fetched:
    """Downloads the weights of a codec, or goes on where an earlier try broke off.

    Args:
        family: as in ``encodec_24khz``.
        progress: told bytes so far and in all.

    Raises:
        ModelError: no such codec, or a wrong checksum.
        CodecError: no network, not there, broken off, or no room; what has arrived is kept.
    """
    if family not in WEIGHTS:
        raise ModelError(f"no weights to fetch for {family!r}; known are {', '.join(WEIGHTS)}")
    weights, target = WEIGHTS[family], weights_path(family)
    record = target.with_name(f"{target.name}.sha256")
    if target.is_file():
        _check(target, weights.sha256 or _recorded(record), family)
        _record(record, target)
        return Fetched(target, sha256_of(target), weights.sha256 is not None, new=False)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(weights, part, progress)
    except urllib.error.HTTPError as error:
        raise CodecError(f"{family}: {weights.url} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise CodecError(f"{family}: {weights.url}: {reason}; what has arrived is kept, the same command goes on") from error
    try:
        _check(part, weights.sha256, family)
    except ModelError:
        _forget(part)
        raise
    part.replace(target)
    _forget(part)
    _record(record, target)
    return Fetched(target, sha256_of(target), weights.sha256 is not None, new=True)


def _download(weights: Weights, part: Path, progress: Progress | None) -> None:
    """Fills ``part``; asks for what is missing only if the server still has the same file."""
    tag = _tag_file(part)
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    request = urllib.request.Request(weights.url, headers={"User-Agent": "semcodec", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag.read_text("utf-8"))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        _forget(part)
        _download(weights, part, progress)
        return
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise CodecError(f"{weights.url}: answers with another part of the file than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _remember(tag, response.headers.get("ETag"))
        with part.open("ab" if resumed else "wb") as handle:
            while block := response.read(_BLOCK):
                handle.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
    if total is not None and have != total:
        raise ConnectionError(f"broke off after {have} of {total} bytes")


def _remember(tag: Path, etag: str | None) -> None:
    # A weak tag does not promise the same bytes, and without any a rest cannot be asked for.
    if etag and not etag.startswith("W/"):
        tag.write_text(etag, "utf-8")
    else:
        tag.unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _recorded(record: Path) -> str | None:
    return record.read_text("utf-8").split()[0] if record.is_file() else None


def _record(record: Path, target: Path) -> None:
    if not record.is_file():
        with atomic_write(record) as handle:
            handle.write(f"{sha256_of(target)}  {target.name}\n".encode())


def _check(path: Path, expected: str | None, family: str) -> None:
    found = sha256_of(path)
    if expected is not None and found != expected:
        raise ModelError(f"{family}: {path} has the sha256 {found}, not {expected}; delete it and fetch it again")
