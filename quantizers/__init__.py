"""From continuous frames to integers and bits: nested and residual k-means, exact packing."""

from quantizers.packing import bits_for, pack_bits, packed_size, unpack_bits
from quantizers.result import Quantized

__all__ = ["Quantized", "bits_for", "pack_bits", "packed_size", "unpack_bits"]
