"""Every stage of a training, for seconds, on real audio, through the command line; losses must fall."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

import codec
from codec.audio import read_audio, resample
from codec.cli import main
from codec.errors import CodecError
from corpora import Corpus
from tests.conftest import DATA, TINY
from tests.faults import codec as command
from tests.faults import kill_when
from train.codebooks import assemble
from train.config import TrainConfig
from train.crops import FRAME, cached_entries
from train.parallel import Place


def cut_clips(folder: Path) -> None:
    """The bundled recordings, cut into clips of 0.6 s (sources are files, so splits get some of each)."""
    for name, domain in (("speech", "speech"), ("music", "music")):
        wave, rate = read_audio(DATA / f"{name}.flac")
        mono = resample(wave.mean(0, keepdims=True), rate, 16_000)[0]
        (folder / domain).mkdir(parents=True)
        for index, start in enumerate(range(0, len(mono) - 9_600, 2_400)):
            soundfile.write(folder / domain / f"{index}.wav", mono[start : start + 9_600], 16_000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs corpus → ssl → features → kmeans → codec → export and returns the root folder."""
    root = tmp_path_factory.mktemp("training")
    cut_clips(root / "audio")
    config = {
        "root": str(root / "run"),
        "precision": "fp32",
        "model": TINY.model_copy(update={"semantic": TINY.semantic.model_copy(update={"n_features": 12})}).model_dump(
            mode="json"
        ),
        "corpus": {"sources": [str(root / "audio")], "copies": {"speech": 1}},
        "ssl": {
            "teacher_components": 8,
            "spectrum_components": 4,
            "batch_size": 4,
            "crop_frames": 32,
            "steps": 60,
            "save_every": 20,
        },
        "kmeans": {"iterations": 4},
        "adversarial": {"batch_size": 4, "crop_frames": 16, "steps": 12, "n_ffts": [512, 256], "channels": 4, "save_every": 6},
        "codec": {"batch_size": 4, "crop_frames": 32, "steps": 100, "learning_rate": 0.01, "save_every": 50},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    run("corpus", root)
    fake_teacher(root / "run")
    for stage in ("ssl", "features", "kmeans", "codec", "adversarial", "export"):
        run(stage, root)
    return root


def run(stage: str, root: Path, *overrides: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", stage, "--config", str(root / "config.yaml"), *overrides])
    assert not caught.value.code, stage


def fake_teacher(run_folder: Path) -> None:
    """In place of a speech recogniser's features: random projections of the waveform's frames, in the same files."""
    corpus, rng = Corpus(run_folder / "corpus"), np.random.default_rng(0)
    projection = rng.standard_normal((FRAME // 2 + 1, 8)) / 8
    rows = []
    for entry in cached_entries(corpus):
        wave = corpus.wave(entry)
        frames = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
        rows.append(np.log10(np.abs(np.fft.rfft(frames)) + 1e-3) @ projection)
    features = np.concatenate(rows)
    (run_folder / "teacher").mkdir()
    features.astype("<f2").tofile(run_folder / "teacher" / "features.f16")
    (run_folder / "teacher" / "features.json").write_text(json.dumps({"n_components": 8, "frames": len(features)}))


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_every_stage_leaves_its_config_and_metrics(trained: Path) -> None:
    for stage in ("ssl", "codec", "adversarial"):
        saved = json.loads((trained / "run" / stage / "config.json").read_text())
        assert saved["config"]["model"]["vocabs"] == list(TINY.vocabs)
        assert saved["revision"]


def test_codebooks_are_used(trained: Path) -> None:
    report = json.loads((trained / "run" / "codebooks" / "report.json").read_text())
    for stack in ("stack 1", "stack 2", "stack 4"):
        assert report[stack]["vocabs"]["16"]["used"] >= 0.8
        assert report[stack]["vocabs"]["128"]["unexplained"] < report[stack]["vocabs"]["16"]["unexplained"]


def test_the_codec_stage_learns(trained: Path) -> None:
    """The exported model reconstructs far better than the same networks before training."""
    from train.cli import read_config
    from train.losses import MultiScaleMelLoss

    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    loss = MultiScaleMelLoss()
    fresh = codec.Codec(assemble(read_config(trained / "config.yaml", [])), "fresh", "00" * 8)
    model = codec.load(trained / "run" / "model")
    before = loss(fresh.decode(fresh.encode(wave, 16_000, 100)), wave)
    after = loss(model.decode(model.encode(wave, 16_000, 100)), wave)
    assert after < 0.7 * before


def test_the_adversarial_stage_moves_the_decoder_and_nothing_else(trained: Path) -> None:
    before, after = (
        torch.load(trained / "run" / stage / "checkpoint.pt", weights_only=True)["parts"] for stage in ("codec", "adversarial")
    )
    for key, value in after["model"].items():
        if key.startswith("acoustic."):
            assert torch.equal(value, before["average"][f"module.{key}"]), key
    assert not torch.equal(
        after["model"]["decoder.head.project.weight"], before["average"]["module.decoder.head.project.weight"]
    )
    assert set(after["balancer"]) == {"mel", "adversarial", "feature"}


def test_training_goes_on_from_a_trained_model(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` keeps the model's tokens, skips the stages that made them, and starts the codec stage where it ended."""
    (tmp_path / "corpus").symlink_to(trained / "run" / "corpus")
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "codec.meaning=0.1", "codec.learning_rate=0.001"]
    for stage in ("teacher", "ssl", "features", "kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20")
    assert "kmeans: comes with" in capsys.readouterr().out
    assert not (tmp_path / "codebooks").exists()
    before, after = (codec.load(folder / "model") for folder in (trained / "run", tmp_path))
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    assert before.encode(wave, 16_000).codes[:, 0].equal(after.encode(wave, 16_000).codes[:, 0])
    first = metrics(tmp_path / "codec")[0]
    assert first["valid_speech_100"] < 1.1 * metrics(trained / "run" / "codec")[-1]["valid_speech_100"]
    polished = tmp_path / "polished"
    polished.mkdir()
    for name in ("corpus", "features"):
        (polished / name).symlink_to(tmp_path / name)
    run("adversarial", trained, *given, f"root={polished}", "adversarial.meaning=1", "adversarial.steps=6")
    parts = torch.load(polished / "adversarial" / "checkpoint.pt", weights_only=True)["parts"]
    assert parts["balancer"]["meaning"] > 0
    assert parts["model"]["acoustic.rate"].half().equal(before.networks.acoustic.rate.half())
    with pytest.raises(SystemExit):
        main(["train", "codec", "--config", str(trained / "config.yaml"), *given, "model.decoder.dim=40"])
    assert "other sizes than the config's" in capsys.readouterr().err


def test_codewords_are_refitted_in_the_space_of_a_trained_model(trained: Path, tmp_path: Path) -> None:
    """With `kmeans.refit` the codewords are new, but lie where the acoustic half knows its way."""
    for name in ("corpus", "features"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "kmeans.refit=true", "codec.learning_rate=0.001"]
    for stage in ("kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20", "kmeans.iterations=2", "seed=1")
    before, after = (codec.load(folder / "model").networks for folder in (trained / "run", tmp_path))
    for old, new in zip(before.codebooks, after.codebooks, strict=True):
        assert old.basis.equal(new.basis)
        assert not old.leaves.equal(new.leaves)
    assert before.semantic.head.weight.equal(after.semantic.head.weight)
    with pytest.raises(ValueError, match=r"kmeans\.refit needs init"):
        TrainConfig.model_validate({"kmeans": {"refit": True}})
    first = metrics(tmp_path / "codec")[0]
    assert first["valid_speech_100"] < 1.3 * metrics(trained / "run" / "codec")[-1]["valid_speech_100"]


def test_a_space_that_is_stretched_reads_the_same(trained: Path, tmp_path: Path) -> None:
    """With `kmeans.spectrum_weight` distances change; what reads features of the old space reads the same of the new one."""
    from train.cli import read_config
    from train.codebooks import assemble

    for name in ("corpus", "features"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    model = trained / "run" / "model"
    given = [f"init={model}", f"root={tmp_path}", "kmeans.refit=true", "kmeans.spectrum_weight=0.3", "kmeans.iterations=2"]
    run("kmeans", trained, *given)
    before, after = codec.load(model).networks, assemble(read_config(trained / "config.yaml", given))
    for index, stack in enumerate(before.config.stacks):
        features = torch.randn(5, stack * before.config.semantic.n_features)
        assert not before.codebook(stack).basis.allclose(after.codebook(stack).basis, atol=1e-3)
        for half in ("acoustic", "decoder"):
            first, second = (
                getattr(networks, half).semantic[index](networks.codebook(stack).project(features))
                for networks in (before, after)
            )
            torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match=r"spectrum_weight needs ssl\.objective=distil"):
        TrainConfig.model_validate({"kmeans": {"spectrum_weight": 0.3}, "ssl": {"objective": "mae"}})


def test_a_trained_encoder_is_trained_on_in_the_space_it_has(trained: Path, tmp_path: Path) -> None:
    """With `ssl.refit` the encoder gets better at its teacher while its features stay where they lay."""
    (tmp_path / "corpus").symlink_to(trained / "run" / "corpus")
    shutil.copytree(trained / "run" / "teacher", tmp_path / "teacher")
    features = np.fromfile(tmp_path / "teacher" / "features.f16", "<f2").reshape(-1, 8)
    (-features[:, ::-1]).tofile(tmp_path / "teacher" / "features.f16")  # as another corpus might have turned its components
    given = ["init=" + str(trained / "run" / "model"), f"root={tmp_path}", "ssl.refit=true", "kmeans.refit=true"]
    for stage in ("ssl", "features", "kmeans", "codec", "export"):
        run(stage, trained, *given, "codec.steps=20", "codec.learning_rate=0.001", "kmeans.iterations=2")
    before, after = metrics(trained / "run" / "ssl"), metrics(tmp_path / "ssl")
    assert after[-1]["valid_teacher"] < after[0]["valid_teacher"] < before[0]["valid_teacher"]
    assert after[0]["step"] == 0
    old, new = (codec.load(folder / "model") for folder in (trained / "run", tmp_path))
    wave = torch.from_numpy(read_audio(DATA / "speech.flac")[0])
    first, second = (model.networks.semantic(model.networks.mel(wave)) for model in (old, new))
    assert not first.equal(second)
    assert torch.nn.functional.cosine_similarity(first - first.mean(1), second - first.mean(1), dim=-1).mean() > 0.5
    with pytest.raises(ValueError, match=r"ssl\.refit needs kmeans\.refit"):
        TrainConfig.model_validate({"init": "default", "ssl": {"refit": True}})


@pytest.mark.parametrize(("stage", "step"), [("ssl", 33), ("codec", 70), ("adversarial", 8)])
def test_a_killed_run_ends_like_an_unbroken_one(trained: Path, tmp_path: Path, stage: str, step: int) -> None:
    """Stopped after a checkpoint and started again: the same weights, bit for bit."""
    import importlib

    from train.cli import read_config

    module = importlib.import_module(
        {"ssl": "train.ssl.pretrain", "codec": "train.autoencoder"}.get(stage, "train.adversarial")
    )
    other = tmp_path / "run"
    other.mkdir()
    link_stages(trained, other, stage)
    config = read_config(trained / "config.yaml", [f"root={other}"])
    real = module.check_finite

    class KilledError(Exception):
        pass

    def killing(loss: torch.Tensor, at: int, run: object) -> None:
        if at == step:
            raise KilledError
        real(loss, at, run)

    def start() -> None:
        module.train(config) if stage == "ssl" else module.train(config, assemble(config))

    module.check_finite = killing  # type: ignore[attr-defined]
    try:
        with pytest.raises(KilledError):
            start()
    finally:
        module.check_finite = real  # type: ignore[attr-defined]
    start()
    states = [torch.load(root / stage / "checkpoint.pt", weights_only=True) for root in (trained / "run", other)]
    for part in ("model", "average"):
        for key, value in states[0]["parts"][part].items():
            assert torch.equal(value, states[1]["parts"][part][key]), key


@pytest.mark.parametrize("stage", ["ssl", "codec", "adversarial"])
def test_a_gradient_that_is_no_number_reaches_no_weight(
    trained: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite; the gradient of one weight is not, from step 3 on."""
    modules = {"ssl": "train.ssl.pretrain", "codec": "train.autoencoder", "adversarial": "train.adversarial"}
    link_stages(trained, tmp_path, stage)
    calls = []

    def spoil(parameters: Iterable[torch.nn.Parameter]) -> None:
        calls.append(stage)
        if len(calls) > 3:
            next(p for p in parameters if p.grad is not None).grad.view(-1)[0] = float("nan")  # type: ignore[union-attr]

    monkeypatch.setattr(f"{modules[stage]}.average_gradients", spoil)
    with pytest.raises(SystemExit):
        main(["train", stage, "--config", str(trained / "config.yaml"), f"root={tmp_path}", f"{stage}.save_every=1"])
    state = torch.load(tmp_path / stage / "checkpoint.pt", weights_only=True)
    assert state["step"] in (1, 3)  # the discriminator's gradients count, too
    for part in ("model", "average"):
        assert all(value.isfinite().all() for value in state["parts"][part].values())


def link_stages(trained: Path, root: Path, stage: str) -> None:
    """What other stages than this one left, for another root."""
    for name in {"corpus", "teacher", "ssl", "features", "codebooks", "codec"} - {stage}:
        (root / name).symlink_to(trained / "run" / name)


def test_training_killed_outright_goes_on(trained: Path, tmp_path: Path) -> None:
    """SIGKILL to the command, then the same command again: the weights of the unbroken run, nothing half written."""
    other = tmp_path / "run"
    other.mkdir()
    for name in ("corpus", "teacher", "ssl", "features", "codebooks"):
        (other / name).symlink_to(trained / "run" / name)
    checkpoint = other / "codec" / "checkpoint.pt"
    kill_when(command("train", "codec", "--config", trained / "config.yaml", f"root={other}"), checkpoint.is_file)
    assert torch.load(checkpoint, weights_only=True)["step"] == 50
    run("codec", trained, f"root={other}")
    weights = [
        torch.load(root / "codec" / "checkpoint.pt", weights_only=True)["parts"]["average"] for root in (trained / "run", other)
    ]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert not list(other.rglob("*.new"))


def test_too_little_audio_for_the_codebooks_is_said_in_one_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("corpus", "features"):
        (tmp_path / name).symlink_to(trained / "run" / name)
    for override, message in (
        ("model.vocabs=[4096,8192]", "add audio, or lower model.vocabs"),
        ("kmeans.shares={speech: 1}", "no share for music"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", "kmeans", "--config", str(trained / "config.yaml"), f"root={tmp_path}", override])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_stages_out_of_order_say_what_is_missing(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage, message in (
        ("ssl", "no corpus here"),
        ("kmeans", "no corpus here"),
        ("codec", "run codec train kmeans first"),
        ("export", "run codec train kmeans first"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["train", stage, "--config", str(trained / "config.yaml"), f"root={tmp_path / 'none'}"])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_features_and_codebooks_of_two_processes_are_those_of_one(trained: Path, tmp_path: Path) -> None:
    """What is not shared is done once: no point counts twice, no file has two writers."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for folder in ("corpus", "ssl"):
            (tmp_path / name / folder).symlink_to(trained / "run" / folder)
        printed = launch(["features", "kmeans"], trained, tmp_path / name, processes=1 if name == "one" else 2)
        assert printed.count("stack 4 pass 0") == 1
    for file in ("features/features.f16", "codebooks/codebooks.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    one, two = (json.loads((tmp_path / name / "codebooks" / "report.json").read_text()) for name in ("one", "two"))
    assert one == two


def launch(words: list[str], trained: Path, root: Path, processes: int) -> str:
    """What ``codec train`` prints, under torchrun where there are several processes."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"] if processes > 1 else []
    command = [sys.executable, "-m", *torchrun, "codec", "train", *words, "--config", str(trained / "config.yaml")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, f"root={root}"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("stage", ["ssl", "codec"])
def test_two_processes_take_the_steps_of_one(trained: Path, tmp_path: Path, stage: str) -> None:
    """The same command under torchrun, at the same global batch: the same weights after some steps."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for folder in ("corpus", "teacher", "features", "codebooks", *(["ssl"] if stage == "codec" else [])):
            (tmp_path / name / folder).symlink_to(trained / "run" / folder)
        launch([stage, f"{stage}.steps=6"], trained, tmp_path / name, processes=1 if name == "one" else 2)
    one, two = (
        torch.load(tmp_path / name / stage / "checkpoint.pt", weights_only=True)["parts"]["model"] for name in ("one", "two")
    )
    fresh = untrained(trained, stage)
    moved, apart = (
        torch.cat([(a[key] - b[key]).flatten() for key in fresh]).norm().item() for a, b in ((one, fresh), (two, one))
    )
    assert moved > 0
    assert apart < 0.08 * moved  # Adam turns rounding of tiny gradients into steps


def untrained(trained: Path, stage: str) -> dict[str, torch.Tensor]:
    """What the trained modules of a stage begin with."""
    from codec.semantic import SemanticEncoder
    from train.autoencoder import Autoencoder
    from train.cli import read_config

    config = read_config(trained / "config.yaml", [])
    if stage == "codec":
        return Autoencoder(assemble(config), config.precision).state_dict()
    torch.manual_seed(config.seed)
    return SemanticEncoder(config.model.semantic, config.model.mel.n_mels).state_dict()


def test_a_batch_that_cannot_be_shared_is_named() -> None:
    with pytest.raises(CodecError, match="batch_size 5 cannot be divided among 2"):
        Place(0, 2, torch.device("cpu")).share(5)
