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
        values: ``(B, T, D)`` code vectors, without gradients.
        codes: ``(B, T)`` int64; of a residual quantiser ``(B, S, T)``.
    """

    values: Tensor
    codes: Tensor
