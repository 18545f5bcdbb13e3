"""A codec as a transformers model, called as EnCodec's and Mimi's are."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from codec.bundled import folder_of
from codec.errors import CodecError
from codec.hub import DERIVED, build, hash_of
from codec.huggingface.configuration import SemcodecConfig
from codec.huggingface.feature_extraction import SemcodecFeatureExtractor
from codec.huggingface.names import REMOTE_CODE
from codec.model import Codec, Stream
from codec.networks.interface import CodecNetworks
from codec.stored import load_network, read_model_config

FETCHED = ("revision", "token", "cache_dir", "local_files_only", "force_download", "proxies")
"""Options of `huggingface_hub.snapshot_download`."""


@dataclass
class SemcodecEncoderOutput(ModelOutput):  # type: ignore[misc]  # transformers is not followed
    """``audio_codes`` ``(B, num_codebooks, T)`` int64, 0 where ``audio_codes_mask`` ``(B, T)`` is False."""

    audio_codes: Tensor | None = None
    audio_codes_mask: Tensor | None = None


@dataclass
class SemcodecDecoderOutput(ModelOutput):  # type: ignore[misc]  # transformers is not followed
    """``audio_values`` ``(B, 1, samples)`` within ±1."""

    audio_values: Tensor | None = None


@dataclass
class SemcodecOutput(ModelOutput):  # type: ignore[misc]  # transformers is not followed
    """``audio_codes`` ``(B, num_codebooks, T)``, and ``audio_values`` ``(B, 1, samples)`` that they decode to."""

    audio_codes: Tensor | None = None
    audio_values: Tensor | None = None


class SemcodecModel(PreTrainedModel):  # type: ignore[misc]  # transformers is not followed
    """Networks of a codec, with random weights unless they come from `from_pretrained`.

    Batches give each clip's codes exactly as it gives them alone, whatever the padding holds. The networks compute in float32.

    Args:
        config: sizes, rate and vocabulary.
        networks: of these sizes.
    """

    config_class = SemcodecConfig
    base_model_prefix = "networks"
    main_input_name = "input_values"
    input_modalities = ("audio",)

    def __init__(self, config: SemcodecConfig, networks: CodecNetworks | None = None) -> None:
        super().__init__(config)
        self.networks = build(config.sizes) if networks is None else networks
        self.post_init()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *arguments: Any,
        config: SemcodecConfig | None = None,
        dtype: str | torch.dtype | None = None,
        device_map: Any = None,
        **options: Any,
    ) -> SemcodecModel:
        """Reads a folder, a model that comes with the package (``semcodec-2``) or a repository of the Hub.

        Args:
            pretrained_model_name_or_path: of the model.
            arguments: none are known.
            config: in place of the folder's own, for its rate and vocabulary.
            dtype: ``None``, ``"auto"`` or float32, in which the networks compute.
            device_map: one device for all of it: ``"cpu"``, ``"cuda"``, ``"auto"``, ``{"": 0}``.
            options: of the config, such as ``rate`` and ``vocab``, or of the download, such as ``revision``; with
                ``output_loading_info`` a report comes along, which is empty: what is missing or unknown is refused.

        Raises:
            ModelError: missing, damaged, or not such a model.
            CodecError: another dtype, several devices, or unknown options.
        """
        dtype, told = options.pop("torch_dtype", dtype), options.pop("output_loading_info", False)
        if options.get("quantization_config") is not None:
            raise CodecError("quantization_config: these networks are not quantised; codec export --onnx --int8 is")
        if dtype not in (None, "auto", "float32", torch.float32):
            raise CodecError(f"dtype {dtype}: the networks compute in float32 only")
        device = _device(device_map)
        folder = folder_of(pretrained_model_name_or_path)
        fetch = {key: options.pop(key) for key in FETCHED if key in options}
        if not folder.is_dir():
            from huggingface_hub import snapshot_download

            wanted = ["*.json", "*.safetensors"]
            folder = Path(snapshot_download(str(pretrained_model_name_or_path), allow_patterns=wanted, **fetch))
        _, fingerprint = read_model_config(folder)
        found, left = SemcodecConfig.from_pretrained(folder, return_unused_kwargs=True, **options)
        unknown = arguments or {key for key in left if not key.startswith("_")} - IGNORED
        if unknown:
            raise CodecError(f"SemcodecModel.from_pretrained does not know {', '.join(map(str, sorted(unknown)))}")
        config = found if config is None else config
        config.check()
        networks = load_network(lambda: build(config.sizes), folder / "model.safetensors", DERIVED)
        config.fingerprint, config.name_or_path = fingerprint, str(pretrained_model_name_or_path)
        model = cls(config, networks.to(device)).eval()
        report: dict[str, Any] = {key: set() for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
        return (model, report | {"error_msgs": []}) if told else model  # type: ignore[return-value]  # as transformers does it

    def save_pretrained(self, save_directory: str | Path, *arguments: Any, **options: Any) -> None:
        """Writes what `from_pretrained`, ``AutoModel`` and `codec.load` read; as every transformers model otherwise."""
        self._require_float()
        Path(save_directory).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(__file__).with_name(f"{REMOTE_CODE}.py"), Path(save_directory) / f"{REMOTE_CODE}.py")
        given = options.pop("state_dict", None) or self.state_dict()
        state = {key.removeprefix("networks."): value for key, value in given.items()}
        state = {key: value for key, value in state.items() if not key.startswith(DERIVED)}
        sizes = self.networks.config.model_dump(mode="json")
        self.config.model = sizes
        self.config.fingerprint = hash_of(sizes, state)
        self.config.decoder_fingerprint = hash_of(sizes, state, decoder=True)
        options["max_shard_size"] = "1TB"  # one file, which is what codec.load reads
        super().save_pretrained(save_directory, *arguments, state_dict=state, **options)

    @property
    def codec(self) -> Codec:
        """The same networks behind the library's own interface: any sample rate, containers, streams, slices."""
        self._require_float()
        config = self.config
        return Codec(self.networks, config.name_or_path or "SemcodecModel", config.fingerprint, config.rate, config.vocab)

    @can_return_tuple  # type: ignore[untyped-decorator]  # transformers is not followed
    @torch.no_grad()
    def encode(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        num_quantizers: int | None = None,
    ) -> SemcodecEncoderOutput:
        """Audio → codes.

        Args:
            input_values: ``(B, 1, samples)`` or ``(B, samples)`` at ``config.sampling_rate``.
            padding_mask: ``(B, samples)`` or ``(B, 1, samples)``: 1 for samples, then 0 for what is behind the end of a clip.
            num_quantizers: streams of codes, the first ones; default: all of ``config.num_codebooks``.

        Raises:
            CodecError: other shapes, audio that is not within ±1, or so many streams are not there.
        """
        lengths = None if padding_mask is None else _lengths(padding_mask)
        streams = self.config.num_codebooks if num_quantizers is None else num_quantizers
        if not 1 <= streams <= self.config.num_codebooks:
            most = self.config.num_codebooks
            raise CodecError(f"num_quantizers {streams} is not within 1 … {most}, those of {self.config.rate} tokens/s")
        tokens = self.codec.encode(input_values, self.config.sampling_rate, lengths=lengths).to(self.device)
        return SemcodecEncoderOutput(audio_codes=tokens.codes[:, :streams], audio_codes_mask=tokens.mask)

    @can_return_tuple  # type: ignore[untyped-decorator]  # transformers is not followed
    @torch.no_grad()
    def decode(self, audio_codes: Tensor, padding_mask: Tensor | None = None) -> SemcodecDecoderOutput:
        """Codes → audio.

        Args:
            audio_codes: ``(B, S, T)`` integers of the first S streams.
            padding_mask: of what was encoded: the sound is as long, and silent where it is 0. Default: whole frames.

        Raises:
            CodecError: other shapes, or codes outside their codebooks.
        """
        lengths = None if padding_mask is None else _lengths(padding_mask)
        codec = self.codec
        wave = codec.decode(codec.tokens(audio_codes, lengths=lengths)).to(self.device)
        samples = wave.shape[-1] if padding_mask is None else padding_mask.shape[-1]
        return SemcodecDecoderOutput(audio_values=torch.nn.functional.pad(wave, (0, samples - wave.shape[-1]))[:, None])

    @torch.no_grad()
    def embed(self, audio_codes: Tensor, stream: Stream = "both") -> Tensor:
        """Codes ``(B, S, T)`` → vectors ``(B, T, D)``; see `codec.Codec.embed`."""
        codec = self.codec
        return codec.embed(codec.tokens(audio_codes.to(self.device)), stream)

    @can_return_tuple  # type: ignore[untyped-decorator]  # transformers is not followed
    def forward(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        audio_codes: Tensor | None = None,
        num_quantizers: int | None = None,
    ) -> SemcodecOutput:
        """Audio → codes, unless they are given → audio; arguments as `encode` and `decode` take them."""
        if audio_codes is None:
            audio_codes = self.encode(input_values, padding_mask, num_quantizers, return_dict=True).audio_codes
        decoded = self.decode(audio_codes, padding_mask, return_dict=True)
        return SemcodecOutput(audio_codes=audio_codes, audio_values=decoded.audio_values)

    def _require_float(self) -> None:
        if self.dtype != torch.float32:
            raise CodecError(f"the networks compute in float32 only, not in {self.dtype}: model.float()")

    def _init_weights(self, module: Any) -> None:
        """Networks draw their weights when they are built."""


IGNORED = {"trust_remote_code", "use_safetensors", "low_cpu_mem_usage", "weights_only", "adapter_kwargs"}
"""Options that change nothing: weights are safetensors, and code is the installed package's."""


def _device(device_map: Any) -> torch.device:
    """The one device of a device map.

    Raises:
        CodecError: several, or a device that is not there.
    """
    from codec.device import find_device

    places = set(
        map(str, device_map.values() if isinstance(device_map, dict) else ["cpu" if device_map is None else device_map])
    )
    if len(places) != 1:
        raise CodecError(f"device_map {device_map}: the networks are small and go to one device")
    place = places.pop()
    return find_device(f"cuda:{place}" if place.isdecimal() else place)


def _lengths(padding_mask: Tensor) -> Tensor:
    """``(B,)`` samples of each clip.

    Raises:
        CodecError: samples behind padding.
    """
    mask = torch.as_tensor(padding_mask).bool()
    mask = mask[:, 0] if mask.ndim == 3 and mask.shape[1] == 1 else mask
    if mask.ndim != 2 or (mask[:, 1:] & ~mask[:, :-1]).any():
        raise CodecError("padding_mask must be (batch, samples), 1 for samples, and 0 only behind the end of a clip")
    return mask.sum(1).cpu()


AutoConfig.register(SemcodecConfig.model_type, SemcodecConfig, exist_ok=True)
AutoModel.register(SemcodecConfig, SemcodecModel, exist_ok=True)
AutoFeatureExtractor.register(SemcodecConfig, SemcodecFeatureExtractor, exist_ok=True)
