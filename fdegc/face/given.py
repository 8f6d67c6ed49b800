"""What callers give: names of files, windows, devices."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from fdegc.errors import InvalidOption
from fdegc.raster_info import Window

if TYPE_CHECKING:
    from fdegc.codec import Codec

#: Name of a file.
Name: TypeAlias = "str | os.PathLike[str]"
Array: TypeAlias = npt.NDArray[Any]
#: A window, or its x, y, width, height in pixels, as ``fdegc decompress --window`` has them.
Part: TypeAlias = "Window | tuple[int, int, int, int]"


def as_path(name: Any, what: str) -> Path:
    """Name of a file as a path; InvalidOption, which calls it ``what``, if it is none."""
    if not isinstance(name, (str, os.PathLike)):
        raise InvalidOption(f"{what} must be the name of a file, not a {type(name).__name__}.")
    return Path(name)


def as_window(window: Part | None) -> Window | None:
    """Window of four numbers, or as it is; InvalidOption if it is neither."""
    if window is None or isinstance(window, Window):
        return window
    try:
        x, y, width, height = (operator.index(value) for value in window)
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"A window is x, y, width and height in pixels, not {window}.") from error
    return Window(x, y, width, height)


def make_codec(device: str, threads: int | None, profile: str | None = None) -> Codec:
    """Codec on a device, with its weights."""
    from fdegc.codec import Codec

    return Codec(device=device, threads=threads, profile=profile)
