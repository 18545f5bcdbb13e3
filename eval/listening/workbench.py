"""What ``codec ui`` keeps at hand: sounds, what codecs made of them, and the codecs themselves, opened once."""

from __future__ import annotations

import io
import math
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.errors import CodecError
from eval.colours import sign_of

if TYPE_CHECKING:
    from codec.baselines.interface import Encoded, Reconstructor
    from codec.model import Codec
    from codec.protocol import SemanticCodec
    from codec.tokens import Tokens

MAX_SECONDS = 60.0
"""Of a sound that are used."""
KEPT_CODECS = 8
PIECE = 0.5
"""Seconds of sound that one figure of the running mel distance stands for."""


@dataclass(frozen=True)
class Output:
    """What a codec made of a sound.

    Attributes:
        name: of the codec.
        wave: ``(samples,)`` at the sound's rate.
        kbps: of what is sent, without a container: tokens a second times their bits, or what a program wrote.
        bytes: of the file; None where the codec has no file format here.
        gain: in dB, that makes it as loud as the sound.
        frame_rate: of the tokens in Hz; 0 if the codec has none.
        codebook_sizes: of each stream of tokens.
        codes: tokens, a list for each stream.
        tokens: of a codec of ours, for a container.
        timed: the output is in time with the sound, so that distances mean something.
    """

    name: str
    wave: np.ndarray
    kbps: float
    bytes: int | None
    gain: float
    frame_rate: float = 0.0
    codebook_sizes: tuple[int, ...] = ()
    codes: list[list[int]] = field(default_factory=list)
    tokens: Tokens | None = None
    timed: bool = True

    def facts(self, seconds: float) -> dict[str, Any]:
        """What the page shows of it."""
        kept = ("name", "kbps", "bytes", "gain", "frame_rate", "codes")
        peak = float(np.abs(self.wave).max(initial=0.0))
        file_kbps = self.bytes * 8 / 1000 / seconds if self.bytes is not None else None
        return {
            **{key: getattr(self, key) for key in kept},
            "rate": self.frame_rate * len(self.codes),
            "file_kbps": file_kbps,
            "peak": peak,
            "container": self.tokens is not None,
            "sign": sign_of("semcodec" if self.tokens is not None else self.name),
        }


@dataclass
class Sound:
    """What somebody recorded or opened.

    Attributes:
        wave: ``(samples,)``, mono.
        sample_rate: in Hz.
        name: of its file.
        source: the tokens that it was decoded from, if it was a container.
        outputs: by the names of their codecs.
    """

    wave: np.ndarray
    sample_rate: int
    name: str = "sound"
    source: Output | None = None
    outputs: dict[str, Output] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / self.sample_rate


class Shelf:
    """Codecs by name, opened once; all points of one model share its weights."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Reconstructor] = OrderedDict()
        self._models: dict[str | None, Codec] = {}

    def codec(self, name: str) -> Reconstructor:
        """At one operating point.

        Raises:
            CodecError: there is no such codec here.
        """
        from codec.baselines import open_codec

        if name not in self._open:
            self._open[name] = open_codec(name, load=self.model)
        self._open.move_to_end(name)
        while len(self._open) > KEPT_CODECS:
            self._open.popitem(last=False)
        return self._open[name]

    def model(self, name: str | None = None, rate: int | None = None, vocab: int | None = None) -> SemanticCodec:
        """A model of ours with these defaults, as `codec.hub.load_codec` gives it.

        Raises:
            CodecError: no such model, rate or vocabulary.
        """
        from codec.hub import load_codec
        from codec.model import Codec

        if name not in self._models:
            first = load_codec(name)
            if not isinstance(first, Codec):  # the published model has other weights for every rate
                return load_codec(name, rate, vocab)
            self._models[name] = first
        kept = self._models[name]
        return Codec(kept.engine, kept.name, kept.fingerprint, rate, vocab, kept.folder, kept.decoder)


def read_sound(data: bytes, name: str, shelf: Shelf) -> Sound:
    """Any audio file, mono, or a container of tokens, decoded; the first `MAX_SECONDS` of it.

    Raises:
        CodecError: it is neither, or a model is missing.
    """
    from codec.container.header import MAGIC

    if data[: len(MAGIC)] == MAGIC:
        return _decoded(data, name, shelf)
    from codec.audio.io import AudioReader

    blocks: list[np.ndarray] = []
    with AudioReader(io.BytesIO(data), name=name) as reader:
        rate = reader.info.sample_rate
        limit = round(MAX_SECONDS * rate)
        for block in reader.blocks():
            blocks.append(block.mean(axis=1))
            if sum(map(len, blocks)) >= limit:
                break
    wave = np.concatenate(blocks)[:limit] if blocks else np.zeros(0, np.float32)
    if len(wave) < 0.05 * rate:
        raise CodecError(f"{name}: there is next to nothing in it")
    return Sound(wave.astype(np.float32), rate, name)


def _decoded(data: bytes, name: str, shelf: Shelf) -> Sound:
    """A container's sound, its channels together; the tokens shown are those of the first one."""
    from codec.bundled import bundled
    from codec.container.bitstream import read
    from codec.errors import ContainerError

    with tempfile.TemporaryDirectory(prefix="codec-ui-") as folder:
        path = Path(folder) / "x.sct"
        path.write_bytes(data)
        try:
            tokens = _first_minute(read(path))
        except ContainerError as error:
            raise CodecError(f"{name}:{str(error).removeprefix(str(path)).removeprefix(':')}") from error
    try:
        model = shelf.model(bundled(tokens.model))
        wave = model.decode(tokens).mean(dim=0).numpy()
    except CodecError as error:
        raise CodecError(f"{name}: {error}") from error
    if not len(wave):
        raise CodecError(f"{name}: there is next to nothing in it")
    one = tokens.item(0)
    output = Output(
        "decoded", wave, tokens.bitrate / 1000, len(data), 0.0, tokens.frame_rate, tokens.codebook_sizes,
        one.codes[0].tolist(), one,
    )  # fmt: skip
    return Sound(wave, model.sample_rate, name, output)


def _first_minute(tokens: Tokens) -> Tokens:
    limit = round(MAX_SECONDS * tokens.sample_rate)
    if int(tokens.lengths.max()) <= limit:
        return tokens
    frames = math.ceil(MAX_SECONDS * tokens.frame_rate)
    return replace(tokens, codes=tokens.codes[:, :, :frames], lengths=tokens.lengths.clamp(max=limit), counts=None)


def run(name: str, sound: Sound, shelf: Shelf, stop: threading.Event) -> Iterator[str | Output]:
    """A sound through a codec: the name of every step before it is done, then what came out.

    Raises:
        CodecError: there is no such codec here, or it failed.
        StoppedError: ``stop`` was set meanwhile.
    """
    from codec.baselines.programs import fit
    from codec.baselines.stopping import StoppedError, stoppable

    yield "loading"
    try:
        with stoppable(stop):
            codec = shelf.codec(name)
        yield "encoding"
        with stoppable(stop):
            encoded = codec.encode(sound.wave, sound.sample_rate)
        yield "decoding"
        with stoppable(stop):
            wave = fit(codec.decode(encoded), len(sound.wave))
    except (CodecError, StoppedError):
        raise
    except Exception as error:  # other people's codecs fail in their own ways
        raise CodecError(f"{name} failed ({type(error).__name__}: {error})") from error
    yield _output(name, sound, encoded, wave, codec.delay is not None)


def _output(name: str, sound: Sound, encoded: Encoded, wave: np.ndarray, timed: bool) -> Output:
    from codec.tokens import Tokens

    gain = level(sound.wave, sound.sample_rate) - level(wave, sound.sample_rate)
    gain = gain if math.isfinite(gain) else 0.0
    tokens = encoded.payload
    if not isinstance(tokens, Tokens):
        size = len(tokens) if isinstance(tokens, bytes) else None
        return Output(name, wave, encoded.bitrate / 1000, size, gain, timed=timed)
    ours = tokens if name.startswith("semcodec") else None
    size = len(container(ours)) if ours else None
    codes = tokens.codes[0].tolist()
    kbps = tokens.bitrate / 1000
    return Output(name, wave, kbps, size, gain, tokens.frame_rate, tokens.codebook_sizes, codes, ours, timed)


def container(tokens: Tokens) -> bytes:
    """The ``.sct`` file of tokens."""
    from codec.container.bitstream import ContainerWriter
    from codec.container.header import Header

    buffer = io.BytesIO()
    writer = ContainerWriter(buffer, Header.of(tokens, None))
    writer.push(tokens.codes)
    writer.close(int(tokens.lengths[0]))
    return buffer.getvalue()


def level(wave: np.ndarray, sample_rate: int) -> float:
    """Loudness in LUFS; of sounds shorter than one of its blocks, the level in dB. Minus infinity for silence."""
    from eval.listening.stimuli import loudness

    if len(wave) >= 0.4 * sample_rate:
        return loudness(wave, sample_rate)
    power = float(np.square(wave, dtype=np.float64).mean())
    return 10 * math.log10(power) if power > 1e-12 else -math.inf


def distances(sound: Sound, output: Output) -> dict[str, Any]:
    """Mel distance of a whole output, as in every table of ours, and of every `PIECE` of it.

    Returns:
        ``mel_distance``, ``pieces`` and the ``seconds`` of one; nothing where the output is late by nobody knows how much.
    """
    import torch

    from codec.audio.io import resample
    from eval.reconstruction.spectral import MEL_WINDOWS, SAMPLE_RATE, mel_distance

    if not output.timed:
        return {}
    first, second = (torch.from_numpy(resample(w[None], sound.sample_rate, SAMPLE_RATE)) for w in (sound.wave, output.wave))
    if first.shape[1] <= MEL_WINDOWS[-1]:
        return {}
    size = round(PIECE * SAMPLE_RATE)
    count = first.shape[1] // size
    cut = [wave[:, : count * size].reshape(count, size) for wave in (first, second)]
    pieces = mel_distance(cut[0], cut[1]).tolist() if count else []
    return {"mel_distance": float(mel_distance(first, second)[0]), "pieces": pieces, "seconds": PIECE}
