"""What ``AutoModel.from_pretrained(FOLDER, trust_remote_code=True)`` runs: semcodec itself does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

import codec
from codec.model import Codec
from codec.tokens import Tokens


class SemcodecConfig(PretrainedConfig):  # type: ignore[misc]  # transformers is not followed
    """``model`` and ``fingerprint`` are semcodec's own ``config.json``."""

    model_type = "semcodec"


@dataclass
class SemcodecOutput(ModelOutput):  # type: ignore[misc]  # transformers is not followed
    """``codes`` is ``(B, 2, N)``: semantic, acoustic; ``lengths`` the samples of each item."""

    codes: torch.Tensor | None = None
    lengths: torch.Tensor | None = None


class SemcodecModel(PreTrainedModel):  # type: ignore[misc]  # transformers is not followed
    """A `codec.Codec` as a transformers model; ``encode``, ``decode`` and ``embed`` are the codec's own."""

    config_class = SemcodecConfig
    main_input_name = "input_values"

    def __init__(self, config: SemcodecConfig, loaded: Codec) -> None:
        super().__init__(config)
        self.codec, self.networks = loaded, loaded.networks

    @classmethod
    def from_pretrained(cls, name: Any, *_: Any, config: SemcodecConfig | None = None, **options: Any) -> SemcodecModel:
        """Reads a folder, or a repository's snapshot, by `codec.load`: it checks what it reads."""
        folder = Path(name)
        if not folder.is_dir():
            from huggingface_hub import snapshot_download

            fetch = {key: options[key] for key in ("revision", "token", "cache_dir", "local_files_only") if key in options}
            folder = Path(snapshot_download(str(name), allow_patterns=["*.json", "*.safetensors"], **fetch))
        return cls(config or SemcodecConfig.from_pretrained(folder), codec.load(folder))

    def forward(
        self, input_values: torch.Tensor | np.ndarray, sampling_rate: int, rate: int | None = None, vocab: int | None = None
    ) -> SemcodecOutput:
        """Encodes ``(B, samples)``."""
        tokens = self.encode(input_values, sampling_rate, rate, vocab)
        return SemcodecOutput(codes=tokens.codes, lengths=tokens.lengths)

    def encode(self, *arguments: Any, **options: Any) -> Tokens:
        """`Codec.encode`."""
        return self.codec.encode(*arguments, **options)

    def decode(self, tokens: Tokens) -> torch.Tensor:
        """`Codec.decode`."""
        return self.codec.decode(tokens)

    def embed(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """`Codec.embed`."""
        return self.codec.embed(*arguments, **options)
