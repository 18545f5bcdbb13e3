"""The published model as a codec: lengths, windows, batches, seeds, files, and what must be refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import codec
from codec.audio.pcm import PcmFormat
from codec.baselines import open_codec
from codec.cli import main
from codec.errors import CodecError, ModelError
from codec.networks.samplers import Sampling, ddim_table
from codec.pipes import encode_stream
from codec.semanticodec.conditioning import windows
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.decoder import FADE, cross_fade
from codec.semanticodec.frontend import exact_count, exact_segments, reference_count, reference_segments
from codec.semanticodec.model import OfficialCodec, load_published
from codec.semanticodec.reference import from_reference, read_mono, to_reference
from eval.semantics.embeddings.registry import open_embedder
from tests.codec.semanticodec.fixtures import FOLDER
from tests.conftest import DATA


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)


def test_lengths_and_windows_are_the_references() -> None:
    stored = json.loads((FOLDER / "lengths.json").read_text())
    for row in stored["token_counts"]:
        for stack in (1, 2, 4):
            assert reference_count(row["samples"], stack) == row[f"N{100 // stack}"]
        if row["samples"] < 330_000:
            assert len(reference_segments(torch.zeros(row["samples"]))) * 1024 == row["frames"]
    for row in stored["windows"]:
        config = PublishedConfig.published(row["rate"])
        assert [list(window) for window in windows(row["N"], config)] == row["windows"]


def test_exact_lengths_cover_the_audio_in_whole_blocks() -> None:
    for config in map(PublishedConfig.published, (100, 50, 25)):
        pairs, covered = config.block
        for samples in (1, 2560, 2561, 16_000, 163_840, 163_841):
            count = exact_count(samples, config)
            assert count % pairs == 0
            assert count // pairs * covered - samples in range(covered)
            rows = sum(len(segment) for segment in exact_segments(torch.ones(samples), config))
            assert rows * 160 == count * config.samples_per_pair
    assert len(exact_segments(torch.zeros(163_840), PublishedConfig.published(100))) == 1


def test_compat_makes_the_references_lengths(compat: OfficialCodec) -> None:
    tokens = compat.encode(noise(1), 16_000)
    assert tokens.codes.shape == (1, 2, 57)
    assert compat.decode(tokens).shape == (1, 57 * 320)
    assert compat.encode(noise(10.24), 16_000).codes.shape[2] == 520


@pytest.mark.parametrize("sample_rate", [16_000, 22_050, 44_100])
def test_exact_gives_back_as_many_samples(exact: OfficialCodec, sample_rate: int) -> None:
    tokens = exact.encode(noise(1.13), sample_rate)
    samples = round(1.13 * 16_000)
    assert exact.decode(tokens).shape == (1, -(-samples * 16_000 // sample_rate))


def test_batches_give_what_clips_give_alone(exact: OfficialCodec, compat: OfficialCodec) -> None:
    clips = [noise(1.0, 1), noise(11.3, 2), noise(2.3, 3)]
    batch = np.zeros((3, len(clips[1])), np.float32)
    for row, wave in zip(batch, clips, strict=True):
        row[: len(wave)] = wave
    lengths = torch.tensor([len(wave) for wave in clips])
    for model in (exact, compat):
        together = model.encode(batch, 16_000, lengths=lengths)
        alone = [model.encode(wave, 16_000) for wave in clips]
        for index, tokens in enumerate(alone):
            assert together.item(index).codes.equal(tokens.codes)
    together = exact.encode(batch, 16_000, lengths=lengths)
    waves = exact.decode(together)
    for index, wave in enumerate(clips):
        single = exact.decode(together.item(index))[0]
        assert len(single) == len(wave)
        torch.testing.assert_close(waves[index, : len(wave)], single, atol=1e-4, rtol=0)
        assert not waves[index, len(wave) :].any()


def test_windows_are_their_own_noise_and_seeds_repeat(exact: OfficialCodec) -> None:
    tokens = exact.encode(noise(0.5), 16_000)
    assert exact.decode(tokens, seed=1).equal(exact.decode(tokens, seed=1))
    assert not exact.decode(tokens, seed=1).equal(exact.decode(tokens, seed=2))


def test_compat_without_a_seed_uses_the_global_generator(compat: OfficialCodec, published: Path) -> None:
    tokens = compat.encode(noise(0.3), 16_000)
    unseeded = load_published(published, rate=100)
    unseeded.sampling = compat.sampling
    torch.manual_seed(7)
    first = unseeded.decode(tokens)
    assert first.equal(compat.decode(tokens, seed=7))


def test_exact_costs_less_than_a_tenth_for_a_second(published: Path) -> None:
    wave, work = noise(1), {}
    for compat in (True, False):
        model = load_published(published, rate=100, compat=compat)
        # A twelfth of the steps: the shares stay what they are.
        model.sampling = replace(model.sampling, steps=model.sampling.steps // 12)
        with FlopCounterMode(display=False) as counter:
            model.decode(model.encode(wave, 16_000), seed=0)
        work[compat] = counter.get_total_flops()
    assert work[False] < work[True] / 10


def test_guidance_in_one_call_is_guidance_in_two(exact: OfficialCodec, compat: OfficialCodec) -> None:
    tokens = exact.encode(noise(10.24), 16_000)
    assert tokens.codes.shape[2] == 512
    books, decoder = exact._codebooks(100, 8192), exact._decoder(100)
    sampling = Sampling(steps=2, eta=0.0, guidance=3.0)
    one = decoder.exact([tokens.codes[0]], books, sampling, seed=5)[0]
    two = decoder.reference(tokens.codes[0], books, sampling, torch.Generator().manual_seed(5))
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


def test_cross_fade_keeps_what_windows_agree_on() -> None:
    wave = torch.randn(3 * FADE)
    torch.testing.assert_close(cross_fade([wave[: 2 * FADE], wave[FADE:]]), wave)


def test_the_padding_of_short_files_is_not_in_exact_tokens(exact: OfficialCodec) -> None:
    wave = noise(1.6)
    alone = exact.encode(wave, 16_000).codes
    assert alone.shape[2] == 80
    assert exact.encode(wave * 2, 16_000).codes.shape == alone.shape


def test_reference_tensors_go_there_and_back(compat: OfficialCodec) -> None:
    tokens = compat.encode(noise(1), 16_000)
    tensor = to_reference(tokens)
    assert tensor.shape == (1, 57, 2)
    assert tensor.dtype == torch.int64
    again = from_reference(compat, tensor)
    assert again.codes.equal(tokens.codes)
    assert compat.decode(again, seed=3).equal(compat.decode(tokens, seed=3))
    for bad, message in (
        (tensor[:, :0], "no tokens"),
        (tensor.float(), "integers"),
        (tensor[..., :1], "integers"),
        (tensor > 0, "integers"),
        (tensor + 8192, "outside their codebooks"),
        (-1 - tensor, "outside their codebooks"),
    ):
        with pytest.raises(CodecError, match=message):
            from_reference(compat, bad)


def test_embeddings_are_centroids_and_codewords(compat: OfficialCodec) -> None:
    tokens = compat.encode(noise(0.2), 16_000)
    semantic, acoustic = compat.embed(tokens, "semantic"), compat.embed(tokens, "acoustic")
    assert semantic.shape == acoustic.shape == (1, tokens.codes.shape[2], 24)
    assert compat.embed(tokens).equal(torch.cat([semantic, acoustic], dim=-1))
    assert compat.embed(tokens.semantic_only(), "semantic").equal(semantic)


def test_containers_hold_all_frames(compat: OfficialCodec, tmp_path: Path) -> None:
    for seconds in (0.01, 0.16, 1.0, 10.24):
        tokens = compat.encode(noise(seconds), 16_000)
        codec.save(tokens, tmp_path / "x.sct")
        again = codec.read(tmp_path / "x.sct")
        assert again.codes.equal(tokens.codes)
        assert again.item(0).codes.equal(tokens.codes)
        assert again.model == compat.fingerprint


def test_tokens_of_others_are_refused(compat: OfficialCodec) -> None:
    tokens = compat.encode(noise(0.2), 16_000)
    cases = [
        (replace(tokens, model="0" * 16), "made by model"),
        (replace(tokens, codes=tokens.codes + 8192), "outside their codebooks"),
        (replace(tokens, codes=tokens.codes[:, :, :0], counts=torch.tensor([0])), "no tokens"),
        (tokens.semantic_only(), "semantic only"),
        (replace(tokens, frame_rate=12.5), "made by model"),
        (replace(tokens, frame_rate=25.0), "semanticodec_tokenrate_50"),
        (replace(tokens, frame_rate=15.0), "rate 30 is not one of"),
        (replace(tokens, codebook_sizes=(4096, 1024)), "not this model's"),
        (replace(tokens, codebook_sizes=(5000, 8192)), "vocabulary 5000"),
    ]
    for bad, message in cases:
        with pytest.raises(CodecError, match=message):
            compat.decode(bad)


def test_sweeps_and_probes_take_it(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("REFERENCE", "FAST"):
        monkeypatch.setattr(f"codec.semanticodec.model.{way}", Sampling("dpm", steps=1))
    for name in (f"semcodec:{published}@100,vocab=4096", f"semcodec:{published}@exact@100,vocab=4096"):
        opened = open_codec(name)
        assert opened.bitrate == 1250
        wave = noise(0.3)
        assert opened.decode(opened.encode(wave, 16_000)).shape == wave.shape
    vectors = open_embedder("semcodec@100:both", published)
    assert vectors.dim == 48
    with pytest.raises(CodecError, match="models of our own kind"):
        open_embedder("semcodec@100:features", published)


def test_no_live_mode_and_no_entropy_coding(compat: OfficialCodec) -> None:
    pcm = PcmFormat.parse("16000")
    with pytest.raises(CodecError, match="no low-latency mode"):
        encode_stream(compat, io.BytesIO(bytes(4000)), io.BytesIO(), pcm, low_latency=True)
    with pytest.raises(CodecError, match="without entropy tables"):
        encode_stream(compat, io.BytesIO(bytes(4000)), io.BytesIO(), pcm, entropy=True)


def test_other_rates_and_vocabularies_of_one_model(compat: OfficialCodec, published: Path) -> None:
    assert (compat.rates, compat.vocabs) == ((100, 25), (4096, 8192))
    tokens = compat.encode(noise(1), 16_000, rate=25, vocab=4096)
    assert (tokens.frame_rate, tokens.codebook_sizes) == (12.5, (4096, 8192))
    assert compat.decode(tokens).shape == (1, 15 * 1280)
    assert load_published(published).rate == 100
    assert compat.bitrate == 1300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 50}, r"no semanticodec_tokenrate_50/encoder\.ckpt in .*codec models --fetch haoheliu/SemantiCodec@50"),
        ({"rate": 30}, "rate 30 is not one of 25, 50, 100"),
        ({"rate": 100, "vocab": 5000}, "vocabulary 5000"),
        ({"rate": 100, "vocab": 32768}, r"combine_512_audioset_dominate/codebook_16384_0\.npy"),
    ],
)
def test_what_is_not_there_is_one_clear_line(published: Path, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(CodecError, match=message) as caught:
        codec.load(str(published), **arguments)
    assert "\n" not in str(caught.value)


def test_sampling_that_cannot_be() -> None:
    for bad in ({"steps": 0}, {"eta": 2.0}, {"guidance": float("nan")}, {"sampler": "euler"}):
        with pytest.raises(CodecError):
            Sampling(**bad)


def test_step_counts_that_the_reference_fails_at() -> None:
    bar = torch.linspace(0.99, 0.01, 1000)
    for steps in (3, 9, 27, 36, 37, 101, 111, 251, 333, 501, 1001):
        with pytest.raises(CodecError, match=f"{steps} DDIM steps"):
            ddim_table(bar, steps, 1.0)


def test_command_line(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "pretrained" / "models--haoheliu--SemantiCodec" / "snapshots"
    place.mkdir(parents=True)
    (place / "abc").symlink_to(published)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path / "nothing"))
    monkeypatch.setattr("codec.semanticodec.model.FAST", Sampling("dpm", steps=1))
    exact = "haoheliu/SemantiCodec@exact"

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(list(words))
        return int(caught.value.code or 0)

    speech = str(DATA / "speech.flac")
    assert run("encode", speech, "-o", "x.sct", "--model", "haoheliu/SemantiCodec", "--rate", "100") == 0
    assert run("info", "x.sct") == 0
    assert run("decode", "x.sct", "-o", "x.wav", "--model", exact) == 0
    assert len(read_mono("x.wav")[0]) == len(read_mono(speech)[0])
    assert run("encode", speech, "-o", "y.sct", "--model", exact, "--rate", "50") == 2
    assert not Path("y.sct").exists()
    entry = next(entry for entry in codec.models() if entry.name == "haoheliu/SemantiCodec")
    assert entry.ready


def test_stereo_files_give_their_first_channel_or_the_mean() -> None:
    first, sample_rate = read_mono(FOLDER / "clip_c.flac")
    mean, _ = read_mono(FOLDER / "clip_c.flac", average=True)
    assert first.shape == mean.shape == (2 * sample_rate,)
    assert not np.allclose(first, mean)


def test_our_own_model_does_not_wait_for_diffusers() -> None:
    code = "import codec, sys; codec.load(); sys.exit('diffusers' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_name_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match="codec models --fetch haoheliu/SemantiCodec@50"):
        codec.load("haoheliu/SemantiCodec", rate=50, vocab=16384)
