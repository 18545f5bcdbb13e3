"""Speech recognisers by name, from several packages: one that a codec was trained with is no witness of its words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from codec.errors import CodecError
from eval.reconstruction.interface import MetricError

SAMPLE_RATE = 16_000
Recogniser = Callable[[np.ndarray, str], str]
"""``(samples,)`` at 16 kHz and a language such as ``en`` → text."""


def recogniser(name: str = "pocketsphinx") -> Recogniser:
    """Opens a speech recogniser.

    Args:
        name: ``pocketsphinx`` or ``moonshine`` (English, inside their packages, work offline),
            ``faster-whisper:NAME_OR_FOLDER`` or ``transformers:NAME_OR_FOLDER``; a name is fetched by those packages if it is
            not there yet.

    Raises:
        CodecError: an unknown kind, a missing package, or a model that cannot be opened.
    """
    check_recogniser(name)
    kind, _, model = name.partition(":")
    if kind in _WITHIN:
        return _WITHIN[kind]()
    try:
        return _faster_whisper(model) if kind == "faster-whisper" else _transformers(model)
    except ImportError as error:
        extra = "asr" if kind == "faster-whisper" else "eval"
        raise CodecError(f"{kind} needs {error.name}: pip install 'semcodec[{extra}]'") from error
    except Exception as error:  # whatever hub, file formats and engines raise
        reason = " ".join(str(error).split())
        raise CodecError(f"{kind} cannot open {model!r}, neither as a folder nor from the hub: {reason[:200]}") from error


def check_recogniser(name: str) -> None:
    """Refuses names that no recogniser has, without opening any.

    Raises:
        CodecError: it is such a name.
    """
    kind, _, model = name.partition(":")
    if kind in _WITHIN if not model else kind in ("faster-whisper", "transformers"):
        return
    known = "pocketsphinx, moonshine, faster-whisper:NAME_OR_FOLDER, transformers:NAME_OR_FOLDER"
    raise CodecError(f"no recogniser {name!r}; known are {known}")


def _pocketsphinx() -> Recogniser:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise CodecError(f"word error rates need {error.name}: pip install 'semcodec[eval]'") from error
    decoder = Decoder(samprate=SAMPLE_RATE, cmn="batch", logfn=os.devnull)

    def recognise(wave: np.ndarray, language: str) -> str:
        _english_only("pocketsphinx", language)
        decoder.reinit_feat()  # forgets the clips before, which would change the words of this one
        decoder.start_utt()
        decoder.process_raw((np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return recognise


def _moonshine() -> Recogniser:
    """Moonshine tiny (Jeffries et al. 2024, arXiv 2410.15608): 27 M parameters that learned apart from Whisper."""
    try:
        from moonshine_voice import ModelArch, Transcriber, get_model_path
    except ImportError as error:
        raise CodecError(f"words by moonshine need {error.name}: pip install 'semcodec[moonshine]'") from error
    folder = Path(get_model_path("tiny-en"))
    if not (folder / "encoder_model.ort").is_file():  # from version 0.1 on wheels are without
        raise CodecError("this moonshine-voice brings no model: pip install 'semcodec[moonshine]'")
    # All of a clip is speech to it: a detector of voices would leave out what a codec has spoilt.
    transcriber = Transcriber(str(folder), ModelArch.TINY, options={"vad_threshold": "0"})

    def recognise(wave: np.ndarray, language: str) -> str:
        _english_only("moonshine", language)
        lines = transcriber.transcribe_without_streaming(wave.tolist(), SAMPLE_RATE).lines
        return " ".join(line.text for line in lines)

    return recognise


_WITHIN = {"pocketsphinx": _pocketsphinx, "moonshine": _moonshine}
"""Whose packages bring a model."""


def _english_only(name: str, language: str) -> None:
    if language != "en":
        raise MetricError(f"{name} understands English only, the transcript is in {language!r}")


def _faster_whisper(name: str) -> Recogniser:
    from faster_whisper import WhisperModel

    model = WhisperModel(name, device="cpu", compute_type="int8", cpu_threads=torch.get_num_threads())

    def recognise(wave: np.ndarray, language: str) -> str:
        segments, _ = model.transcribe(wave, language=language, beam_size=5, temperature=0.0)
        return " ".join(segment.text for segment in segments)

    return recognise


def _transformers(name: str) -> Recogniser:
    from transformers import pipeline

    transcribe = pipeline("automatic-speech-recognition", model=name, device="cpu")
    generation = getattr(transcribe.model, "generation_config", None)  # CTC models have none
    multilingual = getattr(generation, "is_multilingual", False)  # Whisper is told the language

    def recognise(wave: np.ndarray, language: str) -> str:
        options = {"generate_kwargs": {"language": language}} if multilingual else {}
        return str(transcribe({"raw": wave, "sampling_rate": SAMPLE_RATE}, **options)["text"])

    return recognise
