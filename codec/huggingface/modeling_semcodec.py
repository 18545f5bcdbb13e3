"""What ``AutoModel.from_pretrained(FOLDER, trust_remote_code=True)`` runs: the installed semcodec does the work."""

from codec.huggingface.configuration import SemcodecConfig
from codec.huggingface.feature_extraction import SemcodecFeatureExtractor
from codec.huggingface.modeling import SemcodecModel

__all__ = ["SemcodecConfig", "SemcodecFeatureExtractor", "SemcodecModel"]
