"""What an installation takes on a disk, package by package: ``python -m benchmarks.footprint`` in a fresh environment.

Only what ``pip install semcodec`` brings is counted, no extras: what names what, from the package's own requirements on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "semcodec"
SHOWN_MEGABYTES = 2.0
"""Smaller packages share a row."""


@dataclass(frozen=True)
class Share:
    """The disk space of one package.

    Attributes:
        name: of it.
        code: bytes of all files but bytecode.
        bytecode: bytes of what ``pip install --no-compile`` leaves out, until it is first imported.
    """

    name: str
    code: int
    bytecode: int


def needed(name: str) -> dict[str, Distribution]:
    """A package and all that it needs on this machine, by name.

    Raises:
        PackageNotFoundError: the package itself is not installed.
    """
    found = {name: distribution(name)}
    waiting = [name]
    while waiting:
        for requirement in found[waiting.pop()].requires or ():
            wanted = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
            if "extra ==" in requirement or wanted in found:
                continue
            try:
                found[wanted] = distribution(wanted)
            except PackageNotFoundError:  # of another system or version of Python
                continue
            waiting.append(wanted)
    return found


def share_of(name: str, package: Distribution) -> Share:
    """What its files take."""
    sizes = {True: 0, False: 0}
    for file in package.files or ():
        path = Path(str(file.locate()))
        if path.is_file():
            sizes[file.suffix == ".pyc"] += path.stat().st_size
    return Share(name, sizes[False], sizes[True])


def table(shares: list[Share]) -> str:
    """A Markdown table of sizes in MB, largest first.

    Example:
        >>> print(table([Share("b", 3_000_000, 100_000), Share("a", 500_000, 0), Share("c", 9_000_000, 0)]))
        | package | MB | of which bytecode |
        | --- | --- | --- |
        | c | 9.0 | 0.0 |
        | b | 3.1 | 0.1 |
        | 1 other | 0.5 | 0.0 |
        | all | 12.6 | 0.1 |
    """

    def row(name: str, parts: list[Share]) -> str:
        code, bytecode = (sum(getattr(part, kind) for part in parts) / 1e6 for kind in ("code", "bytecode"))
        return f"| {name} | {code + bytecode:.1f} | {bytecode:.1f} |"

    ordered = sorted(shares, key=lambda share: share.code + share.bytecode, reverse=True)
    large = [share for share in ordered if share.code + share.bytecode >= SHOWN_MEGABYTES * 1e6]
    small = ordered[len(large) :]
    rows = [row(share.name, [share]) for share in large]
    if small:
        rows.append(row(f"{len(small)} other" + "s" * (len(small) > 1), small))
    return "\n".join(["| package | MB | of which bytecode |", "| --- | --- | --- |", *rows, row("all", shares)])


if __name__ == "__main__":
    print(table([share_of(name, package) for name, package in needed(PACKAGE).items()]))
