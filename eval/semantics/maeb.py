"""Any embedder as a model of ``mteb``, whose audio tasks are MAEB.

``mteb.evaluate(maeb_model("semcodec@50:context"), mteb.get_benchmark("MAEB").tasks)`` runs them, with their data from the
Hugging Face hub. Needs semcodec[maeb].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codec import __version__
from codec.errors import AudioError, CodecError
from eval.semantics.embeddings import open_embedder
from eval.semantics.interface import Embedder


class MaebModel:
    """What ``mteb`` calls (its ``EncoderProtocol``, 2.26): clips → one vector each, the mean over time, of length 1.

    Args:
        embedder: any; each clip is embedded as if it were alone.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any = None,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **options: Any,
    ) -> np.ndarray:
        """Embeds all clips of a task's data loader.

        Args:
            inputs: a loader whose batches have ``audio``: ``array``, ``(samples,)`` or ``(channels, samples)``, and
                ``sampling_rate``. Its collate function is replaced: clips of a batch differ in length and rate.
            task_metadata: of the task; tasks are told apart by nothing here.
            hf_split: name of the split.
            hf_subset: name of the subset.
            prompt_type: of texts, of which there are none.
            options: for the batches, which are there already.

        Returns:
            ``(clips, dim)`` float32.

        Raises:
            AudioError: a clip without audio.
        """
        inputs.collate_fn = _together
        return np.concatenate([self._of_batch(batch) for batch in inputs]).astype(np.float32)

    def _of_batch(self, batch: Mapping[str, Any]) -> np.ndarray:
        if "audio" not in batch:
            raise AudioError(f"{self.embedder.name} hears audio only; the batch has {', '.join(batch)}")
        return np.stack([self._of_clip(clip) for clip in batch["audio"]])

    def _of_clip(self, clip: Mapping[str, Any]) -> np.ndarray:
        wave = np.asarray(clip["array"], np.float32)
        mono = wave.mean(0) if wave.ndim == 2 else wave
        [vectors] = self.embedder.embed([mono], int(clip["sampling_rate"]))
        return _unit(vectors.mean(0, keepdims=True))[0]

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs, ``(first, second)``, as a tensor."""
        import torch

        return torch.from_numpy(_unit(embeddings1) @ _unit(embeddings2).T)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of vectors that stand beside each other, ``(pairs,)``, as a tensor."""
        import torch

        return torch.from_numpy((_unit(embeddings1) * _unit(embeddings2)).sum(1))

    @property
    def mteb_model_meta(self) -> Any:
        """What ``mteb`` keeps results under.

        Raises:
            CodecError: mteb is not installed.
        """
        try:
            from mteb.models.model_meta import ModelMeta
        except ImportError as error:
            raise CodecError(f"MAEB needs {error.name}: pip install 'semcodec[maeb]'") from error
        name = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in self.embedder.name)
        known = {"name": f"semcodec/{name}", "revision": __version__, "embed_dim": self.embedder.dim, "modalities": ["audio"]}
        return ModelMeta.create_empty(overwrites=known)


def maeb_model(name: str) -> MaebModel:
    """A model of an embedder's name, for example ``semcodec@50:context`` or ``whisper-ct2:FOLDER``.

    Raises:
        CodecError: no such embedder, or something it needs is missing.
    """
    return MaebModel(open_embedder(name))


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


def _unit(vectors: Any) -> np.ndarray:
    """``(N, D)`` or ``(D,)`` → ``(N, D)`` of length 1."""
    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
