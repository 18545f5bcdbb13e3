"""Where the published files lie: what ``codec models --fetch`` brought, the Hub's cache, or any folder people keep them in.

A folder that training exported has the same layout, with folders ``encoder`` and ``decoder`` in place of the checkpoints.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from codec.baselines.weights import models_folder
from codec.errors import ModelError
from codec.semanticodec.config import RATES, VOCABS, PublishedConfig

NAME = "haoheliu/SemantiCodec"
EXACT = "@exact"
"""Behind the name: without the reference's quirks."""
_CACHED = "models--haoheliu--SemantiCodec"


def is_published(name: str | Path | None) -> bool:
    """Whether a name or a folder means the published SemantiCodec, be the folder complete or not."""
    if name is None or str(name) in (NAME, NAME + EXACT):
        return name is not None
    marks = ("semanticodec_tokenrate_*", "codebook_idx", "combine_*_audioset_dominate", "encoder.ckpt", "decoder.ckpt")
    return any(next(root.glob(mark), None) for root in PublishedFiles.of(str(name).removesuffix(EXACT)).roots for mark in marks)


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
        """The files of a folder, or of the Hub's name: what was fetched, the Hub's cache, and ``./pretrained``."""
        folders = [fetched_folder(), _hub_cache(), Path("pretrained")] if str(name) == NAME else [Path(name)]
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
        return self._find(rate, _decoder_names(rate))

    def centroids(self, rate: int, vocab: int) -> Path:
        """Codebook of a rate's semantic tokens; its file is named after half its rows.

        Raises:
            ModelError: not here; says how to get it.
        """
        return self._find(rate, _centroid_names(rate, vocab))

    def rates(self) -> tuple[int, ...]:
        """Tokens per second whose encoder is here."""
        found = tuple(rate for rate in RATES if self._look(rate, _encoder_names(rate)))
        # Where no folder is named after a rate, the codebooks tell whose the encoder is.
        return tuple(rate for rate in found if self.vocabs(rate)) or found

    def vocabs(self, rate: int) -> tuple[int, ...]:
        """Vocabularies whose codebook for a rate is here."""
        return tuple(vocab for vocab in VOCABS if self._look(rate, _centroid_names(rate, vocab)))

    def _look(self, rate: int, names: list[str]) -> Path | None:
        others = {rate_folder(other) for other in RATES if other != rate}
        roots = [root for root in self.roots if root.absolute().name not in others]
        return next((root / name for root in roots for name in names if (root / name).exists()), None)

    def _find(self, rate: int, names: list[str]) -> Path:
        found = self._look(rate, names)
        if found is None:
            raise ModelError(f"no {names[0]} in {', '.join(map(str, self.roots)) or self.name}; {how_to_get(rate)}")
        return found


def hub_files(rate: int, vocabs: tuple[int, ...]) -> list[str]:
    """Names on the Hub of all that a rate needs with these vocabularies."""
    return [_encoder_names(rate)[0], _decoder_names(rate)[0], *(centroid_file(rate, vocab) for vocab in vocabs)]


def _encoder_names(rate: int) -> list[str]:
    return _checkpoint_names(rate, "encoder")


def _decoder_names(rate: int) -> list[str]:
    return _checkpoint_names(rate, "decoder")


def _checkpoint_names(rate: int, kind: str) -> list[str]:
    return [f"{rate_folder(rate)}/{kind}.ckpt", f"{kind}.ckpt", f"{rate_folder(rate)}/{kind}"]


def rate_folder(rate: int) -> str:
    """The folder that holds a rate's checkpoints."""
    return f"semanticodec_tokenrate_{rate}"


def centroid_file(rate: int, vocab: int) -> str:
    """Name of a codebook on the Hub."""
    return _centroid_names(rate, vocab)[0]


def _centroid_names(rate: int, vocab: int) -> list[str]:
    name = f"combine_{PublishedConfig.published(rate).window}_audioset_dominate/codebook_{vocab // 2}_0.npy"
    return [f"codebook_idx/{name}", name, f"../codebook_idx/{name}", f"../{name}", Path(name).name]


def how_to_get(rate: int) -> str:
    """The command that downloads what a rate needs."""
    window = PublishedConfig.published(rate).window
    include = f'"semanticodec_tokenrate_{rate}/*" "codebook_idx/combine_{window}*/*"'
    return f"get it: codec models --fetch {NAME}@{rate}, or hf download {NAME} --include {include}"


def fetched_folder() -> Path:
    """Where ``codec models --fetch`` puts the published files, laid out as on the Hub."""
    return models_folder() / NAME


def _hub_cache() -> Path:
    home = Path(os.environ.get("HF_HOME", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"))
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub"))


def _roots_in(folder: Path) -> list[Path]:
    snapshots = [folder / _CACHED / "snapshots", folder / "snapshots"]
    found = [path for snapshot in snapshots if snapshot.is_dir() for path in sorted(snapshot.iterdir())]
    return [*([folder] if folder.is_dir() else []), *found]
