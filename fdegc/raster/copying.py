"""Raster files that GDAL makes of others as a whole, so that it can be cancelled."""

from __future__ import annotations

import json
import logging
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from fdegc.control import CancelToken
from fdegc.process import running
from fdegc.raster.gdal import WARNINGS_LOCK

log = logging.getLogger(__name__)

#: Samples from which on GDAL works in a process of its own if somebody may cancel: before, it takes a second
#: or two, and starting the process half of one.
_APART = 6_000_000
#: Seconds between two looks at that process, and at whether to go on.
_LOOK = 0.05


def copy_raster(
    source: Path,
    target: Path,
    driver: str,
    options: Mapping[str, Any],
    environment: Mapping[str, Any],
    samples: int,
    cancel: CancelToken | None = None,
) -> None:
    """Copy of a raster file as another kind of file.

    Parameters
    ----------
    source, target : Path
    driver : str
        GDAL's name of the kind.
    options : mapping
        Creation options, as :func:`rasterio.shutil.copy` takes them.
    environment : mapping
        Settings of GDAL.
    samples : int
        Of the raster: large ones are copied by a process that is ended when cancelled.
    cancel : CancelToken, optional

    Raises
    ------
    anything in ``GDAL_ERRORS``
    Cancelled
        The target is as far as it has come.
    """
    if cancel is None or samples < _APART:
        with WARNINGS_LOCK, warnings.catch_warnings(), rasterio.Env(**environment):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            rasterio.shutil.copy(source, target, driver=driver, **options)
        return
    asked = {
        "source": str(source),
        "target": str(target),
        "driver": driver,
        "options": dict(options),
        "environment": dict(environment),
    }
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as errors:
        request.write(json.dumps(asked).encode())
        request.seek(0)
        status = _watched(request, errors, cancel)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if status:
        log.warning("copying as %s: status %d, %s", driver, status, said)
        raise RasterioError(said.splitlines()[-1] if said else f"the process ended with status {status}")


def _watched(request: Any, errors: Any, cancel: CancelToken) -> int:
    """Run of the process; its exit status."""
    with running("fdegc.copy_program", stdin=request, stdout=subprocess.DEVNULL, stderr=errors) as process:
        while process.poll() is None:
            cancel.check()
            cancel.wait(_LOOK)
        cancel.check()
        return process.returncode
