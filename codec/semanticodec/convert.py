"""Published names of weights → names of the modules here; what nothing uses is left behind, what nobody knows is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from codec.errors import ModelError
from codec.semanticodec.config import VOCODER_MELS

State = dict[str, Tensor]

# AudioMAE's own decoder and mask, running averages of the codebook and of the U-Net, tables that follow from others.
_DEAD_ENCODER = r"audiomae\.model\.(mask_token|decoder_.*)|quantizer\._codebook\.(initted|cluster_size|embed_avg)"
_DEAD_DECODER = r"model_ema\..*|logvar|betas|alphas_cumprod_prev|posterior_.*|sqrt_recip.*|log_one_minus_alphas_cumprod"
_SCHEDULE = ("alphas_cumprod", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "scale_factor")
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_VAE_SCALES = 3


def convert_encoder(state: Mapping[str, Tensor]) -> State:
    """``encoder.ckpt`` → `codec.semanticodec.encoder.Encoder`.

    Raises:
        ModelError: a key that no published encoder has.
    """
    prefixes = {"audiomae.model.": "audiomae.", "encoder.": "acoustic.lstm.", "encoder_output_linear.": "acoustic.output."}
    out: State = {}
    for key, value in state.items():
        prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), None)
        if re.fullmatch(_DEAD_ENCODER, key):
            continue
        if key == "quantizer._codebook.embed":
            out["acoustic.codebook"] = value[0]
        elif prefix:
            out[prefixes[prefix] + key.removeprefix(prefix)] = value
        else:
            raise ModelError(f"{key} is not a weight of SemantiCodec's encoder")
    return out


def convert_decoder(state: Mapping[str, Tensor]) -> dict[str, State]:
    """``decoder.ckpt`` → ``unet``, ``vae``, ``vocoder`` for diffusers and transformers, and the noise ``schedule``.

    Raises:
        ModelError: a key that no published decoder has.
    """
    parts: dict[str, State] = {"unet": {}, "vae": {}, "vocoder": {}, "schedule": {}}
    for key, value in state.items():
        if re.fullmatch(_DEAD_DECODER, key):
            continue
        if key in _SCHEDULE:
            parts["schedule"][key] = value
        elif key.startswith("model.diffusion_model."):
            parts["unet"][unet_name(key.removeprefix("model.diffusion_model."))] = value
        elif key.startswith("first_stage_model.vocoder."):
            parts["vocoder"][key.removeprefix("first_stage_model.vocoder.").replace("ups.", "upsampler.")] = value
        elif key.startswith("first_stage_model."):
            name = vae_name(key.removeprefix("first_stage_model."))
            # 1×1 convolutions there are linear layers here.
            parts["vae"][name] = value[:, :, 0, 0] if ".attentions." in name and value.ndim == 4 else value
        else:
            raise ModelError(f"{key} is not a weight of SemantiCodec's decoder")
    device = next(iter(parts["vocoder"].values())).device if parts["vocoder"] else None
    # The vocoder's class can normalise its input; this one does not.
    parts["vocoder"] |= {"mean": torch.zeros(VOCODER_MELS, device=device), "scale": torch.ones(VOCODER_MELS, device=device)}
    return parts


def unet_name(key: str) -> str:
    """CompVis' name of a U-Net weight → diffusers'."""
    for old, new in _UNET_ENDS.items():
        if key.startswith(old + "."):
            return new + key.removeprefix(old)
    block, number, place, rest = _split(key)
    index = int(number)
    if block == "middle_block":
        kind, position = ("resnets", index // 3) if index in (0, 3) else ("attentions", index - 1)
        return f"mid_block.{kind}.{position}.{_resnet(f'{place}.{rest}')}"
    if block == "input_blocks":
        side, scale, layer = "down_blocks", (index - 1) // 3, (index - 1) % 3
        if layer == 2:
            return f"{side}.{scale}.downsamplers.0.conv.{rest.removeprefix('op.')}"
    else:
        side, scale, layer = "up_blocks", index // 3, index % 3
    # An up-sampler follows the attentions where there are any.
    if rest.startswith("conv."):
        return f"{side}.{scale}.upsamplers.0.{rest}"
    if place == "0":
        return f"{side}.{scale}.resnets.{layer}.{_resnet(rest)}"
    return f"{side}.{scale}.attentions.{2 * layer + int(place) - 1}.{rest}"


def vae_name(key: str) -> str:
    """CompVis' name of an autoencoder weight → diffusers'."""
    key = key.replace("nin_shortcut", "conv_shortcut").replace("norm_out", "conv_norm_out")
    key = key.replace(".downsample.", ".downsamplers.0.").replace(".upsample.", ".upsamplers.0.")
    key = re.sub(r"\.mid\.block_(\d)", lambda match: f".mid_block.resnets.{int(match[1]) - 1}", key)
    key = re.sub(r"\.mid\.attn_1\.(\w+)", lambda match: f".mid_block.attentions.0.{_ATTENTION.get(match[1], match[1])}", key)
    key = re.sub(r"\.down\.(\d)\.block\.", r".down_blocks.\1.resnets.", key)
    key = re.sub(r"\.down\.(\d)\.", r".down_blocks.\1.", key)
    # Scales count from the outside there, from the inside here.
    key = re.sub(r"\.up\.(\d)\.", lambda match: f".up_blocks.{_VAE_SCALES - 1 - int(match[1])}.", key)
    return re.sub(r"(up_blocks\.\d)\.block\.", r"\1.resnets.", key)


def _split(key: str) -> tuple[str, str, str, str]:
    match = re.fullmatch(r"(input_blocks|middle_block|output_blocks)\.(\d+)\.(\w+)\.(.+)", key)
    if not match:
        raise ModelError(f"{key} is not a weight of SemantiCodec's U-Net")
    return match[1], match[2], match[3], match[4]


def _resnet(rest: str) -> str:
    old = next((old for old in _RESNET if rest.startswith(old + ".")), None)
    return rest if old is None else _RESNET[old] + rest.removeprefix(old)
