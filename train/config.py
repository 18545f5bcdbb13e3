"""The config of a whole training: one section per stage, one folder for everything they write.

Folders below ``root``: ``packages``, ``corpus``, ``teacher``, ``ssl``, ``features``, ``codebooks``, ``codec``,
``adversarial``, ``model``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from codec.config import Config, ModelConfig
from corpora.clip import Domain


class CorpusConfig(Config):
    """Where audio comes from.

    Attributes:
        sources: ``debian`` for the free corpus, ``synthetic`` for sentences that flite speaks, a folder of audio files,
            ``webdataset:FOLDER`` for shards, or ``LAYOUT:FOLDER`` for a published dataset: libritts, gigaspeech,
            audioset, musdb18, fma, vggsound, wavcaps.
        copies: speed-perturbed copies per training clip, by domain.
        rerecorded: share of these copies that also get another tone, room and noise.
    """

    sources: tuple[str, ...] = ("debian",)
    copies: dict[str, int] = {"speech": 3, "sound": 3}
    rerecorded: float = 0.0


class SemanticStage(Config):
    """Pretraining of the semantic encoder.

    Attributes:
        objective: masked distillation from a teacher, masked autoencoding, or joint-embedding prediction.
        teacher: folder of a CTranslate2 Whisper model.
        teacher_components: principal components of the teacher that are predicted.
        spectrum_components: of the level-free log-mel frame.
        spectrum_weight: variance of the spectrum part; that of the teacher part is 1.
        mask_share: of frames that are hidden, in spans of ``mask_span``.
        refit: with ``init``, distil into the encoder that it brings, towards targets that are turned to where its
            features lie: a better encoder whose features the acoustic half still understands.
    """

    objective: Literal["distil", "mae", "jepa"] = "distil"
    teacher: str = "whisper-base"
    teacher_components: int = 64
    spectrum_components: int = 32
    spectrum_weight: float = 0.5
    weights: dict[str, float] = {"speech": 0.55, "music": 0.3, "sound": 0.15}
    crop_frames: int = 128
    batch_size: int = 32
    steps: int = 4000
    learning_rate: float = 1.5e-3
    mask_share: float = 0.3
    mask_span: int = 10
    refit: bool = False
    save_every: int = 500


class KMeansStage(Config):
    """Codebooks.

    Attributes:
        iterations: Lloyd passes for the coarsest vocabulary of every rate.
        shares: codewords in proportion to these, found in each domain apart and merged (the paper:
            ``{sound: 2, speech: 1, music: 1}``); empty for one k-means over all.
        spectrum_weight: of squared differences in the part of the features that distillation takes from the spectrum, where
            those in the teacher's part count 1: the less, the more bits go to what the teacher hears.
        refit: with ``init``, find new codewords in the space of the old ones: the same meaning, spread over this corpus.
    """

    iterations: int = 15
    shares: dict[Domain, Annotated[float, Field(gt=0)]] = {}
    spectrum_weight: Annotated[float, Field(gt=0)] = 1.0
    refit: bool = False


class CodecStage(Config):
    """Acoustic encoder, quantiser and decoder.

    Attributes:
        weights: share of each domain among crops.
        stack_shares: chance of each rate, in the order of the model's ``stacks``.
        drop_acoustic: chance that an item is decoded from its semantic stream alone.
        meaning: weight of the distance between the semantic encoder's features of output and original.
        similarity: weight of one minus the neurogram similarity of output and original.
        average_decay: of the moving average of weights that is exported.
    """

    weights: dict[str, float] = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    crop_frames: int = 80
    batch_size: int = 16
    steps: int = 14_000
    learning_rate: float = 1e-3
    stack_shares: tuple[float, ...] = (0.5, 0.3, 0.2)
    drop_acoustic: float = 0.08
    meaning: float = 0.0
    similarity: float = 0.0
    average_decay: float = 0.999
    save_every: int = 500


class AdversarialStage(Config):
    """Polishing the decoder against a discriminator, from the codec stage's averaged weights.

    Attributes:
        steps: 0 leaves the stage out.
        mel, adversarial, feature, meaning: shares of the gradient that each loss sends into the wave; 0 leaves
            ``meaning`` out.
        crop_frames: short crops suffice, since encoders and codebooks stand still.
        discriminator_every: generator steps per discriminator step.
    """

    steps: int = 0
    crop_frames: int = 48
    batch_size: int = 12
    learning_rate: float = 2e-4
    discriminator_rate: float = 4e-4
    mel: float = 4.0
    adversarial: float = 1.0
    feature: float = 2.0
    meaning: float = 0.0
    discriminator_every: int = 2
    n_ffts: tuple[int, ...] = (2048, 1024, 512)
    channels: int = 16
    average_decay: float = 0.999
    save_every: int = 500


class EntropyStage(Config):
    """Tables for entropy coding.

    Attributes:
        hours: of training clips that are encoded and counted, of each domain at most.
    """

    hours: float = 1.0


class TrainConfig(Config):
    """Everything.

    Attributes:
        root: folder that the stages share.
        init: a trained model (``default`` or a folder). Its semantic encoder and codebooks stay as they are (but for
            ``ssl.refit`` and ``kmeans.refit``), so the stages that make them are left out; its acoustic half is where
            the codec stage starts.
        precision: ``bf16`` runs networks in bfloat16 under autocast, where the processor gains from it.
    """

    root: str = "runs/nano"
    init: str | None = None
    seed: int = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    model: ModelConfig = ModelConfig()
    corpus: CorpusConfig = CorpusConfig()
    ssl: SemanticStage = SemanticStage()
    kmeans: KMeansStage = KMeansStage()
    codec: CodecStage = CodecStage()
    adversarial: AdversarialStage = AdversarialStage()
    entropy: EntropyStage = EntropyStage()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> TrainConfig:
        if self.kmeans.refit and not self.init:
            raise ValueError("kmeans.refit needs init: there are no codewords whose space could be kept")
        if self.ssl.refit and not (self.kmeans.refit and self.ssl.objective == "distil"):
            raise ValueError("ssl.refit needs kmeans.refit, for codewords that fit its features, and ssl.objective=distil")
        if self.kmeans.spectrum_weight != 1 and self.ssl.objective != "distil":
            raise ValueError("kmeans.spectrum_weight needs ssl.objective=distil: others have no part of the spectrum's")
        largest = max(self.model.stacks)
        for name in ("codec", "adversarial"):
            if getattr(self, name).crop_frames % largest:
                raise ValueError(f"{name}.crop_frames must be a multiple of {largest}, the frames of the longest token")
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """Stages that are left out, since ``init`` brings what they would make."""
        if not self.init or self.ssl.refit:
            return ()
        return ("teacher", "ssl") if self.kmeans.refit else ("teacher", "ssl", "kmeans")

    def folder(self, name: str) -> Path:
        """A stage's folder below ``root``."""
        return Path(self.root) / name
