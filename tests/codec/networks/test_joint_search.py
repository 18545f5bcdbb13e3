"""Semantic codewords that are near and beside which acoustic tokens tell most: costs, what they depend on, what is gained."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

from codec.model import Codec
from codec.networks import joint_search
from codec.networks.joint_search import REACH, SEMANTIC_WEIGHT, semantic_codes
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import block_features
from tests.conftest import TINY, random_networks

LENGTH, VOCAB = 2, 64


def material(networks: SourceFilterNetworks, tokens: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Semantic features ``(1, N, D)`` and features of blocks ``(1, N · frames, n_mels + 1)``."""
    generator = torch.Generator().manual_seed(seed)
    heard = torch.randn(1, tokens, LENGTH * TINY.semantic.n_features, generator=generator) * 0.3
    return heard, torch.randn(1, tokens * 2 * LENGTH, TINY.mel.n_mels + 1, generator=generator)


def chosen(networks: SourceFilterNetworks, heard: Tensor, features: Tensor) -> Tensor:
    parts = networks.codebook(LENGTH), networks.transform(LENGTH), networks.quantizer(LENGTH)
    with torch.no_grad():
        return semantic_codes(*parts, heard, features, VOCAB)


@torch.no_grad()
def errors(networks: SourceFilterNetworks, features: Tensor, codes: Tensor) -> Tensor:
    """Squared errors ``(N,)`` of blocks, by the definition: what the nearest first acoustic codeword leaves of them."""
    transform = networks.transform(LENGTH)
    blocks = rearrange(features, "b (n k) w -> b n (k w)", k=transform.frames)
    left = blocks - transform.predicted(networks.codebook(LENGTH).decode(codes, VOCAB))
    told = transform.synthesis(networks.quantizer(LENGTH).codebooks[0])
    return (left[0, :, None] - told).square().sum(-1).amin(-1)


@torch.no_grad()
def test_a_single_token_is_what_a_search_of_all_says() -> None:
    """Nothing stands beside it: the sum of both errors over the whole vocabulary, added up one by one."""
    networks = random_networks()
    heard, features = material(networks, 1)
    codebook = networks.codebook(LENGTH)
    maps = networks.transform(LENGTH).predict.weight.split(codebook.dim, 1)
    nearest = codebook.decode(codebook.encode(heard, VOCAB), VOCAB)[0, 0]
    near, far = codebook.candidates(heard, VOCAB, joint_search.CANDIDATES)
    costs = {}
    for code, distance in zip(near[0, 0].tolist(), far[0, 0].tolist(), strict=True):
        step = codebook.decode(torch.tensor(code), VOCAB) - nearest
        outside = sum((part @ step).square().sum().item() for part in (maps[0], maps[2]))  # blocks that tell nothing
        costs[code] = errors(networks, features, torch.tensor([[code]])).item() + outside + SEMANTIC_WEIGHT * distance
    assert chosen(networks, heard, features).item() == min(costs, key=costs.__getitem__)
    assert len(costs) == joint_search.CANDIDATES


def test_what_is_far_does_not_matter() -> None:
    """Or streams, which know `REACH` tokens of what comes, would not be what whole clips are."""
    networks, tokens, here = random_networks(), 40, 20
    heard, features = material(networks, tokens)
    before = chosen(networks, heard, features)
    other_heard, other_features = material(networks, tokens, seed=2)
    frames, moved = 2 * LENGTH, set()
    for which, sign in itertools.product((0, 1), (-1, 1)):
        edge = here + which + sign * (REACH + 1)
        far = slice(0, edge + 1) if sign < 0 else slice(edge, tokens)
        changed_heard, changed_features = heard.clone(), features.clone()
        changed_heard[:, far] = other_heard[:, far]
        rows = slice(far.start * frames, far.stop * frames)
        changed_features[:, rows] = other_features[:, rows]
        after = chosen(networks, changed_heard, changed_features)
        assert after[0, here + which] == before[0, here + which]
        moved.add(bool((after != before).any()))
    assert moved == {True}


def test_a_clip_from_an_even_token_on_is_chosen_as_the_whole_is() -> None:
    networks = random_networks()
    heard, features = material(networks, 30)
    part = chosen(networks, heard[:, 10:], features[:, 10 * 2 * LENGTH :])
    assert torch.equal(part[:, REACH:], chosen(networks, heard, features)[:, 10 + REACH :])


def test_clips_side_by_side_are_chosen_as_each_alone_is() -> None:
    networks = random_networks()
    pairs = [material(networks, 12, seed) for seed in range(3)]
    together = chosen(networks, *(torch.cat(parts) for parts in zip(*pairs, strict=True)))
    assert torch.equal(together, torch.cat([chosen(networks, *pair) for pair in pairs]))


def test_where_meaning_alone_counts_the_nearest_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = random_networks()
    heard, features = material(networks, 50)
    codes, distances = networks.codebook(LENGTH).candidates(heard, VOCAB, joint_search.CANDIDATES)
    nearest = codes.gather(-1, distances.argmin(-1, keepdim=True))[..., 0]
    assert not torch.equal(chosen(networks, heard, features), nearest)
    monkeypatch.setattr(joint_search, "SEMANTIC_WEIGHT", 1e9)
    assert torch.equal(chosen(networks, heard, features), nearest)


@torch.inference_mode()
def test_a_voice_is_told_better_for_little_meaning(shipped: Codec, speech: np.ndarray) -> None:
    networks = shipped.networks
    assert isinstance(networks, SourceFilterNetworks)
    wave = torch.from_numpy(speech[:, : speech.shape[1] // 1280 * 1280])
    heard = networks.hear(torch.nn.functional.pad(wave, (networks.edge, networks.edge)))
    for length in networks.config.token_lengths:
        codebook, transform, quantizer = networks.codebook(length), networks.transform(length), networks.quantizer(length)
        together = rearrange(heard.semantic, "b (n k) d -> b n (k d)", k=length)
        features, lost = block_features(heard.mel, heard.pitch), []
        for codes in (
            codebook.encode(together, 32768),
            networks.chosen_semantic(heard.semantic, features, length, 32768).codes,
        ):
            values = codebook.decode(codes, 32768)
            wanted = transform.analyse(features, transform.predicted(values))
            told = quantizer.codebooks[0][quantizer.encode(wanted)[:, 0]]
            lost.append(((wanted - told).square().mean(), (values - codebook.project(together)).square().mean()))
        (sound, meaning), (chosen_sound, chosen_meaning) = lost
        assert chosen_sound < 0.9 * sound
        assert chosen_meaning < 1.25 * meaning
