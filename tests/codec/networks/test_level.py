"""Blocks that tokens would tell too quietly are told louder, by as much as is lost, and no others are touched."""

from __future__ import annotations

import torch

from codec.networks.level import HIGHEST_DB, LOST_BY_ALL_DB, STEADY_REACH, aims, block_codes, level, steadiness
from codec.networks.loudness import metric
from codec.networks.transform import BlockTransform
from quantizers.residual import ResidualKMeansQuantizer

FRAMES, N_MELS, N_COEFFICIENTS = 4, 20, 8


def parts(books: tuple[int, ...], seed: int = 0) -> tuple[BlockTransform, ResidualKMeansQuantizer]:
    """A transform whose first coefficient is the level of a block, and codebooks that tell levels alone."""
    torch.manual_seed(seed)
    transform = BlockTransform(FRAMES, N_MELS + 1, 2, N_COEFFICIENTS).requires_grad_(False)
    flat = torch.ones(FRAMES, N_MELS + 1)
    flat[:, -1] = 0
    directions = torch.linalg.qr(torch.cat([flat.view(1, -1), torch.randn(N_COEFFICIENTS - 1, flat.numel())]).T)[0].T
    directions[0] *= torch.sign(directions[0] @ flat.flatten())
    transform.analysis.weight.copy_(directions)
    transform.synthesis.weight.copy_(directions.T)
    quantizer = ResidualKMeansQuantizer(books, N_COEFFICIENTS)
    for book in quantizer.codebooks:
        book.zero_()
        book[:, 0] = torch.linspace(-9, 9, len(book)) / (1 if book is quantizer.codebooks[0] else 8)
    return transform, quantizer


def told(transform: BlockTransform, coefficients: torch.Tensor) -> torch.Tensor:
    return level(transform.synthesise(coefficients, torch.zeros(*coefficients.shape[:2], FRAMES * (N_MELS + 1))), FRAMES)


def aimed(
    transform: BlockTransform, quantizer: ResidualKMeansQuantizer, features: torch.Tensor, predicted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    wanted = transform.analyse(features, predicted)
    weighed = metric(transform, features, blocks(features) - predicted)
    return aims(transform, quantizer.decode(quantizer.encode(wanted, metric=weighed)), features, predicted, wanted)


def blocks(features: torch.Tensor) -> torch.Tensor:
    return features.unflatten(1, (-1, FRAMES)).flatten(2)


def block(line: float) -> torch.Tensor:
    """``(1, frames, width)``: bands at −1, one of them louder by so much."""
    features = torch.full((1, FRAMES, N_MELS + 1), -1.0)
    features[..., 7] += line
    return features


def test_a_level_is_the_power_of_all_bands() -> None:
    features = torch.zeros(1, 2 * FRAMES, N_MELS + 1)
    features[:, FRAMES:] += 0.5
    found = level(features, FRAMES)
    torch.testing.assert_close(found[0, 1] - found[0, 0], torch.tensor(10.0))


def test_what_tokens_tell_well_stays_what_it_is() -> None:
    transform, quantizer = parts((33, 33))
    features, predicted = block(0.0), torch.zeros(1, 1, FRAMES * (N_MELS + 1))
    features[:, 0, :-1] -= 0.5  # as unsteady as a voice
    wanted = transform.analyse(features, predicted)
    for aim in aimed(transform, quantizer, features, predicted):
        assert torch.equal(aim, wanted)


def test_what_is_steady_is_told_as_loud_as_it_is() -> None:
    """A voice that loses no more than voices lose is left alone, since the decoder gives that back; a steady sound is not."""
    transform, quantizer = parts((33, 33))
    predicted = torch.zeros(1, 1, FRAMES * (N_MELS + 1))
    steady, voice = block(0.8), block(0.8)
    voice[:, 0, :-1] -= 0.5
    for features, least, most in ((steady, 2.0, 6.0), (voice, 0.0, 0.0)):
        wanted = transform.analyse(features, predicted)
        lost = (level(features, FRAMES) - told(transform, wanted)).item()
        assert 3 < lost < LOST_BY_ALL_DB
        gained = told(transform, aimed(transform, quantizer, features, predicted)[0]) - told(transform, wanted)
        assert least <= gained.item() <= most


def noise(frames: int) -> torch.Tensor:
    """Levels that differ as those of noise do over bands as wide as these, 1.6 dB."""
    return torch.randn(1, frames, N_MELS + 1, generator=torch.Generator().manual_seed(0)) * 0.08


def test_noise_is_steady_from_its_first_block_to_its_last() -> None:
    features = torch.cat([torch.full((1, 80, N_MELS + 1), -3.0), noise(80), torch.full((1, 80, N_MELS + 1), -3.0)], 1)
    found = steadiness(features, FRAMES)[0]
    assert (found[20:40] == 1).all()
    assert (found[:20] == 0).sum() >= 9  # silence beside it
    assert (found[40:] == 0).sum() >= 9


def test_what_changes_from_one_tenth_of_a_second_to_the_next_is_not() -> None:
    features = noise(240)
    features[:, :, :10] += torch.repeat_interleave(torch.tensor([0.5, -0.5]).repeat(12), 10)[:, None]
    assert (steadiness(features, FRAMES) == 0).all()


def test_steadiness_reaches_no_further_than_it_says() -> None:
    features = noise(400)
    features[:, 190:] += 0.7
    whole = steadiness(features, FRAMES)[:, 30:70]
    reach = STEADY_REACH
    torch.testing.assert_close(steadiness(features[:, 120 - reach : 280 + reach], FRAMES)[:, reach // FRAMES :][:, :40], whole)


def test_a_line_over_a_deep_floor_is_told_louder() -> None:
    transform, quantizer = parts((33, 33))
    predicted = torch.zeros(1, 1, FRAMES * (N_MELS + 1))
    for line in (1.5, 2.0, 2.5):
        features = block(line)
        wanted = transform.analyse(features, predicted)
        lost = (level(features, FRAMES) - told(transform, wanted)).item()
        assert lost > LOST_BY_ALL_DB
        gained = (told(transform, aimed(transform, quantizer, features, predicted)[0]) - told(transform, wanted)).item()
        assert 1 < gained <= min(lost, HIGHEST_DB) + 1e-3


def test_the_only_token_of_a_block_has_one_aim() -> None:
    transform, quantizer = parts((33,))
    first, second = aimed(transform, quantizer, block(2.5), torch.zeros(1, 1, FRAMES * (N_MELS + 1)))
    assert torch.equal(first, second)


def test_batches_have_the_aims_of_their_items() -> None:
    transform, quantizer = parts((33, 33))
    features = torch.cat([block(0.0), block(2.0), block(2.5)])
    predicted = torch.zeros(3, 1, FRAMES * (N_MELS + 1))
    together = aimed(transform, quantizer, features, predicted)
    for index in range(3):
        alone = aimed(transform, quantizer, features[index : index + 1], predicted[:1])
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], many[index])


def test_codes_are_those_of_a_search_of_all_blocks_near_their_aims() -> None:
    transform, quantizer = parts((33, 33))
    features = torch.cat([torch.cat([block(line) for line in (0.0, 2.0, 0.5, 2.5)], 1), torch.cat([block(0.0)] * 4, 1)])
    predicted = torch.zeros(2, 4, FRAMES * (N_MELS + 1))
    found = block_codes(transform, quantizer, features, predicted)
    wanted, weighed = transform.analyse(features, predicted), metric(transform, features, blocks(features) - predicted)
    every, first = aimed(transform, quantizer, features, predicted)
    assert torch.equal(found, quantizer.encode(every, first, weighed.moved(every - wanted)))
    assert not torch.equal(found, quantizer.encode(wanted, metric=weighed))


def test_bands_need_not_divide_what_the_envelope_has() -> None:
    """Any number of bands is a valid configuration."""
    for n_mels in (1, 7, 64, 80):
        assert torch.equal(steadiness(torch.zeros(1, 8, n_mels + 1), FRAMES), torch.ones(1, 2))
