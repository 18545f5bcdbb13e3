from pathlib import Path

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from corpora import Corpus, build
from corpora.folder import folder_clips
from tests.corpora.test_corpora import write
from train.crops import FRAME, Crops, cached_entries, first_frames, open_features


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("crops")
    for index in range(40):
        write(folder / "in" / ("speech", "music")[index % 2] / f"{index}.wav", 0.5 + 0.1 * index, seed=index)
    build(folder_clips(folder / "in"), folder / "corpus")
    return Corpus(folder / "corpus")


def crops(corpus: Corpus, **changes) -> Crops:
    settings = {"weights": {"speech": 0.5, "music": 0.5}, "frames": 50, "batch_size": 4, "seed": 3} | changes
    return Crops(corpus, "train", **settings)


def test_batches_depend_on_their_number_alone(corpus: Corpus) -> None:
    stream = crops(corpus).stream(start=5)
    for _ in range(3):
        index, batch = next(stream)
        assert torch.equal(batch.wave, crops(corpus).batch(index).wave)
    assert not torch.equal(crops(corpus).batch(5).wave, crops(corpus).batch(6).wave)


def test_a_share_still_knows_the_whole_batch(corpus: Corpus) -> None:
    sizes = ("train", {"speech": 1.0, "music": 1.0}, 16, 4)
    whole, part = Crops(corpus, *sizes).batch(3), Crops(corpus, *sizes, share=slice(2, 4))
    assert part.batch(3).wave.equal(whole.wave[2:])
    assert part.whole_batch(3).wave.equal(whole.wave)


def test_levels_are_in_range_and_nothing_clips(corpus: Corpus) -> None:
    waves = torch.cat([crops(corpus).batch(i).wave for i in range(10)])
    levels = 20 * waves.square().mean(1).sqrt().log10()
    assert waves.shape == (40, 50 * FRAME)
    assert waves.abs().max() <= 1
    assert levels.min() > -35
    assert levels.max() < -13
    assert levels.std() > 3


def test_features_stay_beside_their_samples(corpus: Corpus) -> None:
    """A cache that holds the number of each frame must come back in step with the audio."""
    first = first_frames(corpus)
    total = sum(-(-e.samples // FRAME) for e in cached_entries(corpus))
    features = np.arange(total, dtype=np.float32)[:, None]
    batch = crops(corpus, features=features).batch(0)
    for wave, rows in zip(batch.wave, batch.features, strict=True):
        row = int(rows[7, 0])
        entry = next(e for e in corpus.select("train") if first[e.start] <= row < first[e.start] + -(-e.samples // FRAME))
        wanted = corpus.wave(entry, (row - first[entry.start]) * FRAME, FRAME)
        got = wave[7 * FRAME : 8 * FRAME].numpy()
        assert np.corrcoef(wanted, got)[0, 1] > 0.999


def test_missing_domains_and_caches_are_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="no train clips of sound"):
        crops(corpus, weights={"sound": 1.0})
    with pytest.raises(CodecError, match="no finished feature cache"):
        open_features(tmp_path)
