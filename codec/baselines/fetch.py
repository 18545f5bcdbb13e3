"""Downloading published weights: only when asked for, resumable, checked, under their name only when whole."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from codec.atomic import atomic_write
from codec.baselines.weights import WEIGHTS, Weights, record_of, recorded, weights_path
from codec.errors import CodecError, ModelError
from codec.provenance import sha256_of
from codec.semanticodec.published import NAME

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
        raise ModelError(f"no weights to fetch for {family!r}; known are {', '.join([*WEIGHTS, NAME])}")
    return fetch_file(WEIGHTS[family], weights_path(family), family, progress)


def fetch_file(weights: Weights, target: Path, name: str, progress: Progress | None = None) -> Fetched:
    """Downloads one file, or goes on where an earlier try broke off, or checks the one that is here.

    Args:
        weights: what to download.
        target: where it belongs; its checksum is recorded beside it.
        name: of the model, for errors.
        progress: told bytes so far and in all.

    Raises:
        ModelError: a wrong checksum.
        CodecError: no network, not there, broken off, or no room; what has arrived is kept.
    """
    record = record_of(target)
    if target.is_file():
        _check(target, weights.sha256 or recorded(target), name)
        _record(record, target)
        return Fetched(target, sha256_of(target), weights.sha256 is not None, new=False)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stated = _download(weights, part, progress)
    except urllib.error.HTTPError as error:
        raise CodecError(f"{name}: {weights.url} answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise CodecError(f"{name}: {weights.url}: {reason}; what has arrived is kept, the same command goes on") from error
    try:
        # The one known here if there is one, that of an earlier download of this file, or what the server says today.
        for expected in (weights.sha256, recorded(target), stated):
            _check(part, expected, name)
    except ModelError:
        _forget(part)
        raise
    part.replace(target)
    _forget(part)
    _record(record, target)
    return Fetched(target, sha256_of(target), weights.sha256 is not None, new=True)


def _download(weights: Weights, part: Path, progress: Progress | None) -> str | None:
    """Fills ``part``, asking for what is missing only if the server still has the same file.

    Returns:
        The file's sha256 if the server states it.
    """
    tag = _tag_file(part)
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    request = urllib.request.Request(weights.url, headers={"User-Agent": "semcodec", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag.read_text("utf-8"))
    redirects = _Redirects()
    try:
        response = urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        _forget(part)
        return _download(weights, part, progress)
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
    return redirects.sha256 or _stated(response.headers)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows them, and remembers the checksum: the Hub states it only where it points to the file's store."""

    sha256: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.sha256 = self.sha256 or _stated(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _stated(headers: http.client.HTTPMessage) -> str | None:
    found = re.fullmatch('"?([0-9a-f]{64})"?', headers.get("X-Linked-ETag", ""))
    return found[1] if found else None


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


def _record(record: Path, target: Path) -> None:
    if not record.is_file():
        with atomic_write(record) as handle:
            handle.write(f"{sha256_of(target)}  {target.name}\n".encode())


def _check(path: Path, expected: str | None, family: str) -> None:
    found = sha256_of(path)
    if expected is not None and found != expected:
        raise ModelError(
            f"{family}: {path} has the sha256 {found}, not {expected}; delete it and fetch it again, and "
            f"{record_of(path).name} too if its publisher changed it"
        )
