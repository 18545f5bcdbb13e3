"""A small causal transformer over tokens: what a language model can predict of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IGNORED = -100
GROUP = 64
"""Codewords that are told apart in the second softmax."""


@dataclass(frozen=True)
class Size:
    """The size of the model and of its training, small enough for a laptop.

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
    """Pre-norm blocks with learned positions; a token is predicted as a group of codewords and then a codeword of it.

    Two short softmaxes instead of one over the whole vocabulary: cost hardly grows with it, and the codewords of a group
    are neighbours, since those of a nested codebook stand beside their siblings. Input and output share their embedding.

    Args:
        vocabs: number of codewords of every stream that takes turns; tokens of the second come after those of the first.
            Whose turn it is is known: groups without a codeword of that stream are no choice.
        size: of the model.
    """

    def __init__(self, vocabs: Sequence[int], size: Size) -> None:
        super().__init__()
        vocab = sum(vocabs)
        self.vocab, self.group_size = vocab, min(GROUP, vocab)
        groups = -(-vocab // self.group_size)
        # After the codewords comes what every sequence starts with; the last group may be filled up.
        self.embedding = nn.Embedding(groups * self.group_size + 1, size.dim)
        self.positions = nn.Parameter(torch.zeros(size.context, size.dim))
        nn.init.normal_(self.embedding.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(size.dim, size.heads, 4 * size.dim, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, size.layers, nn.LayerNorm(size.dim), enable_nested_tensor=False)
        self.groups = nn.Linear(size.dim, groups)
        self.bias = nn.Parameter(torch.zeros(groups, self.group_size))
        nothing = torch.arange(groups * self.group_size).view(groups, self.group_size) >= vocab
        self.register_buffer("nothing", nothing, persistent=False)
        ends = torch.tensor(vocabs).cumsum(0).unsqueeze(1)
        firsts = torch.arange(groups) * self.group_size
        elsewhere = (firsts >= ends) | (firsts + self.group_size <= ends - torch.tensor(vocabs).unsqueeze(1))
        self.register_buffer("elsewhere", elsewhere, persistent=False)
        self.register_buffer("ends", ends.flatten(), persistent=False)

    @property
    def start(self) -> int:
        """What every sequence starts with."""
        return self.embedding.num_embeddings - 1

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, T)`` → hidden states ``(B, T, dim)``, each of which knows its token and those before."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden: Tensor = self.blocks(self.embedding(tokens) + self.positions[:length], mask=mask, is_causal=True)
        return hidden

    def nats(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """``(N, dim)`` hidden states and the ``(N,)`` tokens after them → ``(N,)`` −ln of their probabilities."""
        group, member = targets // self.group_size, targets % self.group_size
        table = self.embedding.weight[:-1].view(*self.bias.shape, -1)
        logits = torch.einsum("nd,nmd->nm", hidden, table[group]) + self.bias[group]
        logits = logits.masked_fill(self.get_buffer("nothing")[group], -math.inf)
        stream = torch.bucketize(targets, self.get_buffer("ends"), right=True)
        choices = self.groups(hidden).masked_fill(self.get_buffer("elsewhere")[stream], -math.inf)
        first = F.cross_entropy(choices, group, reduction="none")
        return first + F.cross_entropy(logits, member, reduction="none")


def train(
    sequences: Sequence[Sequence[int]], valid: Sequence[Sequence[int]], vocabs: Sequence[int], size: Size
) -> TokenTransformer:
    """Trains on windows of random sequences; the step with the fewest bits on ``valid`` counts."""
    generator = torch.Generator().manual_seed(size.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(size.seed)
        model = TokenTransformer(vocabs, size)
        optimizer = torch.optim.AdamW(model.parameters(), lr=size.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, size.steps)
        rows = [torch.tensor([model.start, *sequence]) for sequence in sequences if len(sequence)]
        weights = torch.tensor([float(len(row)) for row in rows])
        best, best_state = math.inf, model.state_dict()
        for step in range(1, size.steps + 1):
            chosen = torch.multinomial(weights, size.batch_size, replacement=True, generator=generator)
            inputs, targets = _windows([rows[i] for i in chosen], size.context, generator)
            counted = targets != IGNORED
            loss = model.nats(model(inputs)[counted], targets[counted]).mean()
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
    """The bits that sequences take; tokens are predicted from at least half a context, if so many came before."""
    training = model.training
    model.eval()
    half = size.context // 2
    total = 0.0
    for sequence in sequences:
        row = torch.tensor([model.start, *sequence])
        done = 0
        while done < len(sequence):
            start = max(0, done - half)
            inputs, targets = row[start : start + size.context][None], row[start + 1 : start + 1 + size.context]
            inputs = inputs[:, : len(targets)]
            hidden = model(inputs)[0, done - start :]
            total += float(model.nats(hidden, targets[done - start :]).sum()) / math.log(2)
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
