"""What encoding and decoding cost at the published sizes: work counted without numbers, memory measured with some."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import official as bench
from codec.errors import CodecError
from codec.networks.samplers import Schedule, sample
from codec.semanticodec.compiler import require_compiler
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.decoder import LATENT_HOP
from codec.semanticodec.frontend import exact_segments, reference_segments
from codec.semanticodec.model import FAST, REFERENCE, OfficialCodec
from tests.codec.semanticodec import weights
from tests.codec.semanticodec.fixtures import TINY, keys, networks


def flops(work: object, *inputs: torch.Tensor, **more: object) -> int:
    with FlopCounterMode(display=False) as counter:
        work(*inputs, **more)  # type: ignore[operator]
    return int(counter.get_total_flops())


@pytest.mark.parametrize("rate", [100, 50, 25])
def test_a_second_costs_less_than_a_tenth_at_full_size(rate: int) -> None:
    config = PublishedConfig.published(rate)
    nets = networks(config)
    recurrent = sum(p.numel() for name, p in nets["encoder"].named_parameters() if "lstm.weight" in name)

    def cost(segments: list[torch.Tensor], steps: int) -> int:
        total = 0
        for segment in segments:
            rows = torch.empty(1, *segment.shape, device="meta")
            pairs = len(segment) // 2 // config.stack
            total += flops(nets["encoder"].audiomae, rows) + 2 * recurrent * pairs
            frames = len(segment) * 160 // LATENT_HOP
            x, context = torch.empty(2, 8, frames, 16, device="meta"), torch.empty(2, pairs, config.context_dim, device="meta")
            total += steps * flops(nets["unet"], x, torch.zeros(2, device="meta"), encoder_hidden_states=context)
            total += flops(nets["vae"].decode, torch.empty(1, 8, frames, 16, device="meta"))
            total += flops(nets["vocoder"], torch.empty(1, 4 * frames, 64, device="meta"))
        return total

    wave = torch.zeros(16_000)
    theirs = cost(list(reference_segments(wave)), REFERENCE.steps)
    ours = cost(exact_segments(wave, config), FAST.steps)
    assert ours < theirs / 10


def test_fewer_steps_of_a_better_solver_end_nearer() -> None:
    """Where the best prediction is known (data from a normal distribution), 25 steps beat the 50 of a plain DDIM."""
    schedule = Schedule(*(torch.from_numpy(weights.schedule()[key]) for key in Schedule.__dataclass_fields__))
    mean, spread = torch.tensor([0.5, -1.0, 2.0]).double(), torch.tensor([0.2, 1.0, 0.05]).double()

    def velocity(x: torch.Tensor, step: int) -> torch.Tensor:
        bar = schedule.alphas_cumprod[step].double()
        clean = mean + spread**2 * bar.sqrt() / (bar * spread**2 + 1 - bar) * (x - bar.sqrt() * mean)
        return (bar.sqrt() * x - clean) / (1 - bar).sqrt()

    start = torch.randn(512, 3, generator=torch.Generator().manual_seed(0)).double()
    errors = {}
    for name, sampling, first in (("ddim", REFERENCE, 981), ("dpm", FAST, 999)):
        settings = sampling.__class__(sampling.sampler, sampling.steps, eta=0.0)
        bar = schedule.alphas_cumprod[first].double()
        exact = mean + spread * (start - bar.sqrt() * mean) / (bar * spread**2 + 1 - bar).sqrt()
        found = sample(velocity, schedule, lambda: start.clone(), settings)
        errors[name] = float((found.double() - exact).pow(2).mean().sqrt())
    assert errors["dpm"] < errors["ddim"]


def test_the_bench_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "REPEATS", 1)
    rows = {row.what: row for row in bench.measure(TINY[25])}
    step, tail = rows["one step of a window: with and without tokens, one after the other"], rows["autoencoder and vocoder"]
    before, after = rows["before: 10.24 s in 50 steps of DDIM"], rows["after: 10.24 s in 25 steps of DPM-Solver++"]
    assert before.seconds == pytest.approx(50 * step.seconds + tail.seconds)
    assert after.times_faster == pytest.approx(before.seconds / after.seconds)
    assert all(row.seconds > 0 for row in rows.values())


def test_without_a_compiler_there_is_one_clear_line(exact: OfficialCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "nowhere++")
    with pytest.raises(CodecError, match=r"needs a C\+\+ compiler, and there is no nowhere\+\+ here"):
        exact.compile()
    monkeypatch.delenv("CXX")
    with pytest.raises(CodecError, match=r"there is no g\+\+ here"):
        require_compiler(torch.device("cpu"))


@pytest.mark.heavy
def test_compiled_networks_give_the_same(exact: OfficialCodec) -> None:
    tokens = exact.encode(np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32), 16_000)
    plain = exact.decode(tokens)
    exact.compile()
    torch.testing.assert_close(exact.decode(tokens), plain, atol=1e-3, rtol=0)


MEASURE = """
import sys, resource, numpy as np, codec
model = codec.load(sys.argv[1], rate=100, vocab=32768)
wave = np.random.default_rng(0).normal(0, 0.1, 12 * 16_000).astype(np.float32)
print(model.encode(wave, 16_000).codes.shape[2], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.heavy
def test_encoding_needs_less_than_three_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of the published size, dead weights included: once with converting it, once converted."""
    folder = tmp_path / "semanticodec_tokenrate_100"
    folder.mkdir()
    rng = torch.Generator().manual_seed(0)
    state = {key: 0.02 * torch.randn(shape, generator=rng) for key, shape in keys(100)["encoder"].items()}
    torch.save(state, folder / "encoder.ckpt")
    books = tmp_path / "codebook_idx" / "combine_512_audioset_dominate"
    books.mkdir(parents=True)
    np.save(books / "codebook_16384_0.npy", np.random.default_rng(0).normal(size=(32768, 768)).astype(np.float32))
    del state
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
        pairs, kilobytes = map(int, done.stdout.split())
        print(f"peak {kilobytes / 1e6:.2f} GB")
        assert pairs == 600
        assert kilobytes < 3e6
