"""What the codec is trained to do: sound as the original does, say what its frames say, and mean what it means."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import block_features
from train.asr_feature_loss import AsrFeatureLoss
from train.config import CodecStage, TrainConfig
from train.crops import Batch
from train.draws import step_generator
from train.losses import MultiScaleMelLoss, ReconstructionLoss
from train.parallel import Place
from train.progress import autocast
from train.semantic_feature_loss import SemanticFeatureLoss
from train.specimens import Specimens
from train.voice.networks import Encoded
from train.voice.pitch import labelled
from train.voice.targets import Targets, targets_of
from train.voice.usage import usage
from train.whisper import open_whisper

FRAME_WEIGHTS = {
    "loss/envelope": 1.0,
    "loss/envelope_delta": 0.5,
    "loss/pitch": 0.3,
    "loss/voicing": 0.3,
}
"""Of what frames say, beside the loss on sound."""
CLIPS_COUNTED = 8
"""Of each domain, whose codes tell how codebooks are used."""


class Objective:
    """Losses and figures of batches; every batch draws a token rate and a vocabulary, every item how many tokens arrive.

    Args:
        config: of the training; the codec's section says what arrives how often.
        networks: that are trained.
        place: of this process.
        batch_size: of all processes.
    """

    def __init__(self, config: TrainConfig, networks: SourceFilterNetworks, place: Place, batch_size: int) -> None:
        rate = networks.config.sample_rate
        self.config, self.networks, self.place = config, networks, place
        self.batch_size, self.share = batch_size, place.share(batch_size)
        self.criterion = ReconstructionLoss(rate).to(place.device)
        self.measure = MultiScaleMelLoss(rate).to(place.device)
        self.hearing: AsrFeatureLoss | None = None
        if config.codec.hearing:
            self.hearing = AsrFeatureLoss(open_whisper(config.ssl.teachers[0], place.device, config.precision))
        self.meaning = SemanticFeatureLoss(networks, config.precision).to(place.device) if config.codec.meaning else None

    def decoded(self, model: nn.Module, step: int, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What becomes of a batch, and its losses; their weighted sum is called ``loss``."""
        frames_per_token, vocab, n_acoustic, told = draw(self.config, self.networks, step, self.batch_size)
        n_acoustic, told = n_acoustic[self.share].to(self.place.device), told[self.share].to(self.place.device)
        encoded = as_encoded(self.networks, batch, frames_per_token, vocab)
        with autocast(self.place.device, self.config.precision):
            wave, found = model(self.networks, encoded, n_acoustic, told)
        losses = {f"loss/sound/{frames_per_token}": self.criterion(wave, batch.wave), **found}
        total = losses[f"loss/sound/{frames_per_token}"]
        total = total + torch.stack([weight * found[name] for name, weight in FRAME_WEIGHTS.items()]).sum()
        if self.meaning is not None:
            assert batch.features is not None
            losses["loss/meaning"] = self.meaning(wave, batch.features)
            total = total + self.config.codec.meaning * losses["loss/meaning"]
        if self.hearing is not None:
            losses["loss/hearing"] = self.hearing(wave, batch.wave)
            total = total + self.config.codec.hearing * losses["loss/hearing"]
        return wave, {"loss": total, **losses}

    @torch.no_grad()
    def figures(self, model: nn.Module, held_out: Mapping[str, Batch]) -> dict[str, float]:
        """Distances from the originals at every rate, by domain."""
        figures: dict[str, float] = {}
        for domain, held in held_out.items():
            batch = held.to(self.place.device)
            for rate in self.networks.points:
                wave, found = self._at(rate, model, self._encoded(rate, batch))
                figures[f"mel/{domain}/{rate}"] = self.measure(wave, batch.wave).item()
                figures[f"error/gross_pitch/{domain}/{rate}"] = found["error/gross_pitch"].item()
                figures[f"error/voicing/{domain}/{rate}"] = found["error/voicing"].item()
        return figures

    @torch.no_grad()
    def specimens(self, model: nn.Module, held_out: Mapping[str, Batch]) -> Specimens:
        """The first clip of every domain, what becomes of it at every rate, and the use of the acoustic codebooks meanwhile."""
        clips: dict[str, dict[str, Tensor]] = {}
        codes: dict[int, list[Tensor]] = {rate: [] for rate in self.networks.points}
        for domain, held in held_out.items():
            batch = held.first(CLIPS_COUNTED).to(self.place.device)
            clips[domain] = {"original": batch.wave[0]}
            for rate, point in self.networks.points.items():
                encoded = self._encoded(rate, batch)
                codes[rate].append(encoded.acoustic.codes[:, : point.n_streams - 1])
                clips[domain][f"{rate} tokens a second"] = self._at(rate, model, encoded)[0][0]
        figures: dict[str, float] = {}
        for rate, seen in codes.items():
            if seen:
                figures |= usage(seen, self.networks.config.acoustic.codebook_sizes[: seen[0].shape[1]], rate)
        return Specimens(clips, figures)

    def _encoded(self, rate: int, batch: Batch) -> Encoded:
        """A batch as tokens of a rate, with the largest vocabulary."""
        return as_encoded(self.networks, batch, self.networks.points[rate].frames_per_token, self.networks.config.vocabs[-1])

    def _at(self, rate: int, model: nn.Module, encoded: Encoded) -> tuple[Tensor, dict[str, Tensor]]:
        """What becomes of a batch when all tokens of a rate arrive, and what is wrong with its frames."""
        nobody = torch.zeros(len(encoded.semantic), dtype=torch.bool, device=self.place.device)
        arrive = torch.full_like(nobody, self.networks.points[rate].n_streams - 1, dtype=torch.long)
        found: tuple[Tensor, dict[str, Tensor]] = model(self.networks, encoded, arrive, nobody)
        return found


@torch.no_grad()
def prepared(networks: SourceFilterNetworks, batch: Batch, frames_per_token: int, vocab: int) -> tuple[Targets, Tensor]:
    """What a batch should become, and the codewords nearest to what the semantic encoder hears.

    The encoder is told the labelled pitch in training and the tracker's afterwards: that one was taught to say the same.
    """
    assert batch.features is not None
    return _targets(networks, batch), networks.feats_to_semantic(batch.features, frames_per_token, vocab).values


@torch.no_grad()
def as_encoded(networks: SourceFilterNetworks, batch: Batch, frames_per_token: int, vocab: int) -> Encoded:
    """As `prepared`, but with the codewords that the encoder chooses, once there are acoustic codebooks to choose them by."""
    assert batch.features is not None
    targets = _targets(networks, batch)
    features = block_features(targets.features.mel, targets.pitch)
    semantic = networks.chosen_semantic(batch.features, features, frames_per_token, vocab).values
    return Encoded(targets, semantic, networks.chosen_acoustic(features, semantic, frames_per_token), frames_per_token)


def _targets(networks: SourceFilterNetworks, batch: Batch) -> Targets:
    assert batch.labels is not None
    return targets_of(networks.front_end, batch.wave, labelled(batch.labels))


def draw(config: TrainConfig, networks: SourceFilterNetworks, step: int, count: int) -> tuple[int, int, Tensor, Tensor]:
    """Frames per token and vocabulary of a step; acoustic tokens that arrive and whether the true pitch is told, by item."""
    generator, stage = step_generator(config.seed, step), config.codec
    token_lengths, vocabs = networks.config.token_lengths, networks.config.vocabs
    frames_per_token = token_lengths[int(torch.multinomial(torch.tensor(stage.stack_shares), 1, generator=generator))]
    vocab = vocabs[int(torch.randint(len(vocabs), (1,), generator=generator))]
    shares = torch.tensor(arrival_shares(stage, networks.config.n_acoustic[frames_per_token], step))
    arrive = torch.multinomial(shares, count, replacement=True, generator=generator)
    return frames_per_token, vocab, arrive, torch.rand(count, generator=generator) < stage.told_pitch


def arrival_shares(stage: CodecStage, groups: int, step: int) -> list[float]:
    """Chances that 0, 1, … all acoustic tokens arrive; nearly all do in the first part of the training.

    Example:
        >>> arrival_shares(CodecStage(drop_acoustic=0.1, first_only=0.3, steps=100), 3, 99)
        [0.1, 0.3, 0.12, 0.48]
    """
    early = 0.25 if step < 0.4 * stage.steps else 1.0
    none, first = early * stage.drop_acoustic, early * stage.first_only
    rest = 1 - none - first
    if groups == 1:
        return [none, 1 - none]
    between = [0.2 * rest / (groups - 2)] * (groups - 2) if groups > 2 else []
    return [round(share, 6) for share in (none, first, *between, rest - sum(between))]
