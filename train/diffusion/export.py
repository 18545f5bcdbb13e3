"""A trained model on disk, as `codec.load` takes it: the published layout, safetensors in place of checkpoints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codec.semanticodec.checkpoint import write_parts
from codec.semanticodec.published import centroid_file, rate_folder
from train.diffusion.model import DiffusionModel, Frozen


def export(model: DiffusionModel, average: DiffusionModel, frozen: Frozen, folder: Path) -> str:
    """Writes everything that encoding and decoding need.

    Args:
        model: as trained last; its codebook is an average already.
        average: of the networks' weights.
        frozen: what was not trained.
        folder: made if missing.

    Returns:
        The encoder's fingerprint, which tokens carry.
    """
    config = model.config
    about = {"sizes": config.model_dump(mode="json")}
    target = folder / rate_folder(config.rate)
    acoustic = _named("acoustic.", average.acoustic) | {"acoustic.codebook": model.quantiser.codebook.detach().cpu()}
    schedule = asdict(model.schedule) | {"scale_factor": torch.tensor(frozen.scale_factor)}
    decoder = {name: _named("", net) for name, net in (("vae", frozen.vae), ("vocoder", frozen.vocoder))}
    decoder |= {"unet": _named("", average.unet), "schedule": schedule}
    for vocab, centroids in frozen.centroids.items():
        path = folder / centroid_file(config.rate, vocab)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, centroids.cpu().numpy())
    for kind in ("encoder", "decoder"):
        (target / kind).mkdir(parents=True, exist_ok=True)
    write_parts(decoder, target / "decoder", about)
    return write_parts({"encoder": _named("audiomae.", frozen.audiomae) | acoustic}, target / "encoder", about)


def _named(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {prefix + key: value.detach().cpu() for key, value in network.state_dict().items()}
