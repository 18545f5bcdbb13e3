"""Costs are measured in a process of their own, once, and what fails there is one line here."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.exam import cost
from benchmarks.exam.cost import cost_of
from benchmarks.exam.opening import Opener
from codec.errors import CodecError


def test_programs_have_speed_and_lookahead_and_no_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cost_of("codec2@1300", "1", Opener(), tmp_path, "code")
    assert (found.encode_multiply_adds, found.decode_multiply_adds, found.parameters, found.peak_memory) == (None,) * 4
    assert min(found.encode_speed, found.decode_speed, found.start_up) > 0
    assert 0.02 < found.lookahead < 0.1  # frames of 40 ms, of which the delay of 20 ms is taken out
    monkeypatch.setattr(cost, "_measured_elsewhere", lambda *_: pytest.fail("measured twice"))
    assert cost_of("codec2@1300", "1", Opener(), tmp_path, "code") == found


def test_what_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"^codec 'no-such@1': unknown; known are"):
        cost_of("no-such@1", "1", Opener(), tmp_path, "code")
    assert not list(tmp_path.rglob("*.json"))
