"""Inputs for VERSA (Shi et al., 2025): pairs of wav files, their lists, transcripts, and a choice of metrics.

VERSA's ``versa/bin/scorer.py`` then scores them; `Written.command` says with which options.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from codec.atomic import atomic_path, atomic_write
from codec.baselines.interface import Reconstructor
from codec.data.testsets.clip import Clip
from codec.errors import CodecError, one_line
from eval.reconstruction.delay import in_time
from eval.reconstruction.worker import checked

SCORES = """\
# Needs nothing but what VERSA installs by itself with its audio extra.
- name: mcd_f0
  f0min: 40
  f0max: 800
  mcep_shift: 5
  mcep_fftl: 1024
  mcep_dim: 39
  mcep_alpha: 0.466
  seq_mismatch_tolerance: 0.1
  power_threshold: -20
  dtw: false
- name: signal_metric
"""
SPEECH_SCORES = """\
- name: pesq
- name: stoi
"""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        clips: name by key, as used in the lists.
        failed: reason by clip, for clips that are not in the lists.
        command: that scores them.
    """

    clips: dict[str, str]
    failed: dict[str, str]
    command: str


def write_versa(codec: Reconstructor, clips: Sequence[Clip], folder: Path) -> Written:
    """Sends clips through a codec and writes ``gt.scp``, ``pred.scp``, ``text``, ``score.yaml`` and the wav files they name.

    References and outputs have the same keys, lengths and sample rates, as VERSA expects, and the codec's delay is taken out.
    ``text`` is written if every clip has a transcript, since VERSA silently leaves out clips without one.

    Raises:
        CodecError: not one clip could be written, or a path that a list cannot hold.
    """
    root = folder.resolve()
    if re.search(r"[\r\n]|\|$", str(root)):
        raise CodecError(f"{folder}: VERSA's lists cannot hold this path")
    codec = in_time(codec, clips)
    names: dict[str, str] = {}
    failed: dict[str, str] = {}
    texts: dict[str, str] = {}
    for kind in ("gt", "pred"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for index, clip in enumerate(clips):
        key = _key(index, clip.name)
        try:
            wave, sample_rate = clip.load()
            encoded = codec.encode(wave, sample_rate)
            output = checked(codec.decode(encoded), encoded, len(wave))
        except Exception as error:  # one bad clip must not cost the others
            failed[clip.name] = one_line(f"{type(error).__name__}: {error}")
            continue
        _write_wav(root / "gt" / f"{key}.wav", wave, sample_rate)
        _write_wav(root / "pred" / f"{key}.wav", output, sample_rate)
        names[key] = clip.name
        if clip.text and clip.text.strip():
            texts[key] = " ".join(clip.text.split())
    if not names:
        raise CodecError(f"no clip went through {codec.name}: {next(iter(failed.values()), 'there are none')}")
    for kind in ("gt", "pred"):
        _write_list(root / f"{kind}.scp", {key: str(root / kind / f"{key}.wav") for key in names})
    if len(texts) == len(names):
        _write_list(root / "text", texts)
    else:
        (root / "text").unlink(missing_ok=True)
    speech = all(clip.domain == "speech" for clip in clips if clip.name not in failed)
    with atomic_write(root / "score.yaml") as handle:
        handle.write((SCORES + (SPEECH_SCORES if speech else "")).encode())
    text = " --text text" if len(texts) == len(names) else ""
    command = (
        f"versa/bin/scorer.py --score_config score.yaml --gt gt.scp --pred pred.scp{text} --output_file scores --io soundfile"
    )
    return Written(names, failed, command)


def _key(index: int, name: str) -> str:
    """Unique, without spaces or anything else that a list cannot hold."""
    return f"{index:05d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)[-60:]}"


def _write_wav(path: Path, wave: np.ndarray, sample_rate: int) -> None:
    with atomic_path(path) as temporary:
        soundfile.write(temporary, np.clip(wave, -1, 1), sample_rate, "PCM_16", format="WAV")


def _write_list(path: Path, lines: dict[str, str]) -> None:
    with atomic_write(path) as handle:
        handle.write("".join(f"{key} {value}\n" for key, value in lines.items()).encode())
