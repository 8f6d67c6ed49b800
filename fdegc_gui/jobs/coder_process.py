"""Process of another codec: started, watched, and ended as soon as nobody waits for it any more."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import OutputFailed
from fdegc.process import running
from fdegc.types import Progress
from fdegc_gui.jobs.base import Context

log = logging.getLogger(__name__)

_ERRORS = "errors"
#: Between two looks at the process, and at whether to go on.
_LOOK_SECONDS = 0.05
#: The process has this share of the progress; what follows is quick.
_SHARE = 0.95


@contextlib.contextmanager
def coded_apart(
    folder: Path,
    pixels: npt.NDArray[np.generic],
    codec: str,
    size: int | None,
    psnr: float | None,
    peak: float,
    context: Context[Any],
) -> Iterator[tuple[Any, npt.NDArray[np.generic]]]:
    """Picture coded by another codec in a process of its own, which is ended at once when cancelled.

    The libraries cannot be interrupted from within; and a fault of theirs takes their process only.

    Parameters
    ----------
    folder : Path
        For what the two processes exchange; made, and removed afterwards.
    pixels : ndarray, shape (height, width, bands)
    codec : str
        Its name.
    size : int or None
        Bytes to come near to.
    psnr : float or None
        dB to come near to where there is no size.
    peak : float
        Peak value of that PSNR.
    context : Context

    Yields
    ------
    answer : fdegc.evaluation.worker.Answer
    decoded : ndarray, shape (height, width, bands)
        Mapped from a file of the folder.

    Raises
    ------
    OutputFailed
        If the codec failed; in its words.
    Cancelled
    """
    from fdegc.evaluation.worker import DECODED, PIXELS, read_answer, write_request

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        np.save(folder / PIXELS, pixels)
        write_request(folder, codec, size, psnr, peak)
        status = _watched(folder, context)
        answer = read_answer(folder)
        if answer is None:
            log.warning("%s: %s", codec, (folder / _ERRORS).read_text(errors="replace").strip())
            raise OutputFailed(f"The codec's process ended without an answer (status {status}); see the log.")
        if answer.error:
            raise OutputFailed(answer.error)
        yield answer, np.load(folder / DECODED, mmap_mode="r")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watched(folder: Path, context: Context[Any]) -> int:
    """Run of the process; its exit status."""
    told = folder / "progress"
    start = time.perf_counter()
    with (
        told.open("wb") as out,
        (folder / _ERRORS).open("wb") as errors,
        running(
            "fdegc.evaluation.worker", str(folder), stdin=subprocess.DEVNULL, stdout=out, stderr=errors
        ) as process,
    ):
        lines, since = 0, start
        while process.poll() is None:
            context.cancel.check()
            steps = told.read_bytes().splitlines()
            now = time.perf_counter()
            if len(steps) != lines:
                lines, since = len(steps), now
            if steps:
                context.progress(_progress(steps[-1], now - since, now - start))
            context.cancel.wait(_LOOK_SECONDS)
        context.cancel.check()
        return process.returncode


def _progress(line: bytes, seconds: float, elapsed: float) -> Progress:
    """Progress within a try, by how long it should take; it stands still where that takes longer."""
    try:
        step = json.loads(line)
    except ValueError:  # half of a line
        return Progress("code", 0.0, elapsed, None)
    part = min(0.95, seconds / step["seconds"]) if step["seconds"] > 0 else 0.0
    fraction = _SHARE * (step["from"] + part * (step["to"] - step["from"]))
    remaining = elapsed / fraction - elapsed if fraction > 0.1 else None
    return Progress("code", fraction, elapsed, remaining)
