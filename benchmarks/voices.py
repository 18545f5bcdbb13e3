"""How far voices carry: sentences by a voice that training never heard and by one that it did, stream by stream.

``python -m benchmarks.voices default --asr faster-whisper:base``: word errors, STOI, PESQ and mel distance of the same 24
sentences, with each quantised stream in turn replaced by what goes into its quantiser, which tells where words are lost.
Needs ``apt-get install flite festival festvox-kdlpc16k``, and semcodec[eval].
"""

from __future__ import annotations

import json as jsonlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from einops import rearrange
from rich.console import Console
from rich.table import Table
from torch.nn import functional as F

from codec.audio import read_audio, resample
from codec.cli.main import run_script
from codec.errors import CodecError, ModelError
from codec.hub import load_codec
from codec.model import Codec
from codec.networks import Networks
from corpora.debian import fetch_package
from corpora.synthetic import UNHEARD, sentences, speak
from eval.reconstruction.interface import Metric, Pair, Scores
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.show import number
from eval.reconstruction.statistics import Interval, summarise

VOICES = {"unseen": f"festival-{UNHEARD[0]}", "seen": "flite-rms"}
PROGRAMS = {"flite": "flite", "text2wave": f"festival {UNHEARD[1]}"}
OUT_OF, SENTENCES = 5200, 24
"""The last 24 of 5200 sentences in their fixed order, of which the corpus has the first 4800."""
LEVEL = 10 ** (-24 / 20)
"""Root mean square of a sentence: synthesisers differ in loudness."""
METRICS = ("wer", "stoi", "pesq_nb", "mel_distance")


@dataclass(frozen=True)
class Mode:
    """What the decoder is given.

    Attributes:
        semantic: codewords, or the projected features that they stand for.
        acoustic: codes' values, the bounded values that were rounded to them, or no stream.
    """

    semantic: Literal["coded", "exact"]
    acoustic: Literal["coded", "exact", "none"]


MODES: dict[str, Mode | None] = {
    "original": None,
    "coded": Mode("coded", "coded"),
    "exact acoustic": Mode("coded", "exact"),
    "exact semantic": Mode("exact", "coded"),
    "exact both": Mode("exact", "exact"),
    "no acoustic": Mode("coded", "none"),
}
"""Rows of the table; without a mode the sentence goes to the metrics as it is."""


@dataclass(frozen=True)
class Sentence:
    """A spoken sentence.

    Attributes:
        voice: a key of `VOICES`.
        text: what is said.
        wave: ``(samples,)`` at the model's rate.
    """

    voice: str
    text: str
    wave: np.ndarray


@dataclass(frozen=True)
class Row:
    """Figures of one mode and voice.

    Attributes:
        model: as it was asked for.
        rate: tokens per second.
        vocab: semantic vocabulary.
        mode: a key of `MODES`.
        voice: a key of `VOICES`.
        scores: mean and interval by metric; None where no sentence has a value.
        failed: sentences without a value, by metric.
    """

    model: str
    rate: int
    vocab: int
    mode: str
    voice: str
    scores: dict[str, Interval | None]
    failed: dict[str, int]


def spoken(packages: Path, sample_rate: int) -> list[Sentence]:
    """The sentences by every voice, spoken once and kept.

    Args:
        packages: folder of Debian packages; ``fortunes`` is fetched if it is not there.
        sample_rate: of the waves, in Hz.

    Raises:
        CodecError: a synthesiser or a voice is missing, or the text cannot be fetched.
    """
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise CodecError(f"the program {program} is not installed: apt-get install {package}")
    fetch_package(packages, "fortunes")
    folder = packages / "voices"
    folder.mkdir(exist_ok=True)
    texts = sentences(packages / "fortunes", OUT_OF)[-SENTENCES:]
    return [
        Sentence(voice, text, _leveled(speak(folder, text, speaker), sample_rate))
        for voice, speaker in VOICES.items()
        for text in texts
    ]


def _leveled(path: Path, sample_rate: int) -> np.ndarray:
    wave, rate = read_audio(path)
    mono = resample(wave.mean(0, keepdims=True), rate, sample_rate)[0]
    return (mono * (LEVEL / np.sqrt(np.mean(mono**2)))).astype(np.float32)


@torch.inference_mode()
def reconstruct(networks: Networks, wave: np.ndarray, mode: Mode, stack: int, vocab: int) -> np.ndarray:
    """A sentence through the networks in one piece.

    Args:
        networks: of a model of ours.
        wave: ``(samples,)``.
        mode: what is left unquantised or out.
        stack: 50 Hz frames per token.
        vocab: semantic vocabulary.

    Returns:
        ``(samples,)``.
    """
    unit = networks.config.hop_length * max(networks.config.stacks)
    mel = networks.mel(F.pad(torch.from_numpy(wave), (0, -len(wave) % unit))[None])
    features, codebook = networks.semantic(mel), networks.codebook(stack)
    coded = networks.feats_to_semantic(features, stack, vocab).values
    exact = codebook.project(rearrange(features, "b (n k) d -> b n (k d)", k=stack))
    semantic = coded if mode.semantic == "coded" else exact
    latents, quantizer = networks.acoustic(mel, semantic, stack), networks.acoustic_quantizer
    acoustic = {"coded": quantizer(latents).values, "exact": quantizer.bound(latents), "none": None}[mode.acoustic]
    output: np.ndarray = networks.decoder(semantic, acoustic, stack)[0, : len(wave)].numpy()
    return output


def measure(model: Codec, clips: Sequence[Sentence], modes: Sequence[str], judges: Sequence[Metric]) -> Iterator[Row]:
    """A row for each mode and voice, in this order.

    Args:
        model: of ours, at the rate and vocabulary of the rows.
        clips: at its sample rate.
        modes: of `MODES`.
        judges: metrics.
    """
    stack = model.stack_of(model.rate)
    for name in modes:
        mode = MODES[name]
        found: dict[str, dict[str, Scores]] = {}
        for clip in clips:
            output = clip.wave if mode is None else reconstruct(model.networks, clip.wave, mode, stack, model.vocab)
            pair = Pair(clip.wave, output, model.sample_rate, "speech", clip.text, "en")
            found.setdefault(clip.voice, {})[clip.text] = score(pair, judges)
        for voice, scores in found.items():
            means = {judge.name: summarise(judge, scores) for judge in judges}
            failed = {judge.name: sum(judge.name in each.failed for each in scores.values()) for judge in judges}
            yield Row(model.name, model.rate, model.vocab, name, voice, means, failed)


def load(name: str, rate: int) -> Codec:
    """A model of ours at its largest vocabulary.

    Raises:
        CodecError: no such model or rate, or a model of others.
    """
    model = load_codec(name, rate=rate)
    if not isinstance(model.networks, Networks):
        raise ModelError(f"{name}: only streams of our own models can be left unquantised")
    model.vocab = max(model.vocabs)
    return model


def show(rows: Sequence[Row]) -> None:
    """Prints a table: a line for each mode, the voices side by side."""
    voices = list(dict.fromkeys(row.voice for row in rows))
    table = Table("", *(f"{voice}: {name}" for voice in voices for name in METRICS))
    for mode in dict.fromkeys(row.mode for row in rows):
        by_voice = {row.voice: row for row in rows if row.mode == mode}
        table.add_row(mode, *(_cell(by_voice[voice], name) for voice in voices for name in METRICS))
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def _cell(row: Row, name: str) -> str:
    mean = row.scores[name]
    value = "–" if mean is None else number(mean.value, "%" if name == "wer" else "")
    return f"{value} ({row.failed[name]} failed)" if row.failed[name] else value


def main(
    model: Annotated[str, typer.Argument(help="default, or a folder of a model of ours.")],
    rate: Annotated[int, typer.Option(help="Tokens per second.")] = 100,
    modes: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(MODES)}.")] = ",".join(MODES),
    asr: Annotated[
        str, typer.Option(help="Recogniser: pocketsphinx, or faster-whisper: or transformers: and a name or folder.")
    ] = "pocketsphinx",
    packages: Annotated[Path, typer.Option(help="Folder of Debian packages, as of the free corpus.")] = Path(
        "runs/nano/packages"
    ),
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each mode and voice, nothing else.")] = False,
) -> None:
    """Word errors, STOI, PESQ and mel distance of 24 sentences by an unseen and by a seen voice."""
    try:
        chosen = modes.split(",")
        if unknown := [mode for mode in chosen if mode not in MODES]:
            raise CodecError(f"no mode {', '.join(map(repr, unknown))}; known are {', '.join(MODES)}")
        loaded, judges = load(model, rate), metrics(METRICS, asr=asr)
        rows = measure(loaded, spoken(packages, loaded.sample_rate), chosen, judges)
        if json:
            for row in rows:
                print(jsonlib.dumps(asdict(row)), flush=True)
        else:
            show(list(rows))
    except CodecError as error:
        print(f"benchmarks.voices: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    run_script(main)
