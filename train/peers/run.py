"""A peer's training: resumable at any moment, ended by the processor's clock."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torchaudio
from safetensors.torch import save_file
from torch import Tensor, nn

from codec.atomic import atomic_path, atomic_write
from codec.data.store import SAMPLE_RATE, Corpus
from codec.errors import CodecError
from train.balancer import Balancer
from train.clock import ProcessorTime
from train.crops import FRAMES_PER_SECOND, Batch, Crops
from train.discriminator_training import DiscriminatorTraining
from train.draws import step_generator
from train.loop import Training, no_figures
from train.loop import train as train_loop
from train.losses import MultiScaleMelLoss
from train.parallel import join
from train.peers.config import MATTERS, PeerConfig
from train.peers.discriminators import discriminators_of
from train.peers.networks import Heard, Peer, peer
from train.run import Stateful
from train.voice.objective import FRAME_WEIGHTS

BETAS = (0.8, 0.99)
"""Of both sides' AdamW."""
COMMITMENT = 0.25


def train(config: PeerConfig) -> Path:
    """Trains to the end, or goes on from the last checkpoint, and writes the weights.

    Raises:
        CodecError: no corpus, several processes, or the loss is no longer a number.
    """
    torch.manual_seed(config.seed)
    place = join()
    if place.size > 1:  # codewords that move to what chose them, and an end by the clock, would have to be agreed on
        raise CodecError(f"peers train in one process, not in {place.size}: start this without a launcher")
    data = Crops(Corpus(config.corpus), "train", config.weights, config.crop_frames, config.batch_size, seed=config.seed)
    model = peer(config).to(place.device).train()
    objective, clock = PeerObjective(config, model.sample_rate, place.device), ProcessorTime()
    training = Training(
        config.family,
        model,
        objective,
        no_figures,
        MATTERS,
        beside={"clock": clock, **objective.parts},
        optimizer=torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=BETAS),
        rate=lambda _: config.learning_rate,
        ended=lambda: clock.seconds >= 60 * config.minutes,
    )
    steps = train_loop(config, config, data, place, training).steps
    return export(config, model, Path(config.root), steps, clock.seconds)


class PeerObjective:
    """What a peer pays, and the discriminators that it is trained against.

    Args:
        config: of the run.
        sample_rate: of the peer, in Hz.
        device: where all of it lies.
    """

    def __init__(self, config: PeerConfig, sample_rate: int, device: torch.device) -> None:
        self.config, self.sample_rate, recipe = config, sample_rate, config.recipe
        self.weights = {"mel": recipe.mel, "wave": recipe.wave, "adversarial": recipe.adversarial, "feature": recipe.feature}
        self.criterion = MultiScaleMelLoss(sample_rate).to(device)
        self.parts: dict[str, Stateful] = {}
        self.balancer, self.adversary = Balancer(self.weights) if recipe.balanced else None, None
        if self.balancer:
            self.parts["balancer"] = self.balancer
        if discriminators := discriminators_of(recipe, config.seed):
            critic = torch.optim.AdamW(discriminators.to(device).parameters(), lr=config.learning_rate, betas=BETAS)
            self.adversary = DiscriminatorTraining(discriminators, critic, device, "fp32")
            self.parts |= {"judges": discriminators, "critic": critic}

    def __call__(self, model: nn.Module, step: int, batch: Batch) -> dict[str, Tensor]:
        """Losses of a step by name; their sum, weighted or balanced, is called ``loss``."""
        wave = torchaudio.functional.resample(batch.wave, SAMPLE_RATE, self.sample_rate).unsqueeze(1)
        heard: Heard = model(wave, step_generator(self.config.seed, step))
        shared = min(heard.output.shape[-1], wave.shape[-1])
        output, target = heard.output[:, 0, :shared], wave[:, 0, :shared]
        losses, beside = {"mel": self.criterion(output, target)}, {}
        if self.weights["wave"]:
            losses["wave"] = (output - target).abs().mean()
        if self.adversary and step >= self.config.judge_after:
            if step % self.config.judge_every == 0:
                beside["loss/discriminator"] = self.adversary.learn(target, output)
            losses["adversarial"], losses["feature"] = self.adversary.losses(target, output)
        on_frames = [weight * heard.frames[name] for name, weight in FRAME_WEIGHTS.items() if heard.frames]
        apart = torch.stack([COMMITMENT * heard.commitment, *on_frames]).sum()
        if self.balancer:
            total = self.balancer.total(losses, output)
        else:
            total = torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()
        told = {f"loss/{name}": value for name, value in {**losses, "commitment": heard.commitment}.items()}
        return {"loss": apart + total, **told, **heard.frames, **beside}


def export(config: PeerConfig, model: Peer, output: Path, steps: int, seconds: float) -> Path:
    """Writes what is opened as ``peer:FOLDER``."""
    state = {key: value.detach().cpu().contiguous().clone() for key, value in model.network.state_dict().items()}
    with atomic_path(output / "model.safetensors") as staged:
        save_file(state, staged)
    about = {
        "family": config.family,
        "streams": config.codebooks,
        "width": config.width,
        "steps": steps,
        "processor_minutes": round(seconds / 60, 1),
        "hours_of_audio": round(steps * config.batch_size * config.crop_frames / FRAMES_PER_SECOND / 3600, 2),
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
    }
    with atomic_write(output / "peer.json") as handle:
        handle.write((json.dumps(about, indent=1) + "\n").encode())
    return output
