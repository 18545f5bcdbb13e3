"""The adversarial stage: both halves of the decoder are polished against discriminators; tokens stay what they are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import AdversarialStage, TrainConfig
from train.crops import Batch
from train.discriminator import adversarial_loss, discriminator_loss, feature_loss
from train.draws import ADVERSARIAL_CROPS
from train.lineage import digest_of
from train.loop import Training, train
from train.parallel import Place, average_gradients, join
from train.progress import autocast
from train.run import Stateful
from train.specimens import Specimens
from train.voice.data import crops_of, held_out
from train.voice.judges import Judges
from train.voice.networks import VoiceCodec
from train.voice.objective import Objective

MATTERS = ("codec", "adversarial", "model", "seed", "precision")
BETAS = (0.8, 0.98)
"""Of the discriminators' AdamW: its memory is short, since what it learns about moves."""


class Opponent:
    """The discriminators and their optimiser.

    Args:
        stage: settings.
        precision: they run in.
        place: of this process.
        sample_rate: in Hz.
    """

    def __init__(self, stage: AdversarialStage, precision: str, place: Place, sample_rate: int) -> None:
        self.precision, self.place = precision, place
        self.judges = Judges(sample_rate, stage.n_ffts, stage.channels).to(place.device)
        self.optimizer = torch.optim.AdamW(self.judges.parameters(), stage.discriminator_rate, BETAS, fused=True)

    def learn(self, real: Tensor, fake: Tensor) -> Tensor:
        """One step of telling ``(B, samples)`` real from decoded ones; returns the loss before it."""
        with autocast(self.place.device, self.precision):
            loss = discriminator_loss(self.judges(real), self.judges(fake.detach())).float()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(list(self.judges.parameters()))
        self.optimizer.step()
        return loss.detach()

    def losses(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """What the decoder pays."""
        self.judges.requires_grad_(False)
        with autocast(self.place.device, self.precision):
            with torch.no_grad():
                wanted = self.judges(real)
            given = self.judges(fake)
        self.judges.requires_grad_(True)
        return {"loss/adversarial": adversarial_loss(given).float(), "loss/feature": feature_loss(wanted, given).float()}


def run(config: TrainConfig, networks: SourceFilterNetworks) -> Path:
    """Trains to the end (or goes on from the last checkpoint); returns the run's folder.

    Args:
        config: the run.
        networks: as the codec stage left them; the decoder is trained in place.
    """
    torch.manual_seed(config.seed)
    stage, place, corpus = config.adversarial, join(), Corpus(config.folder("corpus"))
    networks.to(place.device)
    upon = digest_of(networks)
    data = crops_of(config, corpus, stage, config.seed + ADVERSARIAL_CROPS, place.share(stage.batch_size), networks)
    valid = held_out(config, corpus, stage, stage.weights, networks)
    objective = Objective(config, networks, place, stage.batch_size)
    opponent = Opponent(stage, config.precision, place, networks.config.sample_rate)
    model = VoiceCodec(networks)
    model.encoder.requires_grad_(False)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        wave, found = objective.decoded(model, step, batch)
        found["loss/discriminator"] = opponent.learn(batch.wave, wave)
        found.update(opponent.losses(batch.wave, wave))
        total = found["loss"] + stage.adversarial * found["loss/adversarial"] + stage.feature * found["loss/feature"]
        return {**found, "loss": total}

    def validate(model: nn.Module) -> dict[str, float]:
        return objective.figures(model, valid)

    def specimens(model: nn.Module) -> Specimens:
        return objective.specimens(model, valid)

    beside: dict[str, Stateful] = {"judges": opponent.judges, "judges_optimizer": opponent.optimizer}
    training = Training("adversarial", model, losses, validate, MATTERS, upon, beside, specimens)
    return train(config, stage, data, place, training)
