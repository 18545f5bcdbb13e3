"""ViSQOL, PESQ, STOI and the networks: known values, and the package itself as the reference."""

import contextlib

import numpy as np
import pystoi
import pytest
import torch
from distillmos import ConvTransformerSQAModel
from pesq import pesq as pesq_package
from speechmos import dnsmos as dnsmos_package

from codec.audio.io import resample
from eval.reconstruction import mos, visqol
from eval.reconstruction.interface import MetricError
from eval.reconstruction.intrusive import pesq, si_sdr, stoi
from eval.reconstruction.speaker import SpeakerSimilarity

NOISE = np.random.default_rng(0).standard_normal(400_000).astype(np.float32)


@pytest.fixture(scope="module")
def judge():
    return visqol.metrics()[0].function


def test_visqol_of_identical_signals_has_the_published_values(judge, make_pair, speech) -> None:
    assert judge(make_pair()) == pytest.approx(5.0)  # polynomial mapping; the lattice one gives 4.5
    assert judge(make_pair(reference=speech[0, :48000], domain="music")) == pytest.approx(4.732, abs=1e-3)


def test_visqol_tells_why_not(judge, make_pair, speech) -> None:
    for domain in ("speech", "sound"):
        with pytest.raises(MetricError, match=r"ViSQOL: .+"):
            judge(make_pair(reference=speech[0, 10_000:11_000], domain=domain))
        with pytest.raises(MetricError, match="the output is silent"):
            judge(make_pair(0 * speech[0], domain=domain))


@pytest.mark.parametrize(("domain", "seconds", "best"), [("speech", 0.64, 5.0), ("sound", 0.96, 4.732)])
def test_visqol_says_how_long_a_clip_must_be(judge, make_pair, speech, domain, seconds, best) -> None:
    wave = speech[0, 20_000 : 20_000 + round(seconds * 16_000)]
    assert judge(make_pair(reference=wave, domain=domain)) == pytest.approx(best, abs=1e-3)
    with pytest.raises(MetricError, match=f"shorter than the {seconds} s that its (speech|audio) mode needs"):
        judge(make_pair(reference=wave[:-1], domain=domain))


def test_pesq_of_identical_signals_is_the_top_of_its_mapping(make_pair) -> None:
    assert pesq(make_pair(), "nb") == pytest.approx(4.549, abs=1e-3)  # P.862.1: 0.999 + 4 / (1 + exp(-1.4945 * 4.5 + 4.6607))
    assert pesq(make_pair(), "wb") == pytest.approx(4.644, abs=1e-3)  # P.862.2: 0.999 + 4 / (1 + exp(-1.3669 * 4.5 + 3.8224))


def test_pesq_tells_why_not(make_pair, speech) -> None:
    with pytest.raises(MetricError, match="the output is silent"):
        pesq(make_pair(0 * speech[0]), "wb")
    with pytest.raises(MetricError, match="PESQ: "):
        pesq(make_pair(reference=speech[0, 10_000:11_000]), "wb")


def test_stoi_is_pystoi_without_its_made_up_value(make_pair, speech) -> None:
    output = speech[0] + 0.05 * NOISE[: speech.shape[1]]
    assert stoi(make_pair(output), False) == pytest.approx(pystoi.stoi(speech[0], output, 16_000), abs=1e-6)
    assert stoi(make_pair(), True) == pytest.approx(1.0)
    with pytest.raises(MetricError, match=r"0\.4 s of speech"):
        stoi(make_pair(reference=speech[0, 10_000:14_000]), False)
    with pytest.raises(MetricError, match="the reference is silent"):  # of which pystoi gives a perfect copy 0
        stoi(make_pair(reference=0 * speech[0]), False)


def test_of_a_noisy_copy_each_says_what_its_package_says(make_pair, speech) -> None:
    output = speech[0] + 0.02 * NOISE[: speech.shape[1]]
    pair = make_pair(output)
    opinion = next(metric for metric in mos.metrics() if metric.name == "distillmos")
    similarity = SpeakerSimilarity()
    import resemblyzer  # its first import warns, which the metric keeps quiet

    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    voices = [encoder.embed_utterance(resemblyzer.preprocess_wav(wave, 16_000)) for wave in (pair.reference, pair.output)]
    with torch.inference_mode(), contextlib.redirect_stdout(None):
        distilled = float(ConvTransformerSQAModel().eval()(torch.from_numpy(pair.output)[None]))
    assert {
        "wb": pesq(pair, "wb"),
        "nb": pesq(pair, "nb"),
        "estoi": stoi(pair, True),
        "distillmos": opinion.function(pair),
        "speaker": similarity(pair),
    } == pytest.approx(
        {
            "wb": pesq_package(16_000, pair.reference, pair.output, "wb"),
            "nb": pesq_package(
                8_000, *(resample(wave[None], 16_000, 8_000)[0] for wave in (pair.reference, pair.output)), "nb"
            ),
            "estoi": pystoi.stoi(pair.reference, pair.output, 16_000, extended=True),
            "distillmos": distilled,
            "speaker": float(voices[0] @ voices[1]),
        },
        abs=1e-5,
    )


def test_si_sdr() -> None:
    signal, noise = np.random.default_rng(0).standard_normal((2, 4000))
    signal -= signal.mean()
    noise -= noise.mean() + (noise @ signal) / (signal @ signal) * signal
    noise *= np.sqrt(signal @ signal / (noise @ noise) / 10)
    assert si_sdr(signal, signal + noise) == pytest.approx(10)
    assert si_sdr(signal, -7 * (signal + noise) + 3) == pytest.approx(10)
    assert si_sdr(signal, signal) == 100
    for pair in ((signal, 0 * signal), (0 * signal, signal)):
        with pytest.raises(MetricError, match="silent"):
            si_sdr(*pair)


def test_dnsmos_is_that_of_its_package(make_pair, speech) -> None:
    own = {metric.name: metric.function(make_pair()) for metric in mos.metrics() if metric.name.startswith("dnsmos")}
    theirs = dnsmos_package.run(speech[0], sr=16_000)
    assert own == pytest.approx({name: float(theirs[key]) for name, key in mos.DNSMOS_KEYS.items()})


def test_opinions_of_louder_than_full_scale_short_and_silent(make_pair, speech) -> None:
    for metric in mos.metrics()[-2:]:
        assert 1 <= metric.function(make_pair(5 * speech[0])) <= 5
        with pytest.raises(MetricError, match="too short"):
            metric.function(make_pair(reference=speech[0, :1000]))
        with pytest.raises(MetricError, match="silent"):
            metric.function(make_pair(0 * speech[0]))


def test_speaker(make_pair, speech) -> None:
    similarity = SpeakerSimilarity()
    assert similarity(make_pair()) == pytest.approx(1.0)
    faster = resample(speech, 24_000, 16_000)[0]  # half an octave up: someone else
    other = np.pad(faster, (0, speech.shape[1] - len(faster)))
    assert similarity(make_pair(other)) < 0.8 < 0.9 < similarity(make_pair(speech[0] + 0.001 * NOISE[: speech.shape[1]]))
    with pytest.raises(MetricError, match="silent"):
        similarity(make_pair(0 * speech[0]))
