"""Writes a model as a Hugging Face folder, without transformers: `codec.load` reads it, and so does transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from codec.atomic import atomic_write
from codec.bundled import share_token_files
from codec.errors import CodecError
from codec.hub import export, holds_model
from codec.huggingface.names import AUTO_MAP, REMOTE_CODE
from codec.model import Codec
from codec.networks.source_filter_codec import SourceFilterNetworks

NAMES = ("README.md", "preprocessor_config.json", f"{REMOTE_CODE}.py")
"""Of files that are written beside those that `codec.hub.export` writes."""
CARD = """---
license: mit
library_name: semcodec
pipeline_tag: feature-extraction
tags: [audio, codec, speech, tokens]
---

# A semcodec model

A neural audio codec with meaning in its tokens: {rates} tokens/s, semantic vocabularies {vocabs}, {sample_rate} Hz.
Fingerprint `{fingerprint}`: files carry it, and only this model decodes them.

```python
import codec

model = codec.load("FOLDER")
tokens = model.encode(wave, sample_rate=24000, rate=50)
wave = model.decode(tokens)
```

or, with semcodec and transformers installed:

```python
from transformers import AutoFeatureExtractor, AutoModel

model = AutoModel.from_pretrained("FOLDER", trust_remote_code=True)
extractor = AutoFeatureExtractor.from_pretrained("FOLDER", trust_remote_code=True)
inputs = extractor(waves, sampling_rate={sample_rate}, return_tensors="pt")
codes = model.encode(**inputs).audio_codes
```
"""


def write_folder(model: Codec, folder: Path) -> None:
    """Writes ``config.json``, ``model.safetensors``, a model card, the file that ``AutoModel`` runs, and entropy tables if any.

    Raises:
        CodecError: not a model of our own, the folder has other files of these names, or it cannot be written.
    """
    if type(model) is not Codec or not isinstance(model.networks, SourceFilterNetworks):
        raise CodecError(f"{model.name}: only models of our own kind and newest architecture become Hugging Face folders")
    taken = [name for name in NAMES if (folder / name).exists()]
    if taken and not holds_model(folder):
        raise CodecError(f"{folder}: {taken[0]} is there already, beside no model of ours; name another folder")
    try:
        fingerprint = export(model.networks, folder)
        config = json.loads((folder / "config.json").read_text("utf-8-sig"))
        config |= {
            "model_type": "semcodec",
            "architectures": ["SemcodecModel"],
            "auto_map": AUTO_MAP,
            "rate": model.rate,
            "vocab": model.vocab,
        }
        extractor = {
            "feature_extractor_type": "SemcodecFeatureExtractor",
            "auto_map": {"AutoFeatureExtractor": AUTO_MAP["AutoFeatureExtractor"]},
            "sampling_rate": model.sample_rate,
        }
        with atomic_write(folder / "preprocessor_config.json") as handle:
            handle.write((json.dumps(extractor, indent=1) + "\n").encode())
        with atomic_write(folder / "config.json") as handle:
            handle.write((json.dumps(config, indent=1) + "\n").encode())
        shutil.copyfile(Path(__file__).with_name(f"{REMOTE_CODE}.py"), folder / f"{REMOTE_CODE}.py")
        if model.folder:
            share_token_files(model.folder, folder)
        text = CARD.format(
            rates=", ".join(map(str, sorted(model.rates))),
            vocabs=", ".join(map(str, model.vocabs)),
            sample_rate=model.sample_rate,
            fingerprint=fingerprint,
        )
        with atomic_write(folder / "README.md") as handle:
            handle.write(text.encode())
    except OSError as error:
        raise CodecError(f"cannot write {folder}: {error.strerror}") from error
