"""Arrays of audio → ``input_values`` and ``padding_mask``."""

from __future__ import annotations

from typing import Any

from transformers import EncodecFeatureExtractor

from codec.huggingface.names import AUTO_MAP


class SemcodecFeatureExtractor(EncodecFeatureExtractor):  # type: ignore[misc]  # transformers is not followed
    """Pads clips to a batch, as EnCodec's does: ``input_values`` ``(B, 1, T)``, ``padding_mask`` ``(B, T)``.

    Args:
        feature_size: channels: 1.
        sampling_rate: of the model in Hz; audio of another one is refused, ``datasets.Audio(sampling_rate=…)`` converts it.
        padding_value: behind the end of a clip.
        options: of every transformers feature extractor.
    """

    def __init__(self, feature_size: int = 1, sampling_rate: int = 16_000, padding_value: float = 0.0, **options: Any) -> None:
        options = {key: value for key, value in options.items() if key not in ("chunk_length_s", "overlap", "auto_map")}
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **options)
        self.auto_map = {"AutoFeatureExtractor": AUTO_MAP["AutoFeatureExtractor"]}
