"""Published layouts load strictly; anything else is refused, and nothing in a file is executed."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import codec
from codec.errors import ModelError
from codec.semanticodec import checkpoint
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.convert import convert_decoder, convert_encoder
from codec.semanticodec.model import load_published
from codec.semanticodec.published import PublishedFiles, is_published
from tests.codec.semanticodec.fixtures import TINY, keys, meta, networks


@pytest.mark.parametrize("rate", [100, 50, 25])
def test_the_published_layout_loads_strictly_at_full_size(rate: int) -> None:
    config, layout = PublishedConfig.published(rate), keys(rate)
    parts = {"encoder": convert_encoder(meta(layout["encoder"]))} | convert_decoder(meta(layout["decoder"]))
    for name, network in networks(config).items():
        network.load_state_dict(parts[name], strict=True, assign=True)
    parameters = sum(p.numel() for p in networks(config)["unet"].parameters())
    assert round(parameters / 1e6, 2) == {100: 75.04, 50: 85.85, 25: 107.48}[rate]


def test_only_the_listed_weights_are_left_behind() -> None:
    layout = keys(100)
    used = len(convert_encoder(meta(layout["encoder"])))
    dead = [
        k for k in layout["encoder"] if ".decoder_" in k or "mask_token" in k or k.endswith(("initted", "cluster_size", "avg"))
    ]
    assert used + len(dead) == len(layout["encoder"])
    kept = sum(len(state) for state in convert_decoder(meta(layout["decoder"])).values()) - 2  # the vocoder's mean and scale
    dead = [k for k in layout["decoder"] if k.startswith("model_ema.")]
    assert kept + len(dead) + 10 == len(layout["decoder"])  # logvar, and nine tables of the schedule


def test_unknown_missing_and_misshapen_weights_are_refused(published: Path, tmp_path: Path) -> None:
    source = published / "semanticodec_tokenrate_100" / "encoder.ckpt"
    state = torch.load(source, weights_only=True)
    lost = {key: value for key, value in state.items() if key != "audiomae.model.norm.bias"}
    cases = {
        "surprise": state | {"surprise": torch.zeros(1)},
        "audiomae.norm.bias": lost,
        "not a flat dictionary": {"state_dict": state},
        "another shape": state | {"encoder_output_linear.weight": torch.zeros(3, 3)},
    }
    for number, (message, bad) in enumerate(cases.items()):
        folder = tmp_path / str(number)
        shutil.copytree(published, folder)
        torch.save(bad, folder / "semanticodec_tokenrate_100" / "encoder.ckpt")
        with pytest.raises(ModelError, match="size mismatch|output" if message == "another shape" else message) as caught:
            load_published(folder, rate=100).encode(np.zeros(2000, np.float32), 16_000)
        assert "\n" not in str(caught.value)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", ["encoder.ckpt", "decoder.ckpt"])
@pytest.mark.parametrize("old_format", [False, True])
def test_code_in_a_pickle_is_not_run(published: Path, tmp_path: Path, name: str, old_format: bool) -> None:
    folder, trap = tmp_path / "copy", tmp_path / "sprung"
    shutil.copytree(published, folder)
    bad = folder / "semanticodec_tokenrate_100" / name
    torch.save({"a": Trap(trap)}, bad, _use_new_zipfile_serialization=not old_format)
    files, config = PublishedFiles.of(folder), TINY[100]
    load = {"encoder.ckpt": checkpoint.load_encoder, "decoder.ckpt": checkpoint.load_decoder}[name]
    with pytest.raises(ModelError, match="refused"):
        load(files.encoder(100) if name == "encoder.ckpt" else files.decoder(100), config)
    assert not trap.exists()


@pytest.mark.filterwarnings("error")
def test_a_plain_pickle_is_refused_without_further_words(tmp_path: Path) -> None:
    (tmp_path / "encoder.ckpt").write_bytes(pickle.dumps({"a": Trap(tmp_path / "sprung")}))
    with pytest.raises(ModelError, match="refused"):
        checkpoint.read_checkpoint(tmp_path / "encoder.ckpt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("old_format", [False, True])
def test_pickles_with_flipped_bytes_end_in_one_clear_error(tmp_path: Path, old_format: bool) -> None:
    path, rng = tmp_path / "encoder.ckpt", np.random.default_rng(0)
    torch.save({"a.b": torch.zeros(3), "c": torch.ones(2, 2)}, path, _use_new_zipfile_serialization=not old_format)
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 700), 3):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            checkpoint.read_checkpoint(path)
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most fail, some are still whole
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    "value",
    [torch.ones(2, 2).to_sparse(), torch.ones(2, device="meta"), torch.ones(1).expand(1 << 50), torch.ones(2).to(torch.cfloat)],
)
def test_tensors_that_are_no_plain_numbers_are_refused(value: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"audiomae.model.cls_token": value}, tmp_path / "encoder.ckpt")
    with pytest.raises(ModelError, match="not a flat dictionary of tensors"):
        checkpoint.read_checkpoint(tmp_path / "encoder.ckpt")


def test_damaged_files_are_one_clear_error(published: Path, tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"PK nonsense", b"nonsense", os.urandom(4096))):
        folder = tmp_path / str(number)
        shutil.copytree(published, folder)
        (folder / "semanticodec_tokenrate_100" / "encoder.ckpt").write_bytes(content)
        with pytest.raises(ModelError, match=r"encoder\.ckpt"):
            load_published(folder, rate=100).encode(np.zeros(2000, np.float32), 16_000)


def test_codebooks_must_fit_rate_and_vocabulary(published: Path, tmp_path: Path) -> None:
    config = PublishedConfig.published(100)
    cases = {
        "shape": np.zeros((4096, 1536), np.float32),
        "type": np.zeros((4096, 768), np.int32),
        "code": np.array([Trap(tmp_path / "sprung")], dtype=object),
    }
    for name, array in cases.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        with pytest.raises(ModelError, match=f"{name}.npy"):
            checkpoint.load_centroids(tmp_path / f"{name}.npy", 4096, config)
    for name, content in (("zip", b"PK\x03\x04 nonsense"), ("empty", b""), ("cut", b"\x93NUMPY\x01\x00v\x00{")):
        (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(ModelError, match=rf"{name}\.npy: not an array"):
            checkpoint.load_centroids(tmp_path / f"{name}.npy", 4096, config)
    assert not (tmp_path / "sprung").exists()


def test_a_rate_is_not_taken_for_another(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "swapped"
    shutil.copytree(published, folder)
    shutil.copy(
        published / "semanticodec_tokenrate_25" / "encoder.ckpt", folder / "semanticodec_tokenrate_100" / "encoder.ckpt"
    )
    with pytest.raises(ModelError, match="not the weights of SemantiCodec at 100"):
        load_published(folder, rate=100).encode(np.zeros(2000, np.float32), 16_000)


def test_layouts_that_people_use(published: Path, tmp_path: Path) -> None:
    rate_folder = tmp_path / "semanticodec_tokenrate_100"
    shutil.copytree(published / "semanticodec_tokenrate_100", rate_folder)
    shutil.copytree(published / "codebook_idx", tmp_path / "codebook_idx")  # beside the rate's folder
    flat = tmp_path / "flat"
    shutil.copytree(published / "semanticodec_tokenrate_100", flat)
    shutil.copytree(published / "codebook_idx", flat / "codebook_idx")  # inside it
    root = tmp_path / "root"
    shutil.copytree(published / "semanticodec_tokenrate_100", root / "semanticodec_tokenrate_100")
    shutil.copytree(published / "codebook_idx", root, dirs_exist_ok=True)  # the Hub's second copy
    wanted = load_published(published, rate=100).encode(np.ones(2000, np.float32), 16_000)
    for folder in (rate_folder, flat, root):
        assert is_published(folder)
        tokens = codec.load(str(folder), rate=100).encode(np.ones(2000, np.float32), 16_000)
        assert tokens.model == wanted.model
        assert tokens.codes.equal(wanted.codes)


def _touch(*names: Path) -> None:
    for name in names:
        name.parent.mkdir(parents=True, exist_ok=True)
        name.touch()


def test_a_lone_encoder_belongs_to_its_folders_rate_or_its_codebooks(tmp_path: Path) -> None:
    books = "combine_{}_audioset_dominate/codebook_2048_0.npy"
    _touch(*(tmp_path / "codebook_idx" / books.format(window) for window in (128, 256, 512)))
    _touch(tmp_path / "semanticodec_tokenrate_25" / "encoder.ckpt")
    named = PublishedFiles.of(tmp_path / "semanticodec_tokenrate_25")
    assert (named.rates(), named.vocabs(25), named.vocabs(100)) == ((25,), (4096,), ())
    with pytest.raises(ModelError, match=r"no semanticodec_tokenrate_100/encoder\.ckpt in"):
        named.encoder(100)
    alone = tmp_path / "alone" / "mine"
    _touch(alone / "encoder.ckpt", alone / "codebook_idx" / books.format(128))
    assert PublishedFiles.of(alone).rates() == (25,)


@pytest.mark.parametrize("place", ["../combine_128_audioset_dominate/codebook_2048_0.npy", "codebook_2048_0.npy"])
def test_codebooks_beside_the_rates_folder_or_beside_its_files(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "semanticodec_tokenrate_25"
    _touch(folder / "encoder.ckpt", folder / place)
    assert PublishedFiles.of(folder).centroids(25, 4096).is_file()
    assert PublishedFiles.of(folder).rates() == (25,)


def test_partial_folders_name_what_is_missing(published: Path, tmp_path: Path) -> None:
    (tmp_path / "decoder.ckpt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"encoder\.ckpt in"):
        codec.load(str(tmp_path), rate=100)
    folder = tmp_path / "half"
    shutil.copytree(published, folder)
    (folder / "semanticodec_tokenrate_100" / "decoder.ckpt").unlink()
    with pytest.raises(ModelError, match=r"no codec\.Codec: load it as a string, '.*half'$"):
        codec.load(folder, rate=100)
    model = codec.load(str(folder), rate=100)
    tokens = model.encode(np.zeros(2000, np.float32), 16_000)
    with pytest.raises(ModelError, match=r"semanticodec_tokenrate_100/decoder\.ckpt"):
        model.decode(tokens)
    assert not is_published(tmp_path / "nowhere")


def test_converting_happens_once(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoint.fingerprint(published / "semanticodec_tokenrate_100" / "encoder.ckpt")
    monkeypatch.setattr(checkpoint, "read_checkpoint", lambda path: pytest.fail("read again"))
    assert checkpoint.fingerprint(published / "semanticodec_tokenrate_100" / "encoder.ckpt") == first
