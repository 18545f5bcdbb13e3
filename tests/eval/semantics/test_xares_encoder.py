"""Encoder files for X-ARES and XARES-LLM."""

from __future__ import annotations

import pytest
import torch

from codec.errors import CodecError
from eval.semantics.xares.encoder import class_name, wrap
from tests.eval.semantics.folders import Spectrum


def test_adapter_has_both_signatures() -> None:
    encoder = wrap(Spectrum())()  # type: ignore[arg-type]
    assert type(encoder).__name__ == "SpectrumEncoder"
    assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (16_000, 24, 20.0)
    audio = torch.randn(2, 50_000)
    plain = encoder(audio)
    assert plain.shape == (2, 157, 24)
    assert plain.dtype == torch.float32
    mask = torch.ones(2, 50_000)
    mask[1, 16_000:] = 0
    features, frames = encoder(audio, mask)
    assert frames.sum(1).tolist() == [157, 50]
    assert features[0].equal(plain[0])
    assert features[1, :50].equal(encoder(audio[1, :16_000])[0])
    assert not features[1, 50:].any()


def test_xares_llm_can_train_on_what_it_is_given() -> None:
    """As its model does: the encoder without gradients, then a projector with them. Tensors of inference refused that."""
    encoder, projector = wrap(Spectrum())(train=False), torch.nn.Linear(24, 4)  # type: ignore[arg-type]
    with torch.no_grad():
        features, mask = encoder(torch.randn(2, 20_000), torch.ones(2, 20_000))
    projector(features).sum().backward()
    assert projector.weight.grad is not None
    assert projector.weight.grad.abs().sum() > 0
    assert mask.shape[-1] == features.shape[1]


def test_xares_llm_without_a_mask_gets_a_pair() -> None:
    """What its checker of encoders asks for; X-ARES, which names no mask, gets the features alone."""
    encoder, audio = wrap(Spectrum())(), torch.randn(3, 50_000)  # type: ignore[arg-type]
    features, mask = encoder(audio, None)
    assert mask is None
    assert features.equal(encoder(audio))


def test_xares_llm_cannot_train_an_embedder() -> None:
    with pytest.raises(CodecError, match="spectrum cannot be trained inside XARES-LLM"):
        wrap(Spectrum())(train=True)  # type: ignore[arg-type]


def test_class_names_differ_by_rate_and_stream() -> None:
    names = ["semcodec@50:semantic", "semcodec@100:semantic", "semcodec@50:both", "logmel"]
    assert [class_name(name) for name in names] == [
        "Semcodec50SemanticEncoder",
        "Semcodec100SemanticEncoder",
        "Semcodec50BothEncoder",
        "LogmelEncoder",
    ]
