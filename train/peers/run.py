"""A peer's training: resumable at any moment, ended by the processor's clock."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from codec.atomic import atomic_path, atomic_write
from codec.data.store import SAMPLE_RATE, Corpus
from codec.errors import CodecError
from train.balancer import Balancer
from train.crops import Crops
from train.discriminator import adversarial_loss, discriminator_loss, feature_loss
from train.draws import step_generator
from train.losses import MultiScaleMelLoss
from train.parallel import join
from train.peers.config import MATTERS, Losses, PeerConfig
from train.peers.judges import Judges, judges_of
from train.peers.networks import Heard, Peer, peer
from train.progress import Steps
from train.run import Run, Stateful, check_finite, clip_gradients
from train.voice.objective import FRAME_WEIGHTS

COMMITMENT = 0.25


class Clock:
    """Seconds of processor time, over all parts of a run; it stands until it is started."""

    def __init__(self) -> None:
        self._before, self._start, self._runs = 0.0, 0.0, False

    def start(self) -> None:
        """From now on."""
        self._start, self._runs = time.process_time(), True

    @property
    def seconds(self) -> float:
        """Until now."""
        return self._before + (time.process_time() - self._start if self._runs else 0.0)

    def state_dict(self) -> dict[str, float]:
        """What has passed."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Stands at what had passed."""
        self._before, self._runs = state["seconds"], False


def train(config: PeerConfig, corpus: Path, output: Path) -> Path:
    """Trains to the end, or goes on from the last checkpoint, and writes the weights.

    Raises:
        CodecError: no corpus, several processes, or the loss is no longer a number.
    """
    torch.manual_seed(config.seed)
    place = join()
    if place.size > 1:  # codewords that move to what chose them, and an end by the clock, would have to be agreed on
        raise CodecError(f"peers train in one process, not in {place.size}: start this without a launcher")
    data = Crops(Corpus(corpus), "train", config.weights, config.crop_frames, config.batch_size, seed=config.seed)
    model = peer(config).to(place.device).train()
    trainer = Trainer(config, model, place.device)
    run = Run(output / "run", config, trainer.parts, MATTERS)
    done = run.resume()
    steps = Steps(config.family, data, done, config.steps, place)
    there_is_time = trainer.clock.seconds < 60 * config.minutes
    trainer.clock.start()
    for step, batch in steps if there_is_time else ():
        losses = trainer.step(step, batch.wave, run)
        done = step + 1
        run.after(step, config, losses=partial(_with_speed, losses, steps), figures=dict)
        if trainer.clock.seconds >= 60 * config.minutes:
            run.save(done)
            break
    run.close()
    return export(config, model, output, done, trainer.clock.seconds)


class Trainer:
    """A peer, its discriminators, their optimisers.

    Args:
        config: of the run.
        model: to train.
        device: where all of it lies.
    """

    def __init__(self, config: PeerConfig, model: Peer, device: torch.device) -> None:
        self.config, self.model, self.recipe, self.clock = config, model, config.recipe, Clock()
        self.criterion = MultiScaleMelLoss(model.sample_rate).to(device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
        self.parts: dict[str, Stateful] = {"model": model, "optimizer": self.optimizer, "clock": self.clock}
        found = judges_of(self.recipe, config.seed)
        self.judges: Judges | None = found.to(device) if found else None
        self.balancer = Balancer(_shares(self.recipe)) if self.recipe.balanced else None
        if self.balancer:
            self.parts["balancer"] = self.balancer
        if self.judges:
            self.critic = torch.optim.AdamW(self.judges.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
            self.parts |= {"judges": self.judges, "critic": self.critic}

    def step(self, step: int, wave: Tensor, run: Run) -> dict[str, float]:
        """One step of everything; returns the losses."""
        wave = _resampled(wave, self.model.sample_rate)
        heard: Heard = self.model(wave, step_generator(self.config.seed, step))
        shared = min(heard.output.shape[-1], wave.shape[-1])
        output, target = heard.output[:, 0, :shared], wave[:, 0, :shared]
        judged = self.judges is not None and step >= self.config.judge_after
        figures = self._judge(step, output.detach(), target, run) if judged else {}
        losses = self._losses(output, target, judged)
        on_frames = [weight * heard.frames[name] for name, weight in FRAME_WEIGHTS.items() if heard.frames]
        apart = torch.stack([COMMITMENT * heard.commitment, *on_frames]).sum()
        check_finite(torch.stack([*losses.values(), apart]).sum(), step, run)
        self.optimizer.zero_grad(set_to_none=True)
        if self.balancer:
            apart.backward(retain_graph=True)
            self.balancer.backward(losses, output)
        else:
            weights = _shares(self.recipe)
            torch.stack([apart, *(weights[name] * value for name, value in losses.items())]).sum().backward()
        clip_gradients(self.model.parameters(), step, run)
        self.optimizer.step()
        told = {f"loss/{name}": value.item() for name, value in {**losses, "commitment": heard.commitment}.items()}
        return {**told, **{name: value.item() for name, value in heard.frames.items()}, **figures}

    def _judge(self, step: int, output: Tensor, target: Tensor, run: Run) -> dict[str, float]:
        if step % self.config.judge_every or self.judges is None:
            return {}
        loss = discriminator_loss(self.judges(target), self.judges(output))
        check_finite(loss, step, run)
        self.critic.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(self.judges.parameters(), step, run, most=float("inf"))
        self.critic.step()
        return {"loss/discriminator": loss.item()}

    def _losses(self, output: Tensor, target: Tensor, judged: bool) -> dict[str, Tensor]:
        found = {"mel": self.criterion(output, target)}
        if self.recipe.wave:
            found["wave"] = (output - target).abs().mean()
        if judged and self.judges is not None:
            self.judges.requires_grad_(False)
            with torch.no_grad():
                real = self.judges(target)
            fake = self.judges(output)
            self.judges.requires_grad_(True)
            found |= {"adversarial": adversarial_loss(fake), "feature": feature_loss(real, fake)}
        return found


def _shares(recipe: Losses) -> dict[str, float]:
    return {"mel": recipe.mel, "wave": recipe.wave, "adversarial": recipe.adversarial, "feature": recipe.feature}


def _with_speed(losses: dict[str, float], steps: Steps) -> dict[str, float]:
    return {**losses, "speed": steps.speed}


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
        "hours_of_audio": round(steps * config.batch_size * config.crop_frames / 50 / 3600, 2),
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
    }
    with atomic_write(output / "peer.json") as handle:
        handle.write((json.dumps(about, indent=1) + "\n").encode())
    return output


def _resampled(wave: Tensor, rate: int) -> Tensor:
    import torchaudio

    return torchaudio.functional.resample(wave, SAMPLE_RATE, rate).unsqueeze(1)
