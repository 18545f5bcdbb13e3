"""What every quantiser returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Quantized:
    """Quantised frames.

    Attributes:
        values: ``(B, T, D)`` code vectors; gradients pass straight through to the input while training.
        codes: ``(B, T)`` int64.
    """

    values: Tensor
    codes: Tensor
