"""A finished training that tests of stages share; they leave it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.training import cut_clips, fake_teacher, run, small_config


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs every stage from the corpus to the export and returns the root folder."""
    root = tmp_path_factory.mktemp("training")
    cut_clips(root / "audio")
    config = small_config(root / "run", root / "audio")
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    run("corpus", root)
    fake_teacher(root / "run")
    for stage in ("ssl", "features", "kmeans", "pitch", "tracker", "vocoder", "codec", "export"):
        run(stage, root)
    return root
