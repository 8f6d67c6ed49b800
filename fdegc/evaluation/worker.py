"""Process that codes one picture with another codec, so that its work can be stopped at any moment.

``python -m fdegc.evaluation.worker FOLDER`` reads ``request.json`` and ``pixels.npy`` there and writes
``decoded.npy`` and ``answer.json``; progress goes to the standard output, a line of JSON a try.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fdegc.atomic import whole
from fdegc.control import CancelToken
from fdegc.errors import FdegcError
from fdegc.evaluation.matching import code_to_match
from fdegc.evaluation.scene_peers import find_scene_peers

REQUEST, PIXELS, DECODED, ANSWER = "request.json", "pixels.npy", "decoded.npy", "answer.json"


@dataclass(frozen=True)
class Answer:
    """Answer of the process: figures of the file that it made, or why there is none.

    Attributes
    ----------
    parameter : float
    bytes : int
    encode_seconds, decode_seconds : float
    tries : int
    error : str
        A sentence; empty if all went well.
    """

    parameter: float = 0.0
    bytes: int = 0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0
    tries: int = 0
    error: str = ""


def write_request(
    folder: Path, codec: str, size: int | None, psnr: float | None, peak: float = 255.0
) -> None:
    """Request for a codec, by its name, at a size in bytes or at a PSNR in dB with its peak value."""
    text = json.dumps({"codec": codec, "size": size, "psnr": psnr, "peak": peak})
    (folder / REQUEST).write_text(text, encoding="utf-8")


def read_answer(folder: Path) -> Answer | None:
    """Answer in a folder; None if the process left none."""
    try:
        return Answer(**json.loads((folder / ANSWER).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def main(folder: Path) -> int:
    """Work of the process; its exit status."""
    if hasattr(os, "nice"):
        os.nice(5)
    parent = os.getppid()

    class Orphan(CancelToken):
        """Stops when whoever asked is gone."""

        def check(self) -> None:
            if os.getppid() != parent:
                self.cancel()
            super().check()

    def tell(first: float, then: float, seconds: float) -> None:
        print(json.dumps({"from": first, "to": then, "seconds": seconds}), flush=True)

    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    try:
        pixels = np.ascontiguousarray(np.load(folder / PIXELS, mmap_mode="r"))
        largest = int(pixels.max()) if pixels.dtype == np.uint16 else None
        found = find_scene_peers(pixels.shape[2], pixels.dtype.name, [request["codec"]], largest)
        if not found.coders:
            raise FdegcError((found.missing or [f"{one.label} {one.why} only." for one in found.unfit])[0])
        match = code_to_match(
            found.coders[0],
            pixels,
            size=request["size"],
            psnr=request["psnr"],
            peak=request["peak"],
            on_try=tell,
            cancel=Orphan(),
        )
        np.save(folder / DECODED, match.decoded)
        answer = Answer(
            match.parameter, len(match.data), match.encode_seconds, match.decode_seconds, match.tries
        )
    except MemoryError:
        answer = Answer(error="There is not enough memory for this codec; code a smaller part of the scene.")
    except FdegcError as error:
        answer = Answer(error=str(error))
    with whole(folder / ANSWER) as out:
        out.write(json.dumps(asdict(answer)).encode())
    return 1 if answer.error else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
