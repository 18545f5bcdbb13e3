"""The config of a whole training: one section per stage, one folder for everything they write.

Folders below ``root``, in the order of the stages: ``packages``, ``corpus``, ``teacher``, ``ssl``, ``features``, ``codebooks``,
``pitch``, ``tracker``, ``vocoder``, ``codec``, ``adversarial``, ``model``, ``reader_speech``, ``reader_recorded``,
``reader``; and ``metrics``, with the figures of stages that train no network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from codec.config import Config, ModelConfig, ReaderConfig
from codec.data.domains import Domain
from codec.data.store import SAMPLE_RATE
from train.crops import FRAME

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Weights = Annotated[dict[Domain, NotNegative], Field(min_length=1)]
"""Share of each domain among crops; a domain without one is left out."""


class RunConfig(Config):
    """A training, in a folder of its own.

    Attributes:
        root: the folder.
    """

    root: str

    def folder(self, name: str) -> Path:
        """The folder of a stage, below ``root``."""
        return Path(self.root) / name


class LoneConfig(RunConfig):
    """A training of one stage, whose folder is the root.

    Attributes:
        corpus: folder made by ``codec train corpus``.
        seed: of everything random.
    """

    corpus: str
    seed: Annotated[int, Field(ge=0)] = 0

    def folder(self, name: str) -> Path:
        """The root."""
        return Path(self.root)


class CorpusConfig(Config):
    """Where audio comes from.

    Attributes:
        sources: ``debian`` for the free corpus, ``debian-more`` for ten more packages, ``synthetic`` for sentences that flite,
            festival and espeak-ng speak, ``kokoro:HOURS``, ``soundfont:HOURS`` and ``tones:HOURS`` for so much natural speech,
            music and tones made here, a folder of audio files, ``webdataset:FOLDER`` for shards, or ``LAYOUT:FOLDER`` for a
            published dataset: libritts, gigaspeech, audioset, musdb18, fma, vggsound, wavcaps.
        copies: speed-perturbed copies per training clip, by domain.
        rerecorded: share of these copies that also get another tone, room and noise.
        disturbed: share of these copies that another clip sounds beside, or that a telephone, a far microphone or an
            overdriven recorder took.
    """

    sources: Annotated[tuple[str, ...], Field(min_length=1)] = ("debian",)
    copies: dict[Domain, Annotated[int, Field(ge=0)]] = {"speech": 3, "sound": 3}
    rerecorded: Share = 0.0
    disturbed: Share = 0.0


class CropSteps(Config):
    """Steps on crops of a corpus.

    Attributes:
        weights: share of each domain among crops.
        crop_frames: length of a crop in frames of 20 ms.
        batch_size: crops a step, of all processes together.
        steps: of the optimiser.
        learning_rate: at its peak.
        save_every: steps between checkpoints.
    """

    weights: Weights
    crop_frames: Count = 80
    batch_size: Count = 16
    steps: Count
    learning_rate: Positive
    save_every: Count = 500


class CropStage(CropSteps):
    """What stages that train networks on crops have in common.

    Attributes:
        average_decay: of the moving average of weights that is exported.
    """

    average_decay: Decay = 0.999


class SemanticStage(CropSteps):
    """Pretraining of the semantic encoder.

    Attributes:
        objective: masked distillation from a teacher, masked autoencoding, or joint-embedding prediction.
        teacher: a size of Whisper (``whisper-base``) or the folder of such a model in CTranslate2 form, or several, which then
            teach together.
        teacher_components: principal components of the teachers that are predicted.
        components: whether all directions of the teachers count alike for these, or by how little they vary inside a
            ``phonemes``' frames: then tokens tell more of what is said and less of who says it. That needs clips which
            come with phonemes, as those of ``kokoro:HOURS`` do.
        spectrum_components: of the level-free log-mel frame.
        spectrum_weight: variance of the spectrum part; that of the teacher part is 1.
        mask_share: of frames that are hidden, in spans of ``mask_span``.
        refit: with ``init``, distil into the encoder that it brings, towards targets that are turned to where its
            features lie: a better encoder whose features the acoustic half still understands. With
            ``components=phonemes`` its features move to a space of their own, and all tokens are found anew.
    """

    objective: Literal["distil", "mae", "jepa"] = "distil"
    teacher: str | Annotated[tuple[str, ...], Field(min_length=1)] = "whisper-base"
    teacher_components: Count = 64
    components: Literal["all", "phonemes"] = "all"
    spectrum_components: Count = 32
    spectrum_weight: Positive = 0.5
    weights: Weights = {"speech": 0.55, "music": 0.3, "sound": 0.15}
    crop_frames: Count = 128
    batch_size: Count = 32
    steps: Count = 4000
    learning_rate: Positive = 1.5e-3
    mask_share: Share = 0.3
    mask_span: Count = 10
    refit: bool = False

    @property
    def average_decay(self) -> float:
        """The decay of the averaged encoder."""
        return 0.999

    @property
    def keeps_space(self) -> bool:
        """Whether the features mean what they meant before."""
        return self.refit and self.components == "all"

    @property
    def teachers(self) -> tuple[str, ...]:
        """Folders of all teachers."""
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher


class KMeansStage(Config):
    """Codebooks.

    Attributes:
        iterations: Lloyd passes for the coarsest vocabulary of every rate.
        init: how its first centroids are chosen.
        shares: codewords in proportion to these, found in each domain apart and merged (the paper:
            ``{sound: 2, speech: 1, music: 1}``); empty for one k-means over all.
        spectrum_weight: of squared differences in the part of the features that distillation takes from the spectrum, where
            those in the teacher's part count 1: the less, the more bits go to what the teacher hears.
        refit: with ``init``, find new codewords in the space of the old ones: the same meaning, spread over this corpus.
    """

    iterations: Count = 15
    init: Literal["random", "k-means++", "k-means||", "afk-mc2"] = "random"
    shares: dict[Domain, Positive] = {}
    spectrum_weight: Positive = 1.0
    refit: bool = False


class TrackerStage(CropStage):
    """The pitch tracker."""

    weights: Weights = {"speech": 0.8, "music": 0.1, "sound": 0.1}
    steps: Count = 3000
    learning_rate: Positive = 3e-3


class VocoderStage(CropStage):
    """The vocoder alone."""

    weights: Weights = {"speech": 0.65, "music": 0.2, "sound": 0.15}
    crop_frames: Count = 64
    batch_size: Count = 12
    steps: Count = 6000
    learning_rate: Positive = 2e-3


class CodecStage(CropStage):
    """Acoustic encoder, quantiser and decoder.

    Attributes:
        stack_shares: chance of each rate, in the order of the model's ``token_lengths``.
        drop_acoustic: chance that an item is decoded from its semantic stream alone.
        meaning: weight of the distance between the semantic encoder's features of output and original.
        hearing: weight of the distance between what the layers of ``ssl.teacher``, the first of several, make of output and
            original. Word errors that Whisper counts are no evidence then.
        first_only: chance that only the first of several acoustic tokens arrives.
        told_pitch: chance that an item's sound is made with the true pitch rather than the decoded one.
    """

    weights: Weights = {"speech": 0.6, "music": 0.28, "sound": 0.12}
    steps: Count = 14_000
    learning_rate: Positive = 1e-3
    stack_shares: tuple[NotNegative, ...] = (0.7, 0.3)
    drop_acoustic: Share = 0.08
    meaning: NotNegative = 0.0
    hearing: NotNegative = 0.0
    first_only: Share = 0.3
    told_pitch: Share = 0.4


class AdversarialStage(CropStage):
    """Polishing the decoder against discriminators, from the codec stage's averaged weights; its losses go on beside.

    Attributes:
        steps: 0 leaves the stage out.
        discriminator_rate: learning rate of the discriminators.
        adversarial, feature: weights beside the codec stage's losses.
        n_ffts: window lengths in samples of the spectrograms that discriminators see, beside the envelope.
        channels: of the discriminators.
    """

    weights: Weights = {"speech": 0.7, "music": 0.18, "sound": 0.12}
    steps: Annotated[int, Field(ge=0)] = 0
    crop_frames: Count = 64
    learning_rate: Positive = 1.5e-4
    discriminator_rate: Positive = 6e-4
    adversarial: NotNegative = 0.1
    feature: NotNegative = 0.4
    n_ffts: Annotated[tuple[Count, ...], Field(min_length=1)] = (512,)
    channels: Count = 16


class EntropyStage(Config):
    """Tables for entropy coding.

    Attributes:
        hours: of training clips that are encoded and counted, of each domain at most.
    """

    hours: Positive = 1.0


class ReaderStage(Config):
    """The reader of tokens, for probes and search.

    Attributes:
        sizes: of the network.
        phrases: that synthesisers say.
        voices: that say each.
        phrases_per_step, recordings_per_step: in a batch, each twice.
        temperature: of the softmax over cosines.
        recordings: weight of the loss on recordings and their copies.
        steps: of the optimiser; without any, the model gets no reader.
        learning_rate: at its peak.
        save_every: steps between checkpoints.
        average_decay: of the moving average of weights that is kept.
    """

    sizes: ReaderConfig = ReaderConfig()
    phrases: Count = 9000
    voices: Annotated[int, Field(ge=2)] = 3
    phrases_per_step: Count = 96
    recordings_per_step: Annotated[int, Field(ge=2)] = 48
    temperature: Positive = 0.07
    recordings: NotNegative = 0.5
    steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Positive = 2e-3
    save_every: Count = 200
    average_decay: Decay = 0.99


class TrainConfig(RunConfig):
    """Everything.

    Attributes:
        root: folder that the stages share.
        init: a trained model (``default`` or a folder). Its semantic encoder and codebooks stay as they are (but for
            ``ssl.refit`` and ``kmeans.refit``), so the stages that make them are left out; its acoustic half is where
            the codec stage starts.
        init_parts: what of it is taken: ``all``, or the ``semantic`` half alone, so that the acoustic one is trained anew and
            may have other sizes.
        precision: ``bf16`` runs networks in bfloat16 under autocast, where the processor gains from it.
    """

    root: str = "runs/nano"
    init: str | None = None
    init_parts: Literal["all", "semantic"] = "all"
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    model: ModelConfig = ModelConfig()
    corpus: CorpusConfig = CorpusConfig()
    ssl: SemanticStage = SemanticStage()
    kmeans: KMeansStage = KMeansStage()
    tracker: TrackerStage = TrackerStage()
    vocoder: VocoderStage = VocoderStage()
    codec: CodecStage = CodecStage()
    adversarial: AdversarialStage = AdversarialStage()
    entropy: EntropyStage = EntropyStage()
    reader: ReaderStage = ReaderStage()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> TrainConfig:
        if self.kmeans.refit and not self.init:
            raise ValueError("kmeans.refit needs init: there are no codewords whose space could be kept")
        if self.ssl.refit and not self.init:
            raise ValueError("ssl.refit needs init: there is no encoder to go on from")
        if self.ssl.refit and self.ssl.objective != "distil":
            raise ValueError("ssl.refit needs ssl.objective=distil")
        if self.ssl.keeps_space and not self.kmeans.refit:
            raise ValueError("ssl.refit needs kmeans.refit, for codewords that fit its features")
        if self.new_space and self.kmeans.refit:
            raise ValueError("kmeans.refit keeps a space that ssl.refit with ssl.components=phonemes leaves: leave it out")
        if self.kmeans.spectrum_weight != 1 and self.ssl.objective != "distil":
            raise ValueError("kmeans.spectrum_weight needs ssl.objective=distil: others have no part of the spectrum's")
        wanted = self.ssl.teacher_components + self.ssl.spectrum_components
        if self.ssl.objective == "distil" and "ssl" not in self.given and wanted != self.model.semantic.n_features:
            raise ValueError(f"model.semantic.n_features must be ssl.teacher_components + ssl.spectrum_components = {wanted}")
        if (self.model.sample_rate, self.model.frame_length) != (SAMPLE_RATE, FRAME):
            raise ValueError(f"model: corpora are kept at {SAMPLE_RATE} Hz and features in frames of {FRAME} samples")
        if len(self.codec.stack_shares) != len(self.model.token_lengths) or not any(self.codec.stack_shares):
            raise ValueError(
                f"codec.stack_shares needs a share for each of {len(self.model.token_lengths)} token lengths, not all of them 0"
            )
        for name in type(self).model_fields:
            weights = getattr(getattr(self, name), "weights", None)
            if weights is not None and not any(weights.values()):
                raise ValueError(f"{name}.weights must not all be 0")
        largest = max(self.model.token_lengths)
        for name in ("codec", "adversarial"):
            if getattr(self, name).crop_frames % largest:
                raise ValueError(f"{name}.crop_frames must be a multiple of {largest}, the frames of the longest token")
        return self

    @property
    def given(self) -> tuple[str, ...]:
        """Stages that are left out, since ``init`` brings what they would make."""
        if not self.init:
            return ()
        encoder = () if self.ssl.refit else ("teacher", "ssl")
        codebooks = () if self.kmeans.refit or self.new_space else ("kmeans",)
        return (*encoder, *codebooks, *(("tracker", "vocoder") if self.goes_on else ()))

    @property
    def new_space(self) -> bool:
        """Whether the encoder of ``init`` learns to say something else, so that all tokens are found anew."""
        return bool(self.init) and self.ssl.refit and not self.ssl.keeps_space

    @property
    def goes_on(self) -> bool:
        """Whether ``init`` brings more than the semantic half: pitch tracker, vocoder, transforms and the acoustic half."""
        return bool(self.init) and self.init_parts == "all"
