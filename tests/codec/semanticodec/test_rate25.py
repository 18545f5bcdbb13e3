"""25 tokens/s, for which there are no fixtures: against the architecture written down once more, in numpy, loop by loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codec.semanticodec.conditioning import Codebooks, Context, windows
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.frontend import reference_segments

CONFIG = PublishedConfig(stack=4, dim=6, depth=4, heads=2, lstm_layers=2, codebook_size=32, unet_channels=(32,) * 4)
WIDTH = 24
VOCAB = 64


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * weight + bias


def gelu(x: np.ndarray) -> np.ndarray:
    return torch.nn.functional.gelu(torch.from_numpy(x)).numpy()


def audiomae(rows: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    """``(1024, 128)`` → ``(64, 8, dim)``: time, frequency."""
    kernel = w["audiomae.patch_embed.proj.weight"][:, 0]
    patches = []
    for t in range(64):
        for f in range(8):
            patch = rows[16 * t : 16 * t + 16, 16 * f : 16 * f + 16]
            patches.append((kernel * patch).sum((1, 2)) + w["audiomae.patch_embed.proj.bias"])
    x = np.concatenate([w["audiomae.cls_token"][0], np.stack(patches)]) + w["audiomae.pos_embed"][0]
    head, total = CONFIG.dim // CONFIG.heads, np.zeros_like(x)
    for block in range(CONFIG.depth):
        p = f"audiomae.blocks.{block}."
        y = norm(x, w[p + "norm1.weight"], w[p + "norm1.bias"]) @ w[p + "attn.qkv.weight"].T + w[p + "attn.qkv.bias"]
        q, k, v = y[:, : CONFIG.dim], y[:, CONFIG.dim : 2 * CONFIG.dim], y[:, 2 * CONFIG.dim :]
        heads = []
        for number in range(CONFIG.heads):
            part = slice(number * head, (number + 1) * head)
            scores = np.exp(q[:, part] @ k[:, part].T / np.sqrt(head))
            heads.append(scores / scores.sum(1, keepdims=True) @ v[:, part])
        x = x + np.concatenate(heads, 1) @ w[p + "attn.proj.weight"].T + w[p + "attn.proj.bias"]
        y = norm(x, w[p + "norm2.weight"], w[p + "norm2.bias"]) @ w[p + "mlp.fc1.weight"].T + w[p + "mlp.fc1.bias"]
        x = x + gelu(y) @ w[p + "mlp.fc2.weight"].T + w[p + "mlp.fc2.bias"]
        if block >= CONFIG.depth - 3:
            total += norm(x, w["audiomae.norm.weight"], w["audiomae.norm.bias"]) / 3
    return total[1:].reshape(64, 8, CONFIG.dim)


def lstm(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    """``(N, D)`` → ``(N, 2·D)``, two layers, both directions."""
    hidden = 2 * WIDTH
    for layer in range(2):
        sides = []
        for suffix, order in (("", range(len(x))), ("_reverse", range(len(x) - 1, -1, -1))):
            name = f"l{layer}{suffix}"
            h, c, out = np.zeros(hidden), np.zeros(hidden), np.zeros((len(x), hidden))
            for n in order:
                gates = w[f"acoustic.lstm.weight_ih_{name}"] @ x[n] + w[f"acoustic.lstm.bias_ih_{name}"]
                gates = gates + w[f"acoustic.lstm.weight_hh_{name}"] @ h + w[f"acoustic.lstm.bias_hh_{name}"]
                i, f, g, o = np.split(gates, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                out[n] = h
            sides.append(out)
        x = np.concatenate(sides, 1)
    return x


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(25)
    network = Encoder(CONFIG).eval().requires_grad_(False)
    network.audiomae.cls_token.normal_(std=0.3)
    network.audiomae.pos_embed.normal_(std=0.3)
    # Far from linear, so that every gate matters.
    for weight in network.acoustic.parameters():
        weight.mul_(3)
    return network


@pytest.mark.parametrize("seconds", [2.5, 10.24])
def test_tokens(encoder: Encoder, seconds: float) -> None:
    wave = torch.from_numpy(np.random.default_rng(7).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32))
    segment = reference_segments(wave)[0]
    w = {name: value.double().numpy() for name, value in encoder.state_dict().items()}
    rows = segment.double().numpy()
    features = audiomae(rows, w)
    # Two by two: earlier before later, low before high within each.
    stacked = np.stack(
        [
            np.concatenate([features[2 * t + late, 2 * f + high] for late in (0, 1) for high in (0, 1)])
            for t in range(32)
            for f in range(4)
        ]
    )  # fmt: skip
    # Some centroids are features themselves, so that they are chosen for a reason.
    rng = np.random.default_rng(8)
    centroids = np.concatenate([stacked[::4], rng.normal(0, 1, (VOCAB - 32, WIDTH))])
    semantic = np.array([((centroids - vector) ** 2).sum(1).argmin() for vector in stacked])
    joined = np.concatenate([stacked, centroids[semantic]], 1)
    constant = [row.max() == row.min() for row in rows]
    sounding = max(n for n in range(1024) if not constant[n]) + 1
    joined[int(np.ceil(128 * (sounding / 1024))) :] = -1.0
    latents = lstm(joined, w) @ w["acoustic.output.weight"].T
    # So are some codewords latents.
    codebook = latents[::4].astype(np.float32)
    encoder.acoustic.codebook.copy_(torch.from_numpy(codebook))
    acoustic = np.array([((codebook - vector) ** 2).sum(1).argmin() for vector in latents])
    codes = encoder(segment.unsqueeze(0), torch.from_numpy(centroids).float())[0].numpy()
    assert codes.shape == (2, 128)
    assert codes[0].tolist() == semantic.tolist()
    assert codes[1].tolist() == acoustic.tolist()
    assert len(set(acoustic.tolist())) > 16
    assert len(set(semantic.tolist())) > 16


def test_context() -> None:
    rng = np.random.default_rng(9)
    semantic, acoustic = rng.normal(size=(VOCAB, WIDTH)), rng.normal(size=(32, WIDTH))
    codes = np.stack([rng.integers(0, VOCAB, 50), rng.integers(0, 32, 50)])
    books = Codebooks(torch.from_numpy(semantic), torch.from_numpy(acoustic))
    context = Context.of(books.vectors(torch.from_numpy(codes)[None]), CONFIG.window)
    for n in range(128):
        tokens = np.concatenate([acoustic[codes[1, n]], semantic[codes[0, n]]]) if n < 50 else np.full(2 * WIDTH, -1.0)
        place = np.zeros(192)
        for i in range(96):
            place[2 * i] = np.sin(n * 10_000.0 ** (-2 * i / 192))
            place[2 * i + 1] = np.cos(n * 10_000.0 ** (-2 * i / 192))
        np.testing.assert_allclose(context.given[0, n].numpy(), np.concatenate([tokens, place]), atol=1e-4)
        np.testing.assert_allclose(context.empty[0, n].numpy(), np.concatenate([0 * tokens, place]), atol=1e-4)


def test_windows() -> None:
    assert CONFIG.window == 128
    for pairs in (1, 127, 128, 129, 248, 249, 600):
        found, start = [], 0
        while start + 128 < pairs:
            found.append((start, 128))
            start += 120
        assert windows(pairs, CONFIG) == [*found, (start, pairs - start)]
