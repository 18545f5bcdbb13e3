"""The second decoder on disk: ``diffusion.json`` and ``diffusion.safetensors`` beside the model whose tokens it decodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from codec.atomic import atomic_path, atomic_write
from codec.config import DiffusionDecoderConfig
from codec.diffusion.networks import DiffusionDecoder
from codec.errors import ModelError
from codec.networks import Networks

CONFIG, WEIGHTS = "diffusion.json", "diffusion.safetensors"
MAX_CONFIG_BYTES = 1 << 20


def build(config: DiffusionDecoderConfig, networks: Networks) -> DiffusionDecoder:
    """A decoder for the tokens of ``networks``, untrained."""
    return DiffusionDecoder(config, networks.config, networks.acoustic_quantizer.dim)


def load_diffusion(folder: Path, networks: Networks, fingerprint: str) -> DiffusionDecoder:
    """The decoder beside a model.

    Raises:
        ModelError: there is none, it is damaged, or it decodes another model's tokens.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder}: this model has no diffusion decoder; train one: "
            "python -m train.diffusion --config train/configs/diffusion-nano.yaml"
        )
    config = _read(folder / CONFIG, fingerprint)
    try:
        decoder = build(config, networks)
        decoder.load_state_dict({key: value.float() for key, value in load_file(folder / WEIGHTS).items()})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / WEIGHTS}: cannot be read ({error})") from error
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"{folder}: {WEIGHTS} and {CONFIG} do not fit each other ({reason})") from error
    return decoder


def export_diffusion(decoder: DiffusionDecoder, model: Path, fingerprint: str, folder: Path) -> None:
    """Writes a folder that `codec.load` takes, with both decoders.

    Args:
        decoder: trained.
        model: folder of the model whose tokens it decodes.
        fingerprint: of that model.
        folder: made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.safetensors", "config.json", "entropy.safetensors"):
        if (model / name).is_file() and model.resolve() != folder.resolve():
            shutil.copy(model / name, folder / name)
    state = {key: value.detach().cpu().contiguous() for key, value in decoder.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as path:
        save_file(state, path)
    with atomic_write(folder / CONFIG) as handle:
        about = {"decodes": fingerprint, "decoder": decoder.config.model_dump(mode="json")}
        handle.write((json.dumps(about, indent=1) + "\n").encode())


def _read(path: Path, fingerprint: str) -> DiffusionDecoderConfig:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path}: too large for a config")
        raw = json.loads(path.read_text("utf-8"))
        decodes, config = raw["decodes"], DiffusionDecoderConfig.model_validate(raw["decoder"])
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not a decoder's config ({type(error).__name__}: {error})") from error
    if decodes != fingerprint:
        raise ModelError(f"{path}: decodes tokens of model {decodes}, but {fingerprint} lies beside it")
    return config
