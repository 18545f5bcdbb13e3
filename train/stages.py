"""The stages of a training, in order; each knows whether it is done and is safe to run again after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError

from codec.data.sources import check_source
from codec.data.store import Corpus
from codec.errors import CodecError
from train.config import TrainConfig
from train.metrics import Metrics
from train.parallel import alone, join, wait_for_all
from train.records import refuse_another, settings, write

Figures = Mapping[str, float]


def _nothing(config: TrainConfig) -> None:
    """What most stages need that no earlier stage makes."""


@dataclass(frozen=True)
class Stage:
    """One step from audio files to an exported model.

    Attributes:
        name: on the command line.
        about: one line.
        product: file below ``root`` that is there when the stage is done, or empty if the stage itself must look.
        run: does the work, or what is left of it; figures that it returns are logged in ``ROOT/metrics/NAME``.
        matters: sections of the config that decide what the product is; they are recorded in ``ROOT/NAME.json``. Empty for
            stages that keep a `train.run.Run`, which does as much.
        begun: file below ``root`` that an interrupted stage goes on from.
        needs: raises `CodecError` where something is missing that no earlier stage makes.
        shared: whether several processes share the work; otherwise one does it and the others wait.
        optional: whether it is left out where its config says 0 steps.
    """

    name: str
    about: str
    product: str
    run: Callable[[TrainConfig], Figures | None]
    matters: tuple[str, ...] = ()
    begun: str = ""
    needs: Callable[[TrainConfig], None] = _nothing
    shared: bool = False
    optional: bool = False

    def left_out(self, config: TrainConfig) -> str:
        """Why there is nothing to do; empty if there is something."""
        if self.name in config.given:
            return f"comes with {config.init}"
        return "left out: 0 steps" if self.optional and not getattr(config, self.name).steps else ""

    def done(self, config: TrainConfig) -> bool:
        """Whether nothing is left to do."""
        return _exists(config, self.product)

    def check(self, config: TrainConfig) -> None:
        """Finds out what can be known before any stage starts.

        Raises:
            CodecError: something is missing, or what is there was made with another config.
        """
        if find_spec("tensorboard") is None:
            raise CodecError("training needs tensorboard: pip install 'semcodec[train]'")
        if self.left_out(config):
            return
        if self.done(config) or _exists(config, self.begun):
            refuse_another(self._record(config), config, self._settings(config), Path(config.root) / Path(self.product).parent)
        if not self.done(config):
            self.needs(config)

    def start(self, config: TrainConfig) -> None:
        """Does what is left to do, in all processes that a launcher has started.

        Raises:
            CodecError: it cannot be done.
        """
        if why := self.left_out(config):
            if join().main:
                print(f"{self.name}: {why}")
        elif self.shared:
            self._start(config)
            wait_for_all()
        else:
            alone(partial(self._start, config))

    def _start(self, config: TrainConfig) -> None:
        if self.done(config):
            print(f"{self.name}: done already ({config.root}/{self.product}; delete it to redo)")
            return
        if not self.shared or join().main:
            print(f"{self.name}: {self.about}", flush=True)
        started = time.monotonic()
        try:
            if self.begun:  # written before there is anything that a later start goes on with
                write(self._record(config), config, self._settings(config))
            figures = self.run(config)
            if self.matters and (self.done(config) or not self.product):
                self._keep(config, time.monotonic() - started, figures or {})
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CodecError(f"{self.name}: {getattr(error, 'filename', None) or config.root}: {reason}") from error

    def _keep(self, config: TrainConfig, seconds: float, figures: Figures) -> None:
        write(self._record(config), config, self._settings(config), seconds)
        folder = config.folder("metrics") / self.name
        folder.mkdir(parents=True, exist_ok=True)
        metrics = Metrics(folder)
        metrics.log(0, seconds, figures)
        metrics.close()

    def _record(self, config: TrainConfig) -> Path:
        return Path(config.root) / f"{self.name}.json"

    def _settings(self, config: TrainConfig) -> dict[str, object]:
        return settings(config, [section for section in self.matters if section not in config.given])


def _exists(config: TrainConfig, file: str) -> bool:
    return bool(file) and (Path(config.root) / file).exists()


def _corpus(config: TrainConfig) -> Figures:
    from train.collect import collect

    return collect(config)


def _corpus_needs(config: TrainConfig) -> None:
    for source in config.corpus.sources:
        check_source(source)


def _teacher(config: TrainConfig) -> Figures:
    from train.ssl.teacher import N_COMPONENTS, WhisperTeacher, cache_features

    if config.ssl.objective != "distil":
        return {}
    teachers = [WhisperTeacher(name, config.precision) for name in config.ssl.teachers]
    corpus, width = Corpus(config.folder("corpus")), max(N_COMPONENTS, config.ssl.teacher_components)
    phonemes = config.ssl.components == "phonemes"
    return {"explained": cache_features(corpus, teachers, config.folder("teacher"), width, phonemes)}


def _ssl(config: TrainConfig) -> None:
    from train.ssl.pretrain import train

    train(config)


def _features(config: TrainConfig) -> Figures:
    from train.codebooks import cache_features

    started = time.monotonic()
    seconds = cache_features(config)
    return {"hours": seconds / 3600, "speed": seconds / (time.monotonic() - started)}


def _kmeans(config: TrainConfig) -> Figures:
    from train.codebooks import fit

    report = json.loads((fit(config) / "report.json").read_text("utf-8"))
    codebooks = [name for name in report if name.startswith("stack")]
    return {
        f"{name}/{vocab}/{figure}": value
        for name in codebooks
        for vocab, figures in report[name]["vocabs"].items()
        for figure, value in figures.items()
    }


def _pitch(config: TrainConfig) -> None:
    from train.voice.pitch import cache_labels

    cache_labels(config)


def _pitch_needs(config: TrainConfig) -> None:
    from train.voice.praat import needs

    needs()


def _tracker(config: TrainConfig) -> None:
    from train.voice import tracker
    from train.voice.data import assemble

    tracker.run(config, assemble(config))


def _vocoder(config: TrainConfig) -> None:
    from train.voice import vocoder
    from train.voice.data import assemble

    vocoder.run(config, assemble(config))


def _codec(config: TrainConfig) -> None:
    from train.voice import codec, data

    codec.run(config, data.assemble(config, "tracker", "vocoder"))


def _adversarial(config: TrainConfig) -> None:
    from train.voice import adversarial
    from train.voice.export import trained_codec

    adversarial.run(config, trained_codec(config)[0])


def export_model(config: TrainConfig, folder: Path | None = None) -> Figures:
    """Exports the averaged weights of the last stage that ran; they may be those of a run that is not at its end.

    With ``init``, what belongs to its tokens goes with them, unless the folder has its own.

    Args:
        config: of the training.
        folder: default ``model`` below its root.

    Returns:
        Steps of the stage that was exported.

    Raises:
        CodecError: nothing trained yet, or stages that do not belong together.
    """
    from codec.bundled import files_of, share_token_files
    from codec.hub import export
    from train.voice.export import averaged

    trained, name, steps = averaged(config)
    folder, planned = folder or config.folder("model"), getattr(config, name).steps
    print(f"{folder}: model {export(trained, folder)}, {name} after {steps} of {planned} steps")
    if config.init:
        share_token_files(files_of(config.init)[0], folder, replace=False)
    return {"steps": steps}


def _entropy(config: TrainConfig) -> None:
    from train.entropy import make_tables

    print(f"{config.folder('model')}: entropy tables {make_tables(config).id.hex()}")


def _reader(config: TrainConfig) -> None:
    from train.reader.run import run

    print(f"{config.folder('model')}: reader of tokens {run(config)}")


def _reader_needs(config: TrainConfig) -> None:
    from train.reader.speech import needs

    needs()


def _teacher_needs(config: TrainConfig) -> None:
    from train.whisper import locate

    if config.ssl.objective == "distil":
        for name in config.ssl.teachers:
            locate(name)


def _listener_needs(config: TrainConfig) -> None:
    from train.whisper import locate

    if config.codec.hearing:
        locate(config.ssl.teachers[0])


def _codec_needs(config: TrainConfig) -> None:
    from train.voice.adversarial import refuse_longer_codec

    _listener_needs(config)
    refuse_longer_codec(config)


_ENCODER = ("init", "seed", "model.sample_rate", "model.mel", "model.semantic")
_MODEL = ("init", "init_parts", "seed", "precision", "model", "codec")

STAGES = (
    Stage(
        "corpus",
        "collect audio into one 16 kHz memory map with a manifest and a report",
        "corpus/perturbed.json",
        _corpus,
        matters=("seed", "corpus"),
        begun="corpus/clips.jsonl",
        needs=_corpus_needs,
    ),
    Stage(
        "teacher",
        "cache the teacher's features (distillation only)",
        "teacher/features.json",
        _teacher,
        matters=("ssl.teacher", "ssl.components"),
        needs=_teacher_needs,
    ),
    Stage("ssl", "pretrain the semantic encoder", "", _ssl, shared=True),
    Stage(
        "features",
        "cache the frozen encoder's features of the whole corpus",
        "features/features.json",
        _features,
        matters=(*_ENCODER, "precision", "ssl"),
    ),
    Stage(
        "kmeans",
        "fit the semantic codebooks of every rate",
        "codebooks/report.json",
        _kmeans,
        matters=(*_ENCODER, "kmeans", "ssl.teacher_components", "model.token_lengths", "model.vocabs", "model.semantic_dims"),
        begun="codebooks/unfinished",
    ),
    Stage(
        "pitch",
        "label the pitch of the whole corpus",
        "pitch/features.json",
        _pitch,
        matters=("seed",),
        needs=_pitch_needs,
    ),
    Stage("tracker", "train the pitch tracker", "", _tracker, shared=True),
    Stage(
        "vocoder",
        "train the vocoder on the envelopes, pitches and tones of recordings",
        "",
        _vocoder,
        shared=True,
    ),
    Stage("codec", "find the acoustic codebooks, train the decoder", "", _codec, needs=_codec_needs, shared=True),
    Stage(
        "adversarial",
        "polish the decoder against discriminators",
        "",
        _adversarial,
        needs=_listener_needs,
        shared=True,
        optional=True,
    ),
    Stage("export", "write config.json and model.safetensors", "", export_model, matters=_MODEL),
    Stage(
        "entropy",
        "count tokens for entropy coding: entropy.safetensors beside the model",
        "",
        _entropy,
        matters=("entropy", "seed"),
    ),
    Stage(
        "reader",
        "learn to read tokens: reader.safetensors beside the model",
        "",
        _reader,
        needs=_reader_needs,
        optional=True,
    ),
)
