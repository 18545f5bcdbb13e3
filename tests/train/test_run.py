import json
import re
from pathlib import Path

import pytest
import torch

from codec.data.progress import Teller
from codec.errors import CodecError
from train.cli import read_config, train
from train.config import CodecStage, TrainConfig
from train.config_file import CONFIGS, read_run
from train.losses import MultiScaleMelLoss
from train.records import settings
from train.run import Average, Run, check_finite, clip_gradients, cosine, read_checkpoint
from train.status import status


def test_checkpoints_bring_everything_back(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    run = Run(tmp_path, TrainConfig(), {"model": model, "optimizer": optimizer}, ())
    run.save(7)
    fresh = torch.nn.Linear(3, 2)
    parts = {"model": fresh, "optimizer": torch.optim.AdamW(fresh.parameters())}
    again = Run(tmp_path, TrainConfig(), parts, ())
    assert again.resume() == 7
    assert torch.equal(fresh.weight, model.weight)
    assert again.seconds >= run.seconds_before
    assert not list(tmp_path.glob("*.new"))


def test_checkpoints_of_other_parts_are_refused(tmp_path: Path) -> None:
    Run(tmp_path, TrainConfig(), {"model": torch.nn.Linear(2, 2)}, ()).save(4)
    parts = {"model": torch.nn.Linear(2, 2), "usage": torch.nn.Linear(2, 2)}
    with pytest.raises(CodecError, match="of another version of this stage"):
        Run(tmp_path, TrainConfig(), parts, ()).resume()


def test_a_resumed_run_repeats_no_metrics(tmp_path: Path) -> None:
    def rows() -> list[int]:
        return [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    for _ in range(2):  # the second time it had been killed before its first checkpoint
        run = Run(tmp_path, TrainConfig(), {}, ())
        assert run.resume() == 0
        run.log(0, {"train/loss": 3.0})
        run.log(100, {"train/loss": 2.0})
    run.save(100)
    run.log(200, {"train/loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 3')
    again = Run(tmp_path, TrainConfig(), {}, ())
    assert again.resume() == 100
    assert rows() == [0, 100]
    again.log(200, {"train/loss": 1.5})
    assert again.close() == tmp_path
    assert rows() == [0, 100, 200]


def test_metrics_reach_tensorboard_at_once(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Run(tmp_path, TrainConfig(), {}, ())
    for step, loss in ((1, 3.0), (100, 2.0)):
        run.log(step, {"train/loss": loss})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 3.0), (100, 2.0)]
    run.close()


def test_a_folder_of_another_config_is_refused(tmp_path: Path) -> None:
    Run(tmp_path, TrainConfig(), {}, ("codec",))
    Run(tmp_path, TrainConfig(root="elsewhere"), {}, ("codec",))
    with pytest.raises(CodecError, match=r"another config \(codec\.batch_size differ\)"):
        Run(tmp_path, TrainConfig(codec=CodecStage(batch_size=3)), {}, ("codec",))
    Run(tmp_path, TrainConfig(codec=CodecStage(steps=3, save_every=7)), {}, ("codec",))  # how long it goes may change


def test_a_run_upon_other_weights_is_refused(tmp_path: Path) -> None:
    Run(tmp_path, TrainConfig(), {}, ("codec",), upon="aa")
    Run(tmp_path, TrainConfig(), {}, ("codec",), upon="aa")
    with pytest.raises(CodecError, match="upon the weights of other stages"):
        Run(tmp_path, TrainConfig(), {}, ("codec",), upon="bb")
    about = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({key: about[key] for key in ("config", "revision")}))
    Run(tmp_path, TrainConfig(), {}, ("codec",), upon="bb")  # of a version that did not write it down


def test_a_key_that_a_run_did_not_know_had_its_default(tmp_path: Path) -> None:
    Run(tmp_path, TrainConfig(), {}, ("codec",))
    about = json.loads((tmp_path / "config.json").read_text())
    del about["config"]["codec"]["told_pitch"]
    (tmp_path / "config.json").write_text(json.dumps(about))
    Run(tmp_path, TrainConfig(), {}, ("codec",))
    with pytest.raises(CodecError, match=r"codec\.told_pitch differ"):
        Run(tmp_path, TrainConfig(codec=CodecStage(told_pitch=0.1)), {}, ("codec",))
    with pytest.raises(CodecError, match=r"codec\.weights differ"):
        Run(tmp_path, TrainConfig(codec=CodecStage(weights={"speech": 0.6})), {}, ("codec",))


@pytest.mark.parametrize("text", ["", '{"config": {', "[]", "{}"])
def test_a_damaged_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CodecError, match=r"config\.json: damaged"):
        Run(tmp_path, TrainConfig(), {}, ("codec",))


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: bytes | None) -> None:
    run = Run(tmp_path, TrainConfig(), {"model": torch.nn.Linear(3, 2)}, ())
    run.save(1)
    whole = run.checkpoint.read_bytes()
    run.checkpoint.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(CodecError, match=r"checkpoint\.pt: damaged checkpoint"):
        Run(tmp_path, TrainConfig(), {"model": torch.nn.Linear(3, 2)}, ()).resume()
    torch.save({"step": 3}, run.checkpoint)
    with pytest.raises(CodecError, match="are missing"):
        run.resume()


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    run = Run(tmp_path, TrainConfig(), {}, ())
    check_finite(torch.tensor(1.0), 3, run)
    with pytest.raises(CodecError, match=r"loss is nan at step 3; there is no checkpoint yet"):
        check_finite(torch.tensor(float("nan")), 3, run)
    run.save(2)
    with pytest.raises(CodecError, match=r"step 3; the last good checkpoint is .*checkpoint\.pt"):
        check_finite(torch.tensor(float("nan")), 3, run)


def test_gradients_that_are_no_numbers_stop_before_they_reach_weights(tmp_path: Path) -> None:
    """A square root at zero: the loss is finite, its gradient is not."""
    run = Run(tmp_path, TrainConfig(), {}, ())
    weight = torch.nn.Parameter(torch.tensor([3.0, 0.0]))
    (weight[0] * 5).backward()
    clip_gradients([weight], 7, run)
    assert weight.grad.norm() == pytest.approx(1.0)
    for most in (1.0, float("inf")):
        loss = (weight - weight.detach()).norm() + weight[1].sqrt()
        loss.backward()
        assert torch.isfinite(loss)
        with pytest.raises(CodecError, match=r"norm of gradients is (nan|inf) at step 7"):
            clip_gradients([weight], 7, run, most)


def test_a_full_disk_leaves_the_last_checkpoint_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, TrainConfig(), {"model": torch.nn.Linear(3, 2)}, ())
    run.save(1)
    whole = run.checkpoint.read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half a check")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CodecError, match="disk full"):
        run.save(2)
    assert run.checkpoint.read_bytes() == whole
    assert not list(tmp_path.glob("*.new"))


def test_cosine_schedule() -> None:
    rates = [cosine(step, 1000, 1.0) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 200)
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


def test_average_follows() -> None:
    model = torch.nn.Linear(2, 2)
    average = Average(model, decay=0.5)
    start = average.module.weight.clone()
    with torch.no_grad():
        model.weight += 1
    average.update(model, step=1000)
    torch.testing.assert_close(average.module.weight, start + 0.5)


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("colour: red", [], "colour"),
        ("codec: {steps: many}", [], r"codec\.steps"),
        ("ssl: {stepz: 1}", [], r"ssl\.stepz.*; did you mean steps"),
        ("", ["codek.steps=1"], r"codek.*; did you mean codec"),
        ("", ["model.decoder.dims=1"], r"model\.decoder\.dims.*; did you mean dim"),
        ("[1, 2", [], "not a valid config"),
        ("", ["codec.steps=x"], r"codec\.steps"),
        ("codec: 5", ["codec.steps=1"], "not a valid config"),
        ("", ["adversarial.crop_frames=50"], r"adversarial\.crop_frames must be a multiple of 4"),
        ("", ["codec.weights={speach: 1}"], r"codec\.weights\.speach.*'speech', 'music' or 'sound'"),
        ("", ["corpus.copies={speach: 3}"], r"corpus\.copies\.speach"),
        ("", ["corpus.copies={speech: -1}"], r"corpus\.copies\.speech"),
        ("", ["codec.weights={speech: 0}"], r"codec\.weights must not all be 0"),
        ("", ["tracker.weights={speech: 0}"], r"tracker\.weights must not all be 0"),
        ("", ["codec.stack_shares=[1]"], r"codec\.stack_shares needs a share for each of 2 token lengths"),
        ("", ["codec.stack_shares=[0, 0]"], r"codec\.stack_shares needs"),
        ("", ["codec.batch_size=0"], r"codec\.batch_size.*greater than or equal to 1"),
        ("", ["codec.steps=-5"], r"codec\.steps"),
        ("", ["adversarial.steps=-5"], r"adversarial\.steps"),
        ("", ["ssl.learning_rate=-1"], r"ssl\.learning_rate.*greater than 0"),
        ("", ["ssl.learning_rate=.inf"], r"ssl\.learning_rate"),
        ("", ["codec.save_every=0"], r"codec\.save_every"),
        ("", ["ssl.mask_share=7"], r"ssl\.mask_share.*less than or equal to 1"),
        ("", ["codec.average_decay=1"], r"codec\.average_decay"),
        ("", ['codec.steps="100"'], r"codec\.steps.*valid integer"),
        ("", ["codec.steps=true"], r"codec\.steps"),
        ("", ["codec.steps=1e3"], r"codec\.steps"),
        ("", ['kmeans.refit="no"'], r"kmeans\.refit"),
        ("", ['codec.weights={speech: "1"}'], r"codec\.weights\.speech"),
        ("", ["root=2026-11-28"], "not a valid config.*date"),
        ("", ["model.vocabs=[1000, 1500]"], r"c\.yaml: model: vocabs must ascend"),
        ("", ["model.architecture=first"], r"c\.yaml: model\.architecture"),
        (
            "",
            ["model.sample_rate=24000", "model.hop_length=240", "model.mel={hop_length: 240, n_fft: 1440}", "model.n_fft=960"],
            r"kept at 16000 Hz",
        ),
        ("", ["model.semantic.n_features=97"], r"c\.yaml: model\.semantic\.n_features must be .* = 96"),
    ],
)
def test_wrong_configs_name_the_key(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(CodecError, match=message):
        read_config(tmp_path / "c.yaml", overrides)


def test_a_config_stands_on_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("{seed: 1, codec: {steps: 5, weights: {speech: 1, music: 1}}}")
    (tmp_path / "own.yaml").write_text("{base: base.yaml, root: runs/own, codec: {told_pitch: 0.1, weights: {sound: 1}}}")
    config = read_config(tmp_path / "own.yaml", ["codec.first_only=0.2"])
    assert (config.seed, config.root, config.codec.weights) == (1, "runs/own", {"sound": 1})
    assert (config.codec.steps, config.codec.told_pitch, config.codec.first_only) == (5, 0.1, 0.2)
    (tmp_path / "base.yaml").write_text("base: own.yaml")
    with pytest.raises(CodecError, match="is its own base"):
        read_config(tmp_path / "own.yaml", [])
    (tmp_path / "own.yaml").write_text("base: none.yaml")
    with pytest.raises(CodecError, match=r"none\.yaml: No such file"):
        read_config(tmp_path / "own.yaml", [])


def test_ablations_change_what_they_say_and_nothing_else() -> None:
    folder = Path(__file__).parent.parent.parent / "train" / "configs"
    sections = list(TrainConfig.model_fields)
    whole = settings(read_config(folder / "refined.yaml", []), sections)
    ablation = settings(read_config(folder / "refined-spectrum.yaml", []), sections)
    changed = {"root", "kmeans.refit", "kmeans.iterations", "kmeans.spectrum_weight"}
    assert {key for key, value in ablation.items() if value != whole[key]} == changed


def test_shipped_config_is_valid_and_overridable() -> None:
    path = Path(__file__).parent.parent.parent / "train" / "configs" / "nano.yaml"
    assert read_config(path, ["codec.steps=5", "model.decoder.dim=8"]).codec.steps == 5
    with pytest.raises(CodecError, match="No such file"):
        read_config(path.with_name("none.yaml"), [])


def test_numbers_may_be_written_as_in_json(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("codec: {learning_rate: 8e-4}")
    config = read_config(tmp_path / "c.yaml", ["ssl.learning_rate=1E-3", "codec.weights={speech: 1}"])
    assert (config.codec.learning_rate, config.ssl.learning_rate, config.codec.weights) == (8e-4, 1e-3, {"speech": 1.0})


def test_mel_loss_orders_distortions() -> None:
    torch.manual_seed(0)
    wave, loss = torch.randn(2, 16_000) * 0.1, MultiScaleMelLoss()
    near = wave + 0.001 * torch.randn_like(wave)
    assert 0 < loss(near, wave) < loss(wave * 0.5, wave) < loss(torch.zeros_like(wave), wave)
    # Halving the amplitude is a distance of log10(2) in every band that lies above the floor.
    assert loss(wave * 0.5, wave).item() == pytest.approx(0.301, abs=0.01)


def test_mel_loss_has_finite_gradients_at_silence() -> None:
    silence = torch.zeros(1, 8_000, requires_grad=True)
    MultiScaleMelLoss()(silence, torch.randn(1, 8_000)).backward()
    assert torch.isfinite(silence.grad).all()


def test_configs_have_names() -> None:
    assert read_config(Path("nano"), []) == read_config(CONFIGS / "nano.yaml", [])
    with pytest.raises(CodecError, match="no config 'nanno'; did you mean nano"):
        read_config(Path("nanno"), [])


def test_the_best_checkpoint_is_kept_beside_the_last(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    run, stage = Run(tmp_path, TrainConfig(), {"model": model}, ()), CodecStage(steps=3, save_every=1)
    for step, score in enumerate((2.0, 1.0, 3.0)):
        with torch.no_grad():
            model.weight.fill_(score)
        run.after(step, stage, losses=dict, figures=lambda score=score: {"mel/speech": score})
    assert read_checkpoint(run.best)["parts"]["model"]["weight"].eq(1).all()
    assert read_checkpoint(run.checkpoint)["step"] == 3
    again = Run(tmp_path, TrainConfig(), {"model": model}, ())
    again.resume()
    again.after(3, stage, losses=dict, figures=lambda: {"mel/speech": 1.5})
    assert read_checkpoint(again.best)["step"] == 2


def test_a_run_tells_how_far_it_is_and_knows_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = read_config(Path("nano"), [f"root={tmp_path}", "codec.steps=40"])
    run = Run(config.folder("codec"), config, {"model": torch.nn.Linear(1, 1)}, ())
    run.seconds_before = 0.0
    run.log(10, {"train/loss": 3.5})
    run.seconds_before = 5.0
    run.log(20, {"train/loss": 2.5})
    again = read_run(tmp_path, ["codec.save_every=9"])
    assert (again.codec.steps, again.codec.save_every, again.root) == (40, 9, str(tmp_path))
    found = {each.name: each for each in status(again)}
    assert (found["codec"].state, found["codec"].figures) == ("step 20 of 40", "train/loss 2.5")
    assert found["codec"].speed == pytest.approx(2, rel=0.1)
    assert found["codec"].left == pytest.approx(10, rel=0.1)
    assert (found["ssl"].speed, found["ssl"].left) == (None, None)
    assert found["corpus"].state == "not begun"
    train(["status", str(tmp_path)])
    told = capsys.readouterr().out
    assert "step 20 of 40" in told
    assert re.search(r"(2|1\.9\d|2\.0\d) steps/s +10 s +train/loss 2\.5", told)
    with pytest.raises(CodecError, match="no training run here"):
        read_run(tmp_path / "codec", [])
    for words, message in (
        (["statos", str(tmp_path)], "no stage statos; did you mean status"),
        (["status"], "name a config or a run's folder"),
        (["status", "runs/nowhere"], "no folder runs/nowhere"),
        ([str(tmp_path), "init=nowhere"], "init: no model 'nowhere'|nowhere"),
        ([str(tmp_path), "corpus.sources=[recordins/]"], "corpus.sources: no folder recordins"),
        ([str(tmp_path), "corpus.sources=[debain]"], "no folder debain; did you mean debian"),
        ([str(tmp_path), "seed.x=3"], r"codec/config\.json: not a valid config"),
        ([str(tmp_path), "codec.steps=[1"], r"codec/config\.json: not a valid config"),
        ([str(tmp_path), "codec.steps=x"], r"codec/config\.json: codec\.steps"),
    ):
        with pytest.raises(CodecError, match=message):
            train(words)


def test_a_run_remembers_the_config_of_its_last_start(tmp_path: Path) -> None:
    """It was killed after its steps had been changed, before another checkpoint."""
    config = read_config(Path("nano"), [f"root={tmp_path}", "codec.steps=40"])
    first = Run(config.folder("codec"), config, {}, ("codec",), upon="aa")
    first.log(40, {"train/loss": 1.0})
    before = json.loads((tmp_path / "codec/config.json").read_text())
    for steps, state in ((60, "step 40 of 60"), (30, "done")):
        changed = read_run(tmp_path, [f"codec.steps={steps}", "adversarial.steps=5"])
        Run(changed.folder("codec"), changed, {}, ("codec",), upon="aa")
        again = read_run(tmp_path, [])
        assert (again.codec.steps, again.adversarial.steps) == (steps, 5)
        found = next(each for each in status(again) if each.name == "codec")
        assert (found.state, found.left) == (state, None)
    after = json.loads((tmp_path / "codec/config.json").read_text())
    assert (after["upon"], after["revision"]) == (before["upon"], before["revision"])


def test_a_folder_that_is_linked_keeps_the_config_of_its_own_root(tmp_path: Path) -> None:
    config = read_config(Path("nano"), [f"root={tmp_path / 'first'}", "codec.steps=40"])
    Run(config.folder("ssl"), config, {}, ("ssl",))
    (tmp_path / "second").mkdir()
    (tmp_path / "second/ssl").symlink_to(tmp_path / "first/ssl")
    other = read_config(Path("nano"), [f"root={tmp_path / 'second'}", "codec.steps=50"])
    Run(other.folder("ssl"), other, {}, ("ssl",))
    assert read_run(tmp_path / "first", []).codec.steps == 40


def test_lines_tell_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 1.0, 20.0, 41.0, 50.0])
    monkeypatch.setattr("codec.data.progress.time.monotonic", lambda: next(now))
    tell = Teller("codec", 100, shown=True)
    for step in (1, 20, 41, 50):
        tell(step, f"step {step} of 100", 7.0)
    assert capsys.readouterr().err == "codec: step 41 of 100, 7 s audio/s, 59 s left\n"
