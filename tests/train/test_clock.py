import pytest

from train.clock import ProcessorTime


def test_waiting_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]
    monkeypatch.setattr("time.process_time", lambda: now[0])
    clock = ProcessorTime()
    now[0] = 7.0
    assert clock.seconds == 2.0
    clock.load_state_dict({"seconds": 30.0})
    now[0] = 8.0
    assert clock.state_dict() == {"seconds": 31.0}
