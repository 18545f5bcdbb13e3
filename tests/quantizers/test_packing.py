import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantizers.packing import bits_for, pack_bits, packed_size, unpack_bits


@given(st.data(), st.integers(1, 32))
def test_round_trip_at_exact_size(data: st.DataObject, bits: int) -> None:
    codes = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=50)), dtype=np.int64)
    packed = pack_bits(codes, bits)
    assert len(packed) == packed_size(len(codes), bits) == -(-len(codes) * bits // 8)
    np.testing.assert_array_equal(unpack_bits(packed, len(codes), bits), codes)


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(1, 32))
def test_unpacking_anything_is_exact_or_refused(data: bytes, count: int, bits: int) -> None:
    try:
        codes = unpack_bits(data, count, bits)
    except ValueError:
        return
    assert pack_bits(codes, bits) == data


@pytest.mark.parametrize(("size", "bits"), [(2, 1), (3, 2), (4096, 12), (4097, 13), (8192, 13), (32768, 15)])
def test_bits_for(size: int, bits: int) -> None:
    assert bits_for(size) == bits


@pytest.mark.parametrize("codes", [[-1], [16]])
def test_codes_outside_their_width_are_refused(codes: list[int]) -> None:
    with pytest.raises(ValueError, match="0 … 15"):
        pack_bits(np.array(codes), 4)


@pytest.mark.parametrize("size", [0, 1, 2**33])
def test_impossible_codebooks_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="codebook size"):
        bits_for(size)
