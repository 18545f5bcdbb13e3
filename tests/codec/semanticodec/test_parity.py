"""Stage by stage against what the reference implementation computed with the same weights, at full size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from codec.networks.samplers import Schedule, ddim_step, ddim_table
from codec.semanticodec.conditioning import Codebooks, Context
from codec.semanticodec.config import PublishedConfig
from codec.semanticodec.convert import convert_decoder, convert_encoder
from codec.semanticodec.decoder import Decoder
from codec.semanticodec.encoder import Encoder
from codec.semanticodec.frontend import reference_count, reference_segments, to_model_rate
from quantizers.nearest import nearest
from tests.codec.semanticodec import weights
from tests.codec.semanticodec.fixtures import FOLDER, clip, codebooks, fixture, keys, networks

CLIPS = ("clip_a", "clip_c")


def error(ours: Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.numpy() - theirs).max())


def test_weights_are_those_of_the_fixtures() -> None:
    everything = keys(100)["encoder"] | keys(100)["decoder"]
    for key, (first, rms) in json.loads((FOLDER / "recipe.json").read_text()).items():
        if key in everything and "lstm" not in key and not key.endswith("_codebook.embed"):
            value = weights.make({key: everything[key]})[key].flatten()
            np.testing.assert_allclose(value[:4].numpy(), first[: len(value)], rtol=1e-6)
            assert float(value.double().pow(2).mean().sqrt()) == pytest.approx(rms, rel=1e-5)


@pytest.mark.parametrize(("name", "tolerance"), [("clip_a", 1e-3), ("clip_b", 1e-3), ("clip_c", 2e-2)])
def test_front_end(name: str, tolerance: float) -> None:
    stored = fixture("frontend")
    wave = to_model_rate(*clip(name))
    if name == "clip_c":
        assert error(wave[::16], stored["clip_c_resampled"]) < 2e-5
    rows = reference_segments(wave).flatten(0, 1)
    assert rows.shape == tuple(stored[f"{name}_shape"])
    assert error(rows[stored[f"{name}_rows"]], stored[f"{name}_fbank"]) < tolerance


def encoder(rate: int) -> tuple[Encoder, Tensor]:
    centroids, acoustic = codebooks(rate)
    config = PublishedConfig.published(rate)
    with torch.device("meta"):
        network = Encoder(config)
    dead = ("audiomae.model.decoder", "audiomae.model.mask", "quantizer._codebook.embed_avg")
    state = weights.make({k: s for k, s in keys(rate)["encoder"].items() if not k.startswith(dead)}, acoustic.numpy())
    network.load_state_dict(convert_encoder(state), strict=True, assign=True)
    return network.eval().requires_grad_(False), centroids


@pytest.mark.parametrize("rate", [100, 50])
def test_all_tokens_are_the_references(rate: int) -> None:
    network, centroids = encoder(rate)
    waves = {name: to_model_rate(*clip(name)) for name in CLIPS}
    segments = torch.cat([reference_segments(wave) for wave in waves.values()])
    with torch.inference_mode():
        seen: dict[str, Tensor] = {}
        maps: list[Tensor] = []
        network.acoustic.lstm.register_forward_hook(lambda module, args, output: seen.update(lstm=output[0]))
        network.acoustic.output.register_forward_hook(lambda module, args, output: seen.update(vq=output))
        network.audiomae.register_forward_hook(lambda module, args, output: maps.append(output))
        codes = network(segments, centroids)
    stored = fixture(f"rate{rate}")
    for index, (name, wave) in enumerate(waves.items()):
        count = reference_count(len(wave), network.stack)
        assert codes[index, :, :count].T.tolist() == stored[name].tolist()
    if rate == 100:
        stages = fixture("encode_clip_a")
        where = stages["position_index"]
        assert error(maps[0][0, stages["audiomae_index"]], stages["audiomae"]) < 3e-4
        assert error(seen["lstm"][0, where][:, ::8], stages["lstm_output"]) < 5e-4
        assert error(seen["vq"][0, where], stages["vq_input"]) < 4e-4
        # The tokens follow from these latents by plain distances, too.
        distances = torch.cdist(seen["vq"][0, where].double(), network.acoustic.codebook.double())
        assert distances.argmin(1).equal(nearest(seen["vq"][0, where], network.acoustic.codebook)[0])


def decoder(parts: tuple[str, ...]) -> Decoder:
    config = PublishedConfig.published(100)
    prefixes = {"unet": "model.diffusion", "vae": "first_stage_model.", "vocoder": "first_stage_model.vocoder"}
    wanted = tuple(prefixes[part] for part in parts)
    shapes = {k: s for k, s in keys(100)["decoder"].items() if k.startswith(wanted) or "." not in k}
    if "vae" not in parts:
        shapes = {k: s for k, s in shapes.items() if not k.startswith("first_stage_model.") or "vocoder" in k}
    state = convert_decoder(weights.make(shapes))
    nets = networks(config)
    for name in parts:
        nets[name].load_state_dict(state[name], strict=True, assign=True)
        nets[name].eval().requires_grad_(False)
    scale = float(state["schedule"].pop("scale_factor"))
    return Decoder(config, nets["unet"], nets["vae"], nets["vocoder"], Schedule(**state["schedule"]), scale)


def context() -> Context:
    centroids, acoustic = codebooks(100)
    codes = torch.from_numpy(fixture("rate100")["clip_a"].astype(np.int64)).T
    return Context.of(Codebooks(centroids, acoustic).vectors(codes[None]), 512)


def test_context_and_first_step_of_the_sampler() -> None:
    stored, model = fixture("decode_clip_a"), decoder(("unet",))
    given = context()
    assert error(given.given[0, stored["context_index"]], stored["context"]) < 5e-5  # a processor's own cosines
    assert error(given.empty[0, stored["context_index"]], stored["context_uncond"]) < 5e-5
    generator = torch.Generator().manual_seed(1234)
    x = torch.randn(1, 8, 256, 16, generator=generator)
    noise = torch.randn(1, 8, 256, 16, generator=generator)
    step = int(stored["t_first"])
    with torch.inference_mode():
        # Both calls in one batch: exactly what two calls give, up to rounding.
        velocities = model.predict(torch.cat([x, x]), step, torch.cat([given.empty, given.given]))
    assert error(velocities[1, :, ::4], stored["v_cond"]) < 1e-4
    assert error(velocities[0, :, ::4], stored["v_uncond"]) < 1e-4
    v = velocities[:1] + 2.0 * (velocities[1:] - velocities[:1])
    assert error(model.schedule.clean(x, v, step)[0][:, ::16], stored["pred_x0_first"]) < 5e-4
    table = ddim_table(model.schedule.alphas_cumprod, 4, 1.0)
    after = ddim_step(x, v, noise, len(table.steps) - 1, table, model.schedule)
    assert error(after[0][:, ::16], stored["x_steps"][0]) < 5e-4


def test_vocoder() -> None:
    stored, model = fixture("decode_clip_a"), decoder(("vocoder",))
    with torch.inference_mode():
        # Far from the slice's end the vocoder does not know that there is more.
        wave = model.vocoder(torch.from_numpy(stored["mel_start"])[None])[0]
    assert error(wave[: len(stored["wave"])], stored["wave"]) < 3e-5


@pytest.mark.heavy
def test_autoencoder() -> None:
    stored, model = fixture("decode_clip_a"), decoder(("vae", "vocoder"))
    with torch.inference_mode():
        mel = model.mel(torch.from_numpy(stored["latent"])[None])[0]
    assert error(mel[::8], stored["mel"]) < 3e-4


def test_ddim_tables() -> None:
    bar = torch.from_numpy(weights.schedule()["alphas_cumprod"])
    stored = fixture("ddim_schedules")
    for steps in (1, 2, 4, 5, 7, 10, 20, 25, 30, 50):
        table = ddim_table(bar, steps, 1.0)
        assert table.steps.tolist() == stored[f"S{steps}_timesteps"].tolist()
        np.testing.assert_allclose(table.alphas_prev, stored[f"S{steps}_alphas_prev"], atol=1e-9)
        np.testing.assert_allclose(table.sigmas, stored[f"S{steps}_sigmas"], atol=1e-6)
