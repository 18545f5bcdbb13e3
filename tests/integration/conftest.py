"""A finished training that tests of stages share; they leave it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import TINY
from tests.integration.training import cut_clips, fake_teacher, run


@pytest.fixture(scope="session")
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
        "adversarial": {
            "batch_size": 4,
            "crop_frames": 16,
            "steps": 12,
            "n_ffts": [512, 256],
            "channels": 4,
            "save_every": 6,
            "discriminator_rate": 0.01,
            "learning_rate": 0.01,
        },
        "codec": {"batch_size": 4, "crop_frames": 32, "steps": 100, "learning_rate": 0.01, "save_every": 50},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    run("corpus", root)
    fake_teacher(root / "run")
    for stage in ("ssl", "features", "kmeans", "codec", "adversarial", "export"):
        run(stage, root)
    return root
