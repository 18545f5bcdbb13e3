from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.conftest import TINY, random_networks
from train.progress import compile_for


def test_a_gpu_compiles_and_a_processor_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    networks = random_networks()
    parts = networks.decoder.backbone, networks.vocoder.backbone
    compile_for(torch.device("cpu"), *parts)
    assert not compiled
    compile_for(torch.device("cuda"), *parts)
    assert compiled == [*parts]


@pytest.mark.parametrize("part", ["semantic", "decoder.backbone", "vocoder.backbone"])
def test_what_training_compiles_is_one_graph_and_gives_the_same(part: str) -> None:
    """Traced as for a compiler, which is left out: it needs minutes, or a GPU."""
    network = random_networks().train().get_submodule(part)
    torch.manual_seed(0)
    width = TINY.mel.n_mels if part == "semantic" else network.get_parameter("blocks.0.scale").numel()
    results = []
    for compiled in (False, True):
        if compiled:
            network.compile(backend="aot_eager", fullgraph=True)
        torch.manual_seed(1)
        for frames in (16, 24):
            network.zero_grad()
            output = network(torch.randn(2, frames, width))
            output.square().mean().backward()
            results.append([output.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)])
    for one, other in zip(results[:2], results[2:], strict=True):
        for mine, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
