"""Alpha: colours that are multiplied with it, and bands that are called so but are data."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

from fdegc.raster.source import ArraySource, RasterSource
from fdegc.raster_info import Window
from fdegc.types import Samples

#: What a band that is called alpha may be taken for; "auto" is one of the next two, by its values.
ALPHAS = ("auto", "as-alpha", "as-data", "none")
#: Samples that are looked at: windows along each side of a scene, and the side of one in pixels.
_WINDOWS, _SIDE = 4, 128
#: Alpha has mostly two values; data have more of them, and few of these two.
_FEW_VALUES, _EXTREME = 32, 0.5
#: Alpha may have soft borders; data are rough. Second differences, in deviations: 0.005 to 0.014 on average
#: of cones, bells and ramps over 256 pixels, 0.021 and more of bands of satellites and aerial cameras.
_ROUGH = 0.018


def straight(pixels: npt.NDArray[np.generic], alpha: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Colours of which alpha was divided out.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
        Multiplied with alpha.
    alpha : ndarray, shape (height, width), of the same type
        Opaque is the type's largest value; 1 in floats.

    Returns
    -------
    ndarray, shape and type of ``pixels``
        0 where alpha is.
    """
    full = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype.name).max)
    divisor = alpha.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = pixels.astype(np.float64) * full / divisor
    plain = np.where(divisor > 0, plain, 0.0)
    if pixels.dtype.kind != "f":
        plain = np.minimum(np.rint(plain), full)
    return plain.astype(pixels.dtype)


class Likeness(enum.IntEnum):
    """How much the values of an alpha band are those of data, near infrared say."""

    ALPHA = 0
    #: Many values, few of them extreme, as data and soft borders have them.
    MANY_VALUES = 1
    #: Rough, too, as no soft border is.
    DATA = 2


def likeness(source: RasterSource) -> Likeness:
    """Likeness of a raster's alpha band to data, by at most 16 windows of 128 pixels a side.

    Raises
    ------
    UnsupportedRaster
        If the file is damaged.
    """
    info = source.info
    if not info.has_alpha or info.dtype[0] == "f":
        return Likeness.ALPHA
    width, height = min(_SIDE, info.width), min(_SIDE, info.height)
    found, bends = [], []
    for row in range(_WINDOWS if height < info.height else 1):
        for column in range(_WINDOWS if width < info.width else 1):
            x = (info.width - width) * column // (_WINDOWS - 1)
            y = (info.height - height) * row // (_WINDOWS - 1)
            alpha = source.read(Window(x, y, width, height)).alpha
            assert alpha is not None
            found.append(alpha.ravel())
            bends.append(np.abs(np.diff(alpha.astype(np.float64), 2)).ravel())
    values = np.concatenate(found)
    extreme = np.mean((values == 0) | (values == values.max()))
    if extreme >= _EXTREME or len(np.unique(values)) <= _FEW_VALUES:
        return Likeness.ALPHA
    bend = np.concatenate(bends)
    rough = len(bend) > 0 and float(bend.mean()) > _ROUGH * float(values.std())
    return Likeness.DATA if rough else Likeness.MANY_VALUES


def changed(source: ArraySource, alpha: str) -> ArraySource:
    """A raster in memory whose alpha band is a band like the others ("as-data"), or is gone ("none")."""
    info = source.info
    samples = source.read(Window(0, 0, info.width, info.height))
    pixels = samples.pixels
    if alpha == "as-data" and samples.alpha is not None:
        pixels = Samples.concatenate([Samples(pixels), Samples(samples.alpha[None])], axis=-3).pixels
    return ArraySource(pixels, samples.valid, info=info)
