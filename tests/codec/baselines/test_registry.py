import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import codec
from codec.baselines import known_codecs, open_codec
from codec.baselines.interface import Reconstructor
from codec.baselines.names import parse
from codec.errors import CodecError, ModelError
from codec.hub import load_codec
from codec.protocol import AudioCodec


def test_every_known_codec_has_an_example_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMCODEC_MODELS", str(tmp_path))
    for known in known_codecs():
        assert parse(known.example).family == known.name
        assert known.ready == (not known.missing)
        assert "\n" not in known.missing
        if not known.ready:
            with pytest.raises(CodecError):
                open_codec(known.example)
    neural = [known for known in known_codecs() if known.tokens]
    assert neural
    assert all("--fetch" in known.missing for known in neural)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("transformers", "snac", "speechtokenizer"):
        monkeypatch.setitem(sys.modules, package, None)
    for name in ("mimi@n=8", "snac_24khz", "speechtokenizer"):
        with pytest.raises(CodecError, match=r"pip install 'semcodec\[baselines\]'"):
            open_codec(name, trained_only=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("g711@64", "known are semcodec, encodec_24khz"),
        ("encodec_24khz", "one of 1.5, 3, 6, 12, 24"),
        ("encodec_24khz@2", "one of 1.5, 3, 6, 12, 24"),
        ("encodec_24khz@3,n=2", "does not know 'n='"),
        ("dac_16khz@n=13", "between 1 and 12"),
        ("dac_16khz@2", "does not know '2'"),
        ("mimi:folder@n=2", "does not know ':folder'"),
        ("opus@5", "between 6 and 256"),
        ("opus", "write opus@"),
        ("codec2@700", "one of 450, 700C"),
        ("mp3@9", "one of 8, 16"),
        ("semcodec", "write semcodec@"),
        ("semcodec@75", "not one of 25, 50, 100"),
        ("semcodec@50,vocab=5000", "vocabulary 5000"),
        ("semcodec:no/such@50", "no model 'no/such'"),
        ("hificodec", "no maintained loader"),
    ],
)
def test_bad_names_are_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=message.replace("[", r"\[")):
        open_codec(name)


def test_ours_at_its_operating_points(tiny_folder: Path) -> None:
    both = open_codec(f"semcodec:{tiny_folder}@50,vocab=32")
    semantic = open_codec(f"semcodec:{tiny_folder}@50,vocab=32,semantic")
    assert isinstance(both, Reconstructor)
    assert both.trained
    assert (both.bitrate, semantic.bitrate) == (25 * (5 + 13), 25 * 5)
    wave = 0.1 * np.sin(np.arange(4_410, dtype=np.float32))
    encoded = both.encode(wave, 44_100)
    assert encoded.bits == 3 * (5 + 13)
    assert encoded.codes is not None
    assert encoded.codes.shape == (2, 3)
    assert both.decode(encoded).shape == (4_410,)
    assert semantic.encode(wave, 44_100).bits == 3 * 5
    assert semantic.decode(semantic.encode(wave, 44_100)).shape == (4_410,)
    assert both.encode(wave[:0], 44_100).bits == 0


def test_load_takes_every_codec_of_tokens(tiny_folder: Path) -> None:
    assert isinstance(codec.load(tiny_folder, vocab=32), AudioCodec)
    with pytest.raises(CodecError, match="has no tokens"):
        codec.load("opus@6")
    with pytest.raises(CodecError, match="only our own models have"):
        codec.load("mimi@n=8", rate=100)
    with pytest.raises(ModelError, match=r"\.sct files do not"):
        load_codec("mimi@n=8")


@pytest.mark.parametrize("package", ["transformers", "diffusers", "torch._dynamo"])  # seconds of every start
def test_own_model_does_not_import(package: str) -> None:
    check = f"import sys, codec; codec.load(); codec.models(); sys.exit({package!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
