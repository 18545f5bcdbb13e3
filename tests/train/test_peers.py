"""Training of other codecs' architectures: shrunk, for seconds, and then probed."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from codec.baselines import dac, encodec, open_codec, plain
from codec.config import ModelConfig, SemanticConfig, TokenDecoderConfig, VocoderConfig
from codec.errors import CodecError
from eval.semantics.embeddings import open_embedder
from tests.codec.data.sentence import sentence_corpus
from train.losses import MultiScaleMelLoss
from train.parallel import Place
from train.peers.config import STREAMS, PeerConfig
from train.peers.discriminators import PeriodDiscriminator
from train.peers.networks import EncodecPeer, peer
from train.peers.run import train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_corpus(tmp_path_factory.mktemp("peers"))


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    little = {"encoder_hidden_size": 16, "decoder_hidden_size": 256}
    monkeypatch.setitem(dac.SHAPES, "dac_16khz", dataclasses.replace(dac.SHAPES["dac_16khz"], **little))
    few = {"num_filters": 16, "hidden_size": 16, "codebook_dim": 16}
    monkeypatch.setitem(encodec.SHAPES, "encodec_24khz", dataclasses.replace(encodec.SHAPES["encodec_24khz"], **few))
    thin = {"dim": 16, "hidden_dim": 32, "dilations": (1,)}
    tiny = ModelConfig(
        semantic=SemanticConfig(dim=16, hidden_dim=32, dilations=(1,), n_features=12),
        decoder=TokenDecoderConfig(**thin, fine_dim=16, fine_hidden_dim=32, fine_dilations=(1,)),
        vocoder=VocoderConfig(**thin),
    )
    monkeypatch.setattr(plain, "ModelConfig", lambda: tiny)


def config(family: str, steps: int, corpus: Path = Path("nowhere"), root: Path = Path("nowhere")) -> PeerConfig:
    raw = {
        "root": str(root),
        "corpus": str(corpus),
        "family": family,
        "steps": steps,
        "batch_size": 2,
        "crop_frames": 16,
        "learning_rate": 2e-3,
        "save_every": 2,
    }
    return PeerConfig.read(raw | {"weights": {"speech": 1.0, "music": 1.0, "sound": 1.0}, "judge_after": 1, "judge_every": 1})


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("family", ["encodec_24khz", "dac_16khz", "plain"])
def test_a_peer_is_trained_resumed_and_probed(family: str, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "little"
    train(config(family, 2, corpus, output))
    train(config(family, 5, corpus, output))
    card = json.loads((output / "peer.json").read_text())
    assert (card["family"], card["steps"], card["streams"]) == (family, 5, STREAMS[family])
    embedder = open_embedder(f"peer:{output}")
    assert (embedder.name, embedder.trained) == ("peer:little", True)
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    vectors = embedder.embed([wave, wave[:4_800]], 16_000)
    assert [len(part) for part in vectors] == [round(1 / embedder.hop_seconds), math.ceil(0.3 / embedder.hop_seconds - 1e-6)]
    assert all(np.isfinite(part).all() for part in vectors)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("family", ["encodec_24khz", "dac_16khz", "plain"])
def test_a_run_in_two_parts_ends_like_an_unbroken_one(family: str, corpus: Path, tmp_path: Path) -> None:
    train(config(family, 4, corpus, tmp_path / "whole"))
    train(config(family, 2, corpus, tmp_path / "parts"))
    train(config(family, 4, corpus, tmp_path / "parts"))
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())
    rows = [json.loads(line) for line in (tmp_path / "parts" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 4]
    with pytest.raises(CodecError, match=r"another config \(learning_rate differ\)"):
        train(config(family, 4, corpus, tmp_path / "parts").model_copy(update={"learning_rate": 1e-4}))


@pytest.mark.usefixtures("_small")
def test_time_that_is_up_is_up_however_often_it_is_started(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, forward = [0.0], MultiScaleMelLoss.forward

    def slow(self: MultiScaleMelLoss, *waves: torch.Tensor) -> torch.Tensor:
        now[0] += 10
        return forward(self, *waves)

    monkeypatch.setattr("time.process_time", lambda: now[0])
    monkeypatch.setattr(MultiScaleMelLoss, "forward", slow)
    for _ in range(2):
        train(config("dac_16khz", 50, corpus, tmp_path).model_copy(update={"minutes": 0.1}))
        assert json.loads((tmp_path / "peer.json").read_text())["steps"] == 1


def test_several_processes_are_refused(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.peers.run.join", lambda: Place(1, 2, torch.device("cpu")))
    with pytest.raises(CodecError, match="peers train in one process, not in 2"):
        train(config("dac_16khz", 1, corpus, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_small")
def test_dac_trains_the_codebooks_that_are_in_use() -> None:
    model = peer(config("dac_16khz", 1)).train()
    wave = 0.1 * torch.randn(2, 1, 3_200, generator=torch.Generator().manual_seed(0))
    output, distance, _ = model(wave)
    (output.square().mean() + distance).backward()
    layers = model.network.quantizer.quantizers
    assert [layer.codebook.weight.grad is not None for layer in layers] == [True] * 3 + [False] * (len(layers) - 3)
    found = model.eval().network.encode(wave, n_quantizers=3)
    torch.testing.assert_close(output[:, 0], model.network.decode(found.quantized_representation).audio_values)
    torch.testing.assert_close(distance, found.loss.mean())


@pytest.mark.usefixtures("_small")
def test_without_training_it_says_so(corpus: Path, tmp_path: Path) -> None:
    train(config("encodec_24khz", 1, corpus, tmp_path / "random").model_copy(update={"minutes": 0}))
    assert not open_embedder(f"peer:{tmp_path / 'random'}").trained


@pytest.mark.usefixtures("_small")
def test_codewords_go_where_vectors_are_and_gradients_past_them() -> None:
    torch.manual_seed(0)
    model = peer(config("encodec_24khz", 1)).train()
    assert isinstance(model, EncodecPeer)
    wave = 0.3 * torch.sin(torch.arange(9_600) / 9).repeat(2, 1).unsqueeze(1) + 0.1 * torch.randn(2, 1, 9_600)
    distances = []
    for _ in range(20):
        output, commitment, _ = model(wave)
        distances.append(commitment.item())
    assert output.shape == wave.shape
    assert distances[-1] < 0.1 * distances[0]
    output.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.network.encoder.parameters())
    before = model.eval()(wave)[1].item()
    assert model(wave)[1].item() == before


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("family", ["encodec_24khz", "dac_16khz", "plain"])
def test_a_peer_is_a_codec_for_tables_once_it_is_trained(family: str, corpus: Path, tmp_path: Path) -> None:
    train(config(family, 1, corpus, tmp_path).model_copy(update={"minutes": 0}))
    with pytest.raises(CodecError, match="its weights are random: train it with python"):
        open_codec(f"peer:{tmp_path}")
    assert not open_codec(f"peer:{tmp_path}", trained_only=False).trained
    train(config(family, 2, corpus, tmp_path))
    codec = open_codec(f"peer:{tmp_path}")
    wave = np.random.default_rng(0).normal(0, 0.1, 24_001).astype(np.float32)
    encoded = codec.encode(wave, 24_000)
    assert codec.decode(encoded).shape == wave.shape
    assert encoded.bits / (len(wave) / 24_000) == pytest.approx({"plain": 1375}.get(family, 1500), rel=0.05)
    assert encoded.codes is not None
    assert len(encoded.codes) == STREAMS[family]
    with pytest.raises(CodecError, match="without knobs"):
        open_codec(f"peer:{tmp_path}@n=2")


def test_every_period_is_judged_by_its_own_samples() -> None:
    judge = PeriodDiscriminator(3, channels=2)
    wave = torch.zeros(1, 300)
    judgement = judge(wave)
    assert judgement.logits.shape[-1] == 3
    changed = wave.clone()
    changed[0, 1::3] = 1.0  # the second of every three
    differs = (judge(changed).logits != judgement.logits).flatten(0, 2).any(0)
    assert differs.tolist() == [False, True, False]


@pytest.mark.usefixtures("_small")
def test_discriminators_come_in_when_they_should(corpus: Path, tmp_path: Path) -> None:
    train(config("dac_16khz", 2, corpus, tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert ["train/loss/adversarial" in row for row in rows] == [False, True]
    assert rows[1]["train/loss/discriminator"] > 0


def test_what_is_no_peer(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"peer\.json: No such file"):
        open_embedder(f"peer:{tmp_path}")
    (tmp_path / "peer.json").write_text('{"family": "mp3", "streams": 2, "width": 1, "steps": 0}')
    with pytest.raises(CodecError, match=r"model\.safetensors: not there"):
        open_embedder(f"peer:{tmp_path}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CodecError, match="unknown family 'mp3'"):
        open_embedder(f"peer:{tmp_path}")
    (tmp_path / "peer.json").write_text("[]")
    with pytest.raises(CodecError, match="not the card of a trained peer"):
        open_embedder(f"peer:{tmp_path}")
