from pathlib import Path

import numpy as np
import pytest
import torch

from codec.data import Corpus, build
from codec.data.folder import folder_clips
from codec.errors import CodecError
from tests.codec.data.test_corpora import write
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
    whole, part = crops(corpus).batch(3), crops(corpus, share=slice(2, 4))
    assert part.batch(3).wave.equal(whole.wave[2:])
    assert part.whole_batch(3).wave.equal(whole.wave)


def test_domains_have_their_shares_however_much_audio_each_has(tmp_path: Path) -> None:
    """Features that say which clip a crop begins with: domains by their weights, clips of a domain by their length."""
    for index, (domain, count) in enumerate((("speech", 6), ("music", 30), ("sound", 6))):
        for number in range(count):
            write(tmp_path / "in" / domain / f"{number}.wav", 0.3 + 0.3 * (number % 3), seed=100 * index + number)
    build(folder_clips(tmp_path / "in"), tmp_path / "corpus")
    corpus, entries = Corpus(tmp_path / "corpus"), cached_entries(Corpus(tmp_path / "corpus"))
    rows = np.repeat(np.arange(len(entries)), [-(-entry.samples // FRAME) for entry in entries])
    shares = {"speech": 6.0, "music": 2.8, "sound": 1.2}
    data = Crops(corpus, "train", shares, frames=4, batch_size=400, features=rows[:, None].astype(np.float32), seed=5)
    numbers = torch.cat([data.batch(index).features[:, 0, 0] for index in range(10)]).int().tolist()
    drawn = [entries[number] for number in numbers]
    assert {entry.split for entry in drawn} == {"train"}
    for domain, share in shares.items():
        chosen = [entry for entry in drawn if entry.clip.domain == domain]
        assert len(chosen) / len(drawn) == pytest.approx(
            share / 10, abs=4 * (share / 10 * (1 - share / 10) / len(drawn)) ** 0.5
        )
        lengths = np.array([entry.samples for entry in corpus.select("train", domain)])
        mean = (lengths**2).sum() / lengths.sum()  # of a clip that is chosen by its length
        assert np.mean([entry.samples for entry in chosen]) == pytest.approx(mean, rel=0.1)


def test_levels_are_in_range_and_nothing_clips(corpus: Corpus) -> None:
    waves = torch.cat([crops(corpus).batch(i).wave for i in range(10)])
    levels = 20 * waves.square().mean(1).sqrt().log10()
    assert waves.shape == (40, 50 * FRAME)
    assert waves.abs().max() <= 1
    assert levels.min() > -41
    assert levels.max() < -5
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
