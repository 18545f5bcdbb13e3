"""Tokens that belong together: the same phrase by several voices, and a recording beside its copies. Kept part by part."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from codec.atomic import atomic_path, atomic_write
from codec.data.progress import heard
from codec.data.speech import texts
from codec.data.store import Corpus, Entry
from codec.errors import CodecError
from codec.model import Codec
from codec.networks.source_filter_codec import SourceFilterNetworks
from quantizers.threads import each_in_thread
from train.config import TrainConfig
from train.crops import cached_entries, first_frames, open_features
from train.reader.speech import LANGUAGES, Phrase, phrases, say, text_of, texts_of

Codes = dict[int, np.ndarray]
"""Of a clip, by frames of 50 Hz per token."""
PART = 250
"""Phrases in a file."""
RECORDED_VOICES = 2
"""That say what somebody says in a recording."""
SHORTEST = 4
"""Frames of 50 Hz that a recording has at least."""


def encoder_of(model: Codec) -> Callable[[np.ndarray], Codes]:
    """``(samples,)`` at the model's rate → semantic codes of every rate, in whole tokens of the longest."""
    networks, vocab = model.networks, model.vocabs[-1]
    assert isinstance(networks, SourceFilterNetworks)
    unit = networks.frame_length * max(networks.config.stacks)

    @torch.inference_mode()
    def encode(wave: np.ndarray) -> Codes:
        padded = np.pad(wave.astype(np.float32), (networks.edge, -len(wave) % unit + networks.edge))
        features = networks.semantic(networks.mel(torch.from_numpy(padded)[None], padded=True))
        frames = -(-len(wave) // networks.frame_length)
        return {n: codes[: -(-frames // n)] for n, codes in codes_of(networks, features, vocab).items()}

    return encode


def codes_of(networks: SourceFilterNetworks, features: Tensor, vocab: int) -> Codes:
    """``(1, T, D)`` encoder features → codes, as far as tokens are whole."""
    found = {}
    for n in networks.config.stacks:
        whole = features[:, : features.shape[1] // n * n]
        codes = networks.codebook(n).encode(rearrange(whole, "b (t k) d -> b t (k d)", k=n), vocab)
        found[n] = codes[0].numpy().astype(np.int32)
    return found


def spoken(config: TrainConfig, model: Codec) -> dict[Phrase, list[Codes]]:
    """Has synthesisers say phrases and the texts of recordings, and keeps their tokens below ``ROOT/reader_speech``.

    Raises:
        CodecError: a synthesiser or what its texts need is missing, or the folder holds tokens of another model.
    """
    stage, folder = config.reader, config.folder("reader_speech")
    entries = Corpus(config.folder("corpus")).select("train")
    open_features(config.folder("features"))  # what `recorded` will want: said now, not after minutes of synthesis
    _claim(folder, {"model": model.fingerprint, "seed": config.seed, "phrases": stage.phrases, "voices": stage.voices})
    library = {language: texts.load(config.folder("packages"), language) for language in LANGUAGES}
    wanted = list(islice(phrases(library, config.seed), stage.phrases))
    jobs = [(phrase, stage.voices) for phrase in wanted] + [(phrase, RECORDED_VOICES) for phrase in texts_of(entries)]
    encode = encoder_of(model)
    parts = [(number, jobs[start : start + PART]) for number, start in enumerate(range(0, len(jobs), PART))]

    def part_of(item: tuple[int, Sequence[tuple[Phrase, int]]]) -> Mapping[Phrase, list[Codes]]:
        number, part = item
        path = folder / f"{number:05d}.npz"
        if not path.exists():
            _write(path, {phrase: say(phrase, count, config.seed, encode) for phrase, count in part})
        return read_part(path)

    found: dict[Phrase, list[Codes]] = {}
    done = zip(parts, each_in_thread(part_of, parts), strict=True)
    for _, groups in heard("saying phrases", done, lambda item: _seconds(item[1]), None):
        for phrase, said in groups.items():
            found.setdefault(phrase, []).extend(said)
    return found


def recorded(config: TrainConfig, model: Codec) -> Iterator[tuple[Entry, Codes]]:
    """Training clips of the corpus with the tokens of their cached features."""
    networks, vocab = model.networks, model.vocabs[-1]
    assert isinstance(networks, SourceFilterNetworks)
    corpus, features = Corpus(config.folder("corpus")), open_features(config.folder("features"))
    first, entries = first_frames(corpus), [e for e in cached_entries(corpus) if e.split == "train"]
    frames = {entry.start: entry.samples // networks.frame_length for entry in entries}
    usable = [entry for entry in entries if frames[entry.start] >= SHORTEST]

    def codes(entry: Entry) -> Codes:
        rows = features[first[entry.start] : first[entry.start] + frames[entry.start]]
        with torch.inference_mode():
            return codes_of(networks, torch.from_numpy(rows.astype(np.float32))[None], vocab)

    yield from zip(usable, each_in_thread(codes, usable), strict=True)


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


def _seconds(groups: Mapping[Phrase, list[Codes]]) -> float:
    frames = sum(n * len(codes) for said in groups.values() for each in said for n, codes in list(each.items())[:1])
    return frames / 50


def _claim(folder: Path, about: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "made.json"
    if not record.is_file():
        with atomic_write(record) as handle:
            handle.write(json.dumps(about).encode())
    elif json.loads(record.read_text("utf-8")) != about:
        raise CodecError(f"{folder}: tokens of another model or config; delete it")


def _write(path: Path, groups: Mapping[Phrase, list[Codes]]) -> None:
    clips = [codes for said in groups.values() for codes in said]
    arrays: dict[str, np.ndarray] = {"counts": np.array([len(said) for said in groups.values()], np.int32)}
    arrays["texts"] = np.array([f"{phrase.language}\t{phrase.text}" for phrase in groups])
    for n in clips[0] if clips else ():
        arrays[f"lengths{n}"] = np.array([len(codes[n]) for codes in clips], np.int32)
        arrays[f"codes{n}"] = np.concatenate([codes[n] for codes in clips])
    with atomic_path(path) as staged, staged.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def read_part(path: Path) -> dict[Phrase, list[Codes]]:
    """Phrases of a file, each by those voices that said anything.

    Raises:
        CodecError: damaged.
    """
    try:
        with np.load(path) as arrays:
            names = [name for name in arrays.files if name.startswith("lengths")]
            split = {int(name[7:]): np.split(arrays[f"codes{name[7:]}"], np.cumsum(arrays[name])[:-1]) for name in names}
            clips = iter([dict(zip(split, parts, strict=True)) for parts in zip(*split.values(), strict=True)])
            spoken = [Phrase(text, language) for language, _, text in (str(t).partition("\t") for t in arrays["texts"])]
            return {phrase: list(islice(clips, int(count))) for phrase, count in zip(spoken, arrays["counts"], strict=True)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CodecError(f"{path}: damaged ({error}); delete it") from error
