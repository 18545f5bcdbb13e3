"""The adversarial stage, and a decoder that learns a folder: sound changes, tokens do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import codec
from codec.audio.io import read_audio
from codec.cli import main
from tests.conftest import DATA
from tests.integration.training import link_stages, metrics, run

GIVEN = (
    "adversarial={steps: 12, batch_size: 4, crop_frames: 32, save_every: 6, learning_rate: 0.003, discriminator_rate: 0.01, "
    "channels: 4, n_ffts: [256]}",
    "codec.meaning=0.1",
)


@pytest.fixture(scope="module")
def polished(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole training with the stage, of which the codec stage is short."""
    root = tmp_path_factory.mktemp("polished")
    link_stages(trained, root, "codec")
    for stage in ("tracker", "vocoder", "pitch"):
        if not (root / stage).exists():
            (root / stage).symlink_to(trained / "run" / stage)
    for stage in ("codec", "adversarial", "export"):
        run(stage, trained, f"root={root}", "codec.steps=20", "codec.save_every=20", *GIVEN)
    return root


def test_discriminators_learn_and_the_decoder_alone_moves(polished: Path) -> None:
    before, after = (
        torch.load(polished / stage / "checkpoint.pt", weights_only=True)["parts"] for stage in ("codec", "adversarial")
    )
    moved = {
        key.split(".")[0] for key, value in after["model"].items() if not torch.equal(value, before["average"][f"module.{key}"])
    }
    assert moved == {"decoder", "vocoder"}
    assert after["judges"]
    rows = [row for row in metrics(polished / "adversarial") if "train/loss/discriminator" in row]
    assert {"train/loss/adversarial", "train/loss/feature", "train/loss/meaning"} <= set(rows[-1])
    assert rows[-1]["train/loss/discriminator"] < rows[0]["train/loss/discriminator"]


def test_a_decoder_learns_a_folder_and_still_reads_older_tokens(polished: Path, trained: Path, tmp_path: Path) -> None:
    given = polished / "model"
    run("entropy", trained, f"root={polished}", "codec.steps=20", "codec.save_every=20", "entropy.hours=0.001", *GIVEN)
    words = ["train", "decoder", str(trained / "audio"), "--init", str(given), "-o", str(tmp_path / "voice"), *GIVEN[:1]]
    with pytest.raises(SystemExit) as caught:
        main([*words, "precision=fp32"])
    assert not caught.value.code
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    old, new = codec.load(given), codec.load(tmp_path / "voice" / "model")
    tokens = old.encode(wave, 16_000, 50)
    assert new.encode(wave, 16_000, 50).codes.equal(tokens.codes)
    assert not torch.equal(new.decode(tokens), old.decode(tokens))
    told = [json.loads((folder / "config.json").read_text()) for folder in (given, tmp_path / "voice" / "model")]
    assert told[0]["fingerprint"] == told[1]["fingerprint"]
    assert told[0]["decoder"] != told[1]["decoder"]
    assert old.version != new.version
    codec.save(tokens, tmp_path / "small.sct", entropy=old.entropy)
    assert codec.read(tmp_path / "small.sct", entropy=new.entropy).codes.equal(tokens.codes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decoder"], "name a folder of recordings"),
        (["decoder", "nowhere"], "nowhere: not a folder of recordings"),
        (["decoder", "nowhere", "--config", "nano"], "has a config of its own"),
        (["decoder", "tests", "--init", "nope"], "init: no model 'nope': default, or a folder"),
        (["codec", "--config", "nano", "--init", "default"], "go with codec train decoder"),
    ],
)
def test_what_a_decoder_cannot_learn_from(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", *words])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
