"""Downloading the published files: only when asked for, resumable, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from codec.baselines.fetch import Fetched, Progress, fetch_file
from codec.baselines.names import CodecName, parse
from codec.baselines.weights import Weights
from codec.errors import CodecError
from codec.semanticodec.config import RATES, VOCABS
from codec.semanticodec.published import NAME, fetched_folder, hub_files

HUB = f"https://huggingface.co/{NAME}/resolve/main/"
DEFAULT_RATE = 50


def is_fetchable(text: str) -> bool:
    """Whether a name means the published SemantiCodec, at one rate or without any."""
    return text.partition("@")[0] == NAME


def fetch_published(text: str, progress: Callable[[str], Progress]) -> Iterator[Fetched]:
    """Downloads what a rate needs, or goes on where an earlier try broke off.

    The authors state no checksums. Those that the Hub states for its files are checked, and what came first is trusted
    from then on: its checksum is recorded beside each file, and the file is compared with it before it is converted.

    Args:
        text: ``haoheliu/SemantiCodec@50`` with all four vocabularies, or ``…@25,vocab=16384`` with one.
        progress: told a file's name, gives what is told its bytes.

    Yields:
        Each file as soon as it is here.

    Raises:
        CodecError: unknown rate or vocabulary, no network, broken off, or no room; what has arrived is kept.
        ModelError: a wrong checksum.
    """
    rate, vocabs = _choose(parse(text))
    for file in hub_files(rate, vocabs):
        weights = Weights(file, HUB + file, "MIT")
        yield fetch_file(weights, fetched_folder() / file, NAME, progress(file))


def _choose(name: CodecName) -> tuple[int, tuple[int, ...]]:
    name.only(1, "vocab")
    rate = name.choice(tuple(map(str, RATES))) if name.values else str(DEFAULT_RATE)
    if "vocab" not in name.options:
        return int(rate), VOCABS
    if name.options["vocab"] not in map(str, VOCABS):
        raise CodecError(f"vocabulary {name.options['vocab']} is not one of {', '.join(map(str, VOCABS))}")
    return int(rate), (int(name.options["vocab"]),)
