"""Quality on held-out clips of the free corpus, ours beside classical codecs, in one run.

Speech: ViSQOL (16 kHz, polynomial mapping), STOI, PESQ-NB, log-mel distance, word error rate of an English recogniser.
Music and sound: ViSQOL (48 kHz audio mode) and log-mel distance. A metric that fails on a clip is counted, not averaged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.audio import read_audio, resample
from codec.model import Codec
from eval.datasets.clip import Clip
from eval.datasets.free import held_out
from eval.reconstruction.interface import EVERYWHERE, Metric, Pair, Scores
from eval.reconstruction.registry import metrics, score
from eval.reconstruction.statistics import summarise
from train.losses import MultiScaleMelLoss

RATE = 16_000
Reconstruct = Callable[[np.ndarray], np.ndarray]


@dataclass
class Score:
    """Means over the clips of one domain.

    Attributes:
        codec: name with its operating point.
        domain: speech, music or sound.
        kbps: nominal bits per second / 1000.
        clips: how many were scored.
        metrics: mean of each metric.
        failed: clips on which a metric failed, by metric.
    """

    codec: str
    domain: str
    kbps: float
    clips: int
    metrics: dict[str, float]
    failed: dict[str, int] = field(default_factory=dict)


def peers() -> dict[str, tuple[float, Reconstruct]]:
    """Classical codecs whose programs are installed: Codec2 for speech, Opus for everything."""
    found: dict[str, tuple[float, Reconstruct]] = {}
    if shutil.which("c2enc"):
        for mode, kbps in (("3200", 3.2), ("1300", 1.3), ("700C", 0.7), ("450", 0.45)):
            found[f"codec2@{mode}"] = (kbps, lambda wave, mode=mode: codec2(wave, mode))  # type: ignore[misc]
    if shutil.which("opusenc"):
        for kbps in (6, 12):
            found[f"opus@{kbps}"] = (kbps, lambda wave, kbps=kbps: opus(wave, kbps))  # type: ignore[misc]
    return found


def ours(model: Codec, vocab: int) -> dict[str, tuple[float, Reconstruct]]:
    """Every rate with both streams, and the highest one from its semantic stream alone."""
    found: dict[str, tuple[float, Reconstruct]] = {}
    for rate in sorted(model.rates, reverse=True):
        tokens = model.describe(RATE, rate, vocab)
        found[f"semcodec@{rate}"] = (tokens.bitrate / 1000, lambda wave, rate=rate: _through(model, wave, rate, vocab))  # type: ignore[misc]
    highest = max(model.rates)
    kbps = model.describe(RATE, highest, vocab).semantic_only().bitrate / 1000
    found[f"semcodec@{highest // 2} semantic only"] = (
        kbps,
        lambda wave: _through(model, wave, highest, vocab, semantic_only=True),
    )
    return found


def _through(model: Codec, wave: np.ndarray, rate: int, vocab: int, semantic_only: bool = False) -> np.ndarray:
    tokens = model.encode(wave, RATE, rate, vocab)
    decoded: np.ndarray = model.decode(tokens.semantic_only() if semantic_only else tokens)[0].numpy()
    return decoded


def codec2(wave: np.ndarray, mode: str) -> np.ndarray:
    """Through ``c2enc | c2dec`` at 8 kHz; the decoder's fixed delay is taken out by correlation."""
    narrow = (np.clip(resample(wave[None], RATE, 8_000)[0], -1, 1) * 32767).astype("<i2").tobytes()
    bits = subprocess.run(["c2enc", mode, "-", "-"], input=narrow + bytes(2_000), capture_output=True, check=True).stdout
    decoded = subprocess.run(["c2dec", mode, "-", "-"], input=bits, capture_output=True, check=True).stdout
    back = np.frombuffer(decoded, "<i2").astype(np.float32) / 32768
    return align(resample(back[None], 8_000, RATE)[0], wave)


def opus(wave: np.ndarray, kbps: int) -> np.ndarray:
    """Through ``opusenc`` and ``opusdec``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        soundfile.write(path / "a.wav", wave, RATE)
        subprocess.run(["opusenc", "--quiet", "--bitrate", str(kbps), path / "a.wav", path / "a.opus"], check=True)
        subprocess.run(
            ["opusdec", "--quiet", "--rate", str(RATE), path / "a.opus", path / "b.wav"], check=True, capture_output=True
        )
        back, rate = read_audio(path / "b.wav")
        return align(resample(back[:1], rate, RATE)[0], wave)


def align(wave: np.ndarray, reference: np.ndarray, limit: int = 1600) -> np.ndarray:
    """Shifts by the lag of best correlation within ±0.1 s, and cuts or fills to the reference's length."""
    size = 1 << (len(reference) + len(wave)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(wave, size) * np.conj(np.fft.rfft(reference, size)))
    lags = np.concatenate([correlation[-limit:], correlation[: limit + 1]])
    lag = int(np.argmax(np.abs(lags))) - limit
    shifted = wave[lag:] if lag >= 0 else np.pad(wave, (-lag, 0))
    return np.pad(shifted, (0, max(0, len(reference) - len(shifted))))[: len(reference)]


def metrics_of(asr: str | None) -> list[Metric]:
    """The columns of the tables.

    Args:
        asr: faster-whisper model name or folder; None: no word error rates.
    """
    loss = MultiScaleMelLoss()

    def mel(pair: Pair) -> float:
        return float(loss(torch.from_numpy(pair.output)[None], torch.from_numpy(pair.reference)[None]))

    words = metrics(["wer"], asr=f"faster-whisper:{asr}") if asr else []
    trained_on = Metric("mel", "", False, EVERYWHERE, mel, "the distance of train.losses.MultiScaleMelLoss")
    return [*metrics(["visqol"]), trained_on, *metrics(["stoi", "pesq_nb"]), *words]


def run(model: Codec, corpus: str, split: str, per_domain: int, asr: str | None, with_peers: bool, vocab: int) -> list[Score]:
    """Scores every codec on the same clips."""
    codecs: dict[str, tuple[float, Reconstruct]] = {"original": (0.0, lambda wave: wave)} | ours(model, vocab)
    if with_peers:
        codecs |= peers()
    measures = metrics_of(asr)
    clips = held_out(Path(corpus), split, per_domain)
    scores = []
    for domain in EVERYWHERE:
        chosen = [clip for clip in clips if clip.domain == domain]
        for name, (kbps, reconstruct) in codecs.items():
            if name.startswith("codec2") and domain != "speech":
                continue
            scores.append(_score(name, domain, kbps, chosen, reconstruct, measures))
    return scores


def _score(name: str, domain: str, kbps: float, clips: list[Clip], reconstruct: Reconstruct, measures: list[Metric]) -> Score:
    scores: dict[str, Scores] = {}
    for clip in track(clips, f"{name} {domain}", transient=True):
        wave, _ = clip.load()
        pair = Pair(wave, reconstruct(wave).astype(np.float32), RATE, clip.domain, clip.text, clip.language)
        wanted = [metric for metric in measures if metric.name != "wer" or clip.text]
        scores[clip.name] = score(pair, wanted)
    figures = {metric.name: summarise(metric, scores) for metric in measures}
    means = {key: figure.value for key, figure in figures.items() if figure}
    if "wer" in means:
        means["wer"] /= 100  # a share in the file, per cent in the table
    failed = Counter(key for clip in scores.values() for key in clip.failed)
    return Score(name, domain, kbps, len(clips), means, dict(failed))


def main(
    model: Codec, corpus: str, split: str, per_domain: int, asr: str | None, output: Path | None, with_peers: bool, vocab: int
) -> None:
    """Runs, prints a table a domain, and writes JSON."""
    scores = run(model, corpus, split, per_domain, asr, with_peers, vocab)
    for domain in EVERYWHERE:
        rows = [score for score in scores if score.domain == domain]
        names = sorted({metric for row in rows for metric in row.metrics})
        table = Table("codec", "kbps", *names, "failed", title=f"{domain}: {rows[0].clips} clips of the {split} split")
        for row in rows:
            cells = [f"{row.metrics[name]:.3f}" if name in row.metrics else "–" for name in names]
            table.add_row(row.codec, f"{row.kbps:.2f}", *cells, str(row.failed or ""))
        Console().print(table)
    if output:
        report = {
            "model": model.fingerprint,
            "vocab": vocab,
            "split": split,
            "asr": asr and Path(asr).name,
            "scores": [asdict(s) for s in scores],
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report, indent=1) + "\n")
