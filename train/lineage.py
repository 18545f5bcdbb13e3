"""What a stage was made from, by content: whatever was deleted, linked or made anew, parts that do not fit are found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from torch import nn

from codec.data.store import Corpus
from codec.errors import CodecError

DIGITS = 16


def digest_of(*modules: nn.Module) -> str:
    """A name for the weights of networks, the same for a model as it was trained and as it is exported, in float16.

    Example:
        >>> linear = nn.Linear(2, 2)
        >>> digest_of(linear) == digest_of(linear), digest_of(linear) == digest_of(nn.Linear(2, 2))
        (True, False)
    """
    found = hashlib.sha256()
    for module in modules:
        for name, tensor in module.state_dict().items():
            found.update(name.encode())
            kept = tensor.detach().cpu()
            found.update((kept.half() if kept.is_floating_point() else kept).contiguous().numpy().tobytes())
    return found.hexdigest()[:DIGITS]


def digest_of_corpus(corpus: Corpus) -> str:
    """A name for the clips of a corpus, by their manifest: it has the digest of every clip's samples.

    In corpora of versions before that it tells names, labels and lengths alone.
    """
    return hashlib.sha256((corpus.folder / "clips.jsonl").read_bytes()).hexdigest()[:DIGITS]


def require_origin(record: Path, **origins: str) -> None:
    """Compares what a product says it was made from with what is there now. What it does not mention does not count.

    Args:
        record: a JSON file of the product.
        origins: name of each thing that it was made from, and its digest now.

    Raises:
        CodecError: it was made from another one.
    """
    try:
        about = json.loads(record.read_text("utf-8")) if record.exists() else {}
        if not isinstance(about, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise CodecError(f"{record}: damaged ({error}); delete {record.parent} to make it anew") from error
    for name, now in origins.items():
        if about.get(name, now) != now:
            folder = record.parent
            raise CodecError(
                f"{folder}: made from another {name} than the one that is there now; delete {folder} to make it anew"
            )
