import contextlib
import io
import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.container.bitstream import ContainerReader, ContainerWriter, pack_frames, read, save, unpack_frames
from codec.container.header import Header
from codec.errors import CodecError, ContainerError, TruncatedError
from codec.model import Codec
from codec.tokens import Tokens
from quantizers.packing import bits_for


def make_tokens(frames: int, channels: int = 1, sizes: tuple[int, ...] = (8192, 8192), frame_rate: float = 25) -> Tokens:
    rng = np.random.default_rng(frames)
    codes = np.stack([rng.integers(size, size=(channels, frames)) for size in sizes], axis=1)
    return Tokens(
        codes=torch.from_numpy(codes),
        lengths=torch.full((channels,), round(frames * 16_000 / frame_rate)),
        sample_rate=16_000,
        frame_rate=frame_rate,
        codebook_sizes=sizes,
        model="0123456789abcdef",
    )


def to_bytes(tokens: Tokens) -> bytes:
    sink = io.BytesIO()
    writer = ContainerWriter(sink, Header.of(tokens))
    writer.push(tokens.codes)
    writer.close(int(tokens.lengths[0]))
    return sink.getvalue()


def from_bytes(data: bytes, conceal: torch.Tensor | None = None) -> tuple[ContainerReader, list[torch.Tensor]]:
    reader = ContainerReader(io.BytesIO(data), conceal)
    return reader, list(reader.chunks())


@settings(max_examples=60)
@given(
    frames=st.integers(0, 700),
    channels=st.integers(1, 8),
    sizes=st.lists(st.integers(2, 1 << 24), min_size=1, max_size=2).map(tuple),
    frame_rate=st.sampled_from([12.5, 25.0, 50.0]),
)
def test_round_trip(frames: int, channels: int, sizes: tuple[int, ...], frame_rate: float) -> None:
    tokens = make_tokens(frames, channels, sizes, frame_rate)
    reader, chunks = from_bytes(to_bytes(tokens))
    codes = torch.cat([tokens.codes[:, :, :0], *chunks], dim=2)
    assert torch.equal(codes, tokens.codes)
    assert reader.samples == tokens.lengths[0]
    assert reader.header.codebook_sizes == sizes


@pytest.mark.parametrize("rate", [25, 50, 100])
@pytest.mark.parametrize("vocab", [4096, 8192, 16384, 32768])
def test_size_is_nominal_within_one_percent_and_200_bytes(rate: int, vocab: int) -> None:
    tokens = make_tokens(frames=rate // 2 * 60, sizes=(vocab, 8192), frame_rate=rate / 2)
    nominal = tokens.codes.shape[2] * (bits_for(vocab) + 13) / 8
    assert abs(len(to_bytes(tokens)) - nominal) <= 0.01 * nominal + 200


def test_layout_is_the_documented_one() -> None:
    """Byte for byte as in docs/container.md, written here a second time."""
    tokens = make_tokens(frames=4, sizes=(16, 4), frame_rate=50)
    header = struct.pack("<4sBB", b"\x8bSCT", 1, 0) + bytes.fromhex(tokens.model)
    header += struct.pack("<IBBIH", 16_000, 1, 2, 50_000, 512) + struct.pack("<II", 16, 4)
    header += struct.pack("<I", zlib.crc32(header))
    bits = "".join(f"{int(s):04b}{int(a):02b}" for s, a in tokens.codes[0].T)
    payload = int(bits.ljust(24, "0"), 2).to_bytes(3, "big")
    count = struct.pack("<H", 4)
    chunk = count + struct.pack("<I", zlib.crc32(count + payload)) + payload
    samples = struct.pack("<Q", 1280)
    assert to_bytes(tokens) == header + chunk + struct.pack("<HI", 0, zlib.crc32(samples)) + samples


@given(data=st.data())
@settings(max_examples=200)
def test_any_flipped_byte_is_noticed(data: st.DataObject) -> None:
    whole = bytearray(to_bytes(make_tokens(frames=400)))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ContainerError):
        from_bytes(bytes(whole))


@given(cut=st.integers(0, 10_000))
@settings(max_examples=100)
def test_any_truncation_is_noticed(cut: int) -> None:
    whole = to_bytes(make_tokens(frames=400))
    with pytest.raises(ContainerError):
        from_bytes(whole[: cut % len(whole)])


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_arbitrary_bytes_never_do_more_than_raise(data: bytes) -> None:
    with pytest.raises(CodecError):
        from_bytes(data)
    with pytest.raises(CodecError):
        from_bytes(b"\x8bSCT\x01\x00" + data)


def hostile_header(**fields: int) -> bytes:
    values = {"sample_rate": 16_000, "channels": 1, "streams": 2, "millihertz": 25_000, "frames": 256, "size": 8192} | fields
    body = struct.pack("<4sBB8s", b"\x8bSCT", 1, 0, b"\0" * 8)
    body += struct.pack("<IBBIH", *(values[k] for k in ("sample_rate", "channels", "streams", "millihertz", "frames")))
    body += struct.pack("<I", values["size"]) * values["streams"]
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 255, "frames": 65_535},
        {"channels": 0},
        {"sample_rate": 0},
        {"sample_rate": 2**32 - 1},
        {"millihertz": 0},
        {"millihertz": 2**32 - 1},
        {"frames": 0},
        {"frames": 65_535, "size": 1 << 24, "channels": 64},
        {"size": 2**32 - 1},
        {"size": 1},
    ],
)
def test_hostile_headers_are_refused_without_allocation(fields: dict[str, int]) -> None:
    tracemalloc.start()
    with pytest.raises(ContainerError, match="header"):
        ContainerReader(io.BytesIO(hostile_header(**fields)))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_huge_declared_length_without_data_is_refused() -> None:
    samples = struct.pack("<Q", 2**63)
    with pytest.raises(ContainerError, match="do not make"):
        from_bytes(hostile_header() + struct.pack("<HI", 0, zlib.crc32(samples)) + samples)


def test_future_versions_are_named() -> None:
    data = bytearray(to_bytes(make_tokens(10)))
    data[4] = 2
    with pytest.raises(ContainerError, match="newer than this program"):
        from_bytes(bytes(data))


def test_a_damaged_chunk_can_be_concealed() -> None:
    tokens = make_tokens(frames=700)
    data = bytearray(to_bytes(tokens))
    data[60] ^= 1
    reader, chunks = from_bytes(bytes(data), conceal=torch.tensor([3, 4]))
    assert reader.damaged == [0]
    assert (chunks[0] == torch.tensor([3, 4]).view(1, 2, 1)).all()
    assert torch.equal(torch.cat(chunks[1:], 2), tokens.codes[:, :, 256:])


def test_damage_before_a_broken_off_chunk_is_concealed() -> None:
    """Found by fuzzing: a damaged chunk, then a count that looks right, then nothing."""
    data = bytearray(to_bytes(make_tokens(frames=700)))
    header = len(Header.of(make_tokens(1)).pack())
    data[header + 20] ^= 1
    size = 6 + 256 * 26 // 8
    for left in range(2, 8):
        broken = bytes(data[: header + size + left])
        with pytest.raises(ContainerError):
            from_bytes(broken)
        reader, chunks = from_bytes(broken, conceal=torch.tensor([3, 4]))
        assert (reader.damaged, [chunk.shape[2] for chunk in chunks]) == ([0], [256])
        assert "truncated" in reader.cut


def everything_there(data: bytes, tokens: Tokens, conceal: torch.Tensor | None) -> tuple[int, str]:
    """Frames that come out of a container that breaks off, each as it was, and how its reader says that it ends."""
    reader, chunks, message = ContainerReader(io.BytesIO(data), conceal), [tokens.codes[:, :, :0]], ""
    try:
        chunks += reader.chunks()
    except TruncatedError as error:
        message = str(error)
    whole = torch.cat(chunks, dim=2)
    assert torch.equal(whole, tokens.codes[:, :, : whole.shape[2]])
    assert reader.samples == whole.shape[2] * 640
    return whole.shape[2], reader.cut or message


def before_the_error(data: bytes) -> list[torch.Tensor]:
    """Chunks that come before it breaks off."""
    chunks: list[torch.Tensor] = []
    with contextlib.suppress(TruncatedError):
        chunks += ContainerReader(io.BytesIO(data)).chunks()
        pytest.fail("not noticed")
    return chunks


@pytest.mark.parametrize("channels", [1, 2])
def test_cut_at_every_byte_everything_before_comes_back(channels: int) -> None:
    """Behind the header: every whole frame whose bytes are there, with and without concealing."""
    tokens = make_tokens(frames=90, channels=channels)
    data, header = to_bytes(tokens), len(Header.of(tokens).pack())
    for cut in range(header, len(data)):
        payload = min(max(0, cut - header - 6), len(data) - header - 6 - 14)
        expected = min(90, payload * 8 // (26 * channels))
        before = torch.cat([tokens.codes[:, :, :0], *before_the_error(data[:cut])], dim=2)
        assert torch.equal(before, tokens.codes[:, :, :expected]), cut
        if expected:
            assert everything_there(data[:cut], tokens, torch.tensor([3, 4]))[0] == expected, cut
        else:
            with pytest.raises(TruncatedError, match="nothing is there"):
                from_bytes(data[:cut], torch.tensor([3, 4]))
    for cut in range(header):
        with pytest.raises(ContainerError, match="truncated"):
            from_bytes(data[:cut], torch.tensor([3, 4]))


def test_cut_anywhere_in_a_long_container_everything_before_comes_back() -> None:
    tokens = make_tokens(frames=256 * 8 + 100)
    data, header = to_bytes(tokens), len(Header.of(tokens).pack())
    chunk = 6 + 256 * 26 // 8
    for cut in range(header + 100, len(data) - 14, 37):
        chunks, rest = divmod(cut - header, chunk)
        expected = 256 * chunks + max(0, rest - 6) * 8 // 26
        frames, message = everything_there(data[:cut], tokens, torch.tensor([3, 4]))
        assert frames == expected
        assert f"chunk {chunks}" in message or (rest < 6 and "the end" in message)


@pytest.mark.parametrize("length", [100, 600, 838, 3_000])
def test_a_lost_sector_costs_the_chunks_that_it_lay_in(length: int) -> None:
    """Zeros, as a disk leaves them, over several chunks: what follows comes at its own time."""
    tokens = make_tokens(frames=256 * 10 + 20)
    data = bytearray(to_bytes(tokens))
    start = 1_500
    data[start : start + length] = bytes(length)
    reader, chunks = from_bytes(bytes(data), conceal=torch.tensor([3, 4]))
    size, header = 6 + 256 * 26 // 8, len(Header.of(tokens).pack())
    hit = list(range((start - header) // size, (start + length - 1 - header) // size + 1))
    assert (reader.damaged, reader.cut) == (hit, "")
    codes = torch.cat(chunks, dim=2)
    assert codes.shape == tokens.codes.shape
    lost = torch.zeros(codes.shape[2], dtype=torch.bool)
    for number in hit:
        lost[256 * number : 256 * (number + 1)] = True
    assert torch.equal(codes[:, :, ~lost], tokens.codes[:, :, ~lost])
    assert (codes[:, :, lost] == torch.tensor([3, 4]).view(1, 2, 1)).all()


def test_an_end_that_lies_costs_nothing() -> None:
    """Concealing gives what the frames hold, whatever the end says: neither nothing nor years of silence."""
    tokens = make_tokens(frames=300)
    data = to_bytes(tokens)
    for samples in (0, 2**63):
        body = struct.pack("<Q", samples)
        lying = data[:-14] + struct.pack("<HI", 0, zlib.crc32(body)) + body
        with pytest.raises(ContainerError, match="do not make"):
            from_bytes(lying)
        assert everything_there(lying, tokens, torch.tensor([3, 4])) == (300, f"300 frames do not make {samples} samples")


def test_a_damaged_length_can_be_concealed() -> None:
    tokens = make_tokens(frames=700)
    data = bytearray(to_bytes(tokens))
    data[39] = 0xFF  # high byte of the first chunk's frame count
    reader, chunks = from_bytes(bytes(data), conceal=torch.tensor([3, 4]))
    assert reader.damaged == [0]
    assert torch.equal(torch.cat(chunks[1:], 2), tokens.codes[:, :, 256:])


@given(st.data())
def test_frames_pack_and_unpack(data: st.DataObject) -> None:
    sizes = tuple(data.draw(st.lists(st.integers(2, 1 << 20), min_size=1, max_size=2)))
    frames, channels = data.draw(st.integers(0, 20)), data.draw(st.integers(1, 4))
    codes = make_tokens(frames, channels, sizes).codes.numpy()
    packed = pack_frames(codes, sizes)
    assert len(packed) == -(-frames * channels * sum(map(bits_for, sizes)) // 8)
    np.testing.assert_array_equal(unpack_frames(packed, frames, channels, sizes), codes)


def test_save_and_read(tiny: Codec, tmp_path) -> None:
    tokens = tiny.encode(torch.randn(2, 30_000), 22_050, rate=25, vocab=64)
    save(tokens, tmp_path / "x.sct")
    back = read(tmp_path / "x.sct")
    assert torch.equal(back.codes, tokens.codes)
    assert torch.equal(tiny.decode(back), tiny.decode(tokens))
    assert [p.name for p in tmp_path.iterdir()] == ["x.sct"]


def test_padding_is_not_written(tmp_path) -> None:
    tokens = make_tokens(25)
    longer = replace(tokens, codes=torch.nn.functional.pad(tokens.codes, (0, 75)))
    save(longer, tmp_path / "x.sct")
    assert read(tmp_path / "x.sct") == tokens
    with pytest.raises(ContainerError, match="24 frames, fewer than the 25"):
        save(replace(tokens, codes=tokens.codes[:, :, :24]), tmp_path / "x.sct")


def test_a_model_that_is_no_fingerprint_is_refused(tmp_path) -> None:
    with pytest.raises(ContainerError, match="my-model"):
        save(replace(make_tokens(3), model="my-model"), tmp_path / "x.sct")


def test_a_name_that_promises_another_format_is_refused(tmp_path) -> None:
    with pytest.raises(ContainerError, match=r"\.sct containers"):
        save(make_tokens(3), tmp_path / "x.jsonl")


def test_what_breaks_off_is_told_apart(tmp_path) -> None:
    (tmp_path / "x.sct").write_bytes(to_bytes(make_tokens(300))[:-40])
    with pytest.raises(TruncatedError, match=r"x\.sct"):
        read(tmp_path / "x.sct")


def test_save_refuses_items_of_different_length(tiny: Codec, tmp_path) -> None:
    tokens = tiny.encode(torch.randn(2, 30_000), 16_000, lengths=torch.tensor([30_000, 2]))
    with pytest.raises(ContainerError, match="one length"):
        save(tokens, tmp_path / "x.sct")


def test_read_names_the_file(tmp_path) -> None:
    with pytest.raises(ContainerError, match=r"nothing\.sct: No such file"):
        read(tmp_path / "nothing.sct")
    (tmp_path / "bad.sct").write_bytes(b"RIFF1234")
    with pytest.raises(ContainerError, match=r"bad\.sct: "):
        read(tmp_path / "bad.sct")
