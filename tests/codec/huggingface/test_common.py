"""transformers' own common tests, from its source package, against our model, config and feature extractor.

Those that concern attention, embeddings of words, generation, gradients and half precision mean nothing here. Its wheels hold
no tests: they are taken from the source distribution of the same version, which pip downloads.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codec.huggingface import SemcodecConfig, SemcodecFeatureExtractor, SemcodecModel
from tests.codec.networks.test_source_filter_codec import SMALL

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.heavy
STUBS = {
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
}
"""What the common tests import and the source distribution does not hold; none of the tests below is from there."""
APPLY = (
    "test_batching_equivalence",
    "test_can_use_safetensors",
    "test_config_attn_implementation_setter",
    "test_determinism",
    "test_format_of_can_record_outputs",
    "test_load_contiguous_weights",
    "test_load_save_without_tied_weights",
    "test_model_is_small",
    "test_model_main_input_name",
    "test_save_load",
    "test_tied_weights_keys",
    "test_torch_save_load",
)
"""Others skip themselves, or ask for hidden states, the meta device, half precision, or weights drawn for what is missing;
what those on tuples mean is asked in `tests.codec.huggingface.test_huggingface`.
"""


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Imports one of its test modules."""
    folder = tmp_path_factory.mktemp("transformers")
    words = ["download", "--quiet", "--no-deps", "--no-binary", "transformers", f"transformers=={transformers.__version__}"]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=folder, check=True)
    package = folder / "transformers_common"
    package.mkdir()
    (package / "__init__.py").touch()
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive:
            path = Path(member.name)
            if member.isfile() and path.parts[1:2] == ("tests",) and len(path.parts) == 3:
                (package / path.name).write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
    for name, text in STUBS.items():
        (package / name).parent.mkdir()
        (package / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(pytest.mark, "_config", None)  # its markers are not ours
        yield lambda name: importlib.import_module(f"transformers_common.{name}")


def run(case: type[unittest.TestCase], names: list[str]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.TestSuite(map(case, names)).run(result)
    assert result.testsRun == len(names) > 0
    assert not (wrong := [f"{test}\n{text}" for test, text in (*result.failures, *result.errors)]), "\n".join(wrong)
    return result


class ModelTester:
    """Sizes and inputs."""

    batch_size, is_training = 3, False

    def prepare_config_and_inputs_for_common(self) -> tuple[Any, dict[str, torch.Tensor]]:
        draw = torch.Generator().manual_seed(0)
        wave = 0.1 * torch.randn(self.batch_size, 1, 6_400, generator=draw)
        return SemcodecConfig(SMALL.model_dump(mode="json")), {"input_values": wave}


def test_models(common: Any) -> None:
    mixin = common("test_modeling_common").ModelTesterMixin

    class Case(mixin, unittest.TestCase):  # type: ignore[misc]
        all_model_classes = (SemcodecModel,)
        test_resize_embeddings = has_attentions = False

        def setUp(self) -> None:
            self.model_tester = ModelTester()

    assert not run(Case, list(APPLY)).skipped


def test_configs(common: Any) -> None:
    module = common("test_configuration_common")

    class Case(unittest.TestCase):
        def test_config(self) -> None:
            common_properties = [
                "sampling_rate",
                "frame_rate",
                "num_codebooks",
                "codebook_size",
                "hop_length",
                "audio_channels",
            ]
            tester = module.ConfigTester(
                self, SemcodecConfig, has_text_modality=False, common_properties=common_properties, rate=100, vocab=4096
            )
            tester.create_and_test_config_common_properties()
            tester.create_and_test_config_to_json_string()
            tester.create_and_test_config_to_json_file()
            tester.create_and_test_config_from_and_save_pretrained()
            tester.create_and_test_config_from_and_save_pretrained_subfolder()

    run(Case, ["test_config"])


class FeatureExtractorTester:
    """Settings and inputs."""

    batch_size, feature_size, min_seq_length, max_seq_length = 4, 1, 400, 2_000
    padding_value, sampling_rate = 0.0, 16_000
    seq_length_diff = (max_seq_length - min_seq_length) // (batch_size - 1)

    def prepare_feat_extract_dict(self) -> dict[str, Any]:
        return {"feature_size": 1, "padding_value": self.padding_value, "sampling_rate": self.sampling_rate}

    def prepare_inputs_for_common(self, equal_length: bool = False, numpify: bool = False) -> list[Any]:
        draw, step = np.random.default_rng(0), self.seq_length_diff
        lengths = [self.max_seq_length] * 4 if equal_length else range(self.min_seq_length, self.max_seq_length, step)
        clips = [draw.random(length) for length in lengths]
        return clips if numpify else [clip.tolist() for clip in clips]


def test_feature_extractors(common: Any) -> None:
    mixin = common("test_sequence_feature_extraction_common").SequenceFeatureExtractionTestMixin

    class Case(mixin, unittest.TestCase):  # type: ignore[misc]
        feature_extraction_class = SemcodecFeatureExtractor

        def setUp(self) -> None:
            self.feat_extract_tester = FeatureExtractorTester()

    run(Case, [name for name in dir(Case) if name.startswith("test_") and callable(getattr(Case, name))])
