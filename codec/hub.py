"""Finding, loading and saving models: a folder with ``config.json`` and ``model.safetensors``. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args, overload

from codec.arrays import has_torch
from codec.atomic import atomic_path, atomic_write
from codec.bundled import BUNDLED, DEFAULT, FORMER, decoder_of, files_of, fingerprint_of, former
from codec.errors import CodecError, ModelError
from codec.model import Codec
from codec.portable import OnnxEngine
from codec.provenance import sha256_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from typing_extensions import Unpack

    from codec.config import ModelConfig
    from codec.networks.interface import CodecNetworks
    from codec.networks.source_filter_codec import SourceFilterNetworks
    from codec.protocol import AudioCodec, SemanticCodec
    from codec.semanticodec.model import OfficialCodec

Way = Literal["fast", "diffusion"]
OwnName = Literal["default", "semcodec-2"]
"""Names by which type checkers know that `load` gives a `Codec`, as it does of a folder as a ``Path``. Of any other string they
know that it gives an `AudioCodec`, which published codecs are.
"""
Backend = Literal["torch", "onnx"]
WITH_TORCH = "pip install 'semcodec[torch]'"
DECODER = ("decoder", "vocoder")
"""Sections of a config, and of its networks, that make sound of tokens and nothing else."""
TOKENS = 2
"""What tokens mean beside config and weights: a part of their fingerprint. Since 2 the first acoustic one tells of tones."""
SOUND = 3
"""What a decoder's sound is made of beside config and weights: a part of its fingerprint. Since 2 pulses are dispersed, since 3
noise behind a voice is drawn twice as far below its harmonics."""
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
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
    notes = {DEFAULT.name: " (the default)"}
    own = [ModelEntry(name, about + notes.get(name, ""), (folder / WEIGHTS).is_file()) for name, folder in BUNDLED.items()]
    if not has_torch():
        return own
    from codec.baselines.registry import known_codecs
    from codec.semanticodec.published import NAME, PublishedFiles, how_to_get

    files = PublishedFiles.of(NAME)
    missing = "" if files.rates() else how_to_get(50)
    paper = ModelEntry(
        NAME, "SemantiCodec as published; the same rates and vocabularies, decodes by diffusion", not missing, missing
    )
    return [*own, paper, *(ModelEntry(c.example, c.about, c.ready, c.missing) for c in known_codecs() if c.tokens)]


class LoadOptions(TypedDict, total=False):
    """What `load` takes beside a name, told to type checkers, by name."""

    rate: int | None
    vocab: int | None
    device: str | torch.device
    compat: bool | None
    decoder: Way
    backend: Backend | None


@overload
def load(name: OwnName | None = None, **options: Unpack[LoadOptions]) -> Codec: ...
@overload
def load(name: Literal["haoheliu/SemantiCodec"], **options: Unpack[LoadOptions]) -> OfficialCodec: ...
@overload
def load(name: Path, **options: Unpack[LoadOptions]) -> Codec: ...
@overload
def load(name: str, **options: Unpack[LoadOptions]) -> AudioCodec: ...


def load(
    name: str | Path | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool | None = None,
    decoder: Way = "fast",
    backend: Backend | None = None,
) -> AudioCodec:
    """Loads any codec of tokens; never touches the network.

    Args:
        name: of a published codec at an operating point, as in ``"encodec_24khz@1.5"``, or what `load_codec` takes; a folder of
            the published SemantiCodec as a string, since a ``Path`` gives a `Codec`.
        rate: default tokens per second, as `load_codec` takes it; so are the next three.
        vocab: default semantic vocabulary.
        device: where the networks run.
        compat: of the published SemantiCodec, as `load_codec` takes it.
        decoder: of our own models.
        backend: of our own models, as `load_codec` takes it.

    Raises:
        ModelError: missing, damaged, or not a model of this kind.
        CodecError: unknown rate or vocabulary, or a published codec that lacks something; says how to get it.

    Example:
        >>> load(rate=100).bitrate
        1300.0
    """
    if isinstance(name, Path) and has_torch() and _is_published(name):
        raise ModelError(f"{name} is the published SemantiCodec, which is no codec.Codec: load it as a string, {str(name)!r}")
    if not _is_of_others(name):
        return load_codec(name, rate, vocab, device, compat, decoder, backend)
    if (rate, vocab, str(device), compat, decoder, backend) != (None, None, "cpu", None, "fast", None):
        told = "only our own models have rate, vocab, device, decoder and backend, and SemantiCodec compat"
        raise CodecError(f"{name}: {told}; write encodec_24khz@1.5")
    from codec.baselines.registry import load_tokenizer

    assert isinstance(name, str)
    return load_tokenizer(name)


def load_codec(
    name: str | Path | None = None,
    rate: int | None = None,
    vocab: int | None = None,
    device: str | torch.device = "cpu",
    compat: bool | None = None,
    decoder: str = "fast",
    backend: str | None = None,
) -> SemanticCodec:
    """Loads a model of our own, or the published SemantiCodec.

    Args:
        name: ``None`` or ``"default"`` for the bundled model, its name, a folder, or a ``.safetensors`` file beside its
            ``config.json``;
            ``"haoheliu/SemantiCodec"``, or a folder with its files, for the published SemantiCodec.
        rate: default tokens per second of the returned codec; 50 if left out and the model has it, else the next one to that.
        vocab: its default semantic vocabulary; 8192 if left out and the model has it, else its smallest.
        device: where the networks run: ``cpu``, ``cuda``, ``auto`` for a GPU if there is one, or another that torch knows.
        compat: of the published SemantiCodec alone: exactly the reference's tokens and sound, as if left out, or its quirks
            repaired.
        decoder: ``fast``, or ``diffusion`` for the one that was trained beside it; the published SemantiCodec has only that.
        backend: ``torch``, or ``onnx`` for onnxruntime, which needs no torch; by default torch where it is installed.

    Raises:
        ModelError: missing, damaged, or not a model of this kind.
        CodecError: unknown rate or vocabulary, a device that is not there, or ``compat`` of a model of our own.
    """
    check_model(name)
    if decoder not in get_args(Way):
        raise CodecError(f"decoder {decoder!r} is not one of {', '.join(get_args(Way))}")
    if name == "":
        raise ModelError("the name of the model is empty")
    if backend not in (None, *get_args(Backend)):
        raise CodecError(f"backend {backend!r} is not one of {', '.join(get_args(Backend))}")
    if compat is not None and not _is_published(name):
        raise CodecError(f"{name or DEFAULT.name}: compat is of the published SemantiCodec alone")
    if backend == "onnx" or (backend is None and not has_torch()):
        return _load_portable(name, rate, vocab, str(device), decoder)
    if not has_torch():
        raise CodecError(f"torch is not installed: {WITH_TORCH}, or backend='onnx'")
    from codec.device import find_device
    from codec.stored import load_network, read_model_config

    device = find_device(device)
    if _is_published(name):
        from codec.semanticodec.model import load_published

        return load_published(str(name), rate, vocab, device, compat is not False)
    folder, weights = _files_of(name)
    config, fingerprint = read_model_config(folder)
    networks = load_network(lambda: build(config), weights, DERIVED)
    sounding = decoder_of(folder) if weights.name == WEIGHTS else _decoder_in(weights, networks, fingerprint)
    if decoder == "diffusion":
        from codec.networks.diffusion import files

        networks = files.load_diffusion(folder, networks, fingerprint)
        sounding = sha256_of(folder / files.WEIGHTS)[:16]
    networks = networks.to(device).eval().requires_grad_(False)
    return Codec(networks, str(name or "default"), fingerprint, rate, vocab, folder, sounding)


def _decoder_in(weights: Path, networks: SourceFilterNetworks, fingerprint: str) -> str:
    """The fingerprint of the decoder in other weights than those that a folder's config tells of.

    Raises:
        ModelError: they make other tokens.
    """
    config, state = networks.config.model_dump(mode="json"), networks.state_dict()
    if (found := hash_of(config, state)) != fingerprint:
        raise ModelError(f"{weights}: makes tokens of its own, {found}, and config.json beside it is of {fingerprint}")
    return hash_of(config, state, decoder=True)


def _files_of(name: str | Path | None) -> tuple[Path, Path]:
    folder, weights = files_of(name)
    if name in FORMER.values():
        raise ModelError(former(str(name)))
    if not folder.is_dir():
        more = "" if has_torch() else f"; codecs of others need torch: {WITH_TORCH}"
        known = ", ".join(model.name for model in models())
        raise ModelError(f"no model {str(name)!r}: known are {known}, or a folder made by codec train export{more}")
    return folder, weights


def _load_portable(name: str | Path | None, rate: int | None, vocab: int | None, device: str, decoder: str) -> Codec:
    """A model of our own by onnxruntime."""
    if device not in ("cpu", "auto") or decoder != "fast":
        raise CodecError(f"device {device} and decoder {decoder} need torch: {WITH_TORCH}")
    folder, weights = _files_of(name)
    if weights.name != WEIGHTS:
        raise ModelError(f"{weights}: ONNX files refer to model.safetensors; name the folder")
    engine = OnnxEngine(folder)
    if (folder / "config.json").is_file() and fingerprint_of(folder) != engine.fingerprint:
        raise ModelError(f"{folder}: its ONNX files are of another model; make them: codec export --onnx {folder} -m {folder}")
    sounding = decoder_of(folder) if (folder / "config.json").is_file() else ""
    return Codec(engine, str(name or "default"), engine.fingerprint, rate, vocab, folder, sounding)


def _is_of_others(name: str | Path | None) -> bool:
    """Whether a name is that of a codec of others, all of which need torch."""
    if not isinstance(name, str) or not has_torch():
        return False
    from codec.baselines.registry import is_known

    return is_known(name)


def check_model(name: str | Path | None, own: bool = False) -> None:
    """Refuses a name that cannot do what a command wants of its model, before any work and before any weights are read.

    Args:
        name: as `load_codec` takes it.
        own: the command looks inside: the published SemantiCodec, whose networks are others, will not do either.

    Raises:
        ModelError: a codec of others, or one whose networks are not ours.
    """
    if _is_of_others(name):
        raise ModelError(f"{name} is a codec of others: codec.load, codec eval and codec sweep take it, .sct files do not")
    if own and has_torch() and _is_published(name):
        raise ModelError(f"{name}: this takes models of our own kind, the default or a folder made by codec train export")


def _is_published(name: str | Path | None) -> bool:
    from codec.semanticodec.published import is_published

    return is_published(name)


def load_own(
    name: str | Path | None = None, rate: int | None = None, vocab: int | None = None, device: str | torch.device = "cpu"
) -> Codec:
    """Loads a model of our own, as `load_codec` does, for what needs its networks: live streams, training, measurements.

    Raises:
        ModelError: a codec of others or the published SemantiCodec, or as `load_codec`.
        CodecError: unknown rate or vocabulary.
    """
    check_model(name, own=True)
    model = load_codec(name, rate, vocab, device)
    assert isinstance(model, Codec)
    return model


def build(config: ModelConfig) -> SourceFilterNetworks:
    """Untrained networks of a config's sizes."""
    from codec.networks.source_filter_codec import SourceFilterNetworks

    return SourceFilterNetworks(config)


def export(networks: CodecNetworks, folder: str | Path) -> str:
    """Writes a folder that `load` takes, weights in float16.

    Returns:
        The fingerprint of its tokens: a hash of config and weights of all that makes them. The decoder has one of its own: a
        better one decodes older tokens.

    Raises:
        CodecError: the folder's ``config.json`` is of something else, or nothing can be written there.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    if (folder / CONFIG).exists() and not holds_model(folder):
        raise CodecError(f"{folder}: its {CONFIG} is none of a model of ours, and would be replaced; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().half().contiguous() for key, value in networks.state_dict().items()}
    state = {key: value for key, value in state.items() if not key.startswith(DERIVED)}
    config = networks.config.model_dump(mode="json")
    tokens = hash_of(config, state)
    with atomic_path(folder / WEIGHTS) as path:
        save_file(state, path)
    with atomic_write(folder / CONFIG) as handle:
        about = {"fingerprint": tokens, "decoder": hash_of(config, state, decoder=True), "model": config}
        handle.write((json.dumps(about, indent=1) + "\n").encode())
    return tokens


def holds_model(folder: Path) -> bool:
    """Whether a folder's config is one that `export` or transformers wrote of a model of our own."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and ("fingerprint" in config or config.get("model_type") == "semcodec")


def hash_of(config: Mapping[str, Any], state: Mapping[str, Tensor], decoder: bool = False) -> str:
    """The fingerprint of a model's tokens: a hash of its config and of its weights in float16, without what follows from it.

    Args:
        config: of the model.
        state: its weights.
        decoder: of what makes sound of tokens, rather than of what makes tokens.
    """

    def concerned(key: str) -> bool:
        return not key.startswith(DERIVED) and (key.partition(".")[0] in DECODER) == decoder

    sizes = {key: value for key, value in config.items() if concerned(key)}
    sizes["sound" if decoder else "meaning"] = SOUND if decoder else TOKENS
    digest = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode())
    for key in sorted(filter(concerned, state)):
        digest.update(key.encode())
        digest.update((state[key].detach().half().cpu() + 0).numpy().tobytes())  # averages make 0 of −0
    return digest.hexdigest()[:16]
