"""Corpora to token shards (``codec tokenize``), and data sets that read them back.

>>> from codec.tokenize import TokenDataset
>>> rows = TokenDataset("tokens/", layout="delay")  # doctest: +SKIP
>>> rows[0]["codes"].shape  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codec.lazy import lazily

if TYPE_CHECKING:
    from codec.patterns import Pattern as Pattern
    from codec.tokenize.command import Options as Options
    from codec.tokenize.command import tokenize as tokenize
    from codec.tokenize.dataset import TokenDataset as TokenDataset
    from codec.tokenize.dataset import TokenStream as TokenStream
    from codec.tokenize.dataset import collate as collate
    from codec.tokenize.token_row import TokenRow as TokenRow

# Imported on first use, so that `codec --help` does not wait for torch.
_HOMES = {
    "Options": "codec.tokenize.command",
    "Pattern": "codec.patterns",
    "TokenDataset": "codec.tokenize.dataset",
    "TokenRow": "codec.tokenize.token_row",
    "TokenStream": "codec.tokenize.dataset",
    "collate": "codec.tokenize.dataset",
    "tokenize": "codec.tokenize.command",
}
__all__ = ["Options", "Pattern", "TokenDataset", "TokenRow", "TokenStream", "collate", "tokenize"]
__getattr__ = lazily(__name__, _HOMES)
