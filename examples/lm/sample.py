"""Sounds that a language model of audio tokens makes: of a class, or going on where a recording stops.

python examples/lm/sample.py lm/ -o made.wav --class-name speech
python examples/lm/sample.py lm/ -o goes-on.wav --prompt speech.flac --keep 1.5
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import soundfile
import torch
import typer
from sequences import Vocabulary
from torch import Tensor
from transformers import LlamaForCausalLM, LogitsProcessor, LogitsProcessorList

from codec.audio.io import read_audio
from codec.errors import CodecError
from codec.hub import load_own
from codec.model import Codec


class OneStreamAtATime(LogitsProcessor):  # type: ignore[misc]  # transformers is not followed
    """Leaves each place of the sequence only the codes of its stream, so that whatever is drawn decodes.

    Args:
        vocabulary: of the model.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._sizes = vocabulary.codebook_sizes

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        stream = (input_ids.shape[1] - 1) % len(self._sizes)
        start = sum(self._sizes[:stream])
        allowed = torch.full_like(scores, -torch.inf)
        allowed[:, start : start + self._sizes[stream]] = 0
        return scores + allowed


def rate_of(sound: Codec, vocabulary: Vocabulary) -> int:
    """Fewest tokens per second at which the codec has the vocabulary's streams.

    Raises:
        CodecError: it has no such rate.
    """
    for rate in sorted(sound.rates):
        tokens = sound.describe(sound.sample_rate, rate, vocabulary.vocab)
        if (
            tokens.frame_rate == vocabulary.frame_rate
            and tokens.codebook_sizes[: vocabulary.streams] == vocabulary.codebook_sizes
        ):
            return rate
    raise CodecError(f"{sound.name} has no tokens of {vocabulary.codebook_sizes} at {vocabulary.frame_rate:g} Hz")


def main(
    model: Annotated[Path, typer.Argument(help="What train.py wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="An audio file.")],
    class_name: Annotated[str | None, typer.Option("--class-name", help="Sub-folder whose recordings to be like.")] = None,
    prompt: Annotated[Path | None, typer.Option(help="A recording to go on from.")] = None,
    keep: Annotated[float, typer.Option(help="Seconds of it.")] = 1.5,
    seconds: Annotated[float, typer.Option(help="To make.")] = 2.0,
    temperature: Annotated[float, typer.Option(help="Above 1: more daring; below: more usual.")] = 0.9,
    codec_model: Annotated[str, typer.Option("--codec", help="Model that made the tokens.")] = "default",
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Draw tokens and decode them."""
    if output.exists():
        raise CodecError(f"{output}: is there already, and might be a recording; name another file")
    torch.manual_seed(seed)
    vocabulary = Vocabulary.load(model)
    sound = load_own(codec_model, vocab=vocabulary.vocab)
    if sound.fingerprint != vocabulary.model:
        raise CodecError(f"{codec_model} did not make the tokens of {model} ({vocabulary.model}); name the one with --codec")
    point = rate_of(sound, vocabulary)
    given = torch.zeros(vocabulary.streams, 0, dtype=torch.int64)
    if prompt is not None:
        wave, rate = read_audio(prompt)
        tokens = sound.encode(wave[:1, : round(keep * rate)], rate, point)
        given = tokens.codes[0, : vocabulary.streams]
    start = torch.tensor([vocabulary.number_of(vocabulary.classes[0] if class_name is None else class_name)])
    sequence = torch.cat([start, vocabulary.pattern.apply(given)])[None]
    network = LlamaForCausalLM.from_pretrained(model).eval()
    wanted = round(seconds * vocabulary.frame_rate) * vocabulary.streams
    room = network.config.max_position_embeddings - sequence.shape[1]
    if wanted > room:
        most = room / vocabulary.tokens_per_second
        raise CodecError(f"--seconds {seconds:g}: the model learned from crops that leave {max(0.0, most):.1f} s here")
    only = LogitsProcessorList([OneStreamAtATime(vocabulary)])
    drawn = network.generate(
        sequence, max_new_tokens=wanted, do_sample=True, temperature=temperature, top_k=0, logits_processor=only
    )
    codes = vocabulary.pattern.undo(drawn[0, 1:])
    heard = sound.decode(sound.tokens(codes, point))
    soundfile.write(output, heard[0].numpy(), sound.sample_rate)
    print(f"{output}: {heard.shape[1] / sound.sample_rate:.2f} s, {given.shape[1] / vocabulary.frame_rate:.2f} s of them given")


if __name__ == "__main__":
    try:
        typer.run(main)
    except CodecError as error:
        raise SystemExit(f"sample.py: {error}") from error
