"""Real architectures at tiny sizes and random weights, saved and loaded as published ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from codec.errors import CodecError
from eval.semantics.embeddings import open_embedder
from eval.semantics.embeddings.huggingface import mel_states

WAVE_CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
MEL_CONFIG = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "num_mel_bins": 80}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def check(name: str, samples: int, frames: int) -> None:
    """Shape, true length, and that a neighbour in the batch changes nothing."""
    embedder = open_embedder(name)
    alone = embedder.embed([noise(samples)], 16_000)[0]
    assert alone.shape == (frames, embedder.dim)
    assert alone.dtype == np.float32
    assert abs(frames * embedder.hop_seconds - samples / 16_000) <= 2 * embedder.hop_seconds
    among_others = embedder.embed([noise(3 * samples, 1), noise(samples)], 16_000)[1]
    np.testing.assert_array_equal(among_others, alone)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "data2vec", "wavlm"])
def test_wave_encoders(family: str, tmp_path: Path) -> None:
    kind = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "data2vec": "Data2VecAudio", "wavlm": "WavLM"}[family]
    config = getattr(transformers, f"{kind}Config")(**WAVE_CONFIG)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path)
    check(f"{family}:{tmp_path}", 8_000, 24)
    embedder = open_embedder(f"{family}:{tmp_path}")
    assert embedder.embed([noise(3)], 16_000)[0].shape == (1, 16)
    # Longer than a window: no frame is lost but those at the seam.
    assert abs(len(embedder.embed([noise(31 * 16_000)], 16_000)[0]) - 31 * 50) <= 2


def test_whisper(tmp_path: Path) -> None:
    config = transformers.WhisperConfig(
        **MEL_CONFIG, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=8, vocab_size=60, pad_token_id=0
    )
    model = transformers.WhisperModel(config).eval()
    model.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    check(f"whisper:{tmp_path}", 16_001, 51)
    mel = torch.randn(1, 80, 3000)
    with torch.no_grad():
        torch.testing.assert_close(mel_states(model.encoder, mel), model.encoder(mel).last_hidden_state)


def test_qwen2_audio_tower(tmp_path: Path) -> None:
    audio = transformers.Qwen2AudioEncoderConfig(**MEL_CONFIG)
    text = transformers.Qwen2Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, vocab_size=60
    )
    config = transformers.Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_index=5)
    model = transformers.Qwen2AudioForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    check(f"qwen2-audio:{tmp_path}", 16_000, 25)
    tower = next(module for module in model.modules() if type(module).__name__ == "Qwen2AudioEncoder")
    mel = torch.randn(1, 80, 3000)
    with torch.no_grad():
        torch.testing.assert_close(mel_states(tower, mel), tower(mel).last_hidden_state)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="hf download no/such-model"):
        open_embedder("hubert:no/such-model")
    with pytest.raises(CodecError, match="hf download"):
        open_embedder(f"whisper:{tmp_path}")
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CodecError, match="no weights of a HubertModel"):
        open_embedder(f"hubert:{tmp_path}")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    transformers.HubertModel(transformers.HubertConfig(**WAVE_CONFIG)).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    config = transformers.WavLMConfig(**WAVE_CONFIG)
    config.save_pretrained(tmp_path)
    with pytest.raises(CodecError, match="are missing"):
        open_embedder(f"wavlm:{tmp_path}")
