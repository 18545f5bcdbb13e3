"""Models as transformers has them for EnCodec and Mimi; importing this makes ``AutoModel`` and its kin know them.

>>> from codec.huggingface import SemcodecModel  # doctest: +SKIP
>>> model = SemcodecModel.from_pretrained("my-model")  # doctest: +SKIP
>>> codes = model.encode(input_values, padding_mask).audio_codes  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codec.errors import CodecError
from codec.lazy import lazily

if TYPE_CHECKING:
    from codec.huggingface.configuration import SemcodecConfig as SemcodecConfig
    from codec.huggingface.feature_extraction import SemcodecFeatureExtractor as SemcodecFeatureExtractor
    from codec.huggingface.folder import write_folder as write_folder
    from codec.huggingface.modeling import SemcodecModel as SemcodecModel

_HOMES = {
    "SemcodecConfig": "codec.huggingface.configuration",
    "SemcodecFeatureExtractor": "codec.huggingface.feature_extraction",
    "SemcodecModel": "codec.huggingface.modeling",
    "write_folder": "codec.huggingface.folder",
}
__all__ = ["SemcodecConfig", "SemcodecFeatureExtractor", "SemcodecModel", "write_folder"]
_find = lazily(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    try:
        return _find(name)
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise CodecError("models for transformers need it: pip install 'semcodec[hf]'") from error
