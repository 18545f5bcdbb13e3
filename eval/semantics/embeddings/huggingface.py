"""Encoders that the transformers library holds, by hub name or local folder.

Speech encoders that read the wave (wav2vec 2.0, HuBERT, data2vec, WavLM), and those that read a log-mel spectrogram
(Whisper, Qwen2-Audio). The latter were trained on windows padded to 30 s; here their layers run over the frames that
the clip really has.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from codec.errors import CodecError
from eval.semantics.embeddings.clips import ClipEmbedder, first_line

WAVE_MODELS = {
    "wav2vec2": "Wav2Vec2Model",
    "hubert": "HubertModel",
    "data2vec": "Data2VecAudioModel",
    "wavlm": "WavLMModel",
}
MEL_MODELS = {"whisper": "WhisperModel", "qwen2-audio": "Qwen2AudioEncoder"}
WINDOW_SECONDS = 30


def wave_model(family: str, source: str) -> ClipEmbedder:
    """Last hidden states of a wave encoder, 50 a second for the published ones.

    Args:
        family: of `WAVE_MODELS`.
        source: hub name or folder.

    Raises:
        CodecError: package or weights missing.
    """
    model, extractor = _load(WAVE_MODELS[family], source)
    config, rate = model.config, extractor.sampling_rate

    def run(wave: np.ndarray) -> np.ndarray:
        values = extractor(wave, sampling_rate=rate, return_tensors="pt").input_values
        return model(values).last_hidden_state[0].float().numpy()

    # Samples that one output frame of the convolutions sees.
    reach, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        reach, stride = reach + (kernel - 1) * stride, stride * step
    window = WINDOW_SECONDS * rate
    return ClipEmbedder(f"{family}:{source}", run, config.hidden_size, math.prod(config.conv_stride), rate, window, reach)


def mel_model(family: str, source: str) -> ClipEmbedder:
    """Last hidden states of Whisper's encoder (50 a second) or Qwen2-Audio's (25 a second).

    Args:
        family: of `MEL_MODELS`.
        source: hub name or folder.

    Raises:
        CodecError: package or weights missing.
    """
    # Of Qwen2-Audio only the audio tower is wanted, not the language model behind it.
    mapping = {"key_mapping": {r"^(model\.)?audio_tower\.": ""}} if family == "qwen2-audio" else {}
    model, extractor = _load(MEL_MODELS[family], source, **mapping)
    encoder = model.encoder if family == "whisper" else model
    pooled = 2 if hasattr(encoder, "avg_pooler") else 1
    hop = 2 * extractor.hop_length * pooled
    window = encoder.config.max_source_positions * 2 * extractor.hop_length

    def run(wave: np.ndarray) -> np.ndarray:
        wave = np.pad(wave, (0, -len(wave) % hop))
        mel = extractor(wave, sampling_rate=extractor.sampling_rate, padding=False, truncation=False, return_tensors="pt")
        return mel_states(encoder, mel.input_features)[0].float().numpy()

    return ClipEmbedder(f"{family}:{source}", run, encoder.config.d_model, hop, extractor.sampling_rate, window, hop)


def mel_states(encoder: Any, mel: torch.Tensor) -> torch.Tensor:
    """Whisper's or Qwen2-Audio's encoder over any number of frames; the library's own forward insists on 30 s.

    Args:
        encoder: its module.
        mel: ``(B, n_mels, 2·T)``.

    Returns:
        ``(B, T, D)``, or half as many frames with Qwen2-Audio's pooling.
    """
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel.to(encoder.conv1.weight.dtype))))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    for layer in encoder.layers:
        x = layer(x, None)
    if hasattr(encoder, "avg_pooler"):
        x = encoder.avg_pooler(x.transpose(1, 2)).transpose(1, 2)
    return encoder.layer_norm(x)


def _load(kind: str, source: str, **options: object) -> tuple[Any, Any]:
    """A model in evaluation mode, all of its weights found, and its feature extractor."""
    try:
        import transformers
    except ImportError as error:
        raise CodecError(f"{source} needs the transformers library: pip install 'semcodec[encoders]'") from error
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(source)
        model, info = getattr(transformers, kind).from_pretrained(source, output_loading_info=True, **options)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise CodecError(
            f"{source}: no weights of a {kind} here ({reason}); fetch them with: hf download {source}, or name a folder"
        ) from error
    # Published checkpoints may lack what only training uses.
    missing = sorted(key for key in info["missing_keys"] if "masked_spec_embed" not in key)
    if missing:
        raise CodecError(f"{source}: not the weights of a {kind}, {len(missing)} are missing, {missing[0]} for one")
    return model.eval(), extractor
