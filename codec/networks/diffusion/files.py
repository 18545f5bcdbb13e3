"""The second decoder on disk: ``diffusion.json`` and ``diffusion.safetensors`` beside the model whose tokens it decodes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from codec.atomic import atomic_path, atomic_write
from codec.bundled import share_token_files
from codec.config import DiffusionDecoderConfig
from codec.errors import ModelError
from codec.networks.diffusion.decoder import DiffusionDecoder
from codec.networks.diffusion.networks import DiffusionNetworks
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.stored import load_network, read_config

CONFIG, WEIGHTS = "diffusion.json", "diffusion.safetensors"


def with_diffusion(networks: SourceFilterNetworks, decoder: DiffusionDecoderConfig) -> DiffusionNetworks:
    """A codec with a second decoder, untrained."""
    both = DiffusionNetworks(networks.config, decoder)
    both.load_state_dict(networks.state_dict(), strict=False)
    return both


def load_diffusion(folder: Path, networks: SourceFilterNetworks, fingerprint: str) -> DiffusionNetworks:
    """A model with the decoder that lies beside it.

    Raises:
        ModelError: there is none, it is damaged, or it decodes another model's tokens.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder}: this model has no diffusion decoder; train one: "
            "python -m train.diffusion --config train/configs/diffusion-nano.yaml"
        )
    path = folder / CONFIG

    def parse(raw: Any) -> DiffusionDecoderConfig:
        if raw["decodes"] != fingerprint:
            raise ModelError(f"{path}: decodes tokens of model {raw['decodes']}, but {fingerprint} lies beside it")
        return DiffusionDecoderConfig.read(raw["decoder"])

    config, sizes = read_config(path, parse), networks.config
    decoder = load_network(lambda: DiffusionDecoder(config, sizes.mel.n_mels, sizes.decoder.fine_dim), folder / WEIGHTS)
    both = with_diffusion(networks, config)
    both.diffusion.load_state_dict(decoder.state_dict())
    return both


def export_diffusion(decoder: DiffusionDecoder, model: Path, fingerprint: str, folder: Path) -> None:
    """Writes a folder that `codec.load` takes, with both decoders.

    Args:
        decoder: trained.
        model: folder of the model whose tokens it decodes.
        fingerprint: of that model.
        folder: made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if model.resolve() != folder.resolve():
        for name in ("model.safetensors", "config.json"):
            shutil.copy(model / name, folder / name)
        share_token_files(model, folder)
    state = {key: value.detach().cpu().contiguous() for key, value in decoder.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as path:
        save_file(state, path)
    with atomic_write(folder / CONFIG) as handle:
        about = {"decodes": fingerprint, "decoder": decoder.config.model_dump(mode="json")}
        handle.write((json.dumps(about, indent=1) + "\n").encode())
