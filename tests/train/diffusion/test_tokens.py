"""A diffusion decoder for our own tokens: a tiny training on real speech, and what comes of it."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import codec
from codec.cli import main
from codec.cli.main import run_script
from codec.config import DiffusionDecoderConfig
from codec.errors import ModelError
from codec.hub import load_codec
from codec.model import Codec
from codec.networks.diffusion.files import export_diffusion, with_diffusion
from codec.networks.diffusion.networks import DiffusionNetworks
from codec.networks.samplers import Sampling
from codec.streaming import Grid, StreamDecoder
from tests.conftest import DATA
from train.diffusion.__main__ import main as train_main
from train.diffusion.tokens import TokenDiffusionConfig, train

SMALL = DiffusionDecoderConfig(dim=32, hidden_dim=64, dilations=(1, 2, 1))


def config(root: Path, corpus: Path, model: Path, steps: int) -> TokenDiffusionConfig:
    return TokenDiffusionConfig(
        root=str(root), corpus=str(corpus), model=str(model), decoder=SMALL, weights={"speech": 1.0}, crop_frames=32,
        steps=steps, batch_size=8, learning_rate=5e-3, save_every=50,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(corpus: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusion") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.run.LOG_EVERY", 1)
        train(config(folder, corpus, tiny_folder, 100))
        train(config(folder, corpus, tiny_folder, 101))
    return folder


@pytest.fixture(scope="module")
def diffusion(run: Path) -> Codec:
    model = load_codec(run / "model", vocab=32, decoder="diffusion")
    networks_of(model).sampling = Sampling("dpm", steps=4)
    return model


def networks_of(model: Codec) -> DiffusionNetworks:
    assert isinstance(model.networks, DiffusionNetworks)
    return model.networks


def noise(frames: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, frames * 320)).astype(np.float32))


def test_losses_fall_and_a_run_resumes(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 102))
    values = [row["train/loss"] for row in rows]
    assert np.mean(values[-20:]) < 0.8 * np.mean(values[:5])


def test_both_decoders_take_the_same_tokens(run: Path, diffusion: Codec, tiny: Codec) -> None:
    fast = codec.load(run / "model", vocab=32)
    assert diffusion.fingerprint == fast.fingerprint == tiny.fingerprint
    wave = noise(50)
    for rate in (100, 50, 25):
        tokens = tiny.encode(wave, 16_000, rate=rate)
        assert diffusion.encode(wave, 16_000, rate=rate).codes.equal(tokens.codes)
        for kind in (tokens, tokens.semantic_only()):
            output = diffusion.decode(kind)
            assert output.shape == wave.shape
            assert output.isfinite().all()
            assert not torch.allclose(output, fast.decode(kind))


def test_it_listens_to_the_tokens(diffusion: Codec, tiny: Codec) -> None:
    loud, quiet = (diffusion.decode(tiny.encode(wave, 16_000)) for wave in (noise(50), noise(50) * 0))
    assert not torch.allclose(loud, quiet)
    networks = networks_of(diffusion)
    guided = networks.sampling
    try:
        tokens = tiny.encode(noise(50), 16_000)
        networks.sampling = replace(guided, guidance=1.0)
        assert not torch.allclose(diffusion.decode(tokens), loud)
        networks.sampling, networks.seed = guided, 1
        assert not torch.allclose(diffusion.decode(tokens), loud)
    finally:
        networks.sampling, networks.seed = guided, 0
    assert diffusion.decode(tokens).equal(loud)


def test_pieces_give_what_the_whole_gives(diffusion: Codec, tiny: Codec) -> None:
    frames = 1_100  # two windows, the second a short one
    tokens = tiny.encode(noise(frames), 16_000, rate=50)
    whole = diffusion.decode(tokens)
    assert whole.shape == (2, frames * 320)
    stream = diffusion.stream_decoder(tokens)
    parts = [stream.push(piece) for piece in tokens.codes.split(7, dim=2)]
    assert sum(part.shape[1] for part in parts) > 0
    torch.testing.assert_close(torch.cat([*parts, stream.flush()], dim=1), whole, atol=1e-5, rtol=0)
    alone = diffusion.decode(tokens.item(1))
    torch.testing.assert_close(alone[0], whole[1], atol=1e-4, rtol=0)
    # Noise belongs to places, so that windows of another length differ by what lies beyond their context alone.
    shorter = StreamDecoder(diffusion.engine, 2, 32, Grid(core=200))
    other = torch.cat([shorter.push(tokens.codes), shorter.flush()], dim=1)
    assert (other - whole).square().mean() < 1e-4 * whole.square().mean()


def test_command_line(run: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def code(*words: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        return int(caught.value.code or 0)

    x, y = str(tmp_path / "x.sct"), str(tmp_path / "y.wav")
    assert code("encode", str(DATA / "speech.flac"), "-o", x, "--model", str(tiny_folder), "--vocab", "32") == 0
    assert code("decode", x, "-o", y, "--model", str(run / "model"), "--decoder", "diffusion") == 0
    assert Path(y).stat().st_size > 1000
    capsys.readouterr()
    cases = {
        "python -m train.diffusion": ("--model", str(tiny_folder), "--decoder", "diffusion"),
        "not one of fast, diffusion": ("--decoder", "slow"),
    }
    for message, words in cases.items():
        assert code("decode", x, "-o", y, *words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_what_does_not_fit_is_one_clear_line(run: Path, other_folder: Path, tiny: Codec, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(other_folder, other)
    for name in ("diffusion.json", "diffusion.safetensors"):
        shutil.copy(run / "model" / name, other / name)
    with pytest.raises(ModelError, match=f"decodes tokens of model {tiny.fingerprint}"):
        codec.load(other, vocab=32, decoder="diffusion")
    bad = tmp_path / "bad"
    export_diffusion(with_diffusion(tiny.networks, SMALL).diffusion, run / "model", tiny.fingerprint, bad)
    about = json.loads((bad / "diffusion.json").read_text())
    cases = {
        "not a model's config": b"nonsense",
        "Extra inputs": json.dumps(about | {"decoder": about["decoder"] | {"surprise": 1}}).encode(),
        "do not fit each other": json.dumps(about | {"decoder": about["decoder"] | {"dim": 8}}).encode(),
    }
    for message, content in cases.items():
        (bad / "diffusion.json").write_bytes(content)
        with pytest.raises(ModelError, match=message) as caught:
            codec.load(bad, vocab=32, decoder="diffusion")
        assert "\n" not in str(caught.value)
    (bad / "diffusion.safetensors").write_bytes(b"nonsense")
    (bad / "diffusion.json").write_text(json.dumps(about))
    with pytest.raises(ModelError, match="list of tensors is too long"):
        codec.load(bad, vocab=32, decoder="diffusion")


def test_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = TokenDiffusionConfig.read(yaml.safe_load(Path("train/configs/diffusion-nano.yaml").read_text()))
    assert shipped.model == "default"
    for number, text in enumerate(
        ("[1]", "model: default\nroot: x\n", "model: default\nroot: x\ncorpus: nowhere\n", "root: x\n", "\xff")
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(text.encode("latin-1"))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["train.diffusion", "--config", str(path)])
        with pytest.raises(SystemExit) as caught:
            run_script(train_main)
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("codec: ")
        assert error.count("\n") == 1
