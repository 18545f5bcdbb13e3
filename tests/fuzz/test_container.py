import random

from tests.fuzz.container import check, mutate, seeds


def test_a_few_thousand_hostile_containers() -> None:
    rng, start = random.Random(1), seeds()
    assert {check(data) for data in start} == {"read"}
    outcomes = {check(mutate(rng.choice(start), rng)) for _ in range(2000)}
    assert "read" in outcomes  # mending the checksums lets some through
    assert len(outcomes) > 10
