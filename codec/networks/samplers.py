"""Samplers from noise to a latent: the reference's DDIM (arXiv 2010.02502), and DPM-Solver++ (arXiv 2211.01095).

The network predicts v (arXiv 2202.00512); the noise schedule is the checkpoint's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from codec.errors import CodecError

Velocity = Callable[[Tensor, int], Tensor]
"""Noisy latents and a time step → predicted v."""


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
        sampler: ``ddim`` or ``dpm``.
        steps: calls of the network (DDIM: as the reference counts them, see `ddim_table`).
        eta: of DDIM; 1 draws new noise at each step, 0 is deterministic. DPM-Solver++ is deterministic.
        guidance: scale of classifier-free guidance; 1 leaves it out.
    """

    sampler: Literal["ddim", "dpm"] = "ddim"
    steps: int = 50
    eta: float = 1.0
    guidance: float = 2.0

    def __post_init__(self) -> None:
        if self.sampler not in ("ddim", "dpm"):
            raise CodecError(f"sampler {self.sampler!r} is not one of ddim, dpm")
        if not (self.steps >= 1 and 0 <= self.eta <= 1 and np.isfinite(self.guidance)):
            raise CodecError(f"cannot sample with {self.steps} steps, eta {self.eta}, guidance {self.guidance}")


@dataclass(frozen=True)
class Schedule:
    """How much noise there is at each of the time steps that the network was trained on.

    Attributes:
        alphas_cumprod: ``(T,)`` share of the signal's power.
        sqrt_alphas_cumprod: its root, of the signal's amplitude.
        sqrt_one_minus_alphas_cumprod: of the noise's amplitude.
    """

    alphas_cumprod: Tensor
    sqrt_alphas_cumprod: Tensor
    sqrt_one_minus_alphas_cumprod: Tensor

    def to(self, device: torch.device) -> Schedule:
        """The same numbers elsewhere."""
        tables = (self.alphas_cumprod, self.sqrt_alphas_cumprod, self.sqrt_one_minus_alphas_cumprod)
        return Schedule(*(table.to(device) for table in tables))

    def clean(self, x: Tensor, v: Tensor, step: int) -> Tensor:
        """The clean latent that ``x`` and ``v`` together mean."""
        return self.sqrt_alphas_cumprod[step] * x - self.sqrt_one_minus_alphas_cumprod[step] * v

    def noise(self, x: Tensor, v: Tensor, step: int) -> Tensor:
        """The noise that ``x`` and ``v`` together mean."""
        return self.sqrt_alphas_cumprod[step] * v + self.sqrt_one_minus_alphas_cumprod[step] * x


@dataclass(frozen=True)
class DdimTable:
    """Time steps in ascending order, and their coefficients in float64.

    Attributes:
        steps: ``(S,)`` int.
        alphas: cumulative, at each step.
        alphas_prev: at the step before it in time.
        sigmas: standard deviation of the noise that is added.
    """

    steps: np.ndarray
    alphas: np.ndarray
    alphas_prev: np.ndarray
    sigmas: np.ndarray


def ddim_table(alphas_cumprod: Tensor, steps: int, eta: float) -> DdimTable:
    """The reference's choice of time steps.

    It takes every ⌊T / steps⌋-th one, beginning with 1: more than ``steps`` where they do not divide T, and never the last.

    Raises:
        CodecError: a count for which it would ask for a step behind the last one.
    """
    total = len(alphas_cumprod)
    if steps > total:
        raise CodecError(f"{steps} DDIM steps, but the model was trained on {total}")
    chosen = np.arange(0, total, total // steps) + 1
    if chosen[-1] >= total:
        raise CodecError(f"{steps} DDIM steps would start behind the last of the {total} that the model was trained on; try 50")
    bar = alphas_cumprod.double().cpu().numpy()
    alphas, before = bar[chosen], bar[np.append(0, chosen[:-1])]
    sigmas = eta * np.sqrt((1 - before) / (1 - alphas) * (1 - alphas / before))
    return DdimTable(chosen, alphas, before, sigmas)


def sample(velocity: Velocity, schedule: Schedule, draw: Callable[[], Tensor], sampling: Sampling) -> Tensor:
    """Samples latents.

    Args:
        velocity: the network, guidance included.
        schedule: of the checkpoint.
        draw: gives standard normal noise of the latents' shape; called for the start, then as the sampler needs it.
        sampling: settings.
    """
    if sampling.sampler == "dpm":
        return _dpm(velocity, schedule, draw(), sampling.steps)
    table = ddim_table(schedule.alphas_cumprod, sampling.steps, sampling.eta)
    x = draw()
    for index in reversed(range(len(table.steps))):
        x = ddim_step(x, velocity(x, int(table.steps[index])), draw() if sampling.eta else None, index, table, schedule)
    return x


def ddim_step(x: Tensor, v: Tensor, noise: Tensor | None, index: int, table: DdimTable, schedule: Schedule) -> Tensor:
    """One step back in time; new noise comes in at the last one too."""
    step = int(table.steps[index])
    before, sigma = (torch.tensor(values[index], dtype=torch.float32) for values in (table.alphas_prev, table.sigmas))
    direction = (1 - before - sigma**2).sqrt() * schedule.noise(x, v, step)
    x = before.sqrt() * schedule.clean(x, v, step) + direction
    return x if noise is None else x + sigma * noise


def _dpm(velocity: Velocity, schedule: Schedule, x: Tensor, steps: int) -> Tensor:
    try:
        from diffusers import DPMSolverMultistepScheduler
    except ImportError as error:
        raise CodecError("DPM-Solver++ needs diffusers: pip install 'semcodec[official]'") from error
    # A step without any signal has no finite log-SNR.
    bar = schedule.alphas_cumprod.double().cpu().clamp_min(2.0**-24)
    ratios = bar / torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
    solver = DPMSolverMultistepScheduler(
        num_train_timesteps=len(bar),
        trained_betas=(1 - ratios).numpy(),
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        # Evenly in log-SNR: evenly in time, the last step would be so long that it blurs what is nearly certain.
        use_lu_lambdas=True,
        final_sigmas_type="zero",
    )
    solver.set_timesteps(steps)
    solver.set_begin_index(0)  # rounded steps may repeat, so that one cannot be looked up by its number
    for step in solver.timesteps:
        x = solver.step(velocity(x, int(step)), step, x).prev_sample
    return x


def window_generator(seed: int, window: int) -> torch.Generator:
    """Noise of one window, whatever is decoded beside it."""
    # The first window of every clip has the noise of the seed itself.
    return torch.Generator().manual_seed((seed + 0x9E3779B97F4A7C15 * window) % 2**63)
