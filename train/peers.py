"""Other codecs' architectures, trained on our audio for as long as we like: what ours is compared with where weights are not.

``python -m train.peers encodec_24khz --corpus runs/nano/corpus --output runs/peers/encodec --minutes 60`` writes
``peer.json`` and ``model.safetensors``; ``codec probe run -c peer:runs/peers/encodec`` reads them. The recipe is short:
multi-scale mel loss and commitment, no discriminator. A quarter of the published width is about what ours has and what a
processor can train; ``--width 1`` is the published network. ``--minutes 0`` writes random weights, and every table says so.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import torch.nn.functional as F
import typer
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn

from codec.atomic import atomic_path, atomic_write
from codec.baselines.narrow import narrowed
from codec.cli.main import run_script
from codec.config import Config
from codec.data.store import SAMPLE_RATE, Corpus
from codec.errors import CodecError, first_error
from train.config import Count, NotNegative, Positive, Weights
from train.crops import Crops
from train.draws import step_generator
from train.losses import MultiScaleMelLoss
from train.parallel import join
from train.progress import Steps
from train.run import Run, check_finite, clip_gradients

COMMITMENT = 0.25
MATTERS = ("family", "streams", "width", "weights", "crop_frames", "batch_size", "learning_rate", "seed")
"""What a run cannot change on its way; it may become longer."""
Family = Literal["encodec_24khz", "dac_16khz"]
if TYPE_CHECKING:  # for whom a literal must not be a float
    Width = float
else:
    Width = Literal[1, 0.5, 0.25]


class PeerConfig(Config):
    """A whole run.

    Attributes:
        family: whose architecture.
        streams: codebooks in use.
        width: of the layers, as a share of the published ones.
        weights: share of each domain, as in our codec stage.
        crop_frames: of 20 ms.
        steps: at most.
        minutes: after which it ends even before that many steps.
    """

    family: Family
    streams: Literal[2, 4, 8] = 2
    width: Width = 0.25
    weights: Weights = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    crop_frames: Annotated[int, Field(ge=8)] = 48
    batch_size: Count = 8
    steps: Count = 1_000_000
    minutes: NotNegative = 60
    learning_rate: Positive = 3e-4
    save_every: Count = 200
    seed: Annotated[int, Field(ge=0)] = 0


class EncodecPeer(nn.Module):
    """EnCodec with what its library leaves out: codebooks that learn as running means, and gradients past them.

    Args:
        network: transformers' ``EncodecModel``.
        streams: codebooks in use.
        decay: of the running means, per step.
    """

    def __init__(self, network: Any, streams: int, decay: float = 0.99) -> None:
        super().__init__()
        self.network, self.streams, self.decay = network, streams, decay
        self.sample_rate = int(network.config.sampling_rate)

    def forward(self, wave: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """``(B, 1, samples)`` → the same again, and how far the encoder is from its codewords.

        Args:
            wave: of a batch.
            draws: of the step, for codewords that move.
        """
        latents = self.network.encoder(wave)
        rest = latents.transpose(1, 2).reshape(-1, latents.shape[1])
        commitment, total = latents.new_zeros(()), torch.zeros_like(rest)
        for layer in self.network.quantizer.layers[: self.streams]:
            book = layer.codebook
            with torch.no_grad():
                codes = book.quantize(rest.detach())
                if self.training:
                    self._learn(book, rest.detach(), codes, draws)
                chosen = F.embedding(codes, book.embed)
            commitment = commitment + F.mse_loss(rest, chosen)
            rest, total = rest - chosen, total + chosen
        values = total.view(len(latents), -1, latents.shape[1]).transpose(1, 2)
        return self.network.decoder(latents + (values - latents).detach()), commitment

    @torch.no_grad()
    def _learn(self, book: Any, vectors: Tensor, codes: Tensor, draws: torch.Generator | None) -> None:
        """Moves codewords to the mean of what chose them; those that nothing chooses move to a vector of the batch."""
        counts = torch.bincount(codes, minlength=len(book.embed)).to(vectors.dtype)
        sums = torch.zeros_like(book.embed).index_add_(0, codes, vectors)
        book.cluster_size.lerp_(counts, 1 - self.decay)
        book.embed_avg.lerp_(sums, 1 - self.decay)
        dead = book.cluster_size < 1e-2
        fresh = vectors[torch.randint(len(vectors), (int(dead.sum()),), generator=draws).to(vectors.device)]
        book.embed_avg[dead], book.cluster_size[dead] = fresh, 1.0
        book.embed.copy_(book.embed_avg / book.cluster_size.unsqueeze(1))


class DacPeer(nn.Module):
    """The Descript codec, whose library has all that training needs, but for streams: by itself it trains every codebook.

    Args:
        network: transformers' ``DacModel``.
        streams: codebooks in use.
    """

    def __init__(self, network: Any, streams: int) -> None:
        super().__init__()
        self.network, self.streams = network, streams
        self.sample_rate = int(network.config.sampling_rate)

    def forward(self, wave: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """``(B, 1, samples)`` → the same again, and how far encoder and codewords are from each other; nothing is drawn."""
        sizes, rest = self.network.config, self.network.encoder(wave)
        distance, total = rest.new_zeros(()), torch.zeros_like(rest)
        for layer in self.network.quantizer.quantizers[: self.streams]:
            chosen, commitment, codebook, *_ = layer(rest)
            rest, total = rest - chosen, total + chosen
            distance = distance + sizes.commitment_loss_weight * commitment + sizes.codebook_loss_weight * codebook
        output: Tensor = self.network.decode(total).audio_values
        return output.unsqueeze(1), distance.mean()


def peer(config: PeerConfig) -> EncodecPeer | DacPeer:
    """An untrained one."""
    network = narrowed(config.family, config.width, None).requires_grad_(True)
    return DacPeer(network, config.streams) if config.family == "dac_16khz" else EncodecPeer(network, config.streams)


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
    criterion = MultiScaleMelLoss(model.sample_rate).to(place.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
    run = Run(output / "run", config, {"model": model, "optimizer": optimizer}, MATTERS)
    done = run.resume()
    steps = Steps(config.family, data, done, config.steps, place)
    for step, batch in steps if run.seconds_before < 60 * config.minutes else ():
        wave = _resampled(batch.wave, model.sample_rate)
        result, commitment = model(wave, step_generator(config.seed, step))
        shared = min(result.shape[-1], wave.shape[-1])
        distance = criterion(result[:, 0, :shared], wave[:, 0, :shared])
        loss = distance + COMMITMENT * commitment
        check_finite(loss, step, run)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(model.parameters(), step, run)
        optimizer.step()
        done = step + 1
        run.after(step, config, losses=partial(_losses, distance, commitment, steps), figures=dict)
        if run.seconds >= 60 * config.minutes:
            run.save(done)
            break
    run.close()
    return export(config, model, output, done, run.seconds)


def _losses(distance: Tensor, commitment: Tensor, steps: Steps) -> dict[str, float]:
    return {"mel": distance.item(), "commitment": commitment.item(), "speed": steps.speed}


def export(config: PeerConfig, model: EncodecPeer | DacPeer, output: Path, steps: int, seconds: float) -> Path:
    """Writes what ``codec probe`` opens as ``peer:FOLDER``."""
    state = {key: value.detach().cpu().contiguous().clone() for key, value in model.network.state_dict().items()}
    with atomic_path(output / "model.safetensors") as staged:
        save_file(state, staged)
    about = {
        "family": config.family,
        "streams": config.streams,
        "width": config.width,
        "steps": steps,
        "minutes": round(seconds / 60, 1),
        "hours_of_audio": round(steps * config.batch_size * config.crop_frames / 50 / 3600, 2),
    }
    with atomic_write(output / "peer.json") as handle:
        handle.write((json.dumps(about, indent=1) + "\n").encode())
    return output


def _resampled(wave: Tensor, rate: int) -> Tensor:
    import torchaudio

    return torchaudio.functional.resample(wave, SAMPLE_RATE, rate).unsqueeze(1)


def main(
    family: Annotated[str, typer.Argument(help="encodec_24khz or dac_16khz.")],
    corpus: Annotated[Path, typer.Option(help="A folder made by codec train corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run and its weights.")],
    minutes: Annotated[float, typer.Option(help="Of training; 0: random weights.")] = 60,
    streams: Annotated[int, typer.Option(help="Codebooks in use.")] = 2,
    width: Annotated[float, typer.Option(help="Of the layers: 1, 0.5 or 0.25 of the published ones.")] = 0.25,
    steps: Annotated[int, typer.Option(help="At most.")] = 1_000_000,
) -> None:
    """Train another codec's architecture on our corpus."""
    from pydantic import ValidationError

    try:
        raw = {"family": family, "minutes": minutes, "streams": streams, "width": width, "steps": steps}
        train(PeerConfig.read(raw), corpus, output)
    except ValidationError as error:
        _fail(first_error(error))
    except (CodecError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    print(f"train.peers: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    run_script(main)
