import torch

from benchmarks.threads import WAYS, measure
from codec.model import Codec


def test_every_way_is_measured_and_leaves_no_trace(tiny: Codec) -> None:
    before = torch.get_num_threads()
    rows = [row for way in WAYS for row in measure(tiny, 1, 2, way, 2, 0)]
    assert [(row.way, row.threads) for row in rows[::2]] == [(WAYS[0], 1), (WAYS[1], 2), (WAYS[2], 2)]
    assert {row.what for row in rows} == {"encode 2 × 1 s", "decode 2 × 1 s"}
    assert all(row.seconds > 0 for row in rows)
    assert torch.get_num_threads() == before
