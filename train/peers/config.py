"""What a peer is: whose architecture, how wide, and the losses that its authors trained it with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from codec.config import Config
from train.config import Count, CropSteps, LoneConfig, NotNegative, Positive, Weights

Family = Literal["encodec_24khz", "dac_16khz", "plain"]
if TYPE_CHECKING:  # for whom a literal must not be a float
    Width = float
else:
    Width = Literal[1, 0.5, 0.25]
STREAMS: dict[Family, int] = {"encodec_24khz": 2, "dac_16khz": 3, "plain": 5}
"""Codebooks by default: 1.5, 1.5 and 1.375 kbit/s."""


class Losses(Config):
    """Weights of what a generator pays, beside its quantiser's commitment.

    Attributes:
        mel: multi-scale distance between log-mel spectrograms.
        wave: mean absolute difference of samples.
        adversarial, feature: of the discriminators; 0 of both leaves these out.
        balanced: weights are shares of the gradient at the output, as EnCodec has it.
        periods: of discriminators on every n-th sample, as HiFi-GAN and DAC have them.
    """

    mel: Positive
    wave: NotNegative = 0.0
    adversarial: NotNegative = 0.0
    feature: NotNegative = 0.0
    balanced: bool = False
    periods: tuple[Count, ...] = ()


LOSSES: dict[Family, Losses] = {
    "encodec_24khz": Losses(mel=1.0, wave=0.1, adversarial=3.0, feature=3.0, balanced=True),  # arXiv 2210.13438, §A.1
    "dac_16khz": Losses(mel=15.0, adversarial=1.0, feature=2.0, periods=(2, 3, 5, 7, 11)),  # arXiv 2306.06546, §3.4
    "plain": Losses(mel=1.0),  # beside those on frames, as our codec stage has them
}
MATTERS = (
    *("family", "streams", "width", "weights", "crop_frames", "batch_size", "learning_rate", "losses", "judge_after"),
    *("judge_every", "seed"),
)
"""What a run cannot change on its way; it may become longer."""


class PeerConfig(LoneConfig, CropSteps):
    """A whole run.

    Attributes:
        family: whose architecture; ``plain`` is our decoder's behind a plain residual quantiser, without semantic tokens.
        streams: codebooks in use; 0: as many as make about 1.4 kbit/s.
        width: of the layers, as a share of the published ones; ``plain`` has ours.
        minutes: of processor time after which it ends even before its last step.
        losses: None: those of the family.
        judge_after: steps before discriminators take part.
        judge_every: generator steps per discriminator step.
    """

    family: Family
    streams: Annotated[int, Field(ge=0, le=32)] = 0
    width: Width = 0.25
    weights: Weights = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    crop_frames: Annotated[int, Field(ge=8)] = 48
    batch_size: Count = 8
    steps: Count = 1_000_000
    minutes: NotNegative = 360
    learning_rate: Positive = 3e-4
    losses: Losses | None = None
    judge_after: Annotated[int, Field(ge=0)] = 1000
    judge_every: Count = 2
    save_every: Count = 200

    @property
    def average_decay(self) -> None:
        """No weights are averaged: codebooks are running means already."""

    def folder(self, name: str) -> Path:
        """The folder of the run, beside the weights."""
        return Path(self.root) / "run"

    @property
    def codebooks(self) -> int:
        """The codebooks that are in use."""
        return self.streams or STREAMS[self.family]

    @property
    def recipe(self) -> Losses:
        """Losses of the run."""
        return self.losses or LOSSES[self.family]
