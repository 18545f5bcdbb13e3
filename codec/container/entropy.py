"""Entropy coding of tokens: static tables of integer frequencies, made once for a model (``codec train entropy``).

What is predicted, and from what (``t`` is the frame, within one channel of one chunk):

1. whether the coarse semantic code repeats that of ``t − 1``, from the class of that code;
2. if not: its class, from the class of the code before; then its place among the members of the class;
3. for larger vocabularies: which child of the coarse code, from that code;
4. every digit of every acoustic code (the pitch, then parts of the code), from the same digit of ``t − 1``, and
   where tables stay small from that of ``t − 2`` and from the digit before it in this code.

Chunks know nothing of each other, so any one can be read, or lost, alone. No floating point number takes part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from codec.atomic import atomic_path
from codec.bundled import ENTROPY, fingerprint_of, folder_of
from codec.errors import ModelError
from codec.limits import check_file
from quantizers import ans

MAX_FILE_BYTES = 4 << 20
MAX_MEMBERS = 1 << 20
"""Classes times members of the largest: a small file must not unfold into gigabytes."""
_HOW = "make them with: codec train entropy"


@dataclass(frozen=True)
class RateTables:
    """Frequencies for one frame rate; along the last axis each adds up to `ans.TOTAL`.

    ``V`` coarse codes in ``K`` classes; context ``K``, or digit ``L``, stands for "before the beginning".

    Attributes:
        classes: ``(V,)`` class of every coarse code.
        repeats: ``(K + 1, 2)`` no, yes.
        follows: ``(K + 1, K)`` next class.
        members: ``(V,)`` of each code within its class; adds up over the class.
        children: ``(V, B)`` of each code of the largest vocabulary under its coarse code.
        digits: of every acoustic stream, for each digit of its codes, least significant first, ``(L + 1, A, B, L)``: the same
            digit of the frame before; of the one before that, unless ``A`` is 1; the digit before of ``B`` values, unless
            that is 1.
    """

    classes: np.ndarray
    repeats: np.ndarray
    follows: np.ndarray
    members: np.ndarray
    children: np.ndarray
    digits: tuple[tuple[np.ndarray, ...], ...]

    def __post_init__(self) -> None:
        count = len(self.repeats) - 1
        fine = self.repeats.shape == (count + 1, 2) and self.follows.shape == (count + 1, count)
        fine = fine and self.classes.shape == self.members.shape == self.children.shape[:1] and self.children.ndim == 2
        fine = fine and bool(self.classes.size) and 0 <= int(self.classes.min()) <= int(self.classes.max()) < count
        for stream in self.digits:
            before = 1
            for table in stream:
                levels = table.shape[-1]
                fine = fine and table.ndim == 4 and table.shape[0] == levels + 1
                fine = fine and table.shape[1] in (1, levels + 1) and table.shape[2] in (1, before)
                before = levels
        if not fine:
            raise ValueError("entropy tables of impossible shapes")
        if count * int(np.bincount(self.classes).max()) > MAX_MEMBERS:
            raise ValueError("entropy tables of too many members")
        within = np.bincount(self.classes, self.members, count)[np.unique(self.classes)]
        tables = (self.repeats, self.follows, self.children, *chain(*self.digits))
        if not all((table > 0).all() and (table.sum(-1) == ans.TOTAL).all() for table in tables):
            raise ValueError("entropy tables that do not add up")
        if (self.members <= 0).any() or (within != ans.TOTAL).any():
            raise ValueError("entropy tables of members that do not add up")

    @cached_property
    def member_table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``(K, widest)`` frequencies of the members of each class, ``(K, widest)`` those codes, ``(V,)`` place of a code."""
        count = self.follows.shape[1]
        sizes = np.bincount(self.classes, minlength=count)
        order = np.argsort(self.classes, kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        frequencies = np.zeros((count, max(1, int(sizes.max()))), np.int64)
        codes = np.zeros_like(frequencies)
        frequencies[self.classes, place] = self.members
        codes[self.classes, place] = np.arange(len(order))
        return frequencies, codes, place

    def child_table(self, vocab: int) -> np.ndarray:
        """``(V, vocab / V)`` frequencies of the children in a vocabulary: sums over their own descendants."""
        count, branches = self.children.shape
        wanted = vocab // count
        if wanted * count != vocab or branches % wanted:
            raise ValueError(f"entropy tables know no vocabulary of {vocab}")
        return self.children.reshape(count, wanted, -1).sum(-1)

    @cached_property
    def member_codes(self) -> list[list[int]]:
        """Codes of `member_table` as lists, for decoding."""
        codes: list[list[int]] = self.member_table[1].tolist()
        return codes

    @lru_cache(maxsize=8)  # noqa: B019 - tables live as long as their model
    def lists(self, vocab: int) -> tuple[list[list[int]], ...]:
        """Cumulative frequencies as lists, which decoding reads one at a time: faster than arrays."""
        tables = (self.repeats, self.follows, self.member_table[0], self.child_table(vocab), *chain(*self.digits))
        return tuple(_cumulative(table.reshape(-1, table.shape[-1])).tolist() for table in tables)

    __hash__ = object.__hash__


class EntropyModel:
    """Tables of a model for all its rates.

    Args:
        rates: tables by frame rate in mHz.
        model: fingerprint of the model that they were made for.
        id: 8 bytes that name these very tables; containers carry them.
    """

    def __init__(self, rates: dict[int, RateTables], model: str, id: bytes) -> None:
        self._rates, self.model, self.id = rates, model, id

    def tables(self, frame_rate: float) -> RateTables:
        """Those of one rate.

        Raises:
            ValueError: there are none.
        """
        found = self._rates.get(round(frame_rate * 1000))
        if found is None:
            raise ValueError(f"no entropy tables for {frame_rate:g} frames/s")
        return found

    def pack(self, codes: np.ndarray, frame_rate: float, codebook_sizes: Sequence[int]) -> bytes:
        """Codes ``(channels, S, n)`` of a chunk, channel after channel, frame after frame."""
        tables = self.tables(frame_rate)
        starts, frequencies = zip(*(_intervals(channel, tables, codebook_sizes[0]) for channel in codes), strict=True)
        return ans.encode(np.concatenate(starts).tolist(), np.concatenate(frequencies).tolist())

    def unpack(
        self, payload: bytes, frames: int, channels: int, frame_rate: float, codebook_sizes: Sequence[int]
    ) -> np.ndarray:
        """Undoes `pack`.

        Raises:
            ValueError: not what `pack` writes, or a code lies outside its codebook.
        """
        tables, decoder = self.tables(frame_rate), ans.Decoder(payload)
        codes = np.zeros((channels, len(codebook_sizes), frames), np.int64)
        for channel in codes:
            _read(decoder, tables, channel, codebook_sizes[0])
        decoder.close()
        for stream, size in enumerate(codebook_sizes):  # a header may declare other codebooks than the tables know
            if (codes[:, stream] >= size).any():
                raise ValueError(f"codes outside 0 … {size - 1}")
        return codes

    def unpack_beginning(
        self, payload: bytes, frames: int, channels: int, frame_rate: float, codebook_sizes: Sequence[int]
    ) -> list[np.ndarray]:
        """The whole frames ``(S, n)`` of every channel in the beginning of a payload; the later ones may have none.

        Raises:
            ValueError: not how a payload begins.
        """
        tables, decoder = self.tables(frame_rate), ans.Decoder(payload[: len(payload) // 2 * 2])
        limits = np.array(codebook_sizes)[:, None]
        parts = [np.zeros((len(codebook_sizes), 0), np.int64)] * channels
        for channel in range(channels):
            codes = np.full((len(codebook_sizes), frames), -1)
            with suppress(ValueError):  # every symbol before the words run out is known for sure
                _read(decoder, tables, codes, codebook_sizes[0])
            known = ((codes >= 0) & (codes < limits)).all(0)
            parts[channel] = codes[:, : frames if known.all() else int(known.argmin())]
            if not known.all():
                break
        return parts


def load_entropy_of(name: str | Path) -> EntropyModel:
    """A model's entropy tables without its weights.

    Args:
        name: ``"default"`` for the bundled model, or a folder.

    Raises:
        ModelError: it has none.
    """
    folder = folder_of(name)
    return load_entropy(folder, fingerprint_of(folder))


def load_entropy(folder: Path, model: str) -> EntropyModel:
    """Reads the tables beside a model's weights.

    Args:
        folder: of the model.
        model: its fingerprint.

    Raises:
        ModelError: missing, damaged, or made for other weights.
    """
    path = folder / ENTROPY
    try:
        check_file(path, MAX_FILE_BYTES)
        with safe_open(path, "np") as handle:
            owner = (handle.metadata() or {}).get("model", "")
            arrays = {name: handle.get_tensor(name) for name in sorted(handle.keys())}
        rates = {rate: _rate_tables(arrays, rate) for rate in {int(name.partition(".")[0]) for name in arrays}}
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: this model has no entropy tables; {_HOW}") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not entropy tables ({error})") from error
    if owner != model:
        raise ModelError(f"{path}: entropy tables of model {owner or 'unknown'}, not of {model}; {_HOW}")
    return EntropyModel(rates, model, _identity(arrays))


def save_entropy(rates: dict[int, RateTables], model: str, path: Path) -> EntropyModel:
    """Writes tables, by frame rate in mHz, for `load_entropy`."""
    from safetensors.numpy import save_file

    arrays = {f"{rate}.{name}": array for rate, tables in rates.items() for name, array in _stored(tables).items()}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"model": model})
    return EntropyModel(rates, model, _identity(arrays))


def _stored(tables: RateTables) -> dict[str, np.ndarray]:
    """Frequencies lie in 1 … 65536; less one they fit into 16 bits."""
    named = {name: getattr(tables, name) - 1 for name in ("repeats", "follows", "members", "children")}
    named |= {
        f"stream{stream}.digit{index}": table - 1 for stream, own in enumerate(tables.digits) for index, table in enumerate(own)
    }
    named["classes"] = tables.classes
    return {name: np.ascontiguousarray(array, "<u2") for name, array in named.items()}


def _rate_tables(arrays: dict[str, np.ndarray], rate: int) -> RateTables:
    own = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{rate}.")}
    if any(array.dtype != np.uint16 for array in own.values()):
        raise ValueError("not 16-bit integers")
    wide = {name: array.astype(np.int64) + (name != "classes") for name, array in own.items()}
    digits: list[tuple[np.ndarray, ...]] = []
    while f"stream{len(digits)}.digit0" in wide:
        prefix = f"stream{len(digits)}.digit"
        count = sum(name.startswith(prefix) for name in wide)
        digits.append(tuple(wide.pop(f"{prefix}{index}") for index in range(count)))
    return RateTables(**wide, digits=tuple(digits))


def _identity(arrays: dict[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.digest()[:8]


def _intervals(codes: np.ndarray, tables: RateTables, vocab: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and frequency of every symbol of one channel ``(S, n)``, in the order of decoding."""
    none = tables.follows.shape[1]
    branches = vocab // len(tables.classes)
    coarse, child = codes[0] // branches, codes[0] % branches
    before = np.concatenate([[-1], coarse[:-1]])
    context = np.where(before >= 0, tables.classes[before], none)
    repeats = coarse == before
    frequencies, _, place = tables.member_table
    group = tables.classes[coarse]
    columns = [
        (tables.repeats, context, repeats.astype(np.int64), None),
        (tables.follows, context, group, ~repeats),
        (frequencies, group, place[coarse], ~repeats),
        (tables.child_table(vocab), coarse, child, None),
    ]
    for stream, own in zip(codes[1:], _of_streams(tables, len(codes)), strict=True):
        columns += _digit_columns(stream, own)
    starts = np.zeros((codes.shape[1], len(columns)), np.int64)
    sizes = np.zeros_like(starts)
    for column, (table, where, symbol, present) in enumerate(columns):
        cumulative = _cumulative(table)
        starts[:, column] = cumulative[where, symbol]
        sizes[:, column] = cumulative[where, symbol + 1] - starts[:, column]
        if present is not None:
            sizes[~present, column] = 0
    coded = sizes > 0
    return starts[coded], sizes[coded]


def _of_streams(tables: RateTables, count: int) -> tuple[tuple[np.ndarray, ...], ...]:
    """Tables of the acoustic ones of so many streams; at a lower rate the last ones are not there."""
    if count - 1 > len(tables.digits):
        raise ValueError(f"entropy tables of {1 + len(tables.digits)} streams, not of {count}")
    return tables.digits[: count - 1]


def _digit_columns(codes: np.ndarray, tables: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, None]]:
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray, None]] = []
    rest, left = codes, np.zeros_like(codes)
    for table in tables:
        levels = table.shape[-1]
        rest, digit = np.divmod(rest, levels)
        last, older = contexts(digit, levels)
        where = (last, older if table.shape[1] > 1 else 0 * older, left if table.shape[2] > 1 else 0 * left)
        columns.append((table.reshape(-1, levels), np.ravel_multi_index(where, table.shape[:3]), digit, None))
        left = digit
    return columns


def contexts(digit: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """``(n,)`` digits → those of the frame before and of the one before that; ``levels`` where there is none."""
    padded = np.concatenate([[levels, levels], digit])
    return padded[1:-1], padded[:-2]


class _Digit(NamedTuple):
    """How a digit is read: cumulative frequencies in rows, and by what each context moves on among them."""

    rows: list[list[int]]
    levels: int
    last: int
    older: int
    left: int


def _read(decoder: ans.Decoder, tables: RateTables, output: np.ndarray, vocab: int) -> None:
    """Fills one channel ``(S, frames)``, frame by frame."""
    repeats, follows, members, children, *rows = tables.lists(vocab)
    member_codes = tables.member_codes
    branches, single = vocab // len(tables.classes), vocab == len(tables.classes)
    left_rows, streams = iter(rows), []
    for own in _of_streams(tables, len(output)):
        digits = [_digit(next(left_rows), table) for table in own]
        none = [digit.levels for digit in digits]
        streams.append((digits, none, none))
    context, code = len(repeats) - 1, 0
    for frame in range(output.shape[1]):
        if not decoder.symbol(repeats[context]):
            context = decoder.symbol(follows[context])
            code = member_codes[context][decoder.symbol(members[context])]
        elif not frame:
            raise ValueError("the first frame repeats another")
        output[0, frame] = code if single else code * branches + decoder.symbol(children[code])
        for stream, (digits, last, older) in enumerate(streams):
            left, value, stride, now = 0, 0, 1, []
            for index, digit in enumerate(digits):
                row = last[index] * digit.last + older[index] * digit.older + left * digit.left
                left = decoder.symbol(digit.rows[row])
                value, stride = value + left * stride, stride * digit.levels
                now.append(left)
            streams[stream] = (digits, now, last)
            output[1 + stream, frame] = value


def _digit(rows: list[list[int]], table: np.ndarray) -> _Digit:
    _, older, left, levels = table.shape
    return _Digit(rows, levels, older * left, left if older > 1 else 0, 1 if left > 1 else 0)


def _cumulative(table: np.ndarray) -> np.ndarray:
    """``(N, symbols)`` frequencies → ``(N, symbols + 1)``."""
    return np.concatenate([np.zeros((len(table), 1), np.int64), np.cumsum(table, -1, dtype=np.int64)], -1)
