"""The file of a token reader, ``reader.safetensors`` beside a model's weights."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from codec.atomic import atomic_path
from codec.bundled import READER
from codec.config import ModelConfig, ReaderConfig
from codec.errors import ModelError, first_error
from codec.limits import check_file
from codec.networks.token_reader import READING, TokenReader
from codec.provenance import sha256_of
from codec.stored import load_network

MAX_FILE_BYTES = 64 << 20
_HOW = "make one with: codec train reader"


def save_reader(reader: TokenReader, folder: Path, model: str) -> str:
    """Writes it, weights in float16.

    Args:
        reader: trained.
        folder: of the model.
        model: fingerprint of the tokens that it reads.

    Returns:
        Its own fingerprint.
    """
    state = {key: value.detach().cpu().half().contiguous() for key, value in reader.state_dict().items()}
    about = json.dumps({"model": model, "config": reader.config.model_dump(mode="json")})
    with atomic_path(folder / READER) as path:
        save_file(state, path, metadata={"reader": about})  # one key: the order of several is chance
    return fingerprint_of_reader(folder)


def load_reader(folder: Path, sizes: ModelConfig, model: str) -> TokenReader:
    """Reads it.

    Args:
        folder: of the model.
        sizes: of the model.
        model: fingerprint of its tokens.

    Raises:
        ModelError: missing, damaged, or made for other tokens.
    """
    path = folder / READER
    try:
        check_file(path, MAX_FILE_BYTES)
        with safe_open(path, "np") as handle:
            about = json.loads((handle.metadata() or {}).get("reader", ""))
        owner, config = str(about["model"]), ReaderConfig.read(about["config"])
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: this model has no reader of tokens; {_HOW}") from error
    except ValidationError as error:
        raise ModelError(f"{path}: not a reader of tokens ({first_error(error)})") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not a reader of tokens ({error})") from error
    if owner != model:
        raise ModelError(f"{path}: reads the tokens of model {owner}, not of {model}; {_HOW}")
    reader = load_network(lambda: reader_of(config, sizes), path)
    return reader.eval().requires_grad_(False)


def reader_of(config: ReaderConfig, sizes: ModelConfig) -> TokenReader:
    """An untrained reader of a model's tokens; of acoustic ones the first, which tells the pitch and coefficients."""
    acoustic = sizes.acoustic
    return TokenReader(config, sizes.codeword_dims, 1 + acoustic.n_coefficients, acoustic.pitch_levels)


def fingerprint_of_reader(folder: Path) -> str:
    """What vectors depend on besides tokens: 16 hexadecimal digits of the file's content, and how it is read."""
    return f"{sha256_of(folder / READER)[:16]}-{READING}"
