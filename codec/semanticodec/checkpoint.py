"""Published weights → safetensors, once → networks. Nothing in a checkpoint is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from codec.baselines.weights import recorded
from codec.errors import ModelError
from codec.networks.samplers import Schedule
from codec.provenance import sha256_of
from codec.semanticodec.conditioning import Codebooks
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.convert import State, convert_decoder, convert_encoder
from codec.semanticodec.decoder import Decoder
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.networks import build_unet, build_vae, build_vocoder

LAYOUT = 1
"""Of the converted files; a new number makes them anew."""
SHARD_BYTES = 1 << 28
Network = TypeVar("Network", bound=nn.Module)


def load_encoder(checkpoint: Path, config: PublishedConfig) -> Encoder:
    """The encoder; its weights stay in the file until they are used.

    Raises:
        ModelError: not a checkpoint of this rate.
    """
    with torch.device("meta"):
        encoder = Encoder(config)
    return _fill(encoder, _load(converted(checkpoint, "encoder"), "encoder"), checkpoint, config)


def load_decoder(checkpoint: Path, config: PublishedConfig) -> Decoder:
    """The decoder.

    Raises:
        ModelError: not a checkpoint of this rate.
        CodecError: diffusers or transformers are not installed.
    """
    folder = converted(checkpoint, "decoder")
    with torch.device("meta"):
        unet, vae, vocoder = build_unet(config), build_vae(config), build_vocoder(config)
    for name, network in (("unet", unet), ("vae", vae), ("vocoder", vocoder)):
        _fill(network, _load(folder, name), checkpoint, config)
    buffers = _load(folder, "schedule")
    try:
        scale_factor = float(buffers.pop("scale_factor"))
        return Decoder(config, unet, vae, vocoder, Schedule(**buffers), scale_factor)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ModelError(_misfit(checkpoint, config, f"noise schedule: {_line(error)}")) from error


def load_codebooks(checkpoint: Path, centroids: Path, vocab: int, config: PublishedConfig) -> Codebooks:
    """Vectors of both kinds of token; of the encoder's checkpoint only its codebook is read.

    Raises:
        ModelError: a file is damaged or of another rate or vocabulary.
    """
    folder = converted(checkpoint, "encoder")
    acoustic = torch.zeros(0)
    try:
        for shard in sorted(folder.glob("encoder-*.safetensors")):
            with safe_open(shard, "pt") as tensors:
                if "acoustic.codebook" in tensors.keys():  # noqa: SIM118 - not a mapping
                    acoustic = tensors.get_tensor("acoustic.codebook")
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    if acoustic.shape != (config.codebook_size, config.feature_dim):
        raise ModelError(_misfit(checkpoint, config, f"codebook of shape {tuple(acoustic.shape)}"))
    return Codebooks(load_centroids(centroids, vocab, config), acoustic)


def load_centroids(path: Path, vocab: int, config: PublishedConfig) -> Tensor:
    """``(vocab, F)`` of a ``.npy`` file.

    Raises:
        ModelError: not an array of that shape.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # a stranger's header can break numpy in any way
        raise ModelError(f"{path}: not an array of numbers ({_line(error)})") from error
    if not isinstance(array, np.ndarray) or array.shape != (vocab, config.feature_dim) or array.dtype.kind != "f":
        shape = getattr(array, "shape", "several arrays")
        raise ModelError(f"{path}: {shape}, not ({vocab}, {config.feature_dim}): another rate's or vocabulary's codebook")
    return torch.from_numpy(array.astype(np.float32, copy=False))


def fingerprint(checkpoint: Path) -> str:
    """The fingerprint of an encoder, which its tokens carry: 16 hexadecimal digits."""
    return str(_about(converted(checkpoint, "encoder"))["fingerprint"])


def exported_sizes(checkpoint: Path) -> PublishedConfig | None:
    """Sizes of networks that training exported; None of a published checkpoint.

    Raises:
        ModelError: they are damaged.
    """
    if not checkpoint.is_dir():
        return None
    try:
        return PublishedConfig.read(_about(checkpoint).get("sizes"))
    except ValueError as error:
        raise ModelError(f"{checkpoint}: does not state the sizes of its networks ({_line(error)})") from error


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        about = json.loads(path.read_text("utf-8-sig"))
        if not re.fullmatch("[0-9a-f]{16}", about["fingerprint"]):
            raise ValueError("its fingerprint is not 16 hexadecimal digits")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: does not describe SemantiCodec's networks ({_line(error)})") from error
    return dict(about)


def converted(checkpoint: Path, kind: str) -> Path:
    """The folder of safetensors files that a checkpoint became; made on first use.

    Args:
        checkpoint: a published ``.ckpt``, or a folder that training exported: such files already.
        kind: ``encoder`` or ``decoder``.

    Raises:
        ModelError: not a checkpoint of this kind.
    """
    if checkpoint.is_dir():
        return checkpoint
    state = checkpoint.stat()
    key = hashlib.sha256(f"{LAYOUT}|{kind}|{checkpoint.resolve()}|{state.st_size}|{state.st_mtime_ns}".encode()).hexdigest()[
        :16
    ]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "semcodec" / "semanticodec"
    folder = cache / f"{kind}-{key}"
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=cache))
        try:
            _check_record(checkpoint)
            _convert(read_checkpoint(checkpoint), kind, temporary, checkpoint)
            if not folder.is_dir():  # another process may have been faster
                temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else _line(error)
        raise ModelError(f"cannot write converted weights to {cache}: {reason}") from error
    return folder


def read_checkpoint(path: Path) -> Mapping[str, Tensor]:
    """Reads a flat state dict.

    Raises:
        ModelError: it holds more than tensors, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch has its doubts about every other pickle; what is refused gets one line
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path}: refused, it is not plain tensors but may run code when read, or is damaged") from error
    except Exception as error:  # what a damaged pickle asks for can break the reader in any way
        raise ModelError(f"{path}: not a readable checkpoint ({_line(error)})") from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and _is_plain(v) for k, v in state.items()):
        raise ModelError(f"{path}: not a flat dictionary of tensors")
    return state


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of real numbers that are all in the file: a few bytes can claim to be repeated to terabytes."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not (value.is_complex() or value.is_quantized) and value.nbytes <= value.untyped_storage().nbytes()


def _check_record(checkpoint: Path) -> None:
    expected = recorded(checkpoint)
    if expected is not None and sha256_of(checkpoint) != expected:
        raise ModelError(
            f"{checkpoint}: changed since it was fetched (its sha256 is not {expected}); delete and fetch it again"
        )


def _convert(state: Mapping[str, Tensor], kind: str, folder: Path, source: Path) -> None:
    try:
        parts = {"encoder": convert_encoder(state)} if kind == "encoder" else convert_decoder(state)
    except (ModelError, IndexError, ValueError) as error:
        raise ModelError(f"{source}: {_line(error)}") from error
    write_parts(parts, folder, {"source": source.name, "bytes": source.stat().st_size})


def write_parts(parts: Mapping[str, State], folder: Path, about: Mapping[str, object]) -> str:
    """Writes networks as safetensors files, and a description.

    Returns:
        A fingerprint of names and weights.
    """
    digest = hashlib.sha256()
    for name, part in parts.items():
        for number, shard in enumerate(_shards(part)):
            whole = {key: value.float().contiguous().clone() for key, value in shard.items()}
            for key, value in whole.items():
                digest.update(key.encode())
                digest.update(value.numpy().data)
            save_file(whole, folder / f"{name}-{number}.safetensors")
    fingerprint = digest.hexdigest()[:16]
    (folder / "config.json").write_text(json.dumps({"fingerprint": fingerprint, **about}) + "\n", "utf-8")
    return fingerprint


def _shards(part: State) -> list[State]:
    """Parts of a quarter of a gigabyte, so that converting needs little more memory than that."""
    shards: list[State] = [{}]
    size = 0
    for key, value in sorted(part.items()):
        if size > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][key] = value
        size += value.numel() * 4
    return shards


def _load(folder: Path, name: str) -> State:
    state: State = {}
    try:
        for shard in sorted(folder.glob(f"{name}-*.safetensors")):
            state |= load_file(shard)
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    return state


def _damaged(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder}: damaged ({_line(error)}); if it was converted, delete it, and it is made anew")


def _fill(network: Network, state: State, source: Path, config: PublishedConfig) -> Network:
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        raise ModelError(_misfit(source, config, str(error).splitlines()[-1].strip())) from error
    return network.eval().requires_grad_(False)


def _misfit(source: Path, config: PublishedConfig, reason: str) -> str:
    return f"{source}: not the weights of SemantiCodec at {config.rate} tokens/s ({reason})"


def _is_zip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == b"PK"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
