from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.codec.networks.test_source_filter_codec import SMALL
from tests.conftest import random_networks
from train.config import CodecStage, TrainConfig
from train.crops import Batch
from train.parallel import Place
from train.run import Run
from train.specimens import Specimens, picture
from train.voice.networks import VoiceCodec
from train.voice.objective import Objective
from train.voice.usage import usage

SECOND = 16_000


def tone(frequency: float, level: float = 0.3) -> torch.Tensor:
    return level * torch.sin(2 * torch.pi * frequency * torch.arange(SECOND) / SECOND)


def test_checkpoints_come_with_sounds_and_pictures(tmp_path: Path) -> None:
    stage = CodecStage(steps=4, save_every=2)
    run = Run(tmp_path, TrainConfig(), {}, ())
    for step in range(4):
        shown = Specimens({"music": {"original": tone(440), "50 tokens a second": tone(440, 0.1 * (1 + step))}}, {"used": 0.5})
        run.after(step, stage, lambda: {"loss": 1.0}, lambda: {"mel": 1.0}, lambda shown=shown: shown)
    run.close()
    events = EventAccumulator(str(tmp_path), {"audio": 0, "images": 0}).Reload()
    assert [sound.step for sound in events.Audio("music/original")] == [2], "it stays the same"
    heard = events.Audio("music/50 tokens a second")
    assert [sound.step for sound in heard] == [2, 4]
    wave, rate = soundfile.read(io.BytesIO(heard[1].encoded_audio_string))
    assert rate == SECOND
    np.testing.assert_allclose(wave, tone(440, 0.4).numpy(), atol=1e-3)
    drawn = events.Images("music/original, 50 tokens a second")
    assert [image.step for image in drawn] == [2, 4]
    assert Image.open(io.BytesIO(drawn[0].encoded_image_string)).size == (100, 324)
    assert [event.step for event in events.Scalars("used")] == [2, 4]


def test_nothing_is_asked_for_between_checkpoints_or_where_nothing_is_held_out(tmp_path: Path) -> None:
    def never() -> Specimens:
        raise AssertionError

    stage = CodecStage(steps=9, save_every=3)
    run = Run(tmp_path, TrainConfig(), {}, ())
    run.after(0, stage, dict, dict, never)
    run.after(2, stage, dict, dict, never)


def test_a_picture_has_versions_from_above_on_the_scale_of_the_first() -> None:
    drawn = picture([tone(440), tone(440, 3e-4), torch.zeros(SECOND)], SECOND)
    assert drawn.shape == (3 * 160 + 2 * 4, 100, 3)
    first, second, third = drawn[:160], drawn[164:324], drawn[328:]
    assert first.max() > 250, "the loudest is as bright as it gets"
    assert (drawn[160:164] == 255).all()
    assert int(first[..., 0].max()) > int(second[..., 0].max()) > int(third[..., 0].max())
    rows = np.argwhere(first[:, 50].sum(-1) > 600)
    assert 110 < rows.mean() < 150, "440 Hz lie in the lower third"


def test_the_codec_stage_is_heard_and_its_codes_are_counted() -> None:
    networks = random_networks(0, SMALL)
    objective = Objective(TrainConfig(precision="fp32"), networks, Place(0, 1, torch.device("cpu")), 2)
    torch.manual_seed(0)
    labels = torch.full((2, 48, 2), 150.0)
    batch = Batch(0.1 * torch.randn(2, 48 * 320), 0.1 * torch.randn(2, 48, SMALL.semantic.n_features), labels)
    shown = objective.specimens(VoiceCodec(networks).eval(), {"speech": batch})
    assert set(shown.clips["speech"]) == {"original", *(f"{rate} tokens a second" for rate in networks.points)}
    assert torch.equal(shown.clips["speech"]["original"], batch.wave[0])
    assert {wave.shape for wave in shown.clips["speech"].values()} == {(48 * 320,)}
    counted = {(n, rate) for rate, point in networks.points.items() for n in range(1, point.n_streams)}
    kinds = {f"codes/{kind}/acoustic_{n}/{rate}" for kind in ("used", "entropy") for n, rate in counted}
    assert set(shown.usage) == kinds
    assert all(0 <= value <= 1 for value in shown.usage.values())
    assert all(value > 0 for name, value in shown.usage.items() if name.startswith("codes/used"))


def test_codes_that_are_always_the_same_show() -> None:
    quantizer = random_networks(0, SMALL).quantizer(2)
    torch.manual_seed(0)
    sizes = quantizer.codebook_sizes[:2]
    same, many = (quantizer.encode(level * torch.randn(1, 24, 6))[:, :2] for level in (0.0, 3.0))
    found = usage([same], sizes, 25) | usage([many[..., :12], many[..., 12:]], sizes, 50)
    assert found["codes/used/acoustic_1/25"] == pytest.approx(1 / 24), "of the 24 codes that so many tokens can have"
    assert found["codes/entropy/acoustic_1/25"] == 0
    assert found["codes/used/acoustic_1/50"] > 0.4
    assert found["codes/entropy/acoustic_1/50"] > 0.6
