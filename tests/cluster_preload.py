"""Loaded by the workers of the cluster test: stops the coding of certain files at a certain tile.

``victim.fdegc`` and ``lost.fdegc`` stand still for ever after their second tile, so that something can
be killed just then; ``paused.fdegc`` until it is cancelled.  Each does so once, and says so through a FIFO.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from fdegc.batch import cluster
from fdegc.format.writer import ContainerWriter

STOPPING = ("victim.fdegc", "lost.fdegc", "paused.fdegc")


def dask_setup(_worker: Any) -> None:
    folder = Path(os.environ["FDEGC_TEST_FOLDER"])
    add = ContainerWriter.add

    def add_and_stop(self: ContainerWriter, payload: bytes, **hashes: int) -> None:
        add(self, payload, **hashes)
        if self.units_done != 2 or self.path.name not in STOPPING:
            return
        try:
            folder.joinpath(f"{self.path.name}.claimed").touch(exist_ok=False)
        except FileExistsError:
            return
        with open(folder / "stopped", "w") as fifo:
            fifo.write(f"{self.path.name} {os.getpid()}\n")
        if self.path.name != "paused.fdegc":
            threading.Event().wait()
        tuple(cluster._STOPS.values())[-1].wait(60)

    ContainerWriter.add = add_and_stop  # type: ignore[method-assign]
