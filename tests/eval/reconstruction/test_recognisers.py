import json

import numpy as np
import pytest

from codec.errors import CodecError
from eval.reconstruction.interface import MetricError
from eval.reconstruction.recognisers import recogniser
from eval.reconstruction.words import text_errors


@pytest.mark.parametrize("name", ["sphinx", "pocketsphinx:en", "faster-whisper", "transformers:"])
def test_unknown_recognisers(name) -> None:
    with pytest.raises(CodecError, match="no recogniser"):
        recogniser(name)


def test_a_folder_that_is_no_model(tmp_path) -> None:
    with pytest.raises(CodecError, match="transformers cannot open"):
        recogniser(f"transformers:{tmp_path}")


def test_transformers_reads_a_model_from_a_folder(tmp_path, speech) -> None:
    """A recogniser of random weights, saved and opened as a trained one is; its letters mean nothing."""
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC, set_seed

    set_seed(0)
    vocab = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGH"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json")).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    config = Wav2Vec2Config(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, do_stable_layer_norm=False,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(tmp_path)
    heard = recogniser(f"transformers:{tmp_path}")(speech[0, :16000], "en")
    assert isinstance(heard, str)
    assert set(heard) <= set("ABCDEFGH <unk>/s")


def test_moonshine_hears_the_recording(speech, make_pair) -> None:
    hear, text = recogniser("moonshine"), make_pair().text
    assert text_errors(text, hear(speech[0], "en")).word_errors <= 1
    noise = 0.3 * np.random.default_rng(0).standard_normal(speech.shape[1]).astype(np.float32)
    assert text_errors(text, hear(speech[0] + noise, "en")).word_errors > 3
    assert isinstance(hear(np.zeros(1, np.float32), "en"), str)
    with pytest.raises(MetricError, match="English only"):
        hear(speech[0], "it")


def test_a_moonshine_without_a_model_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("moonshine_voice.get_model_path", lambda name: tmp_path / name)
    with pytest.raises(CodecError, match=r"brings no model: pip install 'semcodec\[moonshine\]'"):
        recogniser("moonshine")
