"""Names of metrics where people read them."""

from __future__ import annotations

TITLES = {
    "visqol": "ViSQOL",
    "wer": "Word error rate",
    "cer": "Character error rate",
    "stoi": "STOI",
    "estoi": "ESTOI",
    "pesq_wb": "PESQ wide band",
    "pesq_nb": "PESQ narrow band",
    "mel_distance": "Mel distance",
    "stft_distance": "STFT distance",
    "si_sdr": "SI-SDR",
    "speaker_similarity": "Speaker similarity",
}
