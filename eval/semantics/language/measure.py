"""``codec probe lm``: tokens of every rate, vocabulary and stream, counted and modelled, in bits per second of audio."""

from __future__ import annotations

import json as jsonlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from codec.atomic import atomic_write
from codec.errors import CodecError
from codec.protocol import SemanticCodec, Stream
from eval.semantics.clips import read_clips
from eval.semantics.interface import SPLITS
from eval.semantics.language.any_codec import in_turn
from eval.semantics.language.labels import Agreement, agreement
from eval.semantics.language.ngram import NGram
from eval.semantics.language.statistics import Usage, usage_in_turn
from eval.semantics.language.transformer import Size, bits, train
from eval.semantics.xares.tasks import card_of
from quantizers.threads import in_threads

PARTS: dict[Stream, slice] = {"semantic": slice(1), "acoustic": slice(1, None), "both": slice(None)}
"""Which of a codec's streams each of these is made of."""
ORDERS = (1, 2, 3)


@dataclass(frozen=True)
class LabelledWave:
    """Audio with a label, if it has one."""

    wave: np.ndarray
    sample_rate: int
    label: str = ""


@dataclass(frozen=True)
class Modelled:
    """How well tokens are predicted; everything in bits per second of audio, on the test split.

    Attributes:
        rate: tokens per second of the codec, all streams together.
        vocab: semantic vocabulary.
        stream: semantic; acoustic, all of these streams; or both. Streams take turns, frame by frame.
        nominal: what the container spends, log2 of the codebook sizes in every frame.
        ngrams: Witten–Bell n-gram models by order; where streams take turns, a history holds tokens of several.
        transformer: a small transformer; None if not asked for.
        perplexity: of the best model, per token.
        usage: of single tokens, on the training split.
        train_tokens, test_tokens: how many.
        test_seconds: of audio.
    """

    rate: int
    vocab: int
    stream: Stream
    nominal: float
    ngrams: dict[str, float]
    transformer: float | None
    perplexity: float
    usage: Usage
    train_tokens: int
    test_tokens: int
    test_seconds: float


@dataclass(frozen=True)
class Labelled:
    """What the semantic tokens of one rate and vocabulary say of one task's labels, over all its clips."""

    rate: int
    vocab: int
    task: str
    agreement: Agreement


Splits = dict[str, list[LabelledWave]]


def read_splits(folder: Path) -> Splits:
    """Clips of a task folder.

    Raises:
        CodecError: not a task folder, or a clip is unreadable.
    """
    card = card_of(folder)
    splits: Splits = {}
    for split in SPLITS:
        clips = read_clips(card.tars(folder.resolve().parent, split))
        splits[split] = [
            LabelledWave(c.wave, c.sample_rate, str(c.fields["label"]) if isinstance(c.fields, dict) else "") for c in clips
        ]
    return splits


def read_corpus(folder: Path, minutes: dict[str, float], seed: int = 0) -> Splits:
    """Reads a number of minutes of each split of the free corpus, chosen at random.

    Raises:
        CodecError: no corpus there, or a split of it is empty.
    """
    from codec.data.testsets.minutes import clips_of

    return {
        split: [LabelledWave(wave, rate) for wave, rate in clips_of(folder, split, minutes[split], seed)] for split in SPLITS
    }


def model_tokens(
    codec: SemanticCodec, splits: Splits, rates: Sequence[int], vocabs: Sequence[int], size: Size | None
) -> Iterator[Modelled]:
    """Counts and models the tokens of every rate and vocabulary; ``train`` is counted, ``test`` scored.

    Args:
        codec: ours.
        splits: train, valid and test.
        rates: tokens per second.
        vocabs: semantic vocabularies.
        size: of the transformer; None: n-grams only.

    Raises:
        CodecError: a split is empty, or the codec has no such rate or vocabulary.
    """
    for split in SPLITS:
        if not splits.get(split):
            raise CodecError(f"no clips in the {split} split")
    seconds = sum(len(clip.wave) / clip.sample_rate for clip in splits["test"])
    for rate in rates:
        for vocab in vocabs:
            spec = codec.spec(rate, vocab)
            codes = {split: _encode(codec, clips, rate, vocab) for split, clips in splits.items()}
            # Acoustic tokens depend on the vocabulary only through the semantic codewords; once is enough to see how far.
            for stream, part in PARTS.items():
                sizes = spec.codebook_sizes[part]
                sequences = {split: [in_turn(c[part], sizes) for c in rows] for split, rows in codes.items()}
                yield _model(sequences, rate, vocab, stream, spec.frame_rate, sizes, size, seconds)


def label_agreement(codec: SemanticCodec, folder: Path, rates: Sequence[int], vocabs: Sequence[int]) -> Iterator[Labelled]:
    """PNMI and purity of semantic tokens against the labels of a task, over all splits.

    Raises:
        CodecError: the task cannot be read, or has one label only.
    """
    clips = [clip for rows in read_splits(folder).values() for clip in rows]
    for rate in rates:
        for vocab in vocabs:
            codes = _encode(codec, clips, rate, vocab)
            yield Labelled(
                rate, vocab, folder.name, agreement([streams[0] for streams in codes], [clip.label for clip in clips])
            )


def _model(
    sequences: dict[str, list[list[int]]],
    rate: int,
    vocab: int,
    stream: Stream,
    frame_rate: float,
    sizes: Sequence[int],
    size: Size | None,
    seconds: float,
) -> Modelled:
    tokens = sum(map(len, sequences["test"]))
    ngrams = {str(n): NGram(n, sizes).count(sequences["train"]).bits(sequences["test"]) / seconds for n in ORDERS}
    neural = None
    if size is not None:
        neural = bits(train(sequences["train"], sequences["valid"], sizes, size), sequences["test"], size) / seconds
    best = min([*ngrams.values(), *([neural] if neural is not None else [])])
    train_codes = np.concatenate([np.array(s, np.int64) for s in sequences["train"]])
    return Modelled(
        rate=rate,
        vocab=vocab,
        stream=stream,
        nominal=frame_rate * sum(map(math.log2, sizes)),
        ngrams=ngrams,
        transformer=neural,
        perplexity=2 ** (best * seconds / tokens),
        usage=usage_in_turn(train_codes, sizes),
        train_tokens=len(train_codes),
        test_tokens=tokens,
        test_seconds=seconds,
    )


def _encode(codec: SemanticCodec, clips: Sequence[LabelledWave], rate: int, vocab: int) -> list[np.ndarray]:
    """Codes ``(S, N)`` of each clip."""
    return in_threads(lambda clip: codec.encode(clip.wave, clip.sample_rate, rate, vocab).codes[0].numpy(), clips)


def write_report(path: Path, modelled: Sequence[Modelled], labelled: Sequence[Labelled], about: dict[str, object]) -> None:
    """Writes JSON that ``codec probe report`` reads."""
    report = {"about": about, "modelled": [asdict(row) for row in modelled], "labelled": [asdict(row) for row in labelled]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as handle:
        handle.write((jsonlib.dumps(report, indent=1) + "\n").encode())
