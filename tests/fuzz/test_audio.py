import os
import signal
import time
from pathlib import Path

import pytest

from tests.fuzz.audio import check_batch
from tests.fuzz.lockdown import Watch, is_possible, run_locked

pytestmark = pytest.mark.skipif(not is_possible(), reason="filters system calls as Linux does")


def test_a_few_thousand_hostile_audio_files() -> None:
    outcomes = check_batch(range(3_000), 1)
    assert outcomes.total() == 3_000
    assert outcomes["read, whole, some samples"] > 300
    assert outcomes["read, with warnings, some samples"] > 100
    assert len(outcomes) > 8


def test_what_would_be_a_finding_is_one() -> None:
    def opens(number: int) -> str:
        return Path("/etc/hostname").read_text() if number == 3 else "fine"

    def hangs(number: int) -> str:
        while number == 3:
            pass
        return "fine"

    def crashes(number: int) -> str:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return "fine"

    def raises(number: int) -> str:
        return "fine" if number < 3 else str(1 // 0)

    assert run_locked(lambda number: "fine", range(9)) == {"fine": 9}
    for work, cause in ((opens, "opened a file"), (hangs, "took more than 2 s"), (crashes, "ended with -9"), (raises, "Zero")):
        with pytest.raises(AssertionError, match=f"input 3 .*{cause}"):
            run_locked(work, range(9))


def test_a_watch_tells_what_was_opened(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    watch = Watch(tmp_path)
    assert watch.opened() == set()
    (tmp_path / "x").read_bytes()
    time.sleep(0.01)
    assert watch.opened() == {"x"}
    watch.close()
