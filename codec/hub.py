"""Finding, loading and saving models: a folder with ``config.json`` and ``model.safetensors``. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, overload

import torch
from safetensors.torch import save_file

from codec.atomic import atomic_path, atomic_write
from codec.baselines.interface import AudioCodec
from codec.baselines.registry import is_known, known_codecs, load_tokenizer
from codec.config import ModelConfig, SourceFilterConfig
from codec.device import find_device
from codec.errors import CodecError, ModelError
from codec.model import Codec
from codec.networks.interface import CodecNetworks
from codec.networks.networks import Networks, first_architecture
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.semanticodec.published import NAME, PublishedFiles, how_to_get, is_published
from codec.stored import BUNDLED, files_of, load_network, read_model_config

Way = Literal["fast", "diffusion"]
DERIVED = "mel."
"""Filter banks and windows follow from the config."""


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be named.

    Attributes:
        name: for `load` and ``--model``.
        about: one line.
        ready: what it needs is on this machine.
        missing: what is not, and how to get it; empty if ready.
    """

    name: str
    about: str
    ready: bool
    missing: str = ""


def models() -> list[ModelEntry]:
    """Models known by name: our own, then published codecs of tokens."""
    about = "speech, music and sound, 16 kHz; 25, 50, 100 tokens/s; semantic vocabularies 4096 … 32768"
    notes = {"semcodec-2": " (the default)", "semcodec-1": "; the first architecture: ONNX, entropy coding, diffusion decoder"}
    own = [ModelEntry(name, about + notes[name], (folder / "model.safetensors").is_file()) for name, folder in BUNDLED.items()]
    files = PublishedFiles.of(NAME)
    missing = "" if files.rates() else how_to_get(50)
    paper = ModelEntry(
        NAME, "SemantiCodec as published; the same rates and vocabularies, decodes by diffusion", not missing, missing
    )
    return [*own, paper, *(ModelEntry(c.example, c.about, c.ready, c.missing) for c in known_codecs() if c.tokens)]


@overload
def load(
    name: Path | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool = True,
    decoder: Way = "fast",
) -> Codec: ...


@overload
def load(
    name: str,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool = True,
    decoder: Way = "fast",
) -> AudioCodec: ...


def load(
    name: str | Path | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool = True,
    decoder: Way = "fast",
) -> AudioCodec:
    """Loads any codec of tokens; never touches the network.

    Args:
        name: of a published codec at an operating point, as in ``"encodec_24khz@1.5"``, or what `load_codec` takes.
        rate: default tokens per second, as `load_codec` takes it; so are the next three.
        vocab: default semantic vocabulary.
        device: where the networks run.
        compat: for the published SemantiCodec.
        decoder: of our own models.

    Raises:
        ModelError: missing, damaged, or not a model of this kind.
        CodecError: unknown rate or vocabulary, or a published codec that lacks something; says how to get it.

    Example:
        >>> load(rate=100).bitrate
        1300.0
    """
    if not (isinstance(name, str) and is_known(name)):
        return load_codec(name, rate, vocab, device, compat, decoder)
    if (rate, vocab, str(device), decoder) != (None, None, "cpu", "fast"):
        raise CodecError(f"{name}: only our own models have rate, vocab, device and decoder; write encodec_24khz@1.5")
    return load_tokenizer(name)


def load_codec(
    name: str | Path | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool = True,
    decoder: str = "fast",
) -> Codec:
    """Loads a model of our own, or the published SemantiCodec.

    Args:
        name: ``None`` or ``"default"`` for the newest bundled model, ``"semcodec-1"`` for the one before, a folder, or a
            ``.safetensors`` file beside its ``config.json``;
            ``"haoheliu/SemantiCodec"``, or a folder with its files, for the published SemantiCodec.
        rate: default tokens per second of the returned codec; 50 if left out and the model has it, else the next one to that.
        vocab: its default semantic vocabulary; 8192 if left out and the model has it, else its smallest.
        device: where the networks run: ``cpu``, ``cuda``, ``auto`` for a GPU if there is one, or another that torch knows.
        compat: for the published SemantiCodec: exactly the reference's tokens and sound, or its quirks repaired.
        decoder: ``fast``, or ``diffusion`` for the one that was trained beside it; the published SemantiCodec has only that.

    Raises:
        ModelError: missing, damaged, or not a model of this kind.
        CodecError: unknown rate or vocabulary, or a device that is not there.
    """
    check_model(name)
    if decoder not in get_args(Way):
        raise CodecError(f"decoder {decoder!r} is not one of {', '.join(get_args(Way))}")
    if name == "":
        raise ModelError("the name of the model is empty")
    device = find_device(device)
    if is_published(name):
        from codec.semanticodec.model import load_published

        return load_published(str(name), rate, vocab, device, compat)
    folder, weights = files_of(name)
    if not folder.is_dir():
        raise ModelError(
            f"no model {str(name)!r}: known are {', '.join(m.name for m in models())}, or a folder made by codec train export"
        )
    config, fingerprint = read_model_config(folder)
    networks = load_network(lambda: build(config), weights, DERIVED)
    label = str(name or "default")
    if decoder == "fast":
        return Codec(networks.to(device), label, fingerprint, rate, vocab, folder)
    from codec.diffusion import DiffusionCodec
    from codec.networks.diffusion.files import load_diffusion

    first = first_architecture(networks, "the diffusion decoder")
    diffusion = load_diffusion(folder, first, fingerprint).to(device)
    return DiffusionCodec(diffusion, first.to(device), label, fingerprint, rate, vocab, folder)


def check_model(name: str | Path | None, own: bool = False) -> None:
    """Refuses a name that cannot do what a command wants of its model, before any work and before any weights are read.

    Args:
        name: as `load_codec` takes it.
        own: the command looks inside: the published SemantiCodec, whose networks are others, will not do either.

    Raises:
        ModelError: a codec of others, or one whose networks are not ours.
    """
    if isinstance(name, str) and is_known(name):
        raise ModelError(f"{name} is a codec of others: codec.load, codec eval and codec sweep take it, .sct files do not")
    if own and is_published(name):
        raise ModelError(f"{name}: this takes models of our own kind, the default or a folder made by codec train export")


def load_own(
    name: str | Path | None = None, rate: int | None = None, vocab: int | None = None, device: str | torch.device = "cpu"
) -> Codec:
    """Loads a model of our own, as `load_codec` does, for what needs its networks: live streams, training, measurements.

    Raises:
        ModelError: a codec of others or the published SemantiCodec, or as `load_codec`.
        CodecError: unknown rate or vocabulary.
    """
    check_model(name, own=True)
    return load_codec(name, rate, vocab, device)


def build(config: ModelConfig | SourceFilterConfig) -> CodecNetworks:
    """Untrained networks of a config's architecture."""
    return Networks(config) if isinstance(config, ModelConfig) else SourceFilterNetworks(config)


def export(networks: CodecNetworks, folder: str | Path) -> str:
    """Writes a folder that `load` takes, weights in float16.

    Returns:
        The model's fingerprint: a hash of its config and weights.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().half().contiguous() for key, value in networks.state_dict().items()}
    state = {key: value for key, value in state.items() if not key.startswith(DERIVED)}
    config = networks.config.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].cpu().numpy().tobytes())
    fingerprint = digest.hexdigest()[:16]
    with atomic_path(folder / "model.safetensors") as path:
        save_file(state, path)
    with atomic_write(folder / "config.json") as handle:
        handle.write((json.dumps({"fingerprint": fingerprint, "model": config}, indent=1) + "\n").encode())
    return fingerprint
