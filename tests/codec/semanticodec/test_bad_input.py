"""Everything that cannot work, on the command line: exit code 2, one clear line, nothing run, nothing left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import codec
from codec.cli import main
from codec.semanticodec.model import OfficialCodec
from codec.tokens import Tokens
from tests.codec.semanticodec.test_checkpoint import Trap

RATE_FOLDER = "semanticodec_tokenrate_100"


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], message: str, *words: str) -> None:
    capsys.readouterr()
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert not Path(words[words.index("-o") + 1]).exists()


@pytest.fixture
def wav(tmp_path: Path) -> str:
    import soundfile

    soundfile.write(tmp_path / "in.wav", np.random.default_rng(0).normal(0, 0.1, 4000), 16_000)
    return str(tmp_path / "in.wav")


def _lose(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, trap: (folder / name).unlink()


def _halve(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, trap: (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])


def _trap_checkpoint(folder: Path, trap: Path) -> None:
    torch.save({"a": Trap(trap)}, folder / RATE_FOLDER / "encoder.ckpt")


def _trap_codebook(folder: Path, trap: Path) -> None:
    path = folder / "codebook_idx" / "combine_512_audioset_dominate" / "codebook_2048_0.npy"
    np.save(path, np.array([Trap(trap)], dtype=object), allow_pickle=True)


def _other_rate(folder: Path, trap: Path) -> None:
    shutil.copy(folder / "semanticodec_tokenrate_25" / "encoder.ckpt", folder / RATE_FOLDER / "encoder.ckpt")


def _other_vocabulary(folder: Path, trap: Path) -> None:
    books = folder / "codebook_idx" / "combine_512_audioset_dominate"
    shutil.copy(books / "codebook_4096_0.npy", books / "codebook_2048_0.npy")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_lose(f"{RATE_FOLDER}/encoder.ckpt"), "no semanticodec_tokenrate_100/encoder.ckpt in"),
        (_lose("codebook_idx/combine_512_audioset_dominate/codebook_2048_0.npy"), "codebook_2048_0.npy in"),
        (_halve(f"{RATE_FOLDER}/encoder.ckpt"), "encoder.ckpt: "),
        (_halve("codebook_idx/combine_512_audioset_dominate/codebook_2048_0.npy"), "codebook_2048_0.npy: not an array"),
        (_trap_checkpoint, "refused"),
        (_trap_codebook, "codebook_2048_0.npy: not an array"),
        (_other_rate, "not the weights of SemantiCodec at 100"),
        (_other_vocabulary, "another rate's or vocabulary's codebook"),
    ],
)
def test_folders_that_cannot_encode(
    damage: Callable[[Path, Path], None], message: str, published: Path, wav: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, trap = tmp_path / "copy", tmp_path / "sprung"
    shutil.copytree(published, folder)
    damage(folder, trap)
    words = ("encode", wav, "-o", str(tmp_path / "x.sct"), "--model", str(folder), "--rate", "100", "--vocab", "4096")
    refused(capsys, message, *words)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rate", "75"), "rate 75 is not one of 25, 50, 100"),
        (("--rate", "50"), "no semanticodec_tokenrate_50/encoder.ckpt"),
        (("--rate", "100", "--vocab", "5000"), "vocabulary 5000 is not one of"),
        (("--rate", "100", "--vocab", "32768"), "codebook_16384_0.npy"),
    ],
)
def test_rates_and_vocabularies_that_are_not_there(
    words: tuple[str, ...], message: str, published: Path, wav: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, message, "encode", wav, "-o", str(tmp_path / "x.sct"), "--model", str(published), *words)


def test_folders_that_are_not_there(wav: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        refused(capsys, folder, "encode", wav, "-o", str(tmp_path / "x.sct"), "--model", str(tmp_path / folder))


def _no_decoder(folder: Path, trap: Path) -> None:
    (folder / RATE_FOLDER / "decoder.ckpt").unlink()


def _trap_decoder(folder: Path, trap: Path) -> None:
    torch.save({"a": Trap(trap)}, folder / RATE_FOLDER / "decoder.ckpt")


@pytest.mark.parametrize(
    ("damage", "message"), [(_no_decoder, "no semanticodec_tokenrate_100/decoder.ckpt"), (_trap_decoder, "refused")]
)
def test_folders_that_cannot_decode(
    damage: Callable[[Path, Path], None], message: str, published: Path, compat: OfficialCodec, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, trap = tmp_path / "copy", tmp_path / "sprung"
    shutil.copytree(published, folder)
    damage(folder, trap)
    codec.save(compat.encode(np.zeros(2000, np.float32), 16_000), tmp_path / "x.sct")
    refused(capsys, message, "decode", str(tmp_path / "x.sct"), "-o", str(tmp_path / "y.wav"), "--model", str(folder))
    assert not trap.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: replace(t, codebook_sizes=(8192, 16384)), "codebooks (8192, 16384) are not"),
        (lambda t: replace(t, codes=t.codes[..., :0], lengths=t.lengths * 0, counts=t.counts * 0), "no tokens"),
        (lambda t: replace(t, frame_rate=25.0), "semanticodec_tokenrate_50"),
        (lambda t: replace(t, frame_rate=12.5), "made by model"),
        (lambda t: replace(t, model="0" * 16), "made by model"),
        (lambda t: t.semantic_only(), "semantic only"),
    ],
)  # fmt: skip
def test_tokens_that_cannot_be_decoded(
    change: Callable[[Tokens], Tokens], message: str, published: Path, compat: OfficialCodec, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tokens = compat.encode(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32), 16_000)
    bad = change(tokens)
    codec.save(bad, tmp_path / "x.sct")
    words = ("decode", str(tmp_path / "x.sct"), "-o", str(tmp_path / "y.wav"), "--model", f"{published}")
    refused(capsys, message, *words)


def test_containers_of_noise(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, content in enumerate((b"", os.urandom(200))):
        (tmp_path / f"{number}.sct").write_bytes(content)
        words = ("decode", str(tmp_path / f"{number}.sct"), "-o", str(tmp_path / "y.wav"), "--model", str(published))
        refused(capsys, f"{number}.sct", *words)
