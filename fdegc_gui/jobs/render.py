"""A whole raster → the pyramid that the canvas draws."""

from __future__ import annotations

from typing import Protocol

from fdegc.control import CancelToken
from fdegc.types import RasterInfo, Samples, Window
from fdegc_gui.models.pyramid import Pyramid, premultiplied_bgra
from fdegc_gui.models.session import display_base

#: Rows converted at once: bounds both memory and the wait for a cancellation.
_STRIP = 512


class Readable(Protocol):
    """What can be rendered: a raster source or a finished reconstruction."""

    @property
    def info(self) -> RasterInfo:
        """What it is."""

    def read(self, window: Window) -> Samples:
        """Return the samples of a window."""


def render(source: Readable, limits: object, cancel: CancelToken) -> Pyramid:
    """Render a raster at the finest resolution that is kept for display.

    Parameters
    ----------
    source : Readable
    limits : object
        Display range as ``fdegc.raster.display_limits`` gives it.
    cancel : CancelToken
        Checked every few hundred rows.

    Raises
    ------
    Cancelled, UnsupportedRaster
    """
    from fdegc.raster import to_rgb8

    info = source.info
    # Strips have to start on whole pixels of the finest level that is kept.
    strip = max(_STRIP, 2 ** display_base(info.width, info.height))
    pyramid = Pyramid(info.width, info.height, display_base(info.width, info.height))
    for y in range(0, info.height, strip):
        cancel.check()
        window = Window(0, y, info.width, min(strip, info.height - y))
        rgba = to_rgb8(source.read(window), info, limits)  # type: ignore[arg-type]
        pyramid.transparent |= bool(rgba[..., 3].min() < 255)
        pyramid.write(0, y, premultiplied_bgra(rgba))
    pyramid.complete = True
    return pyramid
