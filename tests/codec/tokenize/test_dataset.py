import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from codec.errors import CodecError
from codec.patterns import OTHER_NAMES, Layout, batch_of, rows_of
from codec.tokenize import Pattern, TokenDataset, TokenStream, collate
from codec.tokenize.dataset import TokenShards
from tests.codec.tokenize.conftest import write_noise

LAYOUTS = (*get_args(Layout), *OTHER_NAMES)


@given(
    layout=st.sampled_from(LAYOUTS),
    sizes=st.sampled_from([(16,), (16, 8), (4, 32), (16, 8, 4, 32, 2, 9)]),
    steps=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_patterns_can_be_undone(layout, sizes: tuple[int, ...], steps: list[int], seed: int) -> None:
    """One item, a padded batch, and as text."""
    draw = torch.Generator().manual_seed(seed)
    items = [torch.stack([torch.randint(size, (count,), generator=draw) for size in sizes]) for count in steps]
    pattern = Pattern(layout, sizes)
    rows = [pattern.apply(codes) for codes in items]
    for codes, row in zip(items, rows, strict=True):
        assert pattern.undo(row).equal(codes)
        assert not row.numel() or int(row.max()) < pattern.vocabulary
        if pattern.is_flat:
            text = f"so it goes: {pattern.text(row)}, <|audio_x|> it said"
            assert pattern.tokens_of(text).equal(row)
            assert set(re.findall(r"<\|audio_\d+\|>", text)) <= set(pattern.words)
    again = rows_of(batch_of(rows, pattern), pattern)
    assert all(a.equal(b) for a, b in zip(again, items, strict=True))
    assert len(again) == len(items)


def test_text_names_tokens_of_one_sequence() -> None:
    pattern = Pattern("interleave", (16, 8))
    assert pattern.text(torch.tensor([3, 18, 24])) == "<|audio_3|><|audio_18|>"  # 24 is the special one
    assert pattern.words[-1] == "<|audio_23|>"
    with pytest.raises(CodecError, match="none of the 24 tokens"):
        pattern.tokens_of("<|audio_24|>")
    with pytest.raises(CodecError, match="numbers below 25"):
        pattern.text(torch.tensor([25]))
    with pytest.raises(CodecError, match="not one sequence"):
        Pattern("delay", (16, 8)).tokens_of("")


def test_patterns_are_those_of_language_models() -> None:
    codes = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert Pattern("delay", (16, 8)).apply(codes).tolist() == [[1, 2, 3, 16], [16, 4, 5, 6]]
    assert Pattern("interleave", (16, 8)).apply(codes).tolist() == [1, 20, 2, 21, 3, 22]
    assert Pattern("sequential", (16, 8)).apply(codes).tolist() == [1, 2, 3, 20, 21, 22]
    assert Pattern("interleave", (16, 8)).undo(torch.tensor([1, 20, 2])).tolist() == [[1], [4]]
    with pytest.raises(CodecError, match="not tokens in the layout"):
        Pattern("interleave", (16, 8)).undo(torch.tensor([1, 2]))
    with pytest.raises(CodecError, match="are not in the layout"):
        Pattern("delay", (16, 8)).undo(torch.tensor([1, 2]))
    with pytest.raises(CodecError, match="do not have 2 streams"):
        Pattern("delay", (16, 8)).apply(codes[:1])
    with pytest.raises(CodecError, match="layout 'zigzag'"):
        Pattern("zigzag", (16, 8))


@pytest.fixture
def tokens(run: Callable, tmp_path: Path) -> Path:
    """Nineteen rows in ten shards."""
    for number in range(19):
        write_noise(tmp_path / "in" / f"{number:02d}.wav", 0.1 + 0.02 * number, seed=number)
    run(tmp_path / "in", tmp_path / "out", shard_rows=2)
    return tmp_path / "out"


def keys(rows) -> list[str]:
    return [item["key"] for item in rows]


def test_rows_by_number_and_in_batches(tokens: Path) -> None:
    rows = TokenDataset(tokens, "delay")
    assert len(rows) == 19
    assert rows[-1]["key"] == "18"
    with pytest.raises(IndexError):
        rows[19]
    (batch,) = DataLoader(rows, batch_size=19, collate_fn=collate(rows.pattern))
    assert batch["codes"].shape == (19, 2, int(batch["lengths"].max()))
    for codes, length, row in zip(batch["codes"], batch["lengths"], batch["row"], strict=True):
        assert (codes[:, length:] == rows.pattern.special).all()
        assert rows.pattern.undo(codes[:, :length]).equal(row.tokens().codes[0])


def test_every_reader_gets_rows_of_its_own(tokens: Path) -> None:
    every = [f"{number:02d}" for number in range(19)]
    assert keys(TokenStream(tokens)) == every
    for shuffle in (False, True):
        parts = [keys(TokenStream(tokens, shuffle=shuffle, rank=rank, world_size=3)) for rank in range(3)]
        assert sorted(key for part in parts for key in part) == every
    loader = DataLoader(TokenStream(tokens, shuffle=True), batch_size=None, num_workers=2)
    assert sorted(keys(loader)) == every
    with pytest.raises(CodecError, match="11 readers for 10 shards"):
        keys(TokenStream(tokens, rank=0, world_size=11))
    with pytest.raises(CodecError, match="rank 3 of 3"):
        TokenStream(tokens, rank=3, world_size=3)


def test_the_order_follows_from_seed_and_epoch(tokens: Path) -> None:
    stream = TokenStream(tokens, shuffle=True, seed=1, buffer=5)
    first = keys(stream)
    assert sorted(first) != first
    assert keys(TokenStream(tokens, shuffle=True, seed=1, buffer=5)) == first
    assert keys(TokenStream(tokens, shuffle=True, seed=2, buffer=5)) != first
    stream.set_epoch(1)
    assert keys(stream) != first
    assert sorted(keys(stream)) == sorted(first)


def test_damage_and_unfinished_runs_are_told(tokens: Path, tmp_path: Path) -> None:
    shard = tokens / "shards" / "000003.parquet"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CodecError, match=r"000003.parquet: damaged"):
        keys(TokenDataset(tokens))
    whole = json.loads((tokens / "manifest.json").read_text())
    (tokens / "manifest.json").write_text(json.dumps({key: whole[key] for key in whole if key != "codebook_sizes"}))
    with pytest.raises(CodecError, match="codebook_sizes"):
        TokenShards(tokens)
    (tokens / "manifest.json").write_text('{"shards": [{"rows": 1, "files": {"../../x.parquet": {"sha256": ""}}}]}')
    with pytest.raises(CodecError, match="manifest"):
        TokenDataset(tokens)
    with pytest.raises(CodecError, match="no finished token shards"):
        TokenStream(tmp_path)
