"""A small causal transformer over tokens: what a language model can predict of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IGNORED = -100


@dataclass(frozen=True)
class Size:
    """Of the model and its training; small enough for a laptop.

    Attributes:
        dim: width.
        layers: transformer blocks.
        heads: of attention.
        context: tokens that it sees.
        steps: of training.
        batch_size: windows per step.
        learning_rate: at the start of a cosine schedule.
        every: steps between two looks at the validation tokens.
        seed: of weights and windows.
    """

    dim: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 128
    steps: int = 600
    batch_size: int = 16
    learning_rate: float = 2e-3
    every: int = 100
    seed: int = 0


class TokenTransformer(nn.Module):
    """Pre-norm blocks with learned positions; input and output share their embedding."""

    def __init__(self, vocab: int, size: Size) -> None:
        super().__init__()
        # One more than there are codewords: what every sequence starts with.
        self.embedding = nn.Embedding(vocab + 1, size.dim)
        self.positions = nn.Parameter(torch.zeros(size.context, size.dim))
        nn.init.normal_(self.embedding.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(size.dim, size.heads, 4 * size.dim, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, size.layers, nn.LayerNorm(size.dim), enable_nested_tensor=False)
        self.bias = nn.Parameter(torch.zeros(vocab))

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, T)`` → logits ``(B, T, vocab)`` of the token after each one."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.blocks(self.embedding(tokens) + self.positions[:length], mask=mask, is_causal=True)
        return hidden @ self.embedding.weight[:-1].T + self.bias


def train(sequences: Sequence[Sequence[int]], valid: Sequence[Sequence[int]], vocab: int, size: Size) -> TokenTransformer:
    """Trains on windows of random sequences; the step with the fewest bits on ``valid`` counts."""
    generator = torch.Generator().manual_seed(size.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(size.seed)
        model = TokenTransformer(vocab, size)
        optimizer = torch.optim.AdamW(model.parameters(), lr=size.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, size.steps)
        rows = [torch.tensor([vocab, *sequence]) for sequence in sequences if len(sequence)]
        weights = torch.tensor([float(len(row)) for row in rows])
        best, best_state = math.inf, model.state_dict()
        for step in range(1, size.steps + 1):
            chosen = torch.multinomial(weights, size.batch_size, replacement=True, generator=generator)
            inputs, targets = _windows([rows[i] for i in chosen], size.context, generator)
            loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % size.every == 0 or step == size.steps:
                value = bits(model, valid, size)
                if value < best:
                    best, best_state = value, {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.load_state_dict(best_state)
    return model.eval()


@torch.inference_mode()
def bits(model: TokenTransformer, sequences: Sequence[Sequence[int]], size: Size) -> float:
    """That sequences take; every token is predicted from at least half a context, where the sequence has as much."""
    training = model.training
    model.eval()
    vocab, half = len(model.bias), size.context // 2
    total = 0.0
    for sequence in sequences:
        row = torch.tensor([vocab, *sequence])
        done = 0
        while done < len(sequence):
            start = max(0, done - half)
            inputs, targets = row[start : start + size.context][None], row[start + 1 : start + 1 + size.context]
            inputs = inputs[:, : len(targets)]
            logits = model(inputs)[0, done - start :]
            total += float(F.cross_entropy(logits, targets[done - start :], reduction="sum")) / math.log(2)
            done = start + len(targets)
    model.train(training)
    return total


def _windows(rows: Sequence[Tensor], context: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    longest = min(context, max(len(row) - 1 for row in rows))
    inputs = torch.zeros(len(rows), longest, dtype=torch.int64)
    targets = torch.full((len(rows), longest), IGNORED)
    for index, row in enumerate(rows):
        start = int(torch.randint(max(1, len(row) - longest), (1,), generator=generator))
        part = row[start : start + longest + 1]
        inputs[index, : len(part) - 1], targets[index, : len(part) - 1] = part[:-1], part[1:]
    return inputs, targets
