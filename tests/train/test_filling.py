from pathlib import Path

import numpy as np
import pytest

from train import filling
from train.crops import open_features
from train.filling import Filling


@pytest.fixture(autouse=True)
def at_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "FLUSH_SECONDS", 0)


def fill(folder: Path, stop: int, **origin: str) -> list[int]:
    """Fills six rows with their numbers, stopped before row ``stop``; returns the rows that were filled."""
    cache, filled = Filling(folder, 6, 2, **origin), []
    for row in cache.keep(range(cache.done, 6)):
        if row == stop:
            return filled
        cache.features[row] = row
        filled.append(row)
    cache.finish(explained=0.5)
    return filled


def test_a_killed_start_is_gone_on_with(tmp_path: Path) -> None:
    assert fill(tmp_path, 4, corpus="aa") == [0, 1, 2, 3]
    assert fill(tmp_path, 6, corpus="aa") == [4, 5]
    assert np.array_equal(open_features(tmp_path)[:, 0], range(6))
    assert not (tmp_path / "filling.json").exists()


def test_what_another_origin_left_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 4, corpus="aa")
    assert fill(tmp_path, 3, corpus="bb") == [0, 1, 2]
    assert fill(tmp_path, 3, corpus="aa") == [0, 1, 2]
    monkeypatch.setattr(filling, "FLUSH_SECONDS", 1000)
    assert fill(tmp_path, 1, corpus="bb") == [0]  # killed before it wrote down anything
    assert fill(tmp_path, 3, corpus="aa") == [0, 1, 2]
    monkeypatch.setattr(filling, "FLUSH_SECONDS", 0)
    assert fill(tmp_path, 3, corpus="bb") == [0, 1, 2]
    (tmp_path / "filling.json").write_text("[]")
    assert fill(tmp_path, 3, corpus="bb") == [0, 1, 2]
    (tmp_path / "features.f16").write_bytes(b"short")
    assert fill(tmp_path, 6, corpus="bb") == [0, 1, 2, 3, 4, 5]
