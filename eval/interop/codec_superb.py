"""Our codec for Codec-SUPERB (Wu et al., 2024), whose package ``SoundCodec`` is installed from its repository.

Codec-SUPERB finds a codec as the class ``Codec`` of a module ``SoundCodec.codec.NAME``, and has no place where others can
announce theirs. `register` puts such a module there for the running process:

    from eval.interop.codec_superb import register
    from SoundCodec.codec import load_codec
    codec = load_codec(register(rate=50))

Its benchmark is a program of its own; to add the codec for good, save these two lines as ``SoundCodec/codec/semcodec_50.py``:

    from eval.interop.codec_superb import codec_class
    Codec = codec_class(rate=50)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from codec.errors import CodecError
from codec.hub import load
from codec.tokens import Tokens


def codec_class(rate: int = 50, vocab: int | None = None, model: str | None = None) -> type:
    """A subclass of Codec-SUPERB's ``BaseCodec`` at one operating point.

    Its units are ``(layers, time)``: the semantic stream, then the acoustic ones. What it is given may have any sample rate;
    what it returns has its own ``sampling_rate``, and Codec-SUPERB's ``synth`` brings it back to that of the input.

    Args:
        rate: tokens per second.
        vocab: semantic vocabulary, default as in `codec.load`.
        model: as in `codec.load`.

    Raises:
        CodecError: Codec-SUPERB is not installed.
    """
    try:
        general = importlib.import_module("SoundCodec.base_codec.general")
    except ImportError as error:
        raise CodecError(
            "Codec-SUPERB is not installed: pip install git+https://github.com/voidful/Codec-SUPERB.git"
        ) from error
    base: Any = general.BaseCodec

    class Codec(base):  # type: ignore[misc]  # known only when it runs
        """At one rate and vocabulary."""

        def config(self) -> None:
            self.model = load(model, rate=rate, vocab=vocab, device=self.device)
            self.setting = setting_name(rate, vocab)
            self.sampling_rate = self.model.sample_rate

        def extract_unit(self, data: dict[str, Any]) -> Any:
            audio = data["audio"]
            wave = np.asarray(audio["array"], np.float32)
            tokens = self.model.encode(wave, int(audio.get("sampling_rate") or self.sampling_rate))
            return general.ExtractedUnit(unit=tokens.codes[0], stuff_for_synth=tokens)

        def decode_unit(self, stuff_for_synth: Tokens) -> np.ndarray:
            wave: np.ndarray = self.model.decode(stuff_for_synth)[0].numpy()
            return wave

    return Codec


def register(rate: int = 50, vocab: int | None = None, model: str | None = None) -> str:
    """Makes ``SoundCodec.codec.load_codec`` know our codec.

    Returns:
        The name to load it by.

    Raises:
        CodecError: Codec-SUPERB is not installed.
    """
    name = setting_name(rate, vocab)
    module = ModuleType(f"SoundCodec.codec.{name}")
    module.Codec = codec_class(rate, vocab, model)  # type: ignore[attr-defined]
    package = importlib.import_module("SoundCodec.codec")
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    return name


def setting_name(rate: int, vocab: int | None) -> str:
    """The name of a setting, as Codec-SUPERB writes names.

    Example:
        >>> setting_name(50, 32768), setting_name(25, None)
        ('semcodec_50_v32768', 'semcodec_25')
    """
    return f"semcodec_{rate}" + (f"_v{vocab}" if vocab else "")
