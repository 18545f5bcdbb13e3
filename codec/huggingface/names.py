"""What a folder calls its parts, for transformers' Auto classes."""

from __future__ import annotations

REMOTE_CODE = "modeling_semcodec"
"""The module in a folder that ``trust_remote_code=True`` runs; it asks for the installed semcodec."""
AUTO_MAP = {
    "AutoConfig": f"{REMOTE_CODE}.SemcodecConfig",
    "AutoModel": f"{REMOTE_CODE}.SemcodecModel",
    "AutoFeatureExtractor": f"{REMOTE_CODE}.SemcodecFeatureExtractor",
}
