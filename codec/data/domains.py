"""The kinds of sound that figures are given for."""

from __future__ import annotations

from typing import Literal

Domain = Literal["speech", "music", "sound"]
DOMAINS: tuple[Domain, ...] = ("speech", "music", "sound")
"""In the order of tables."""
