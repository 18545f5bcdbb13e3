import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from quantizers import fit_nested as fit_nested_module
from quantizers.checkpoints import CheckpointError
from quantizers.clustering import Iteration
from quantizers.fit_nested import fit_nested, split_vocab
from quantizers.nested import NestedKMeansQuantizer

VOCABS = (8, 16, 64)


@pytest.fixture(scope="module")
def fitted() -> tuple[NestedKMeansQuantizer, torch.Tensor]:
    torch.manual_seed(0)
    points = torch.randn(3000, 6) * torch.tensor([4, 3, 2, 1, 0.5, 0.1]) + 5
    quantizer = NestedKMeansQuantizer(6, 4, VOCABS)
    fit_nested(quantizer, points, iterations=12)
    return quantizer, points


def test_a_fine_code_without_its_last_bits_is_a_coarse_one(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    projected = quantizer.project(points)
    codes = {vocab: quantizer.encode(points, vocab) for vocab in VOCABS}
    assert all(codes[v].min() >= 0 and codes[v].max() < v for v in VOCABS)
    for coarse, fine in ((8, 16), (16, 64)):
        cut = codes[fine] // (fine // coarse)
        assert (cut == codes[coarse]).float().mean() > 0.7

        def error(found: torch.Tensor, vocab: int = coarse) -> float:
            return (quantizer.decode(found, vocab) - projected).square().sum(1).mean().item()

        assert error(cut) < 1.25 * error(codes[coarse])


def test_the_search_finds_nearly_the_nearest_leaf(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    projected = quantizer.project(points)
    everywhere = torch.cdist(projected, quantizer.leaves).argmin(1)
    assert (quantizer.encode(points, 64) == everywhere).float().mean() > 0.99


def test_no_points_give_no_codes(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    codes = fitted[0].encode(torch.zeros(0, 6), 64)
    assert codes.shape == (0,)
    assert codes.dtype == torch.int64


def test_finer_vocabularies_are_closer(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    projected = quantizer.project(points)
    errors = [(quantizer(points, vocab).values - projected).square().sum(1).mean().item() for vocab in VOCABS]
    assert errors[0] > errors[1] > errors[2]


def test_one_search_finds_what_a_search_for_each_vocabulary_does(
    fitted: tuple[NestedKMeansQuantizer, torch.Tensor],
) -> None:
    quantizer, points = fitted
    batch = points[:1200].view(2, 600, -1)
    assert torch.equal(quantizer.encode_all(batch), torch.stack([quantizer.encode(batch, vocab) for vocab in VOCABS]))


def test_every_vocabulary_is_used(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    for vocab in VOCABS:
        assert quantizer.encode(points, vocab).unique().numel() >= 0.9 * vocab


def test_codewords_encode_to_themselves_or_closer(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    quantized = quantizer(points.view(30, 100, 6), 64)
    assert quantized.codes.shape == (30, 100)
    assert quantized.values.shape == (30, 100, 4)
    torch.testing.assert_close(quantized.values, quantizer.decode(quantized.codes, 64))


@pytest.mark.parametrize("vocabs", [(8, 8), (8, 12), (16, 8)])
def test_vocabularies_must_nest(vocabs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not nest"):
        NestedKMeansQuantizer(4, 2, vocabs)


def test_unknown_vocabulary_is_refused(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    for vocab in (4, 9, 128):
        with pytest.raises(ValueError, match="is none of"):
            quantizer.encode(points, vocab)


def test_every_group_gets_its_share_of_codewords() -> None:
    """A rare domain keeps codewords of its own, which one k-means over all would not give it."""
    rng = np.random.default_rng(0)
    common, rare = rng.standard_normal((6000, 4)), 6 + 0.05 * rng.standard_normal((300, 4))
    features = np.concatenate([common, rare]).astype(np.float32)
    groups = np.repeat([0, 1], [6000, 300])
    codes = {}
    for name, arguments in (("pooled", {}), ("merged", {"groups": groups, "shares": (3, 1)})):
        quantizer = NestedKMeansQuantizer(4, 4, (16, 32))
        fit_nested(quantizer, features, 10, **arguments)  # type: ignore[arg-type]
        codes[name] = len(set(quantizer.encode(torch.from_numpy(features[6000:]), 16).tolist()))
    assert codes["merged"] == 4
    assert codes["pooled"] < 4


def test_shares_add_up() -> None:
    assert split_vocab(4096, (2, 1, 1)) == [2048, 1024, 1024]
    assert sum(split_vocab(100, (1, 1, 1))) == 100


@pytest.mark.parametrize("keep_basis", [False, True])
def test_features_that_weigh_more_get_more_bits(fitted: tuple[NestedKMeansQuantizer, torch.Tensor], keep_basis: bool) -> None:
    """Distances of features are then those of the weighted ones; a space that is kept is stretched, not turned."""
    before, points = fitted
    quantizer = NestedKMeansQuantizer(6, 4, VOCABS)
    quantizer.load_state_dict(before.state_dict())
    weights = torch.tensor([0.05, 0.05, 1, 1, 1, 1])
    fit_nested(quantizer, points, iterations=12, keep_basis=keep_basis, weights=weights)

    def errors(of: NestedKMeansQuantizer) -> torch.Tensor:
        back = of(points, 64).values @ torch.linalg.pinv(of.basis) + of.mean
        return (back - points).square().mean(0)

    assert (errors(quantizer)[:2] > 1.5 * errors(before)[:2]).all()
    assert (errors(quantizer)[2:4] < 0.8 * errors(before)[2:4]).all()
    if keep_basis:
        turn = torch.linalg.lstsq(before.basis, quantizer.basis)
        torch.testing.assert_close(before.basis @ turn.solution, quantizer.basis)


def test_stretching_twice_is_stretching_once(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    before, points = fitted
    weights, bases = torch.tensor([0.2, 0.2, 1, 1, 1, 1]), []
    quantizer = NestedKMeansQuantizer(6, 4, VOCABS)
    quantizer.load_state_dict(before.state_dict())
    for _ in range(2):
        fit_nested(quantizer, points, iterations=2, keep_basis=True, weights=weights)
        bases.append(quantizer.basis.clone())
    torch.testing.assert_close(bases[0], bases[1])


@pytest.mark.parametrize("stop", [(0, 2), (1, 0), (1, 3)], ids=str)
@pytest.mark.parametrize("keep_basis", [False, True])
def test_a_fit_that_was_stopped_ends_like_an_unbroken_one(tmp_path: Path, stop: tuple[int, int], keep_basis: bool) -> None:
    torch.manual_seed(0)
    points, groups = torch.randn(2000, 6), np.repeat([0, 1], 1000)
    settings = {"groups": groups, "shares": (1, 1), "keep_basis": keep_basis, "weights": torch.linspace(0.5, 1, 6)}
    passes: list[tuple[int, int]] = []

    def fit(stop: tuple[int, int] | None, checkpoint: Path | None) -> NestedKMeansQuantizer:
        def count(group: int, number: int, iteration: Iteration) -> None:
            passes.append((group, number))
            if (group, number) == stop:
                raise KeyboardInterrupt

        quantizer = NestedKMeansQuantizer(6, 4, VOCABS)
        fit_nested(quantizer, points, 4, report=count, checkpoint=checkpoint, **settings)  # type: ignore[arg-type]
        return quantizer

    whole, every = fit(None, None), passes.copy()
    passes.clear()
    with pytest.raises(KeyboardInterrupt):
        fit(stop, tmp_path / "c")
    resumed = fit(None, tmp_path / "c")
    assert passes == every
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    fit((0, 0), tmp_path / "c")  # finds everything done
    assert passes == every


def test_a_fit_stopped_among_its_splits_ends_like_an_unbroken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    points, real = torch.randn(2000, 6), fit_nested_module.refine
    whole, resumed = NestedKMeansQuantizer(6, 4, VOCABS), NestedKMeansQuantizer(6, 4, VOCABS)
    fit_nested(whole, points, 4)
    calls: list[int] = []

    def stopping(points: torch.Tensor, parents: torch.Tensor, children: torch.Tensor) -> torch.Tensor:
        calls.append(len(children))
        if calls.count(16) == 2:
            raise KeyboardInterrupt
        return real(points, parents, children)

    monkeypatch.setattr(fit_nested_module, "refine", stopping)
    with pytest.raises(KeyboardInterrupt):
        fit_nested(resumed, points, 4, checkpoint=tmp_path)
    assert 8 in calls
    fit_nested(resumed, points, 4, checkpoint=tmp_path)
    assert calls[calls.index(16) :].count(8) == 0  # that split was done
    assert torch.equal(resumed.leaves, whole.leaves)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)

    def fit(points: np.ndarray, **settings: object) -> None:
        fit_nested(NestedKMeansQuantizer(4, 4, (4, 8)), points, checkpoint=tmp_path, **settings)  # type: ignore[arg-type]

    fit(points)
    others: list[tuple[np.ndarray, dict[str, object]]] = [
        (points + 1, {}),
        (points, {"seed": 1}),
        (points, {"iterations": 3}),
        (points, {"keep_basis": True}),
        (points, {"weights": torch.full((4,), 0.5)}),
    ]
    for features, settings in others:
        with pytest.raises(CheckpointError, match=r"basis\.safetensors: of other points or settings; delete .* to start anew"):
            fit(features, **settings)
    (tmp_path / "basis.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a k-means checkpoint"):
        fit(points)


def test_copies_cannot_be_told_apart() -> None:
    features = np.ones((1000, 4), np.float32)
    features[:5] += np.arange(5)[:, None]
    for groups, message in (
        (None, "1000 points, 5 of them distinct, cannot form 8"),
        (np.arange(1000) // 500, "500 points, 1 of"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_nested(
                NestedKMeansQuantizer(4, 2, (8, 16)), features, groups=groups, shares=(1, 1) if groups is not None else ()
            )


def test_tables_follow_their_leaves() -> None:
    quantizer = NestedKMeansQuantizer(2, 2, (2, 4))
    with torch.inference_mode():
        quantizer.table(2)
    assert quantizer.table(2) is quantizer.table(2)
    assert not quantizer.table(2).is_inference()
    quantizer.leaves.copy_(torch.arange(8.0).view(4, 2))
    assert quantizer.table(2).tolist() == [[1, 2], [5, 6]]
    quantizer.load_state_dict({**quantizer.state_dict(), "leaves": torch.ones(4, 2)})
    assert quantizer.table(2).tolist() == [[1, 1], [1, 1]]
    other = copy.deepcopy(quantizer).double()
    other.leaves.zero_()
    assert other.table(2).dtype == torch.float64
    assert not other.table(2).any()
    assert quantizer.table(2).all()


def test_leaves_made_in_inference_mode_are_followed_too() -> None:
    with torch.inference_mode():
        quantizer = NestedKMeansQuantizer(2, 2, (2, 4))
        assert not quantizer.table(2).any()
        quantizer.leaves.fill_(3)
        assert quantizer.table(2).tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("vocab", VOCABS)
def test_candidates_are_near_and_the_nearest_is_among_them(
    fitted: tuple[NestedKMeansQuantizer, torch.Tensor], vocab: int
) -> None:
    quantizer, points = fitted
    codes, distances = quantizer.candidates(points.unflatten(0, (30, 100)), vocab, 8)
    assert codes.shape == distances.shape == (30, 100, {8: 8, 16: 16, 64: 32}[vocab])  # all children of eight
    projected = quantizer.project(points).unflatten(0, (30, 100))
    torch.testing.assert_close(distances, (quantizer.table(vocab)[codes] - projected[:, :, None]).square().sum(-1))
    assert (codes.sort(-1).values.diff(dim=-1) > 0).all(), "each once"
    best = codes.gather(-1, distances.argmin(-1, keepdim=True))[..., 0].flatten()
    assert (best == quantizer.encode(points, vocab)).float().mean() > 0.97
    everything = torch.cdist(projected, quantizer.table(vocab)).square()
    assert distances.mean() < 0.7 * everything.mean() or vocab < 64


def test_there_are_no_more_candidates_than_codewords(fitted: tuple[NestedKMeansQuantizer, torch.Tensor]) -> None:
    quantizer, points = fitted
    assert quantizer.candidates(points, 8, 100)[0].shape == (3000, 8)
    assert quantizer.candidates(points, 64, 1000)[0].shape == (3000, 64)
