"""Networks of the transformers package, from a published configuration and a local file of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

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
        raise CodecError("this codec needs transformers: pip install 'semcodec[baselines]'") from error
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
        network = at_random(lambda: model(config))
    else:
        try:
            with quietly():
                network, report = model.from_pretrained(
                    path.parent,
                    config=config,
                    dtype="float32",
                    local_files_only=True,
                    use_safetensors=True,
                    output_loading_info=True,
                )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            raise ModelError(f"{path}: not weights of {model.__name__} ({str(error).splitlines()[0]})") from error
        strange = sorted([*report["missing_keys"], *report["unexpected_keys"], *map(str, report["mismatched_keys"])])
        if strange:
            raise ModelError(f"{path}: not weights of {model.__name__} ({strange[0]})")
    return network.eval().requires_grad_(False)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the package's progress bars and reports: what is wrong is said once, by us."""
    logging = transformers().utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
