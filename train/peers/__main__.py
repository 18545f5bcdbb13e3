"""``python -m train.peers FAMILY``: trains, goes on, writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from codec.cli.main import run_script
from codec.errors import CodecError, first_error
from train.peers.config import PeerConfig
from train.peers.run import train


def main(
    family: Annotated[str, typer.Argument(help="encodec_24khz, dac_16khz, or plain: our decoder, a plain residual quantiser.")],
    corpus: Annotated[Path, typer.Option(help="A folder made by codec train corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run and its weights.")],
    minutes: Annotated[float, typer.Option(help="Of processor time, all parts together; 0: random weights.")] = 360,
    streams: Annotated[int, typer.Option(help="Codebooks in use; 0: about 1.4 kbit/s.")] = 0,
    width: Annotated[float, typer.Option(help="Of the layers: 1, 0.5 or 0.25 of the published ones.")] = 0.25,
    steps: Annotated[int, typer.Option(help="At most.")] = 1_000_000,
) -> None:
    """Train another codec's architecture on our corpus. The same command goes on where it stopped."""
    try:
        raw = {"root": str(output), "corpus": str(corpus), "family": family, "minutes": minutes, "streams": streams}
        train(PeerConfig.read({**raw, "width": width, "steps": steps}))
    except ValidationError as error:
        raise CodecError(first_error(error)) from error


if __name__ == "__main__":
    run_script(main)
