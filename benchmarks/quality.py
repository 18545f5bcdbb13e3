"""Quality on held-out clips of the free corpus, ours beside classical codecs, in one run.

Speech: ViSQOL (16 kHz, polynomial mapping), STOI, PESQ-NB, log-mel distance, word error rate of an English recogniser.
Music and sound: ViSQOL (48 kHz audio mode) and log-mel distance. A metric that fails on a clip is counted, not averaged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import warnings
from collections import defaultdict
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
from codec.errors import CodecError
from codec.model import Codec
from train.corpora import Corpus
from train.corpora.store import Entry
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


@dataclass(frozen=True)
class Clip:
    """A held-out recording.

    Attributes:
        wave: ``(samples,)`` at 16 kHz.
        domain: speech, music or sound.
        text: its English transcript, if known.
    """

    wave: np.ndarray
    domain: str
    text: str | None


def held_out(corpus: Corpus, split: str, per_domain: int) -> list[Clip]:
    """Clips of a split, the same ones every time: long enough speech, 6 s crops of music, sounds as they are."""
    clips: list[Clip] = []
    for domain in ("speech", "music", "sound"):
        entries = [e for e in corpus.select(split, domain) if e.samples >= (1.5 if domain == "speech" else 0.4) * RATE]
        # Transcribed speech first, then a fixed shuffle.
        order = np.random.default_rng(0).permutation(len(entries)).tolist()
        order.sort(key=lambda i: "text" not in entries[i].clip.labels)
        pool = [_crop(corpus, entries[i], part) for part in range(12) for i in order if _has_part(entries[i], part)]
        clips += pool[:per_domain]
    return clips


def _has_part(entry: Entry, part: int) -> bool:
    return part == 0 or (entry.clip.domain == "music" and entry.samples > (part + 1) * 20 * RATE)


def _crop(corpus: Corpus, entry: Entry, part: int) -> Clip:
    if entry.clip.domain == "music":
        return Clip(
            corpus.wave(entry, min(part * 20 * RATE + 5 * RATE, max(0, entry.samples - 6 * RATE)), 6 * RATE), "music", None
        )
    return Clip(corpus.wave(entry, 0, 10 * RATE), entry.clip.domain, entry.clip.labels.get("text"))


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


def metrics_for(domain: str) -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """Functions of (reference, output).

    Raises:
        CodecError: a metric's package is missing.
    """
    try:
        import pesq
        import pystoi
        import visqol
    except ImportError as error:
        raise CodecError(f"quality needs {error.name}: pip install semcodec[eval]") from error
    mel = MultiScaleMelLoss()
    judge = visqol.VisqolApi()
    judge.create(mode="speech" if domain == "speech" else "audio", use_lattice_model=False)

    def visqol_score(reference: np.ndarray, output: np.ndarray) -> float:
        rate = RATE if domain == "speech" else 48_000
        pair = [resample(w[None].astype(np.float32), RATE, rate)[0].astype(np.float64) for w in (reference, output)]
        return float(judge.measure_from_arrays(*pair, sample_rate=rate).moslqo)

    scores: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "visqol": visqol_score,
        "mel": lambda r, o: float(mel(torch.from_numpy(o)[None], torch.from_numpy(r)[None])),
    }
    if domain == "speech":
        scores["stoi"] = lambda r, o: float(pystoi.stoi(r, o, RATE))
        scores["pesq_nb"] = lambda r, o: float(
            pesq.pesq(8_000, resample(r[None], RATE, 8_000)[0], resample(o[None], RATE, 8_000)[0], "nb")
        )
    return scores


class Recogniser:
    """Word errors of English speech through faster-whisper."""

    def __init__(self, model: str) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise CodecError("word error rates need faster-whisper: pip install semcodec[asr]") from error
        self._model = WhisperModel(model, device="cpu", compute_type="int8")

    def errors(self, wave: np.ndarray, text: str) -> tuple[int, int]:
        """Word errors and words."""
        import jiwer

        heard = " ".join(s.text for s in self._model.transcribe(wave, language="en", beam_size=5, temperature=0.0)[0])
        result = jiwer.process_words(normalise(text) or "empty", normalise(heard))
        return result.substitutions + result.deletions + result.insertions, len(normalise(text).split())


def normalise(text: str) -> str:
    """Lower case, digits spelled out, no punctuation."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    spelled = "".join(f" {words[int(c)]} " if c.isdigit() else c for c in text.lower())
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in spelled).split())


def run(
    model: Codec, corpus: Corpus, split: str, per_domain: int, asr: str | None, with_peers: bool, vocab: int
) -> list[Score]:
    """Scores every codec on the same clips."""
    codecs: dict[str, tuple[float, Reconstruct]] = {"original": (0.0, lambda wave: wave)} | ours(model, vocab)
    if with_peers:
        codecs |= peers()
    clips = held_out(corpus, split, per_domain)
    recogniser = Recogniser(asr) if asr else None
    scores = []
    for domain in ("speech", "music", "sound"):
        functions = metrics_for(domain)
        chosen = [clip for clip in clips if clip.domain == domain]
        for name, (kbps, reconstruct) in codecs.items():
            if name.startswith("codec2") and domain != "speech":
                continue
            scores.append(_score(name, domain, kbps, chosen, reconstruct, functions, recogniser))
    return scores


def _score(
    name: str,
    domain: str,
    kbps: float,
    clips: list[Clip],
    reconstruct: Reconstruct,
    functions: dict[str, Callable[[np.ndarray, np.ndarray], float]],
    recogniser: Recogniser | None,
) -> Score:
    values: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    wrong = words = 0
    for clip in track(clips, f"{name} {domain}", transient=True):
        output = reconstruct(clip.wave).astype(np.float32)
        for metric, function in functions.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # pystoi only warns when it returns a made-up 1e-5
                    values[metric].append(function(clip.wave, output))
            except Exception:  # the packages raise whatever they like on odd clips; counted and shown
                failed[metric] += 1
        if recogniser and domain == "speech" and clip.text:
            more, count = recogniser.errors(output, clip.text)
            wrong, words = wrong + more, words + count
    metrics = {metric: float(np.mean(v)) for metric, v in values.items()}
    if words:
        metrics["wer"] = wrong / words
    return Score(name, domain, kbps, len(clips), metrics, dict(failed))


def main(
    model: Codec, corpus: str, split: str, per_domain: int, asr: str | None, output: Path | None, with_peers: bool, vocab: int
) -> None:
    """Runs, prints a table a domain, and writes JSON."""
    scores = run(model, Corpus(corpus), split, per_domain, asr, with_peers, vocab)
    for domain in ("speech", "music", "sound"):
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
