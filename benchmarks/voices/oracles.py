"""Where a model loses: the same codec with a stream unquantised or left out, as ``semcodec@100!exact-semantic`` names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from torch.nn import functional as F

from codec.audio.io import resample
from codec.baselines.interface import Encoded, Reconstructor
from codec.baselines.names import CodecName, parse
from codec.baselines.programs import fit
from codec.engine import Point
from codec.errors import ModelError
from codec.hub import load_own
from codec.model import Codec
from codec.networks.level import block_codes
from codec.networks.source_filter_codec import SourceFilterNetworks
from codec.networks.transform import block_features
from eval.reconstruction.original import open_any


@dataclass(frozen=True)
class Mode:
    """What the decoder is given.

    Attributes:
        semantic: codewords, or the projected features that they stand for.
        acoustic: codewords, with what they leave in the last of those that arrive or without, or no stream.
    """

    semantic: Literal["coded", "exact"]
    acoustic: Literal["coded", "exact", "none"]


MODES = {
    "coded": Mode("coded", "coded"),
    "exact-acoustic": Mode("coded", "exact"),
    "exact-semantic": Mode("exact", "coded"),
    "exact": Mode("exact", "exact"),
    "no-acoustic": Mode("coded", "none"),
}
"""By what follows ``!`` in a name; ``exact`` is the front end and the decoder alone."""


class Oracle:
    """A model of ours whose streams are not what would be sent. Its bit rate is that of the model.

    Args:
        name: as it was asked for.
        model: of ours, at the rate and vocabulary of the row.
        mode: what is left unquantised or out.
    """

    trained = True
    delay: float | None = 0.0

    def __init__(self, name: str, model: Codec, mode: Mode) -> None:
        self.name, self.version = name, model.version
        self.sample_rate, self.bitrate = model.sample_rate, model.bitrate
        self._model, self._mode = model, mode

    def encode(self, wave: np.ndarray, sample_rate: int) -> Encoded:
        """Keeps the wave; what becomes of it is decided by `decode`."""
        bits = round(self.bitrate * len(wave) / sample_rate)
        return Encoded(bits, len(wave), sample_rate, resample(wave[None], sample_rate, self.sample_rate)[0])

    def decode(self, encoded: Encoded) -> np.ndarray:
        """Through the networks in one piece."""
        model, wave = self._model, np.asarray(encoded.payload, np.float32)
        assert isinstance(model.networks, SourceFilterNetworks)
        output = reconstruct(model.networks, wave, self._mode, model.point_of(model.rate), model.vocab)
        return fit(resample(output[None].clip(-1, 1), self.sample_rate, encoded.sample_rate)[0], encoded.samples)


@torch.inference_mode()
def reconstruct(networks: SourceFilterNetworks, wave: np.ndarray, mode: Mode, point: Point, vocab: int) -> np.ndarray:
    """A clip through the networks in one piece.

    Args:
        networks: of a model of ours.
        wave: ``(samples,)``.
        mode: what is left unquantised or out.
        point: frames of 50 Hz per token, and streams.
        vocab: semantic vocabulary.

    Returns:
        ``(samples,)``.
    """
    unit, frames_per_token = networks.frame_length * max(networks.config.token_lengths), point.frames_per_token
    padded = F.pad(torch.from_numpy(wave), (networks.edge, -len(wave) % unit + networks.edge))[None]
    features, codebook = networks.semantic(networks.mel(padded, padded=True)), networks.codebook(frames_per_token)
    heard = networks.front_end(padded, padded=True)
    pitch = networks.pitch(heard.mel, heard.correlogram)
    transform, quantizer = networks.transform(frames_per_token), networks.quantizer(frames_per_token)
    block = block_features(heard.mel, pitch)
    if mode.semantic == "coded":
        semantic = networks.chosen_semantic(features, block, frames_per_token, vocab).values
    else:
        semantic = codebook.project(rearrange(features, "b (n k) d -> b n (k d)", k=frames_per_token))
    sent, predicted = point.n_streams - 1, transform.predicted(semantic)
    if mode.acoustic == "exact":
        values = quantizer.exact(transform.analyse(block, predicted), sent)
    else:
        values = quantizer.decode(block_codes(transform, quantizer, block, predicted))
    is_tone, tones = networks.tones_of(heard.lines, pitch, frames_per_token)
    acoustic = networks.with_pitch(networks.index_of(pitch, frames_per_token), values, is_tone)
    there = torch.tensor([0 if mode.acoustic == "none" else sent])
    frames = networks.values_to_frames(semantic, acoustic, there, frames_per_token)
    tracks = networks.tones_arrived(is_tone, tones, there, frames_per_token)
    output: np.ndarray = networks.sound(networks.frames_to_drawing(frames, tracks))[0][0, : len(wave)].numpy()
    return output


def open_system(name: str) -> Reconstructor:
    """A codec as `open_any` knows it, or an oracle of one of ours.

    Raises:
        CodecError: unknown, or something it needs is missing.
    """
    coded, mark, mode = name.partition("!")
    if not mark:
        return open_any(name)
    if mode not in MODES:
        raise ModelError(f"{name}: no mode {mode!r}; known are {', '.join(MODES)}")
    return Oracle(name, _own(parse(coded)), MODES[mode])


def _own(name: CodecName) -> Codec:
    if name.family != "semcodec" or len(name.values) != 1 or set(name.options) - {"vocab"}:
        raise ModelError(f"{name.text}: only streams of our own models can be left unquantised, as in semcodec@100!exact")
    return load_own(name.folder, int(name.values[0]), int(name.options["vocab"]) if "vocab" in name.options else None)
