"""Vector quantisers: from continuous frames to integers and bits, by nested and residual k-means."""

from quantizers.packing import bits_for, pack_bits, packed_size, unpack_bits
from quantizers.result import Quantized

__all__ = ["Quantized", "bits_for", "pack_bits", "packed_size", "unpack_bits"]
