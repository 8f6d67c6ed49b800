"""Rendering of samples, and of a whole raster to the pyramid that the canvas draws."""

from __future__ import annotations

from typing import Protocol

from fdegc.control import CancelToken
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.pyramid import Bgra, Pyramid, premultiplied_bgra
from fdegc_gui.models.scene import display_base

#: Rows converted at once: bounds both memory and the wait for a cancellation.
_STRIP = 512


class Readable(Protocol):
    """Source of what is rendered: a raster source or a finished reconstruction."""

    @property
    def info(self) -> RasterInfo:
        """Size, type and bands of the raster."""

    def read(self, window: Window) -> Samples:
        """Samples of a window."""


def paint(samples: Samples, info: RasterInfo, rendering: Rendering) -> Bgra:
    """Picture of samples, rendered.

    Parameters
    ----------
    samples : Samples
        ``pixels`` (bands, height, width).
    info : RasterInfo
        Of their raster.
    rendering : Rendering

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        As :func:`premultiplied_bgra` gives it; transparent where nothing is valid.
    """
    from fdegc.raster import to_rgb8

    rgba = to_rgb8(samples, info, rendering.limits, rendering.bands, rendering.opaque, rendering.gamma)
    return premultiplied_bgra(rgba)


def render(source: Readable, rendering: Rendering, cancel: CancelToken) -> Pyramid:
    """Pyramid of a raster, rendered at the finest resolution that is kept for display.

    Parameters
    ----------
    source : Readable
    rendering : Rendering
    cancel : CancelToken
        Checked every few hundred rows.

    Raises
    ------
    Cancelled, UnsupportedRaster
    """
    info = source.info
    # Strips have to start on whole pixels of the finest level that is kept.
    strip = max(_STRIP, 2 ** display_base(info.width, info.height))
    pyramid = Pyramid(info.width, info.height, display_base(info.width, info.height))
    pyramid.rendering = rendering
    for y in range(0, info.height, strip):
        cancel.check()
        window = Window(0, y, info.width, min(strip, info.height - y))
        bgra = paint(source.read(window), info, rendering)
        pyramid.transparent |= bool(bgra[..., 3].min() < 255)
        pyramid.write(0, y, bgra)
    pyramid.complete = True
    return pyramid
