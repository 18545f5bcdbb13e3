"""The Descript codec with the weights of its own package."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codec.baselines import load_tokenizer
from codec.baselines.dac import SHAPES, converted
from codec.baselines.dac import network as build
from codec.errors import ModelError

FAMILY = "dac_16khz"
NARROW = dataclasses.replace(SHAPES[FAMILY], encoder_hidden_size=4, decoder_hidden_size=64, n_codebooks=3)
NAMES = "38e1c5fa"
"""First digits of the SHA-256 of the names of all tensors of descript-audio-codec 1.0.0 in `NARROW`'s shape, in order."""


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))
    monkeypatch.setitem(SHAPES, FAMILY, NARROW)


def packaged_name(name: str) -> str:
    """A tensor's name in the package, from that in transformers."""
    half, _, rest = name.partition(".")
    if half == "quantizer":
        return name
    rest = re.sub(r"^(conv1|snake1|conv2)\.", lambda m: {"conv1": "0.", "snake1": "5.", "conv2": "6."}[m[1]], rest)
    rest = re.sub(r"^block\.(\d)\.", lambda m: f"{int(m[1]) + 1}.block.", rest)
    moved = -1 if half == "encoder" else 1  # units come before the convolution of an encoder's stage, after a decoder's
    rest = re.sub(r"\.res_unit(\d)\.(\w+)\.", lambda m: f".{int(m[1]) + moved}.block.{UNIT.index(m[2])}.", rest)
    order = {"snake1": "3", "conv1": "4"} if half == "encoder" else {"snake1": "0", "conv_t1": "1"}
    rest = re.sub(r"block\.(snake1|conv1|conv_t1)\.", lambda m: f"block.{order[m[1]]}.", rest)
    return f"{half}.{'block' if half == 'encoder' else 'model'}.{rest}"


UNIT = ["snake1", "conv1", "snake2", "conv2"]


def packaged(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict of transformers as the package has it: direction (at any length) and length apart."""
    found = {}
    for name, tensor in state.items():
        name = packaged_name(name)
        if name.endswith(".weight") and tensor.ndim == 3:
            found[name.replace(".weight", ".weight_g")] = tensor.norm(dim=(1, 2), keepdim=True)
            found[name.replace(".weight", ".weight_v")] = 3 * tensor
        else:
            found[name] = tensor
    return found


def digest(names: Any) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[: len(NAMES)]


def save(folder: Path, content: object) -> Path:
    path = folder / FAMILY / "weights_16khz.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save(content, path)
    return path


def test_weights_of_the_package(tmp_path: Path) -> None:
    state = build(FAMILY, None).state_dict()
    theirs = packaged(state)
    assert digest(theirs) == NAMES
    for name, tensor in converted(theirs).items():
        torch.testing.assert_close(tensor, state[name])
    wave = 0.1 * np.random.default_rng(0).standard_normal(3_200).astype(np.float32)
    before = load_tokenizer(f"{FAMILY}@n=2", trained_only=False)
    save(tmp_path, {"state_dict": theirs, "metadata": {"kwargs": {"sample_rate": 16_000}}})
    after = load_tokenizer(f"{FAMILY}@n=2")
    assert after.trained
    tokens = after.encode(wave, 16_000)
    assert tokens.codes.equal(before.encode(wave, 16_000).codes)
    assert len(tokens.codes.unique()) > 5
    tokens.codes[:] = 7
    assert after.decode(tokens).std() > 0


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": Evil()},
        {"weights": {}},
        {"state_dict": {}},
        {"state_dict": {"encoder.block.0.weight_v": torch.ones(4, 1, 7)}},
    ],
    ids=["executable", "no state dict", "empty", "half a convolution"],
)
def test_other_files_are_refused_and_nothing_is_executed(content: object, tmp_path: Path) -> None:
    path = save(tmp_path, content)
    with pytest.raises(ModelError, match=f"{path}: not weights of DacModel"):
        load_tokenizer(FAMILY)


@torch.no_grad()
def test_dac_is_that_of_its_package(tmp_path: Path) -> None:
    """The package's network, saved as it saves it, in ours: the same codes, and the same sound from them."""
    package = pytest.importorskip("dac", reason="needs descript-audio-codec, whose pins bind others: see docs/baselines.md")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = package.DAC(
            encoder_dim=NARROW.encoder_hidden_size,
            encoder_rates=list(NARROW.downsampling_ratios),
            decoder_dim=NARROW.decoder_hidden_size,
            decoder_rates=list(NARROW.downsampling_ratios[::-1]),
            n_codebooks=NARROW.n_codebooks,
            sample_rate=NARROW.sampling_rate,
        ).eval()
        for name, tensor in theirs.named_parameters():  # these start alike, and would hide a mistaken one
            if name.endswith(("alpha", "weight_g")):
                tensor.mul_(1 + 0.3 * torch.rand_like(tensor))
            elif name.endswith("bias"):
                tensor.add_(1e-3 * torch.randn_like(tensor))
    assert digest(theirs.state_dict()) == NAMES
    path = tmp_path / FAMILY / "weights_16khz.pth"
    path.parent.mkdir()
    theirs.save(path, package=False)
    ours = load_tokenizer(FAMILY)
    wave = 0.1 * np.random.default_rng(0).standard_normal(6_400).astype(np.float32)
    tokens = ours.encode(wave, 16_000)
    _, codes, *_ = theirs.encode(torch.from_numpy(wave)[None, None])
    assert tokens.codes.equal(codes)
    assert len(codes.unique()) > 5
    sound = theirs.decode(theirs.quantizer.from_codes(codes)[0])[0, 0]
    torch.testing.assert_close(ours.decode(tokens)[0, : len(sound)], sound, atol=1e-5, rtol=0)
    assert sound.std() > 0
