"""Firefox without a driver beside it: it speaks WebDriver BiDi itself, on a web socket."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
"""Debian's, or another one."""
_LISTENS = "WebDriver BiDi listening on "


class Firefox:
    """One window of a browser without a screen.

    Args:
        profile: an empty folder for it.
        patience: seconds that anything may take.
    """

    def __init__(self, profile: Path, patience: float) -> None:
        assert FIREFOX is not None
        self._patience, self._count = patience, 0
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            self._socket = connect(f"{self._address()}/session", max_size=None, open_timeout=patience)
            self.call("session.new", capabilities={})
            self._window: str = self.call("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Firefox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()
        self._end()

    def call(self, method: str, **params: Any) -> Any:
        """What a command of the protocol gives.

        Raises:
            AssertionError: it refuses.
        """
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(self._patience))
            if answer.get("id") == self._count:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, address: str) -> None:
        """Goes to a page, and waits until it is there."""
        self.call("browsingContext.navigate", context=self._window, url=address, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """A text, number or truth that a script gives, or a promise of one.

        Raises:
            AssertionError: the script fails.
        """
        target = {"context": self._window}
        found = self.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert found["type"] == "success", found
        return found["result"].get("value")

    def choose(self, selector: str, *files: Path) -> None:
        """Files for an ``<input type=file>``."""
        nodes = self.call("browsingContext.locateNodes", context=self._window, locator={"type": "css", "value": selector})
        element = {"sharedId": nodes["nodes"][0]["sharedId"]}
        self.call("input.setFiles", context=self._window, element=element, files=[str(path) for path in files])

    def wait_until(self, expression: str) -> None:
        """Until a script gives true.

        Raises:
            AssertionError: it does not, in as long as patience lasts.
        """
        end = time.monotonic() + self._patience
        while not self.evaluate(expression):
            assert time.monotonic() < end, expression
            time.sleep(0.2)

    def _address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith(_LISTENS):
                return line.removeprefix(_LISTENS).strip()
        raise AssertionError("Firefox ended before it listened")

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait()
