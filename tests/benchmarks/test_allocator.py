import sys
from pathlib import Path

import pytest

from benchmarks import allocator


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_both_allocators_are_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    def run(tunables: str) -> dict[str, float]:
        told.append(tunables)
        return {"encode 60 s": 1.0 if tunables else 1.5}

    monkeypatch.setattr(allocator, "measured", run)
    allocator.main()
    assert told == ["", allocator.KEEPING]
    page = Path(allocator.__file__).parents[1] / "docs" / "training.md"
    assert f"export GLIBC_TUNABLES={allocator.KEEPING}\n" in page.read_text("utf-8")
    assert "| encode 60 s | 1.50 | 1.00 | 1.50 |" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
def test_work_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = allocator.measured(allocator.KEEPING)
    assert set(found) == {"encode 60 s", "decode 60 s", "semantic encoder, forward and backward"}
    assert all(seconds > 0 for seconds in found.values())
