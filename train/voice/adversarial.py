"""The adversarial stage: both halves of the decoder are polished against discriminators; tokens stay what they are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from codec.data.store import Corpus
from codec.errors import CodecError
from codec.networks.source_filter_codec import SourceFilterNetworks
from train.config import TrainConfig
from train.crops import Batch
from train.discriminator_training import DiscriminatorTraining
from train.draws import ADVERSARIAL_CROPS
from train.lineage import digest_of
from train.loop import Training, train
from train.parallel import join
from train.progress import compile_for
from train.run import Stateful, steps_done
from train.specimens import Specimens
from train.voice.data import crops_of, held_out
from train.voice.discriminators import Discriminators
from train.voice.networks import VoiceCodec
from train.voice.objective import Objective

MATTERS = ("codec", "adversarial", "model", "seed", "precision")
BETAS = (0.8, 0.98)
"""Of the discriminators' AdamW: its memory is short, since what it learns about moves."""


def refuse_longer_codec(config: TrainConfig) -> None:
    """Finds out whether the codec stage would train on under the decoder that was polished already.

    Raises:
        CodecError: it would: what was polished would not fit any more, and nothing could be exported.
    """
    folder = config.folder("adversarial")
    if not config.adversarial.steps or not (folder / "config.json").exists():
        return
    done = steps_done(config.folder("codec"))
    if done is not None and done < config.codec.steps:
        raise CodecError(
            f"{folder}: polishes the decoder as it was after {done} steps of the codec stage, and would not fit what "
            f"codec.steps={config.codec.steps} makes of it. Delete {folder}, which is made anew behind that; or keep "
            f"codec.steps={done}; or go on in another root, with init={config.folder('model')}"
        )


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
    compile_for(place.device, networks.decoder.backbone, networks.vocoder.backbone)
    discriminators = Discriminators(networks.config.sample_rate, stage.n_ffts, stage.channels).to(place.device)
    optimizer = torch.optim.AdamW(discriminators.parameters(), stage.discriminator_rate, BETAS, fused=True)
    adversary = DiscriminatorTraining(discriminators, optimizer, place.device, config.precision)
    model = VoiceCodec(networks)

    def losses(model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        wave, found = objective.decoded(model, step, batch)
        found["loss/discriminator"] = adversary.learn(batch.wave, wave)
        adversarial, feature = adversary.losses(batch.wave, wave)
        total = found["loss"] + stage.adversarial * adversarial + stage.feature * feature
        return {**found, "loss/adversarial": adversarial, "loss/feature": feature, "loss": total}

    def validate(model: nn.Module) -> dict[str, float]:
        return objective.figures(model, valid)

    def specimens(model: nn.Module) -> Specimens:
        return objective.specimens(model, valid)

    beside: dict[str, Stateful] = {"judges": discriminators, "judges_optimizer": optimizer}
    training = Training("adversarial", model, losses, validate, MATTERS, upon, beside, specimens)
    return train(config, stage, data, place, training).folder
