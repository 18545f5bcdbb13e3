"""A real server on a free port, around the tiny model."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn

from codec.model import Codec
from codec.serve.app import create_app
from codec.serve.limits import Limits
from tests.faults import allow_many_files


@contextlib.contextmanager
def running(model: Codec, limits: Limits) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        app = create_app(model, limits)
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=limits.grace, ws_max_size=limits.max_message)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def server(tiny: Codec) -> Iterator[str]:
    allow_many_files()
    with running(tiny, Limits(workers=2, queue=4, streams=2, max_bytes=2_000_000, max_seconds=40, timeout=60)) as address:
        yield address


@pytest.fixture
def serve(tiny: Codec) -> Iterator[Callable[[Limits], str]]:
    """Starts servers with other limits."""
    with contextlib.ExitStack() as stack:
        yield lambda limits: stack.enter_context(running(tiny, limits))
