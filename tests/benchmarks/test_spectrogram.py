from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.spectrogram import COLOURS, Tokens, draw, log_spectrogram

ROOT = Path(__file__).parents[2]


def test_spectrogram_scale_and_picture(tmp_path) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    level = log_spectrogram(tone)
    assert level[:, 50].argmax() == 64
    assert abs(level.max()) < 0.5
    codes = np.arange(50).reshape(2, 25)
    for dark in (False, True):
        draw([("a", tone), ("its tokens", Tokens(codes, 25.0)), ("b", 0 * tone)], 16_000, tmp_path / "x.png", dark)
        picture = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
        assert picture.shape[1] == 800
        corner = picture[2, 2].astype(int)
        assert (corner.sum() < 100) == dark
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) <= COLOURS


def test_the_readmes_pictures_are_there_by_day_and_by_night() -> None:
    images, readme = ROOT / "docs" / "images", (ROOT / "README.md").read_text("utf-8")
    for day, night in (("ui-light.webp", "ui-dark.webp"), ("speech.png", "speech-dark.png")):
        assert f'<img src="docs/images/{day}"' in readme
        assert f'srcset="docs/images/{night}"' in readme
    for name in ("ui-light.webp", "ui-dark.webp"):
        with Image.open(images / name) as moving:
            assert moving.n_frames > 20
        assert (images / name).stat().st_size < 1_500_000
