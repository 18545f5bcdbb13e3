"""What a config costs: floating-point operations of its stages, counted on one crop each, and GPU-hours from that.

``python -m train.cost train/configs/base.yaml 6500`` prints the table of ``docs/training.md`` for a corpus of 6500 hours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from codec.hub import build
from codec.networks.pitch import Pitch
from train.config import CropStage, SemanticStage, TrainConfig
from train.crops import FRAME
from train.discriminator import adversarial_loss
from train.voice.discriminators import Discriminators

GPU_FLOPS = 312e12
"""An A100's peak in bfloat16."""
UTILISATION = 0.2
"""Of that peak, for stacks of this width between Fourier transforms; an assumption, not a measurement."""
FRAMES_PER_SECOND = 50
COUNTED_FRAMES = 16
"""Length of the crop that is counted; cost is linear in length."""


WHISPER = {"tiny": (4, 384), "base": (6, 512), "small": (12, 768), "medium": (24, 1024), "large": (32, 1280)}
"""Layers and width of Whisper's encoder, by size (Radford et al. 2022, table 1)."""
WINDOW_FRAMES = 1500
"""That its attention spans, 30 s."""


@dataclass(frozen=True)
class Cost:
    """The cost of one stage.

    Attributes:
        stage: its name.
        audio_hours: that pass through it, repetitions counted.
        flop: floating-point operations.
    """

    stage: str
    audio_hours: float
    flop: float

    @property
    def gpu_hours(self) -> float:
        """The hours on one A100, at the utilisation assumed here."""
        return self.flop / (GPU_FLOPS * UTILISATION) / 3600


def costs(config: TrainConfig, corpus_hours: float = 0) -> list[Cost]:
    """Operations of the stages that run networks. Collecting audio and k-means take hours of processors, not of GPUs.

    Args:
        config: of a training.
        corpus_hours: of audio, which the teacher and the finished encoder pass over once.
    """
    networks = build(config.model)
    wave, seconds = torch.randn(1, COUNTED_FRAMES * FRAME), COUNTED_FRAMES / FRAMES_PER_SECOND
    mel, heard = networks.mel(wave), networks.front_end(wave)
    frames_per_token, tokens = config.model.token_lengths[0], COUNTED_FRAMES // config.model.token_lengths[0]
    semantic = torch.randn(1, tokens, config.model.semantic_dims[0])
    values = torch.rand(1, tokens, 1 + config.model.n_acoustic[frames_per_token] * config.model.acoustic.n_coefficients)
    pitch, there = Pitch(torch.full(heard.mel.shape[:2], 100.0), torch.ones(heard.mel.shape[:2])), torch.tensor([9])

    def decoded() -> Tensor:
        frames = networks.values_to_frames(semantic, values, there, frames_per_token)
        return sounded(frames.mel, frames.hidden)

    def sounded(envelope: Tensor, hidden: Tensor | None = None) -> Tensor:
        shaped: Tensor = networks.vocoder.head.envelopes(networks.vocoder(envelope, pitch, hidden))
        return shaped

    def tracked() -> Tensor:
        return torch.cat([part.flatten() for part in networks.pitch.logits(heard.mel, heard.correlogram)])

    encoder = count(lambda: networks.semantic(mel.detach().requires_grad_()))
    ssl, corpus_frames = config.ssl, round(corpus_hours * 3600 * FRAMES_PER_SECOND)
    teacher = sum(map(of_teacher, ssl.teachers)) * COUNTED_FRAMES if ssl.objective == "distil" else 0.0
    meaning, polish = encoder if config.codec.meaning else 0.0, config.adversarial
    plans = [
        ("teacher", corpus_frames, teacher),
        ("features", corpus_frames, encoder / 3),  # without gradients
        ("ssl", _frames(ssl), encoder),
        ("tracker", _frames(config.tracker), count(tracked)),
        ("vocoder", _frames(config.vocoder), count(lambda: sounded(heard.mel))),
        ("codec", _frames(config.codec), count(decoded) + meaning),
    ]
    if polish.steps:
        discriminators = Discriminators(config.model.sample_rate, polish.n_ffts, polish.channels)
        discriminated = (
            count(lambda: adversarial_loss(discriminators(wave.repeat(1, 4).requires_grad_())), convolutions=True) / 4
        )
        # Real and decoded sound, for the discriminators' step; half as much for the decoder's, which leaves them as they are.
        plans.append(("adversarial", _frames(polish), count(decoded) + meaning + 3 * discriminated))
    return [
        Cost(stage, frames / FRAMES_PER_SECOND / 3600, frames / FRAMES_PER_SECOND * operations / seconds)
        for stage, frames, operations in plans
    ]


def _frames(stage: CropStage | SemanticStage) -> int:
    """The frames of all crops together; repetitions count."""
    return stage.steps * stage.batch_size * stage.crop_frames


def of_teacher(name: str) -> float:
    """Operations of Whisper's encoder for each of its frames; 0 where its size is not known from its name.

    Example:
        >>> f"{of_teacher('whisper-base') * FRAMES_PER_SECOND:.2e}"
        '2.81e+09'
    """
    size = next((size for size in WHISPER if size in name), "large" if "turbo" in name else "")
    layers, width = WHISPER.get(size, (0, 0))
    return layers * (2 * 12 * width**2 + 4 * WINDOW_FRAMES * width)


def count(function: Callable[[], Tensor], convolutions: bool = False) -> float:
    """Operations of a function and of the gradient of its sum.

    Convolutions are left out unless asked for: the depthwise ones here are negligible, and PyTorch's counter takes their
    gradients for dense.
    """
    with FlopCounterMode(display=False) as counter:
        function().sum().backward()
    found = counter.get_flop_counts()["Global"]
    return float(sum(value for name, value in found.items() if convolutions or "convolution" not in str(name)))


def main(path: Path, corpus_hours: float = 0) -> None:
    """Prints a Markdown table."""
    from train.config_file import read_config

    rows = costs(read_config(path, []), corpus_hours)
    print("| stage | hours of audio | PFLOP | A100-hours |\n|---|---|---|---|")
    for row in (*rows, Cost("total", sum(r.audio_hours for r in rows), sum(r.flop for r in rows))):
        print(f"| {row.stage} | {row.audio_hours:,.0f} | {row.flop / 1e15:,.0f} | {row.gpu_hours:,.1f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
