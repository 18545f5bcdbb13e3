"""A small Whisper with random weights, as transformers has it and in the file that CTranslate2 would write."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from train.whisper import TYPES

LAYERS, DIM, MELS = 2, 128, 80


def network() -> Any:
    """transformers' encoder with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=DIM, encoder_layers=LAYERS, encoder_attention_heads=DIM // 64, encoder_ffn_dim=4 * DIM, num_mel_bins=MELS
    )
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Theirs

    return Theirs(config).eval()


def variables(network: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Its weights by the names that CTranslate2 gives them."""
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    for name in ("conv1", "conv2"):
        yield f"{name}/weight", state[f"{name}.weight"]
        yield f"{name}/bias", state[f"{name}.bias"]
    yield "position_encodings/encodings", state["embed_positions.weight"]
    yield from norm("layer_norm", state, "layer_norm")
    yield "num_heads", np.array(DIM // 64, np.int16)
    for number in range(LAYERS):
        there, here = f"layers.{number}", f"layer_{number}"
        parts = [f"{there}.self_attn.{part}_proj" for part in "qkv"]
        yield f"{here}/self_attention/linear_0/weight", np.concatenate([state[f"{part}.weight"] for part in parts])
        biases = [state.get(f"{part}.bias", np.zeros(DIM, np.float32)) for part in parts]
        yield f"{here}/self_attention/linear_0/bias", np.concatenate(biases)
        same = {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1", "ffn/linear_1": "fc2"}
        for ours, theirs in same.items():
            yield f"{here}/{ours}/weight", state[f"{there}.{theirs}.weight"]
            yield f"{here}/{ours}/bias", state[f"{there}.{theirs}.bias"]
        yield from norm(f"{here}/self_attention/layer_norm", state, f"{there}.self_attn_layer_norm")
        yield from norm(f"{here}/ffn/layer_norm", state, f"{there}.final_layer_norm")


def norm(name: str, state: dict[str, np.ndarray], theirs: str) -> Iterator[tuple[str, np.ndarray]]:
    yield f"{name}/gamma", state[f"{theirs}.weight"]
    yield f"{name}/beta", state[f"{theirs}.bias"]


def write(folder: Path, values: dict[str, np.ndarray]) -> Path:
    """The file that CTranslate2 would write, with a variable of the decoder beside the encoder's; returns its folder."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {np.dtype(kind): number for number, kind in TYPES.items()}
    named = {f"encoder/{name}": value for name, value in values.items()} | {"decoder/scale_embeddings": np.array(1, np.int8)}
    with (folder / "model.bin").open("wb") as file:
        file.write(struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(named)))
        for name, value in named.items():
            file.write(text(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape))
            file.write(struct.pack("<BI", kinds[value.dtype], value.nbytes) + np.ascontiguousarray(value).tobytes())
        file.write(struct.pack("<I", 0))
    return folder
