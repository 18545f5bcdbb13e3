"""Which extra of this project brings a package that is missing."""

from __future__ import annotations

import re
from collections import Counter

PROJECT = "semcodec"
MENTIONED = 3
"""Extras that a line names: what more than these bring, the smallest of them is for."""
_ALL = "dev"
_DISTRIBUTIONS = {"PIL": "pillow", "parselmouth": "praat-parselmouth", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Of modules that are not called as what they are installed by."""


def how_to_get(module: str) -> str:
    """The command that brings a module, or nothing where no extra does.

    Example:
        >>> how_to_get("torch"), how_to_get("nobody_has_this")
        ("pip install 'semcodec[torch]'", '')
    """
    names = _extras_with(_DISTRIBUTIONS.get(module, module))
    if not names:
        return ""
    others = names[1:] if len(names) <= MENTIONED else []
    return f"pip install '{PROJECT}[{names[0]}]'" + (f" (or {', '.join(f'[{name}]' for name in others)})" if others else "")


def _extras_with(distribution: str) -> list[str]:
    """Extras that bring a distribution, those first that bring little else."""
    from importlib import metadata  # not on the way of programs that lack nothing

    try:
        lines = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return []
    sizes: Counter[str] = Counter()
    found = []
    for line in lines:
        if extra := re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", line):
            sizes[extra[1]] += 1
            if extra[1] != _ALL and _plain(re.split(r"[^\w.-]", line, maxsplit=1)[0]) == _plain(distribution):
                found.append(extra[1])
    return sorted(found, key=lambda name: sizes[name])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
