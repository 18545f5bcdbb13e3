"""One tone by single tokens: steady ones arrive whole, wherever a decoder begins, and anything decodes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.export.graph import Graph
from codec.export.tone_hints import hinted as hinted_in_graph
from codec.export.tone_hints import hints as hints_in_graph
from codec.export.tone_hints import partnered as partnered_in_graph
from codec.export.tone_hints import tellable as tellable_in_graph
from codec.networks.tone_hints import HINTS, STEPS_DOWN, hinted, hints, partnered, tellable
from codec.networks.tones import N_LEVELS

PLACES = 512


def codes_of(places: list[int], levels: list[int]) -> torch.Tensor:
    """``(1, 2, N)``: tones whose second line is silent."""
    code = torch.tensor(places) * N_LEVELS + torch.tensor(levels)
    return torch.stack([code, torch.tensor(places) * N_LEVELS])[None]


@given(st.integers(0, PLACES - 1), st.integers(1, N_LEVELS - 1), st.integers(2, 9), st.integers(0, 3))
def test_a_steady_tone_arrives_wherever_a_decoder_begins(place: int, level: int, count: int, left_out: int) -> None:
    is_tone = torch.ones(1, count + left_out, dtype=torch.bool)
    told = hints(codes_of([place] * (count + left_out), [level] * (count + left_out)), is_tone)
    assert 0 <= told.min() <= told.max() < HINTS
    drawn, codes = hinted(told[:, left_out:], is_tone[:, left_out:])
    assert drawn.all()
    assert (codes // N_LEVELS == place).all()
    nearest = min(abs(N_LEVELS - 1 - level - down) for down in STEPS_DOWN)
    assert ((codes[:, 0] % N_LEVELS - level).abs() == nearest).all()
    assert (codes[:, 1] % N_LEVELS == 0).all(), "the second tone is silent"


def test_the_stronger_of_two_tones_is_told() -> None:
    is_tone = torch.ones(1, 2, dtype=torch.bool)
    for strong, levels in ((100, (15, 12)), (300, (12, 15))):
        codes = torch.tensor([[[100 * 16 + levels[0]] * 2, [300 * 16 + levels[1]] * 2]])
        assert (hinted(hints(codes, is_tone), is_tone)[1] // N_LEVELS == strong).all()


def test_a_trembling_tone_at_the_border_of_a_cell_does_not_jump() -> None:
    places = [103, 104, 103, 104, 104, 103]  # cells have eight places
    is_tone = torch.ones(1, len(places), dtype=torch.bool)
    codes = hinted(hints(codes_of(places, [15] * 6), is_tone), is_tone)[1]
    assert ((codes[0, 0] // N_LEVELS - torch.tensor(places)).abs() <= 1).all()


def test_a_note_that_follows_another_is_told_by_its_own_cell() -> None:
    """Where notes change at an odd token, its detail would be heard in the cell before it: the note before goes on instead."""
    places = [100, 100, 100, 131, 131, 131]
    is_tone = torch.ones(1, len(places), dtype=torch.bool)
    told = hints(codes_of(places, [15] * 6), is_tone)
    assert (hinted(told, is_tone)[1][0, 0] // N_LEVELS).tolist() == [100, 100, 100, 100, 131, 131]


def test_a_cell_alone_is_drawn_and_a_detail_alone_is_not() -> None:
    alone = torch.tensor([[False, True, False]])
    assert hinted(torch.tensor([[0, 5, 0]]), alone)[0].tolist() == alone.tolist()
    assert not hinted(torch.tensor([[0, HINTS - 1, 0]]), alone)[0].any()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_graphs_say_the_same_of_any_codes(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    numbers = st.lists(st.integers(0, PLACES * N_LEVELS - 1), min_size=count, max_size=count)
    codes = torch.tensor([[data.draw(numbers), data.draw(numbers)]])
    is_tone = torch.tensor([data.draw(st.lists(st.booleans(), min_size=count, max_size=count))])
    told = hints(codes, is_tone)
    drawn, found = hinted(told, is_tone)
    alone = tellable(codes, is_tone)
    power, rest = torch.rand(2, 1, count, generator=torch.Generator().manual_seed(count)) * torch.tensor([[[1.0]], [[0.06]]])
    more, taken = partnered(codes, is_tone, power, rest)
    given = {"codes": codes[0].T, "told": told[0], "is_tone": is_tone[0], "power": power[0], "rest": rest[0]}
    theirs = graphs().run(None, {name: part.numpy() for name, part in given.items()})
    np.testing.assert_array_equal(theirs[0], told[0].numpy())
    np.testing.assert_array_equal(theirs[1], drawn[0].numpy())
    np.testing.assert_array_equal(theirs[2], found[0].numpy())
    np.testing.assert_array_equal(theirs[3], alone[0].numpy())
    np.testing.assert_array_equal(theirs[4], more[0].numpy())
    np.testing.assert_array_equal(theirs[5], taken[0].T.numpy())
    assert (hinted(hints(codes, alone), alone)[0] == alone).all(), "what can be told is drawn"
    assert (more | ~is_tone).all(), "no tone is lost"


def graphs() -> onnxruntime.InferenceSession:
    graph = Graph("hints")
    codes, told = graph.input("codes", "int64", ["tokens", 2]), graph.input("told", "int64", ["tokens"])
    is_tone = graph.input("is_tone", "bool", ["tokens"])
    drawn, found = hinted_in_graph(graph, told, is_tone)
    alone = tellable_in_graph(graph, codes, is_tone)
    power, rest = (graph.input(name, "float32", ["tokens"]) for name in ("power", "rest"))
    more, taken = partnered_in_graph(graph, codes, is_tone, power, rest)
    told_again = {"tellable": alone, "more": more, "taken": taken}
    model = graph.model({"hints": hints_in_graph(graph, codes, is_tone), "drawn": drawn, "found": found, **told_again})
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_lone_tone_takes_its_neighbour_along_where_that_is_quiet(at: int) -> None:
    """At either place of a pair; where something else sounds it stays alone, and is told if that can be."""
    codes = codes_of([321 if i == at else 0 for i in range(4)], [7 if i == at else 0 for i in range(4)])
    is_tone = torch.arange(4)[None] == at
    power, quiet = is_tone.float(), torch.full((1, 4), 1e-3)
    more, taken = partnered(codes, is_tone, power, quiet * ~is_tone)
    assert more[0].nonzero()[:, 0].tolist() == [at // 2 * 2, at // 2 * 2 + 1]
    drawn, found = hinted(hints(taken, more), more)
    assert (drawn == more).all()
    assert (found[0, 0, more[0]] // N_LEVELS == 321).all()
    assert ((found[0, 0, more[0]] % N_LEVELS - 7).abs() <= 1).all(), "as loud as the lone one"
    assert (taken[0, 0, more[0] & ~is_tone[0]] % N_LEVELS == 0).all(), "exact tokens tell the silence"
    loud = partnered(codes, is_tone, power, 0.1 * ~is_tone)[0]
    assert (loud == is_tone).all()


@pytest.mark.parametrize("count", [1, 2])
def test_no_tones_no_hints(count: int) -> None:
    drawn, codes = hinted(torch.zeros(1, count, dtype=torch.int64), torch.zeros(1, count, dtype=torch.bool))
    assert not drawn.any()
    assert not codes.any()
