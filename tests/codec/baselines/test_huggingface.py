"""Any tokenizer of transformers, small and random: its own codes, its own sound, at any rate; what is none is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codec.baselines import open_codec
from codec.errors import CodecError
from codec.tokens import count_frames

transformers = pytest.importorskip("transformers")
RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EnCodec and DAC, hardly wide enough to stand."""
    root = tmp_path_factory.mktemp("hf")
    torch.manual_seed(0)
    encodec = transformers.EncodecConfig(
        num_filters=4, hidden_size=16, codebook_dim=16, codebook_size=64, upsampling_ratios=[4, 2]
    )
    transformers.EncodecModel(encodec).save_pretrained(root / "encodec")
    dac = transformers.DacConfig(
        encoder_hidden_size=8, decoder_hidden_size=32, downsampling_ratios=[2, 4], upsampling_ratios=[4, 2],
        codebook_size=32, codebook_dim=4, n_codebooks=3, hidden_size=32,
    )  # fmt: skip
    transformers.DacModel(dac).save_pretrained(root / "dac")
    transformers.BertModel(
        transformers.BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16, vocab_size=9)
    ).save_pretrained(root / "bert")
    return root


@pytest.mark.parametrize(("kind", "streams", "hop", "rate"), [("encodec@bandwidth=3", None, 8, 24_000), ("dac", 3, 8, 16_000)])
def test_a_tokenizer_is_a_codec_with_its_own_codes(folder: Path, kind: str, streams: int | None, hop: int, rate: int) -> None:
    codec = open_codec(f"hf:{folder}/{kind}")
    wave = np.random.default_rng(0).normal(0, 0.1, 4_003).astype(np.float32)
    encoded = codec.encode(wave, RATE)
    assert codec.decode(encoded).shape == wave.shape
    assert encoded.codes is not None
    frames = count_frames(len(wave), RATE, rate / hop, rate)
    assert encoded.codes.shape[1] == frames
    assert codec.sample_rate == rate
    if streams:
        assert len(encoded.codes) == streams
        model = transformers.AutoModel.from_pretrained(folder / kind).eval()
        padded = np.pad(wave, (0, frames * hop - len(wave)))
        with torch.no_grad():
            theirs = model.encode(torch.from_numpy(padded)[None, None]).audio_codes[0]
            sound = model.decode(audio_codes=theirs[None]).audio_values[0].numpy()
        assert torch.equal(encoded.codes, theirs[:, :frames])
        ours = codec.decode(encoded)
        shared = min(len(sound), len(ours))
        assert np.abs(ours[:shared] - sound[:shared]).max() < 1e-5
    assert open_codec(f"hf:{folder}/{kind}").version == codec.version


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "neither a folder nor a name that transformers can open"),
        ("bert", "BertModel has no encode and decode"),
        ("dac@bandwidth=3", "DacModel does not know 'bandwidth'; it takes input_values, n_quantizers"),
        ("dac@n_quantizers=many", "n_quantizers is no number"),
        ("dac@3", "write hf: and a folder or a name"),
    ],
)
def test_what_is_no_tokenizer_is_told(folder: Path, name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        open_codec(f"hf:{folder}/{name}")
