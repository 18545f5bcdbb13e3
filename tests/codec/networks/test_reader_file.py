from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from codec.config import AcousticConfig, ReaderConfig
from codec.errors import ModelError
from codec.networks.reader_file import fingerprint_of_reader, load_reader, reader_of, save_reader
from tests.conftest import TINY

SMALL = ReaderConfig(dim=8, hidden_dim=16, dilations=(1,), n_features=4)
OWNER = "0123456789abcdef"
WIDER = AcousticConfig(n_coefficients=7, codebook_sizes=(128,))


def told(**changed: object) -> str:
    return json.dumps({"model": OWNER, "config": SMALL.model_dump(mode="json") | changed})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_reader(reader_of(SMALL, TINY), tmp_path, OWNER)
    return tmp_path


def test_a_reader_comes_back_as_it_was(folder: Path) -> None:
    first = load_reader(folder, TINY, OWNER)
    again = save_reader(first, folder, OWNER)
    assert again == fingerprint_of_reader(folder)
    second = load_reader(folder, TINY, OWNER)
    assert first.config == second.config == SMALL
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    assert not any(parameter.requires_grad for parameter in second.parameters())


def test_one_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no reader of tokens; make one with: codec train reader"):
        load_reader(tmp_path, TINY, OWNER)


def test_one_of_another_model_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="reads the tokens of model 0123456789abcdef, not of fedcba9876543210"):
        load_reader(folder, TINY, "fedcba9876543210")


def test_other_widths_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="do not fit each other"):
        load_reader(
            folder, TINY.model_copy(update={"acoustic": AcousticConfig(n_coefficients=7, codebook_sizes=(128,))}), OWNER
        )


@pytest.mark.parametrize("keep", [0, 5, 100, 400, -1])
def test_a_file_that_ends_early_is_refused(folder: Path, keep: int) -> None:
    path = folder / "reader.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"reader\.safetensors"):
        load_reader(folder, TINY, OWNER)


@pytest.mark.parametrize(
    "config",
    ["", "[]", "null", "{", "[" * 5000, told(dim=-1), told(dim=4096, hidden_dim=4096), told(what=1), told(dim="8")],
)
def test_a_config_of_strangers_is_refused(folder: Path, config: str) -> None:
    path = folder / "reader.safetensors"
    save_file(load_file(path), path, metadata={"reader": config})
    with pytest.raises(ModelError, match=r"reader\.safetensors"):
        load_reader(folder, TINY, OWNER)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    path = folder / "reader.safetensors"
    state = load_file(path) | {"semantic.head.bias": torch.full((4,), torch.nan)}
    save_file(state, path, metadata={"reader": told()})
    with pytest.raises(ModelError, match="not a finite number"):
        load_reader(folder, TINY, OWNER)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reader.safetensors").mkdir()
    with pytest.raises(ModelError, match="not a file"):
        load_reader(tmp_path, TINY, OWNER)
