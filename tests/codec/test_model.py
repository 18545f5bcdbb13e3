import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.errors import AudioError, CodecError, ModelError
from codec.model import Codec
from codec.tokens import Tokens


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("samples", [0, 1, 2, 319, 320, 321, 12_345])
def test_lengths_are_exact_at_any_rate(tiny: Codec, sample_rate: int, samples: int) -> None:
    tokens = tiny.encode(np.zeros((2, samples), np.float32), sample_rate, rate=25)
    assert tokens.lengths.tolist() == [samples] * 2
    assert tiny.decode(tokens).shape == (2, -(-samples * 16_000 // sample_rate))


@pytest.mark.parametrize(
    ("rate", "vocab", "streams", "frame_rate", "bits"),
    [(200, 16, 4, 50, 26), (100, 16, 4, 25, 26), (50, 128, 2, 25, 20), (25, 64, 2, 12.5, 19)],
)
def test_bitrate(tiny: Codec, rate: int, vocab: int, streams: int, frame_rate: float, bits: int) -> None:
    tokens = tiny.encode(torch.zeros(16_000), 16_000, rate, vocab)
    assert tokens.bitrate == frame_rate * bits
    assert tokens.rate == rate
    assert tokens.codes.shape == (1, streams, math.ceil(frame_rate))


def test_embed(tiny: Codec) -> None:
    tokens = tiny.encode(torch.randn(2, 16_000), 16_000)
    semantic, acoustic = tiny.embed(tokens, "semantic"), tiny.embed(tokens, "acoustic")
    assert torch.equal(tiny.embed(tokens), torch.cat([semantic, acoustic], -1))
    assert semantic.shape == (2, 25, 8)
    assert torch.equal(tiny.embed(tokens.semantic_only(), "semantic"), semantic)
    with pytest.raises(CodecError, match="no acoustic"):
        tiny.embed(tokens.semantic_only())


def test_semantic_only_decodes(tiny: Codec) -> None:
    tokens = tiny.encode(torch.randn(1, 16_000), 16_000)
    alone = tiny.decode(tokens.semantic_only())
    assert alone.shape == (1, 16_000)
    assert not torch.equal(alone, tiny.decode(tokens))


@pytest.mark.parametrize(("rate", "vocab"), [(75, 32), (50, 31), (0.5, 32), (50, 1 << 40), (0, 32), (50, 0)])
def test_unknown_rates_and_vocabularies_are_refused(tiny: Codec, rate: int, vocab: int) -> None:
    with pytest.raises(CodecError, match="is not one of"):
        tiny.encode(torch.zeros(100), 16_000, rate, vocab)


@pytest.mark.parametrize("shape", [(), (1, 2, 3)])
def test_wrong_shapes_are_refused(tiny: Codec, shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="shape"):
        tiny.encode(torch.zeros(shape), 16_000)


@pytest.mark.parametrize("sample_rate", [0, -16_000, 999, 10**9])
def test_impossible_sample_rates_are_refused(tiny: Codec, sample_rate: int) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        tiny.encode(torch.zeros(100), sample_rate)


@pytest.mark.parametrize("lengths", [[5], [1, 101], [-1, 4]])
def test_wrong_lengths_are_refused(tiny: Codec, lengths: list[int]) -> None:
    with pytest.raises(AudioError, match="lengths"):
        tiny.encode(torch.zeros(2, 100), 16_000, lengths=torch.tensor(lengths))


def replaced(tokens: Tokens, **changes: object) -> Tokens:
    return Tokens(**{**tokens.__dict__, **changes})


def test_foreign_and_impossible_tokens_are_refused(tiny: Codec) -> None:
    tokens = tiny.encode(torch.zeros(16_000), 16_000)
    with pytest.raises(ModelError, match="--model"):
        tiny.decode(replaced(tokens, model="0" * 16))
    with pytest.raises(CodecError, match="outside their codebooks"):
        tiny.decode(replaced(tokens, codes=tokens.codes + 9_000))
    with pytest.raises(CodecError, match="fewer frames"):
        tiny.decode(replaced(tokens, lengths=torch.tensor([10**9])))
    with pytest.raises(CodecError, match="not this model's"):
        tiny.decode(replaced(tokens, codebook_sizes=(32, 4096)))


def test_more_streams_than_a_rate_has_are_refused(tiny: Codec) -> None:
    """Four streams are there, but not at 25 tokens/s, whatever a file says."""
    tokens = replace(tiny.encode(torch.zeros(16_000), 16_000, 100), frame_rate=12.5)
    decoder = tiny.stream_decoder(tiny.describe(16_000, 25))
    for use in (tiny.decode, tiny.embed, lambda tokens: decoder.push(tokens.codes)):
        with pytest.raises(CodecError, match=r"codebooks \(32, 8192, 32, 16\) are not|up to 2 streams"):
            use(tokens)


def test_shipped_model_golden_tokens(shipped: Codec, speech: np.ndarray) -> None:
    """Frozen tokens of the shipped weights. Rounding differs between processors and may flip a near tie."""
    from tests.conftest import DATA

    golden = np.load(DATA.parent / "goldens" / "speech_tokens.npz", allow_pickle=False)
    assert str(golden["model"]) == shipped.fingerprint, "new weights: run python -m tests.goldens.make"
    for rate in (25, 50, 100):
        codes = shipped.encode(speech, 16_000, rate).codes.numpy()
        assert codes.shape == golden[f"rate_{rate}"].shape
        assert (codes == golden[f"rate_{rate}"]).mean() > 0.98


def test_shipped_model_is_recognisably_the_speech(shipped: Codec, speech: np.ndarray) -> None:
    """Log-spectrum of what comes back is far closer to the original than silence or another recording is."""
    from train.losses import MultiScaleMelLoss

    loss = MultiScaleMelLoss()
    original = torch.from_numpy(speech)
    decoded = shipped.decode(shipped.encode(speech, 16_000, rate=100))
    shifted = original.roll(original.shape[1] // 2, 1)
    assert loss(decoded, original) < 0.5 * loss(shifted, original)


@pytest.mark.parametrize("rate", [25, 50, 100])
def test_a_slice_sounds_as_it_does_in_the_whole(shipped: Codec, rate: int) -> None:
    """Bit for bit, at the beginning, in the middle and at the end, though phases and networks reach far beyond it."""
    draw = torch.Generator().manual_seed(0)
    wave = torch.randn(2, 32_000, generator=draw) * torch.linspace(0.02, 0.2, 32_000)
    tokens = shipped.encode([wave[0], wave[1, :20_000]], 16_000, rate)
    whole = shipped.decode(tokens)
    step = round(16_000 / tokens.frame_rate)
    for start, stop in ((0.0, 0.5), (0.48, 1.04), (0.96, None)):
        first = round(start * tokens.frame_rate) * step
        part = shipped.decode(tokens.slice(start, stop))
        assert torch.equal(part, whole[:, first : first + part.shape[1]])
    assert torch.equal(shipped.decode(tokens.slice(0.4).slice(0.08, 0.4)), whole[:, 7_680 : 7_680 + 5_120 + 0])
    # Other codes in the middle are heard between the old ones.
    middle = tokens.slice(0.48, 0.96)
    changed = replace(middle, codes=middle.codes.flip(-1))
    codes = tokens.codes.clone()
    first = round(0.48 * tokens.frame_rate)
    codes[:, :, first : first + middle.codes.shape[2]] = changed.codes
    expected = shipped.decode(replace(tokens, codes=codes))
    assert torch.equal(shipped.decode(changed), expected[:, 7_680 : 7_680 + 7_680])


def test_padding_has_zero_vectors(tiny: Codec) -> None:
    tokens = tiny.encode([torch.randn(16_000), torch.randn(4_000)], 16_000)
    vectors = tiny.embed(tokens)
    assert (vectors[1, 7:] == 0).all()
    assert torch.equal(vectors[1:, :7], tiny.embed(tokens.item(1)))
    assert torch.equal((vectors != 0).any(-1), tokens.mask)


@pytest.mark.parametrize("layout", ["parallel", "stream-first", "time-first", "delay", "flat", "interleave", "sequential"])
def test_tokens_of_numbers(tiny: Codec, layout: str) -> None:
    tokens = tiny.encode([torch.randn(16_000), torch.randn(4_160)], 16_000, rate=25, vocab=64)
    given = tokens.arrange(layout).to(torch.int32)
    assert tiny.tokens(given, rate=25, vocab=64, layout=layout) == replace(tokens, lengths=torch.tensor([16_640, 5_120]))
    assert tiny.tokens(given.numpy(), 25, 64, layout, lengths=tokens.lengths) == tokens
    one = tokens.item(0).arrange(layout)[:, 0] if layout == "stream-first" else tokens.item(0).arrange(layout)[0]
    assert torch.equal(tiny.tokens(one, rate=25, vocab=64, layout=layout).codes, tokens.item(0).codes)
    alone = [item.arrange(layout).squeeze(1 if layout == "stream-first" else 0) for item in tokens]
    for items in (alone, [item.numpy().astype(np.uint16) for item in alone], [item.tolist() for item in alone]):
        assert tiny.tokens(items, 25, 64, layout, lengths=tokens.lengths) == tokens  # of two lengths


def test_numbers_that_are_no_tokens_are_refused(tiny: Codec) -> None:
    for wrong, message in (
        (lambda: tiny.tokens(torch.zeros(3, 10, dtype=torch.long)), "3 streams, but 50 tokens/s have 2; rate= may be 25"),
        (lambda: tiny.tokens(torch.zeros(2, 10)), r"long\(\)"),
        (lambda: tiny.tokens(torch.full((2, 10), 32)), "codebooks.*: 32 in stream [01], step 0"),
        (lambda: tiny.tokens([[0, 1, 2], [0, 1]]), "several lengths"),
        (lambda: tiny.tokens([[[0, 1], [0, 1]], [[0, 1]]]), "shape .1, 2. are not in the layout"),
        (lambda: tiny.decode(torch.zeros(1, 2, 5)), r"not a Tensor: model\.tokens"),
        (lambda: tiny.embed(np.zeros((1, 2, 5))), r"not a ndarray: model\.tokens"),
        (lambda: tiny.tokens([[-1]]), "codebooks"),
        (lambda: tiny.tokens([1, 2, 3]), "not in the layout parallel"),
        (lambda: tiny.tokens([]), "not in the layout parallel"),
        (lambda: tiny.tokens([[1, 2]], rate=33), "rate 33"),
        (lambda: tiny.tokens([[1, 2]], lengths=torch.tensor([10**6])), "fewer frames"),
    ):
        with pytest.raises(CodecError, match=message):
            wrong()
    semantic = tiny.tokens([[1, 2, 3]])
    assert tiny.decode(semantic).shape == (1, 3 * 640)
