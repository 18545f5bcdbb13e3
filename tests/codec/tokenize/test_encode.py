import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import codec.tokenize.encode
from codec.data.recordings.opening import Sound
from codec.model import Codec
from codec.tokenize.encode import BatchEncoder

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000])


@settings(max_examples=8)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 9_000), RATES), min_size=1, max_size=5),
    cut=st.integers(1, 5_000),
    rate=st.sampled_from([25, 50, 100]),
)
def test_a_batch_gives_what_its_rows_give_alone(tiny: Codec, lengths: list[tuple[int, int]], cut: int, rate: int) -> None:
    model = Codec(tiny.networks, "tiny", tiny.fingerprint, rate, 32)
    encoder = BatchEncoder(model)
    waves = [np.random.default_rng(n).standard_normal(n).astype(np.float32) for n, _ in lengths]
    for index, (wave, (_, sample_rate)) in enumerate(zip(waves, lengths, strict=True)):
        blocks = iter([wave[start : start + cut] for start in range(0, len(wave), cut)])
        assert not encoder.add(index, Sound(sample_rate, blocks))
    found = {encoded.index: encoded for encoded in encoder.flush()}
    for index, (wave, (samples, sample_rate)) in enumerate(zip(waves, lengths, strict=True)):
        np.testing.assert_array_equal(found[index].codes, model.encode(wave, sample_rate).codes[0].numpy())
        assert (found[index].samples, found[index].sample_rate) == (samples, sample_rate)


def test_rows_of_equal_length_share_a_batch_and_long_ones_do_not_wait(tiny: Codec, monkeypatch) -> None:
    monkeypatch.setattr(codec.tokenize.encode, "LONG_SECONDS", 1)
    batches = []
    stream_encoder = tiny.stream_encoder
    monkeypatch.setattr(tiny, "stream_encoder", lambda rate, n=1, *rest: batches.append(n) or stream_encoder(rate, n, *rest))
    encoder = BatchEncoder(tiny, streams=1)
    # 0.5 s at either rate; the third is of another length, the fourth is long
    for index, (samples, rate) in enumerate([(8_000, 16_000), (4_000, 8_000), (5_000, 16_000)]):
        assert not encoder.add(index, Sound(rate, iter([np.ones(samples, np.float32)])))
    long = np.random.default_rng(0).standard_normal(40_000).astype(np.float32)
    (done,) = encoder.add(3, Sound(16_000, iter([long[:20_000], long[20_000:]])))
    assert sorted(encoded.index for encoded in encoder.flush()) == [0, 1, 2]
    assert sorted(batches) == [1, 1, 2]
    assert done.codes.shape == (1, 63)
    np.testing.assert_array_equal(done.codes, tiny.encode(long, 16_000).codes[0, :1].numpy())
