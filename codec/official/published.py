"""Where the published files lie: the Hub's cache, the reference's ``pretrained`` folder, or any folder people keep them in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from codec.errors import ModelError
from codec.official.config import RATES, VOCABS, PublishedConfig

NAME = "haoheliu/SemantiCodec"
EXACT = "@exact"
"""Behind the name: without the reference's quirks."""
_CACHED = "models--haoheliu--SemantiCodec"


def is_published(name: str | Path | None) -> bool:
    """Whether a name or a folder means the published SemantiCodec, be the folder complete or not."""
    if name is None or str(name) in (NAME, NAME + EXACT):
        return name is not None
    marks = ("semanticodec_tokenrate_*", "codebook_idx", "encoder.ckpt", "decoder.ckpt")
    return any(next(root.glob(mark), None) for root in PublishedFiles.of(name).roots for mark in marks)


@dataclass(frozen=True)
class PublishedFiles:
    """The published files, as far as they are on this machine.

    Attributes:
        name: that was asked for.
        roots: folders that are looked into, in this order.
    """

    name: str
    roots: tuple[Path, ...]

    @staticmethod
    def of(name: str | Path) -> PublishedFiles:
        """Of the Hub's name, which stands for its cache and for ``./pretrained``, or of a folder."""
        folders = [_hub_cache(), Path("pretrained")] if str(name) == NAME else [Path(name)]
        return PublishedFiles(str(name), tuple(root for folder in folders for root in _roots_in(folder)))

    def encoder(self, rate: int) -> Path:
        """Weights of a rate's encoder.

        Raises:
            ModelError: not here; says how to get it.
        """
        return self._find(rate, _encoder_names(rate))

    def decoder(self, rate: int) -> Path:
        """Weights of a rate's decoder.

        Raises:
            ModelError: not here; says how to get it.
        """
        return self._find(rate, [f"semanticodec_tokenrate_{rate}/decoder.ckpt", "decoder.ckpt"])

    def centroids(self, rate: int, vocab: int) -> Path:
        """Codebook of a rate's semantic tokens; its file is named after half its rows.

        Raises:
            ModelError: not here; says how to get it.
        """
        return self._find(rate, _centroid_names(rate, vocab))

    def rates(self) -> tuple[int, ...]:
        """Tokens per second whose encoder is here."""
        return tuple(rate for rate in RATES if self._look(_encoder_names(rate)))

    def vocabs(self, rate: int) -> tuple[int, ...]:
        """Vocabularies whose codebook for a rate is here."""
        return tuple(vocab for vocab in VOCABS if self._look(_centroid_names(rate, vocab)))

    def _look(self, names: list[str]) -> Path | None:
        return next((root / name for root in self.roots for name in names if (root / name).is_file()), None)

    def _find(self, rate: int, names: list[str]) -> Path:
        found = self._look(names)
        if found is None:
            raise ModelError(f"no {names[0]} in {', '.join(map(str, self.roots)) or self.name}; {how_to_get(rate)}")
        return found


def _encoder_names(rate: int) -> list[str]:
    return [f"semanticodec_tokenrate_{rate}/encoder.ckpt", "encoder.ckpt"]


def _centroid_names(rate: int, vocab: int) -> list[str]:
    name = f"combine_{PublishedConfig.published(rate).window}_audioset_dominate/codebook_{vocab // 2}_0.npy"
    return [f"codebook_idx/{name}", name, f"../codebook_idx/{name}"]


def how_to_get(rate: int) -> str:
    """The command that downloads what a rate needs."""
    window = PublishedConfig.published(rate).window
    return f'get it: hf download {NAME} --include "semanticodec_tokenrate_{rate}/*" "codebook_idx/combine_{window}*/*"'


def _hub_cache() -> Path:
    home = Path(os.environ.get("HF_HOME", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub"))


def _roots_in(folder: Path) -> list[Path]:
    snapshots = [folder / _CACHED / "snapshots", folder / "snapshots"]
    found = [path for snapshot in snapshots if snapshot.is_dir() for path in sorted(snapshot.iterdir())]
    return [*([folder] if folder.is_dir() else []), *found]
