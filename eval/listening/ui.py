"""``codec ui``: a local page to try codecs on one's own sounds."""

import io
import math
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from codec.errors import CodecError
from eval.listening.web import Guard, add_page, new_app

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE_FILES = ("ui.js", "dom.js", "player.js", "waveform.js", "spectrogram.js", "style.css", "ui.css", "icon.svg")
MAX_BODY = 64 << 20
MAX_SECONDS = 60.0
"""Of a sound that are used."""
KEPT_SOUNDS = 8
MAX_OUTPUTS = 32
"""Of one sound, so that memory has a bound."""
OURS = ("semcodec@100", "semcodec@50", "semcodec@25")


@dataclass(frozen=True)
class Output:
    """What a codec made of a sound.

    Attributes:
        name: of the codec.
        wave: ``(samples,)`` at the sound's rate.
        kbps: of this sound.
        bytes: of its file if it is one of ours, else of the bits that are sent.
        frame_rate: of the tokens in Hz; 0 if the codec has none.
        codes: tokens, a list for each stream.
    """

    name: str
    wave: np.ndarray
    kbps: float
    bytes: int
    frame_rate: float
    codes: list[list[int]]


@dataclass
class Sound:
    """What somebody recorded or dropped.

    Attributes:
        wave: ``(samples,)``, mono.
        sample_rate: in Hz.
        outputs: by their order.
    """

    wave: np.ndarray
    sample_rate: int
    outputs: list[Output] = field(default_factory=list)


def read_sound(data: bytes) -> Sound:
    """Any audio file, mono, its first `MAX_SECONDS`.

    Raises:
        CodecError: it is not audio.
    """
    from codec.audio.io import AudioReader

    blocks: list[np.ndarray] = []
    with AudioReader(io.BytesIO(data), name="the file") as reader:
        rate = reader.info.sample_rate
        limit = round(MAX_SECONDS * rate)
        for block in reader.blocks():
            blocks.append(block.mean(axis=1))
            if sum(map(len, blocks)) >= limit:
                break
    wave = np.concatenate(blocks)[:limit] if blocks else np.zeros(0, np.float32)
    if len(wave) < 0.05 * rate:
        raise CodecError("there is next to nothing in it")
    return Sound(wave.astype(np.float32), rate)


def run_codec(name: str, sound: Sound) -> Output:
    """A sound through a codec.

    Raises:
        CodecError: there is no such codec here, or it failed.
    """
    from codec.baselines import open_codec
    from codec.baselines.programs import fit
    from codec.tokens import Tokens

    codec = open_codec(name)
    try:
        encoded = codec.encode(sound.wave, sound.sample_rate)
        wave = fit(codec.decode(encoded), len(sound.wave))
    except CodecError:
        raise
    except Exception as error:  # other people's codecs fail in their own ways
        raise CodecError(f"{name} failed ({type(error).__name__}: {error})") from error
    tokens = encoded.payload
    size = math.ceil(encoded.bits / 8)
    if name.startswith("semcodec") and isinstance(tokens, Tokens):
        size = _file_size(tokens)
    rate = encoded.codes.shape[1] / (encoded.samples / encoded.sample_rate) if encoded.codes is not None else 0.0
    codes = encoded.codes.tolist() if encoded.codes is not None else []
    return Output(name, wave, encoded.bitrate / 1000, size, rate, codes)


def _file_size(tokens: Any) -> int:
    from codec.container.bitstream import save

    with tempfile.TemporaryDirectory(prefix="codec-ui-") as folder:
        save(tokens, Path(folder) / "x.sct")
        return (Path(folder) / "x.sct").stat().st_size


def offered() -> list[dict[str, Any]]:
    """Codecs that work on this machine, ours first and chosen."""
    from codec.baselines import known_codecs

    ours = [{"name": name, "about": f"this project, {name.split('@')[1]} tokens/s", "chosen": True} for name in OURS]
    return ours + [{"name": c.example, "about": c.about, "chosen": False} for c in known_codecs() if c.ready]


def make_ui() -> "FastAPI":
    """The page's server; meant for this machine only, it answers to no other name.

    Raises:
        CodecError: FastAPI is not installed.
    """
    app = new_app("codec ui")
    from fastapi import Header, HTTPException, Request, Response
    from fastapi.responses import JSONResponse
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    sounds: OrderedDict[int, Sound] = OrderedDict()
    numbers = iter(range(1, 1 << 62))
    lock = threading.Lock()  # one codec at a time: each takes all cores

    def page_only(request: Request, x_codec: Annotated[str, Header()] = "") -> None:
        # A header of our own: pages from elsewhere cannot send it without asking, and nobody answers that question.
        if request.method == "POST" and x_codec != "ui":
            raise HTTPException(403)

    def find(number: int) -> Sound:
        if number not in sounds:
            raise HTTPException(404, "This sound is gone; open it again.")
        return sounds[number]

    def add(data: bytes) -> dict[str, Any]:
        sound = read_sound(data)
        number = next(numbers)
        sounds[number] = sound
        while len(sounds) > KEPT_SOUNDS:
            sounds.popitem(last=False)
        return {"id": number, "seconds": len(sound.wave) / sound.sample_rate, "sample_rate": sound.sample_rate}

    async def upload(request: Request) -> dict[str, Any]:
        from starlette.concurrency import run_in_threadpool

        return await run_in_threadpool(add, await request.body())

    def encode(number: int, name: str) -> dict[str, Any]:
        sound = find(number)
        with lock:
            if len(sound.outputs) >= MAX_OUTPUTS:
                raise HTTPException(409, "That is enough for one sound; open it again.")
            output = run_codec(name, sound)
            sound.outputs.append(output)
        facts = {key: value for key, value in vars(output).items() if key != "wave"}
        return {**facts, "wave": f"api/sounds/{number}/{len(sound.outputs)}.wav"}

    def wave(number: int, index: int) -> Response:
        import soundfile

        sound = find(number)
        if not 0 <= index <= len(sound.outputs):
            raise HTTPException(404)
        buffer = io.BytesIO()
        samples = np.clip(sound.outputs[index - 1].wave if index else sound.wave, -1, 1)
        soundfile.write(buffer, samples, sound.sample_rate, format="WAV", subtype="PCM_16")
        return Response(buffer.getvalue(), media_type="audio/wav")

    def refuse(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    from fastapi import Depends

    guarded = [Depends(page_only)]
    app.add_exception_handler(CodecError, refuse)
    add_page(app, "ui.html", PAGE_FILES)
    app.get("/api/codecs")(offered)
    app.post("/api/sounds", dependencies=guarded)(upload)
    app.post("/api/sounds/{number}", dependencies=guarded)(encode)
    app.get("/api/sounds/{number}/{index}.wav")(wave)
    app.add_middleware(Guard, max_body=MAX_BODY)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "testserver"])
    return app
