"""Multiply-adds of whatever a codec runs in torch: matrices, convolutions, attention, recurrences. No sines, no FFT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def multiply_adds(function: Callable[[], object]) -> int:
    """Calls a function and counts; the recurrent layers of torch, which its own counter does not know, by their sizes.

    Args:
        function: what is counted; work of other threads and programs is not seen.

    Returns:
        Multiplications with an addition, half of what is often called FLOP; 0 for what is not done by torch.

    Example:
        >>> layer = nn.Linear(10, 20)
        >>> multiply_adds(lambda: layer(torch.zeros(7, 10)))
        1400
    """
    recurrent = 0
    before: list[int] = []

    def enter(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, nn.RNNBase):
            before.append(int(counter.get_total_flops()))

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal recurrent
        if isinstance(module, nn.RNNBase):  # on some machines its counter sees parts of them
            seen = (int(counter.get_total_flops()) - before.pop()) // 2
            recurrent += _of_recurrence(module, inputs[0]) - seen

    hooks = nn.modules.module.register_module_forward_pre_hook(enter), nn.modules.module.register_module_forward_hook(leave)
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            function()
    finally:
        for hook in hooks:
            hook.remove()
    return int(counter.get_total_flops()) // 2 + recurrent


def _of_recurrence(module: nn.RNNBase, inputs: Any) -> int:
    steps = inputs.data.shape[0] if hasattr(inputs, "batch_sizes") else inputs.numel() // inputs.shape[-1]
    directions = 2 if module.bidirectional else 1
    sent = module.proj_size or module.hidden_size
    total = 0
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else sent * directions
        gates = GATES[module.mode] * module.hidden_size * (width + sent)
        total += directions * (gates + module.hidden_size * module.proj_size)
    return int(steps) * total


def parameters(model: object, deep: int = 4) -> int | None:
    """Numbers of all networks that an object holds, itself or in its attributes; None without any."""
    found: dict[int, int] = {}
    _look(model, deep, found, set())
    return sum(found.values()) or None


def _look(thing: object, deep: int, found: dict[int, int], seen: set[int]) -> None:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module):
        found |= {id(each): each.numel() for each in (*thing.parameters(), *thing.buffers())}
    elif deep and hasattr(thing, "__dict__") and not isinstance(thing, type | torch.Tensor):
        for value in vars(thing).values():
            _look(value, deep - 1, found, seen)
