import json
from pathlib import Path

import pytest
import torch
from torch import nn

from codec.errors import CodecError
from train.lineage import digest_of, require_origin


def test_digests_tell_weights_and_their_places_apart() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    assert digest_of(first, second) == digest_of(first, second) != digest_of(second, first)
    renamed = nn.Sequential(first)
    assert digest_of(renamed) != digest_of(first)
    before = digest_of(first)
    with torch.no_grad():
        first.bias[0] = first.bias[0].half().float()
        assert digest_of(first) == before
        first.bias[0] += 0.01
    assert digest_of(first) != before


def test_another_origin_is_refused_and_an_unknown_one_is_not(tmp_path: Path) -> None:
    record = tmp_path / "features.json"
    record.write_text(json.dumps({"frames": 3, "encoder": "aa"}))
    require_origin(record, encoder="aa", corpus="cc")
    with pytest.raises(CodecError, match=r"made from another encoder .* delete .* to make it anew"):
        require_origin(record, corpus="cc", encoder="bb")
    record.write_text("{")
    with pytest.raises(CodecError, match=r"features\.json: damaged"):
        require_origin(record, corpus="cc")
    require_origin(tmp_path / "none.json", corpus="cc")
