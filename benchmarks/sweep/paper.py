"""Figures that the SemantiCodec paper published, for comparison by eye only: other clips, other code, other recogniser.

Table II of H. Liu et al., "SemantiCodec: An Ultra Low Bitrate Semantic Audio Codec for General Sound", arXiv 2405.00233v2:
300 utterances of LibriTTS test-clean, 250 pieces of MUSDB18 test, 500 clips of AudioSet's evaluation set.
"""

from __future__ import annotations

from dataclasses import dataclass

from codec.data.domains import DOMAINS, Domain

CITATION = "Liu et al. 2024, arXiv 2405.00233v2, Table II"


@dataclass(frozen=True)
class Published:
    """One row of the table.

    Attributes:
        model: as the paper calls it.
        kbps: bits per second / 1000.
        tokens: per second.
        mel: multi-scale mel distance of speech, music and general audio.
        stft: multi-scale STFT distance of the same.
        visqol: of the same.
        wer: word error rate of whisper-large-v3 on speech, in %.
    """

    model: str
    kbps: float
    tokens: int
    mel: tuple[float, float, float]
    stft: tuple[float, float, float]
    visqol: tuple[float, float, float]
    wer: float

    def value(self, domain: Domain, metric: str) -> float | None:
        """The value of a metric, by the metric's name here; None if the paper does not have it."""
        place = DOMAINS.index(domain)
        found: dict[str, float] = {
            "mel_distance": self.mel[place],
            "stft_distance": self.stft[place],
            "visqol": self.visqol[place],
        }
        if domain == "speech":
            found["wer"] = self.wer
        return found.get(metric)


TABLE_II = (
    Published("SemantiCodec", 0.35, 25, (5.77, 5.22, 5.06), (3.72, 3.76, 4.02), (3.49, 3.18, 2.84), 19.6),
    Published("SemantiCodec", 0.70, 50, (4.95, 4.74, 4.67), (3.49, 3.62, 3.97), (3.92, 3.54, 3.20), 5.1),
    Published("SemantiCodec", 1.40, 100, (4.54, 4.44, 4.39), (3.38, 3.56, 3.79), (4.17, 3.80, 3.48), 3.4),
    Published("DAC (retrained)", 0.47, 47, (8.62, 7.80, 7.56), (4.70, 4.24, 4.58), (2.73, 2.33, 2.12), 28.2),
    Published("DAC (retrained)", 0.78, 78, (6.76, 6.44, 6.73), (4.13, 3.88, 4.41), (3.19, 2.80, 2.47), 11.6),
    Published("DAC (retrained)", 1.41, 141, (6.71, 6.30, 6.56), (3.91, 3.72, 4.78), (3.44, 3.10, 2.85), 5.0),
    Published("EnCodec", 1.50, 150, (5.83, 5.30, 5.39), (3.67, 3.33, 4.47), (3.67, 3.27, 3.04), 5.0),
    Published("EnCodec", 3.00, 300, (5.06, 4.67, 4.84), (3.40, 3.11, 4.26), (4.10, 3.78, 3.58), 3.7),
    Published("EnCodec", 6.00, 600, (4.54, 4.17, 4.38), (3.19, 2.90, 4.10), (4.35, 4.14, 4.00), 3.3),
    Published("HiFi-Codec", 2.00, 200, (3.93, 4.37, 4.35), (2.99, 3.11, 3.61), (4.18, 3.42, 3.11), 3.6),
    Published("DAC", 6.00, 600, (2.79, 2.83, 2.91), (2.92, 2.90, 3.03), (4.71, 4.54, 4.36), 3.0),
)
