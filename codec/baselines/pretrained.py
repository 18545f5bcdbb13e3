"""Networks of the transformers package, from a published configuration and a local file of weights."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError

from codec.baselines.neural import at_random
from codec.errors import CodecError, ModelError


def transformers() -> ModuleType:
    """The package.

    Raises:
        CodecError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise CodecError("this codec needs transformers: pip install semcodec[baselines]") from error
    return transformers


def build(model: Any, config: Any, path: Path | None) -> Any:
    """A network ready to use.

    Args:
        model: class of a pretrained model.
        config: its published configuration.
        path: of ``model.safetensors``; None for random weights from a fixed seed.

    Raises:
        ModelError: the file is damaged, or holds weights of something else.
    """
    if path is None:
        network = at_random(lambda: _scattered(model(config)))
    else:
        try:
            network, report = model.from_pretrained(
                path.parent, config=config, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise ModelError(f"{path}: not weights of {model.__name__} ({str(error).splitlines()[0]})") from error
        strange = sorted([*report["missing_keys"], *report["unexpected_keys"], *map(str, report["mismatched_keys"])])
        if strange:
            raise ModelError(f"{path}: not weights of {model.__name__} ({strange[0]})")
    return network.eval().requires_grad_(False)


def _scattered(network: torch.nn.Module) -> torch.nn.Module:
    """Codebooks that are learned as running means start at zero, where every code would be the same."""
    for name, buffer in network.named_buffers():
        if name.endswith(("codebook.embed", "codebook.embed_sum")):
            buffer.normal_(std=0.1)
    return network
