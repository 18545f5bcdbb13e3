import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from codec.bundled import ENTROPY
from codec.container.bitstream import ContainerReader, ContainerWriter, read, save
from codec.container.entropy import EntropyModel, RateTables, load_entropy, save_entropy
from codec.container.header import Header
from codec.errors import ContainerError, ModelError, TruncatedError
from codec.hub import load
from codec.model import Codec
from codec.tokens import Tokens
from quantizers import ans
from train.entropy import fit, to_frequencies

MODEL = "0123456789abcdef"
LEVELS = ((4, 3), (40, 16))
SIZES = (12, 640)


def sticky(rng: np.random.Generator, frames: int, size: int) -> np.ndarray:
    """Codes that often repeat or move by one: something to predict."""
    steps = rng.choice([0, 0, 0, 1, 1, 5], size=frames)
    return np.cumsum(steps) % size


def clips(seed: int, count: int = 6, frames: int = 400) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.stack([sticky(rng, frames, size) for size in (64, *SIZES)]) for _ in range(count)]


def tables_for(seed: int = 0) -> RateTables:
    codewords = np.random.default_rng(1).standard_normal((16, 3))
    return fit(clips(seed), codewords, vocab=64, levels=LEVELS, chunk=256, classes=5)


@pytest.fixture(scope="module")
def entropy(tmp_path_factory: pytest.TempPathFactory) -> EntropyModel:
    folder = tmp_path_factory.mktemp("tables")
    save_entropy({25_000: tables_for()}, MODEL, folder / ENTROPY)
    return load_entropy(folder, MODEL)


def make_tokens(codes: np.ndarray, vocab: int = 64) -> Tokens:
    """``(channels, S, n)`` codes as tokens at 25 frames/s."""
    lengths = torch.full((len(codes),), codes.shape[2] * 640)
    return Tokens(torch.from_numpy(codes), lengths, 16_000, 25.0, (vocab, *SIZES)[: codes.shape[1]], MODEL)


def to_bytes(tokens: Tokens, entropy: EntropyModel | None) -> bytes:
    sink = io.BytesIO()
    writer = ContainerWriter(sink, Header.of(tokens, entropy.id if entropy else None), entropy)
    writer.push(tokens.codes)
    writer.close(int(tokens.lengths[0]))
    return sink.getvalue()


def from_bytes(data: bytes, entropy: EntropyModel, conceal: torch.Tensor | None = None) -> tuple[list[int], list[torch.Tensor]]:
    reader = ContainerReader(io.BytesIO(data), conceal, entropy)
    return reader.damaged, list(reader.chunks())


@given(data=st.data())
def test_ans_gives_back_any_symbols(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=50))
    frequencies = to_frequencies(np.array(weights, float))
    assert frequencies.sum() == ans.TOTAL
    assert frequencies.min() >= 1
    cumulative = [0, *np.cumsum(frequencies).tolist()]
    symbols = data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=300))
    coded = ans.encode([cumulative[s] for s in symbols], [cumulative[s + 1] - cumulative[s] for s in symbols])
    decoder = ans.Decoder(coded)
    assert [decoder.symbol(cumulative) for _ in symbols] == symbols
    decoder.close()


def test_ans_comes_near_the_entropy() -> None:
    frequencies = to_frequencies(np.array([0.7, 0.2, 0.06, 0.04]))
    chances = frequencies / ans.TOTAL
    symbols = np.random.default_rng(0).choice(4, size=50_000, p=chances)
    starts = np.cumsum(frequencies) - frequencies
    coded = ans.encode(starts[symbols].tolist(), frequencies[symbols].tolist())
    ideal = -np.log2(chances[symbols]).sum() / 8
    assert ideal <= len(coded) <= 1.004 * ideal + 4


@given(st.binary(max_size=60))
def test_ans_refuses_or_reads_arbitrary_bytes(data: bytes) -> None:
    try:
        decoder = ans.Decoder(data)
        for _ in range(100):
            assert 0 <= decoder.symbol([0, 10, 10, 60_000, 65_536]) < 4
        decoder.close()
    except ValueError:
        pass


@settings(max_examples=80)
@given(
    frames=st.integers(0, 700),
    channels=st.integers(1, 3),
    streams=st.integers(1, 3),
    vocab=st.sampled_from([16, 32, 64]),
    seed=st.integers(0, 9),
)
def test_round_trip(entropy: EntropyModel, frames: int, channels: int, streams: int, vocab: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    make = sticky if seed % 2 else lambda rng, frames, size: rng.integers(size, size=frames)
    codes = np.stack([np.stack([make(rng, frames, size) for size in (vocab, *SIZES)[:streams]]) for _ in range(channels)])
    tokens = make_tokens(codes, vocab)
    damaged, chunks = from_bytes(to_bytes(tokens, entropy), entropy)
    assert not damaged
    assert torch.equal(torch.cat([tokens.codes[:, :, :0], *chunks], 2), tokens.codes)


def test_smaller_where_there_is_something_to_predict_and_never_much_larger(entropy: EntropyModel) -> None:
    predictable = make_tokens(np.stack(clips(seed=7)[:2]))
    assert len(to_bytes(predictable, entropy)) < 0.8 * len(to_bytes(predictable, None))
    noise = make_tokens(np.random.default_rng(0).integers(12, size=(2, 3, 400)))
    assert len(to_bytes(noise, entropy)) <= len(to_bytes(noise, None)) + 8 + 2 * 2


@settings(max_examples=80)
@given(data=st.data())
def test_any_flipped_byte_is_noticed_and_only_its_chunk_is_lost(entropy: EntropyModel, data: st.DataObject) -> None:
    tokens = make_tokens(np.stack([np.concatenate(clips(seed=3, count=3), axis=1)]))  # 1200 frames, 5 chunks
    whole = bytearray(to_bytes(tokens, entropy))
    head = len(Header.of(tokens, entropy.id).pack())
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ContainerError):
        from_bytes(bytes(whole), entropy)
    if not head <= position < len(whole) - 14:
        return
    reader = ContainerReader(io.BytesIO(bytes(whole)), torch.tensor([3, 4, 5]), entropy)
    codes = torch.cat(list(reader.chunks()), 2)
    assert codes.shape == tokens.codes.shape
    [lost] = reader.damaged
    kept = torch.ones(codes.shape[2], dtype=torch.bool)
    kept[lost * 256 : (lost + 1) * 256] = False
    assert torch.equal(codes[:, :, kept], tokens.codes[:, :, kept])
    assert (codes[0, :, ~kept] == torch.tensor([[3], [4], [5]])).all()


@settings(max_examples=50)
@given(cut=st.integers(0, 10_000))
def test_any_truncation_is_noticed(entropy: EntropyModel, cut: int) -> None:
    whole = to_bytes(make_tokens(np.stack(clips(0)[:1])), entropy)
    with pytest.raises(ContainerError):
        from_bytes(whole[: cut % len(whole)], entropy)


@pytest.mark.parametrize("channels", [1, 2])
def test_cut_at_every_byte_everything_before_comes_back(entropy: EntropyModel, channels: int) -> None:
    """Frames whose words are there; a channel that has not begun is concealed."""
    stand_in = torch.tensor([60, 11, 19])
    tokens = make_tokens(np.stack(clips(0)[:channels])[:, :, :100])
    whole, head, before = to_bytes(tokens, entropy), len(Header.of(tokens, entropy.id).pack()), -1
    for cut in range(head, len(whole)):
        reader, chunks = ContainerReader(io.BytesIO(whole[:cut]), stand_in, entropy), [tokens.codes[:, :, :0]]
        with contextlib.suppress(TruncatedError):  # nothing is there yet
            chunks += reader.chunks()
        codes = torch.cat(chunks, dim=2)
        right = int((codes == tokens.codes[:, :, : codes.shape[2]]).all(1).sum())
        given = int((codes != stand_in.view(1, 3, 1)).any(1).sum())
        assert before <= given <= right  # more with every byte, all of it as it was
        before = given
    assert before == 100 * channels
    # A payload of 4 bytes is no beginning yet; from then on, each 2 bytes add what they hold.
    half = ContainerReader(io.BytesIO(whole[: head + 8 + (len(whole) - head - 22) // 2]), stand_in, entropy)
    assert sum(chunk.shape[2] for chunk in half.chunks()) > 40


@settings(max_examples=200)
@given(payload=st.binary(max_size=120), frames=st.integers(1, 256), conceal=st.booleans())
def test_hostile_payloads_with_fitting_checksums(entropy: EntropyModel, payload: bytes, frames: int, conceal: bool) -> None:
    tokens = make_tokens(np.zeros((1, 2, frames), np.int64))
    head = struct.pack("<HH", frames, len(payload))
    chunk = head[:2] + struct.pack("<I", zlib.crc32(head + payload)) + head[2:] + payload
    samples = struct.pack("<Q", frames * 640)
    data = Header.of(tokens, entropy.id).pack() + chunk + struct.pack("<HI", 0, zlib.crc32(samples)) + samples
    try:
        _, [codes] = from_bytes(data, entropy, torch.tensor([0, 0]) if conceal else None)
        assert codes.shape == (1, 2, frames)
        assert (codes < torch.tensor([[64], [12]])).all()
    except ContainerError:
        pass


def test_tables_cannot_give_codes_that_the_header_does_not_know(entropy: EntropyModel) -> None:
    """Found by fuzzing: a header with a smaller acoustic codebook than the tables', around a payload that is well formed."""
    codes = np.stack([np.stack([np.arange(64), np.full(64, 11)])])
    payload = entropy.pack(codes, 25.0, (64, 12))
    assert np.array_equal(entropy.unpack(payload, 64, 1, 25.0, (64, 12)), codes)
    with pytest.raises(ValueError, match="codes outside 0 … 10"):
        entropy.unpack(payload, 64, 1, 25.0, (64, 11))
    with pytest.raises(ValueError, match="of 3 streams, not of 4"):
        entropy.unpack(payload, 64, 1, 25.0, (64, *SIZES, 12))


def test_layout_is_the_documented_one(entropy: EntropyModel) -> None:
    """Byte for byte as in docs/container.md, written here a second time: one arithmetic step after the other."""
    tables = entropy.tables(25)
    frames = [(5, 7, 321), (5, 7, 45), (63, 0, 45)]
    intervals = []
    before, digits, thirds = None, [(4, 3), (4, 3)], [(40, 16), (40, 16)]  # the frame before and the one before that: none yet

    def take(frequencies: np.ndarray, symbol: int) -> None:
        intervals.append((int(frequencies[:symbol].sum()), int(frequencies[symbol])))

    for semantic, acoustic, third in frames:
        coarse, child = divmod(semantic, 4)
        context = 5 if before is None else tables.classes[before]
        context = len(tables.follows) - 1 if before is None else context
        take(tables.repeats[context], int(coarse == before))
        if coarse != before:
            group = tables.classes[coarse]
            take(tables.follows[context], group)
            mates = np.flatnonzero(tables.classes == group)
            take(tables.members[mates], list(mates).index(coarse))
        take(tables.children[coarse], child)
        now = (acoustic % 4, acoustic // 4)
        take(tables.digits[0][0][digits[0][0], digits[1][0], 0], now[0])
        take(tables.digits[0][1][digits[0][1], digits[1][1], now[0]], now[1])
        then = (third % 40, third // 40)
        take(tables.digits[1][0][thirds[0][0], 0, 0], then[0])  # two more contexts would need too large a table
        take(tables.digits[1][1][thirds[0][1], thirds[1][1], 0], then[1])
        before, digits, thirds = coarse, [now, digits[0]], [then, thirds[0]]
    state, words = 1 << 16, []
    for start, frequency in reversed(intervals):
        if state >= frequency << 16:
            words.insert(0, state & 0xFFFF)
            state >>= 16
        state = (state // frequency << 16) + state % frequency + start
    payload = struct.pack(f"<{len(words) + 2}H", state >> 16, state & 0xFFFF, *words)
    codes = np.array(frames).T[None]
    assert entropy.pack(codes, 25.0, (64, *SIZES)) == payload
    tokens = make_tokens(np.concatenate([codes] * 4, axis=2))
    data = to_bytes(tokens, entropy)
    assert data[5] == 1
    assert data[38:46] == entropy.id
    (crc,) = struct.unpack_from("<I", data, 46)
    assert crc == zlib.crc32(data[:46])
    count, crc, length = struct.unpack_from("<HIH", data, 50)
    assert count == 12
    assert crc == zlib.crc32(data[50:52] + data[56 : 58 + length])
    assert len(data) == 58 + length + 14


def test_other_tables_are_named(entropy: EntropyModel, tmp_path) -> None:
    tokens = make_tokens(np.stack(clips(0)[:1]))
    save(tokens, tmp_path / "x.sct", entropy)
    assert torch.equal(read(tmp_path / "x.sct", entropy=entropy).codes, tokens.codes)
    other = save_entropy({25_000: tables_for(seed=5)}, MODEL, tmp_path / ENTROPY)
    with pytest.raises(ContainerError, match="other entropy tables"):
        read(tmp_path / "x.sct", entropy=other)
    with pytest.raises(ContainerError, match=f"tables of model {MODEL}"):
        read(tmp_path / "x.sct")
    with pytest.raises(ContainerError, match="header names"):
        ContainerWriter(io.BytesIO(), Header.of(tokens, b"12345678"), entropy)


def test_unusable_tables_are_one_line(tmp_path) -> None:
    with pytest.raises(ModelError, match="codec train entropy"):
        load_entropy(tmp_path, MODEL)
    good = save_entropy({25_000: tables_for()}, MODEL, tmp_path / ENTROPY)
    with pytest.raises(ModelError, match="of model"):
        load_entropy(tmp_path, "f" * 16)
    assert load_entropy(tmp_path, MODEL).id == good.id
    arrays = load_file(tmp_path / ENTROPY)
    for name, change in [("repeats", lambda a: a + 1), ("follows", lambda a: a[:-1]), ("classes", lambda a: a + 900)]:
        save_file(arrays | {f"25000.{name}": change(arrays[f"25000.{name}"])}, tmp_path / ENTROPY, metadata={"model": MODEL})
        with pytest.raises(ModelError, match="not entropy tables"):
            load_entropy(tmp_path, MODEL)
    for bad in ({"x": np.zeros(3, np.uint16)}, {"25000.classes": np.zeros(3, np.float32)}):
        save_file(bad, tmp_path / ENTROPY, metadata={"model": MODEL})
        with pytest.raises(ModelError, match="not entropy tables"):
            load_entropy(tmp_path, MODEL)


@pytest.fixture(scope="module")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole-tables") / ENTROPY
    save_entropy({25_000: tables_for()}, MODEL, path)
    return path


@settings(max_examples=100)
@given(data=st.data())
def test_damaged_table_files_never_do_more_than_raise(table_file: Path, data: st.DataObject) -> None:
    assert load_entropy(table_file.parent, MODEL), "what is not damaged is read"
    folder = table_file.parent / "damaged"
    folder.mkdir(exist_ok=True)
    raw = bytearray(table_file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / ENTROPY).write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    with contextlib.suppress(ModelError):
        load_entropy(folder, MODEL)


def test_the_default_model_saves_bits_on_real_audio(shipped: Codec, speech: np.ndarray, music: np.ndarray, tmp_path) -> None:
    """Some 36 s in all, where headers weigh more than in files of usual length."""
    sizes = {"fixed": 0, "coded": 0}
    for wave, sample_rate in ((speech, 16_000), (music[:1], 44_100)):
        for rate in (25, 50, 100):
            tokens = shipped.encode(wave, sample_rate, rate, vocab=32768)
            save(tokens, tmp_path / "fixed.sct")
            save(tokens, tmp_path / "coded.sct", shipped.entropy)
            assert torch.equal(read(tmp_path / "coded.sct").codes, tokens.codes)
            for name in sizes:
                sizes[name] += (tmp_path / f"{name}.sct").stat().st_size
    assert sizes["coded"] < 0.92 * sizes["fixed"]


def test_models_without_tables_say_how_to_get_them(tiny: Codec, tiny_folder) -> None:
    with pytest.raises(ModelError, match="codec train entropy"):
        _ = tiny.entropy
    with pytest.raises(ModelError, match="codec train entropy"):
        _ = load(tiny_folder, vocab=32).entropy
