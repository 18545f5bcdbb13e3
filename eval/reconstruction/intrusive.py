"""Speech quality and intelligibility against the reference: PESQ, STOI, and the signal-to-distortion ratio."""

from __future__ import annotations

import warnings

import numpy as np

from codec.data.domains import DOMAINS
from codec.errors import CodecError
from eval.reconstruction.interface import Metric, MetricError, Pair

SI_SDR_LIMIT = 100.0
"""In dB: distortion 100 dB below the signal is as good as none; identical signals get this."""
NO_STOI = 1e-5
"""What pystoi returns, with a warning, where it cannot tell."""
STOI_SECONDS = 0.4
"""Of 30 frames, the least that it compares."""


def si_sdr(reference: np.ndarray, output: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio of zero-mean signals in dB, at most 100 (Le Roux et al., arXiv 1811.02508).

    Args:
        reference: ``(samples,)``.
        output: ``(samples,)``.

    Raises:
        MetricError: a signal is silent.

    Example:
        >>> tone = np.sin(np.arange(16000))
        >>> si_sdr(tone, 0.3 * tone)
        100.0
    """
    target, estimate = (wave.astype(np.float64) - wave.mean(dtype=np.float64) for wave in (reference, output))
    energy = target @ target
    if not energy or not estimate @ estimate:
        raise MetricError(f"the {'output' if energy else 'reference'} is silent")
    projection = (estimate @ target / energy) * target
    distortion = estimate - projection
    signal, noise = projection @ projection, distortion @ distortion
    if not signal:
        raise MetricError("output and reference have nothing in common")
    return min(SI_SDR_LIMIT, float(10 * (np.log10(signal) - np.log10(max(noise, np.finfo(float).tiny)))))


def pesq(pair: Pair, band: str) -> float:
    """PESQ as MOS-LQO: narrow band at 8 kHz (ITU-T P.862.1), wide band at 16 kHz (P.862.2), by the package pesq.

    Args:
        pair: to compare.
        band: ``nb`` or ``wb``.

    Raises:
        MetricError: silence, no utterance found, or shorter than a quarter of a second.
    """
    import pesq as package

    pair.require_sound()
    pair = pair.at(8_000 if band == "nb" else 16_000)
    try:
        return float(package.pesq(pair.sample_rate, pair.reference, pair.output, band))
    except (package.PesqError, ValueError) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise MetricError(f"PESQ: {reason.decode() if isinstance(reason, bytes) else reason}") from error


def stoi(pair: Pair, extended: bool) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), or its extended form (Jensen and Taal 2016), by pystoi.

    Args:
        pair: to compare.
        extended: which of the two.

    Raises:
        MetricError: the reference is silent, which pystoi would call unintelligible even in a perfect copy; or fewer than 30
            frames with speech (0.4 s), where it would return a made-up 1e-5.
    """
    import pystoi

    if not pair.reference.any():
        raise MetricError("the reference is silent")
    too_short = MetricError(f"STOI: less than {STOI_SECONDS} s of speech")
    if len(pair.reference) < STOI_SECONDS * pair.sample_rate:
        raise too_short
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the made-up value
        value = float(pystoi.stoi(pair.reference, pair.output, pair.sample_rate, extended=extended))
    if value == NO_STOI:
        raise too_short
    return value


def metrics() -> list[Metric]:
    """``pesq_wb``, ``pesq_nb``, ``stoi``, ``estoi``, ``si_sdr``."""
    try:
        import pesq as _pesq  # noqa: F401 - missing packages show now, not at the first clip
        import pystoi as _pystoi  # noqa: F401
    except ImportError as error:
        raise CodecError(f"PESQ and STOI need {error.name}: pip install 'semcodec[eval]'") from error
    return [
        Metric("pesq_wb", "MOS", True, ("speech",), lambda pair: pesq(pair, "wb"), "ITU-T P.862.2"),
        Metric("pesq_nb", "MOS", True, ("speech",), lambda pair: pesq(pair, "nb"), "ITU-T P.862.1"),
        Metric("stoi", "", True, ("speech",), lambda pair: stoi(pair, False), "Taal et al., IEEE TASLP 19(7), 2011"),
        Metric("estoi", "", True, ("speech",), lambda pair: stoi(pair, True), "Jensen and Taal, IEEE/ACM TASLP 24(11), 2016"),
        Metric(
            "si_sdr",
            "dB",
            True,
            DOMAINS,
            lambda pair: si_sdr(pair.reference, pair.output),
            "Le Roux et al., SDR: half-baked or well done?, arXiv 1811.02508",
        ),
    ]
