"""What tokens tell of phonemes: ``python -m benchmarks.phonemes semcodec-2 runs/new/model --corpus runs/semcodec-2/corpus``.

A small network reads the codewords of semantic tokens, each with the two beside it, and says which phoneme every frame of
20 ms holds. It learns from clips of training voices whose synthesiser told the phonemes, and is asked about voices never heard.
Beside that stands how much of the envelope the same codewords leave to acoustic tokens, by least squares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from benchmarks.tables import RESULTS
from codec.cli.main import run_script
from codec.data.store import Corpus, Entry
from codec.errors import CodecError
from codec.hub import load_own
from codec.networks.linear import least_squares, with_constant
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import with_neighbours
from train.crops import FRAME, FRAMES_PER_SECOND
from train.ssl.phonemes import is_labelled, phonemes_of

NOBODY = -1
"""Number of no phoneme: frames that hold parts of two."""
PASSES, BATCH, WIDTH = 12, 256, 256
"""Of the network that reads."""
LONGEST = 20 * 16_000


@dataclass(frozen=True)
class Told:
    """What the tokens of a model tell.

    Attributes:
        model: its name or folder.
        source: ``features``, or the tokens of so many a second.
        accuracy: share of frames whose phoneme is read right, voices never heard.
        envelope: share of the envelope's variance that is left.
        minutes: of speech, for learning and for asking.
    """

    model: str
    source: str
    accuracy: float
    envelope: float
    minutes: tuple[float, float]


class Read(NamedTuple):
    """A part of the speech, token by token.

    Attributes:
        codewords: ``(N, 3 · D)``.
        phonemes: ``(N, frames)``.
        envelope: ``(N, frames · bands)``.
    """

    codewords: Tensor
    phonemes: Tensor
    envelope: Tensor


def told(model: str, corpus: Corpus, seconds: float) -> Iterator[Told]:
    """Rows of a model: its features, then the tokens of each rate.

    Raises:
        CodecError: no such model, or no clips that tell phonemes on both sides.
    """
    networks = load_own(model).networks
    assert isinstance(networks, SourceFilterNetworks)
    known, unknown = _clips(corpus, ("train",), seconds), _clips(corpus, ("valid", "test"), seconds / 4)
    if not known or not unknown:
        raise CodecError(f"{corpus.folder}: needs clips with phonemes, of training voices and others, as kokoro:1 makes them")
    names = {name: number for number, name in enumerate(sorted({name for e in known for name in phonemes_of(e)} - {""}))}
    minutes = tuple(round(sum(e.seconds for e in clips) / 60, 1) for clips in (known, unknown))
    assert len(minutes) == 2
    for frames_per_token, source in (
        (1, "features"),
        *((s, f"{FRAMES_PER_SECOND / s:g} tokens/s") for s in networks.config.token_lengths),
    ):
        quantised = source != "features"
        learn, ask = (_read(networks, corpus, clips, names, frames_per_token, quantised) for clips in (known, unknown))
        yield Told(model, source, _accuracy(learn, ask, len(names)), _envelope_left(learn, ask), minutes)


def _clips(corpus: Corpus, splits: Sequence[str], seconds: float) -> list[Entry]:
    """Clips at their own speed that tell their phonemes, each once, chosen by a seed."""
    found = {e.start: e for split in splits for e in corpus.select(split) if is_labelled(e) and e.speed == 1}
    order = np.random.default_rng(0).permutation(sorted(found))
    chosen = [found[start] for start in order if found[start].samples < LONGEST]
    ends = np.cumsum([entry.seconds for entry in chosen])
    return chosen[: int(np.searchsorted(ends, seconds)) + 1]


@torch.inference_mode()
def _read(
    networks: SourceFilterNetworks,
    corpus: Corpus,
    clips: Sequence[Entry],
    names: dict[str, int],
    frames_per_token: int,
    quantised: bool,
) -> Read:
    parts = []
    for entry in clips:
        count = entry.samples // (FRAME * frames_per_token)
        wave = torch.from_numpy(corpus.wave(entry, 0, count * FRAME * frames_per_token))[None]
        mel = networks.mel(wave)
        values = networks.semantic(mel)
        if quantised:
            values = networks.feats_to_semantic(values, frames_per_token, networks.config.vocabs[-1]).values
        said = torch.tensor([names.get(name, NOBODY) for name in phonemes_of(entry)[: count * frames_per_token]])
        parts.append(Read(with_neighbours(values)[0], said.view(count, frames_per_token), mel[0].reshape(count, -1)))
    return Read(*map(torch.cat, zip(*parts, strict=True)))


def _accuracy(learn: Read, ask: Read, classes: int) -> float:
    torch.manual_seed(0)
    mean, scale = learn.codewords.mean(0), learn.codewords.std(0).mean()
    frames = learn.phonemes.shape[1]
    reader = nn.Sequential(
        nn.Linear(len(mean), WIDTH),
        nn.GELU(),
        nn.Dropout(0.3),
        nn.Linear(WIDTH, frames * classes),
        nn.Unflatten(1, (frames, -1)),
    )
    optimizer = torch.optim.AdamW(reader.parameters(), 2e-3, weight_decay=0.05)
    for number in range(PASSES):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - number / PASSES)
        for rows in torch.randperm(len(learn.codewords)).split(BATCH):
            logits = reader((learn.codewords[rows] - mean) / scale)
            loss = F.cross_entropy(logits.flatten(0, 1), learn.phonemes[rows].flatten(), ignore_index=NOBODY)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    reader.eval()
    with torch.inference_mode():
        said = reader((ask.codewords - mean) / scale).argmax(-1)
    known = ask.phonemes != NOBODY
    return (said == ask.phonemes)[known].double().mean().item()


def _envelope_left(learn: Read, ask: Read) -> float:
    mean = learn.envelope.double().mean(0)
    weights = least_squares(with_constant(learn.codewords), learn.envelope - mean)
    wanted = ask.envelope - mean
    return ((wanted - with_constant(ask.codewords) @ weights).square().sum() / wanted.square().sum()).item()


def main(
    models: Annotated[list[str], typer.Argument(help="Models, by name or folder.")],
    corpus: Annotated[Path, typer.Option(help="Built corpus with clips that tell their phonemes.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="Of speech to learn from; a quarter of it is asked about.")] = 40,
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON lines.")] = RESULTS / "phonemes.jsonl",
) -> None:
    """What semantic tokens tell of phonemes, and what they leave of the envelope."""
    found = []
    for model in models:
        for row in told(model, Corpus(corpus), 60 * minutes):
            print(
                f"{row.model:20} {row.source:12} phonemes {100 * row.accuracy:.1f} %, envelope left {100 * row.envelope:.1f} %"
            )
            found.append(row)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(json.dumps(asdict(row)) + "\n" for row in found), "utf-8")


if __name__ == "__main__":
    run_script(main)
