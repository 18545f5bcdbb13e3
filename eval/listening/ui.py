"""``codec ui``: a local page to try codecs on one's own sounds."""

import asyncio
import io
import json
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from codec.errors import CodecError
from eval.colours import sign_of
from eval.listening.web import PAGE, Guard, add_page, new_app
from eval.listening.workbench import Output, Shelf, Sound, container, distances, read_sound, run

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

PAGE_FILES = (
    *("ui.js", "queue.js", "opening.js", "recorder.js", "request.js", "panel.js", "transport.js", "blind.js"),
    *("dom.js", "player.js", "waveform.js", "spectrogram.js", "style.css", "ui.css", "icon.svg"),
)
EXAMPLES = {"speech.flac": "a voice", "music.ogg": "music", "alarm.ogg": "an alarm clock"}
MAX_BODY = 64 << 20
KEPT_SOUNDS = 8
MAX_OUTPUTS = 32
"""Of one sound, so that memory has a bound."""
LOOK_EVERY = 0.2
"""Seconds between looks whether somebody still waits for a codec."""
CHOSEN = (100, 50, 25)
"""Rates that are ticked at first, if the model has them."""
_DOWNLOADS = {"wav": "audio/wav", "sct": "application/octet-stream", "json": "application/json"}


def offered(shelf: Shelf) -> dict[str, Any]:
    """Codecs that work on this machine, ours first: every rate with what it costs, by vocabulary."""
    from codec.baselines import known_codecs

    model = shelf.model()

    def cost(rate: int, semantic: bool) -> dict[str, Any]:
        specs = {vocab: model.spec(rate, vocab) for vocab in model.vocabs}
        specs = {vocab: spec.first(1) if semantic else spec for vocab, spec in specs.items()}
        kbps = {str(vocab): spec.bitrate / 1000 for vocab, spec in specs.items()}
        told = {"rate": rate, "tokens": specs[model.vocab].rate, "kbps": kbps, "semantic": semantic, "chosen": not semantic}
        return {**told, "sign": sign_of("semcodec")}

    rates = [cost(rate, False) for rate in sorted(model.rates, reverse=True)]
    rates = [{**one, "chosen": one["rate"] in CHOSEN} for one in rates]
    ours = [*rates, cost(model.rate, True)]
    others = [{"name": c.example, "about": c.about, "sign": sign_of(c.example)} for c in known_codecs() if c.ready]
    return {"vocab": model.vocab, "vocabs": list(model.vocabs), "ours": ours, "others": others, "examples": EXAMPLES}


class Desk:
    """The sounds of this session; one codec works at a time, since each takes all cores."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self._sounds: OrderedDict[int, Sound] = OrderedDict()
        self._last = 0
        self._lock = threading.Lock()

    def add(self, data: bytes, name: str) -> dict[str, Any]:
        """Opens a sound; the oldest one leaves where there are many.

        Raises:
            CodecError: it is not one.
        """
        sound = read_sound(data, name, self.shelf)
        with self._lock:
            self._last += 1
            number = self._last
            self._sounds[number] = sound
            while len(self._sounds) > KEPT_SOUNDS:
                self._sounds.popitem(last=False)
        source = sound.source and sound.source.facts(sound.seconds)
        peak = float(np.abs(sound.wave).max(initial=0.0))
        return {
            **{"id": number, "name": name, "seconds": sound.seconds, "sample_rate": sound.sample_rate},
            **{"peak": peak, "source": source, "sign": sign_of("semcodec" if source else "original")},
        }

    def find(self, number: int) -> Sound | None:
        """A sound that is still here."""
        return self._sounds.get(number)

    def work(self, number: int, sound: Sound, name: str, stop: threading.Event) -> Generator[dict[str, Any], None, None]:
        """Steps, then facts, then distances, each as it is known; nothing more once ``stop`` is set.

        What was made before is told again and not made again.
        """
        from codec.baselines.stopping import StoppedError

        while not self._lock.acquire(timeout=0.2):
            yield {"step": "waiting"}
        try:
            if name not in sound.outputs and len(sound.outputs) >= MAX_OUTPUTS:
                yield {"error": "That is enough for one sound; open it again."}
                return
            if name not in sound.outputs:
                for step in run(name, sound, self.shelf, stop):
                    if isinstance(step, Output):
                        sound.outputs[name] = step
                    else:
                        yield {"step": step}
            output = sound.outputs[name]
            index = list(sound.outputs).index(name) + 1
            yield {"done": {**output.facts(sound.seconds), "place": f"api/sounds/{number}/{index}"}}
            if sound.source is None:
                yield {"distances": distances(sound, output)}
        except StoppedError:
            return
        except CodecError as error:
            yield {"error": str(error)}
        finally:
            self._lock.release()


def download(sound: Sound, index: int, kind: str) -> bytes | None:
    """A file of a sound (0) or of one of its outputs; None if there is no such file."""
    outputs = list(sound.outputs.values())
    if not 0 <= index <= len(outputs):
        return None
    output = outputs[index - 1] if index else sound.source
    if kind == "wav":
        return _wav(output.wave if output else sound.wave, sound.sample_rate)
    if output is None or not output.codes or (kind == "sct" and output.tokens is None):
        return None
    if output.tokens is not None and kind == "sct":
        return container(output.tokens)
    told = {key: getattr(output, key) for key in ("name", "frame_rate", "codebook_sizes", "codes")}
    return (json.dumps({**told, "seconds": sound.seconds}) + "\n").encode()


def _wav(wave: np.ndarray, sample_rate: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(wave, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


async def _next(work: Iterator[dict[str, Any]], stop: threading.Event, request: "Request") -> dict[str, Any] | None:
    """What work tells next, None at its end; it is stopped in its midst when whoever asked has gone."""
    import anyio
    from starlette.concurrency import run_in_threadpool

    telling = asyncio.ensure_future(run_in_threadpool(next, work, None))
    try:
        while not telling.done():
            await asyncio.wait([telling], timeout=LOOK_EVERY)
            if await request.is_disconnected():
                stop.set()
        return telling.result()
    finally:
        if not telling.done():  # this task was cancelled, for the same reason
            stop.set()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([telling])


def make_ui() -> "FastAPI":
    """The page's server; meant for this machine only, it answers to no other name.

    Raises:
        CodecError: FastAPI is not installed.
    """
    app = new_app("codec ui")
    from fastapi import Depends, Header, HTTPException, Query, Request, Response
    from fastapi.responses import JSONResponse, StreamingResponse
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    desk = Desk()

    def page_only(request: Request, x_codec: str = Header("")) -> None:
        # A header of our own: pages from elsewhere cannot send it without asking, and nobody answers that question.
        if request.method == "POST" and x_codec != "ui":
            raise HTTPException(403)

    def find(number: int) -> Sound:
        sound = desk.find(number)
        if sound is None:
            raise HTTPException(404, "This sound is gone; open it again.")
        return sound

    async def upload(request: Request, name: str = Query("sound", max_length=200)) -> dict[str, Any]:
        return await run_in_threadpool(desk.add, await request.body(), name)

    def example(name: str) -> dict[str, Any]:
        if name not in EXAMPLES:
            raise HTTPException(404)
        return desk.add((PAGE / "examples" / name).read_bytes(), name)

    async def encode(request: Request, number: int, name: str = Query(max_length=200)) -> StreamingResponse:
        stop = threading.Event()
        work = desk.work(number, find(number), name, stop)

        async def lines() -> AsyncIterator[str]:
            try:
                while (told := await _next(work, stop, request)) and not stop.is_set():
                    yield json.dumps(told) + "\n"
            finally:
                work.close()  # whoever has gone leaves the lock to others

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    def file(number: int, index: int, kind: str) -> Response:
        data = download(find(number), index, kind) if kind in _DOWNLOADS else None
        if data is None:
            raise HTTPException(404)
        return Response(data, media_type=_DOWNLOADS[kind])

    def refuse(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    guarded = [Depends(page_only)]
    app.add_exception_handler(CodecError, refuse)
    add_page(app, "ui.html", PAGE_FILES)
    app.get("/api/codecs")(lambda: offered(desk.shelf))
    app.post("/api/sounds", dependencies=guarded)(upload)
    app.post("/api/examples/{name}", dependencies=guarded)(example)
    app.post("/api/sounds/{number}", dependencies=guarded, response_model=None)(encode)
    app.get("/api/sounds/{number}/{index}.{kind}", response_model=None)(file)
    app.add_middleware(Guard, max_body=MAX_BODY)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "testserver"])
    return app
