"""Tokens that belong together: the same phrase by several voices, and a recording beside its copies. Kept part by part."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch

from codec.data.speech import texts
from codec.data.store import SAMPLE_RATE, Corpus, Entry
from codec.model import Codec
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.vectors import READ_STREAMS
from train.config import TrainConfig
from train.crops import level
from train.lineage import digest_of_corpus
from train.reader.kept import Codes, claim, kept
from train.reader.speech import LANGUAGES, Phrase, phrases, say, text_of, texts_of

PART = 250
"""Phrases or recordings in a file."""
RECORDED_VOICES = 2
"""That say what somebody says in a recording."""
SHORTEST, LONGEST = 0.08, {"speech": 5.0, "music": 20.0, "sound": 20.0}
"""Seconds that a recording has at least, and that are heard of it at most."""


def encoder_of(model: Codec) -> Callable[[np.ndarray], Codes]:
    """``(samples,)`` at the model's rate → codes of every rate, as many tokens as are begun."""
    networks, vocab = model.networks, model.vocabs[-1]
    assert isinstance(networks, SourceFilterNetworks)
    unit = networks.frame_length * max(networks.config.token_lengths)

    @torch.inference_mode()
    def encode(wave: np.ndarray) -> Codes:
        padded = np.pad(wave.astype(np.float32), (networks.edge, -len(wave) % unit + networks.edge))
        heard, frames = networks.hear(torch.from_numpy(padded)[None]), -(-len(wave) // networks.frame_length)
        codes = {n: networks.heard_to_codes(heard, n, vocab)[0, :READ_STREAMS] for n in networks.config.token_lengths}
        return {n: each[:, : -(-frames // n)].numpy().astype(np.int32) for n, each in codes.items()}

    return encode


def spoken(config: TrainConfig, model: Codec) -> dict[Phrase, list[Codes]]:
    """Has synthesisers say phrases and the texts of recordings, and keeps their tokens below ``ROOT/reader_speech``.

    Raises:
        CodecError: a synthesiser or what its texts need is missing, or the folder holds tokens of another model or phrases.
    """
    stage, folder = config.reader, config.folder("reader_speech")
    entries = Corpus(config.folder("corpus")).select("train")
    library = {language: texts.load(config.folder("packages"), language) for language in LANGUAGES}
    wanted = list(islice(phrases(library, config.seed), stage.phrases))
    jobs = [(phrase, stage.voices) for phrase in wanted] + [(phrase, RECORDED_VOICES) for phrase in texts_of(entries)]
    said = hashlib.sha256(repr([(phrase.text, phrase.language, count) for phrase, count in jobs]).encode()).hexdigest()[:16]
    claim(folder, {"model": model.fingerprint, "seed": config.seed, "said": said})
    encode, found = encoder_of(model), defaultdict[Phrase, list[Codes]](list)

    def make(part: Sequence[tuple[Phrase, int]]) -> list[list[Codes]]:
        return [say(phrase, count, config.seed, encode) for phrase, count in part]

    for part, groups in kept("saying phrases", folder, [jobs[i : i + PART] for i in range(0, len(jobs), PART)], make):
        for (phrase, _), group in zip(part, groups, strict=True):
            found[phrase] += group
    return found


def recorded(config: TrainConfig, model: Codec) -> Iterator[tuple[Entry, Codes]]:
    """Training clips of the corpus and the tokens of their beginnings, which are kept below ``ROOT/reader_recorded``.

    Raises:
        CodecError: the folder holds tokens of another model or corpus.
    """
    corpus, folder, encode = Corpus(config.folder("corpus")), config.folder("reader_recorded"), encoder_of(model)
    claim(folder, {"model": model.fingerprint, "seed": config.seed, "corpus": digest_of_corpus(corpus)})
    entries = [entry for entry in corpus.select("train") if entry.seconds >= SHORTEST]

    def make(part: Sequence[Entry]) -> list[list[Codes]]:
        return [[encode(_beginning(corpus, entry, config.seed))] for entry in part]

    parts = [entries[start : start + PART] for start in range(0, len(entries), PART)]
    for part, groups in kept("hearing recordings", folder, parts, make):
        for entry, [codes] in zip(part, groups, strict=True):
            yield entry, codes


def _beginning(corpus: Corpus, entry: Entry, seed: int) -> np.ndarray:
    """At a random level."""
    samples = min(entry.samples, round(LONGEST[entry.clip.domain] * SAMPLE_RATE))
    return level(corpus.wave(entry, 0, samples), np.random.default_rng((seed, entry.start)))


def gather(config: TrainConfig, model: Codec) -> tuple[list[list[Codes]], dict[str, list[list[Codes]]]]:
    """Everything that the reader learns from.

    Returns:
        Groups of the same phrase, recordings of it among them; and, by domain, groups of a recording and its copies.
    """
    said = spoken(config, model)
    copies: defaultdict[tuple[str, str, str], list[Codes]] = defaultdict(list)
    for entry, codes in recorded(config, model):
        copies[entry.clip.domain, entry.clip.origin, entry.clip.source].append(codes)
        if (phrase := text_of(entry)) in said and phrase is not None:
            said[phrase].append(codes)
    domains: defaultdict[str, list[list[Codes]]] = defaultdict(list)
    for (domain, _, _), group in copies.items():
        domains[domain].append(group)
    return [group for group in said.values() if len(group) > 1], dict(domains)


def is_held_out(group: int) -> bool:
    """Whether a group is kept for validation: one of fifty, chosen by its number's hash."""
    return hashlib.sha256(str(group).encode()).digest()[0] < 256 // 50
