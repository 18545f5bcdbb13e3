"""Corpora to token shards (``codec tokenize``), and data sets that read them back.

>>> from tokenizing import TokenDataset
>>> rows = TokenDataset("tokens/", layout="delay")  # doctest: +SKIP
>>> rows[0]["codes"].shape  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizing.command import Options as Options
    from tokenizing.command import tokenize as tokenize
    from tokenizing.dataset import TokenDataset as TokenDataset
    from tokenizing.dataset import TokenStream as TokenStream
    from tokenizing.dataset import collate as collate
    from tokenizing.patterns import Pattern as Pattern
    from tokenizing.token_row import TokenRow as TokenRow

# Imported on first use, so that `codec --help` does not wait for torch.
_HOMES = {
    "Options": "tokenizing.command",
    "Pattern": "tokenizing.patterns",
    "TokenDataset": "tokenizing.dataset",
    "TokenRow": "tokenizing.token_row",
    "TokenStream": "tokenizing.dataset",
    "collate": "tokenizing.dataset",
    "tokenize": "tokenizing.command",
}
__all__ = ["Options", "Pattern", "TokenDataset", "TokenRow", "TokenStream", "collate", "tokenize"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tokenizing' has no attribute {name!r}")
