"""Image pyramid: halving resolutions, updated rectangle by rectangle."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc_gui.models.display import Rendering

Bgra = npt.NDArray[np.uint8]

#: Halving stops below this side.
_SMALLEST_SIDE = 128
#: Halving of a tile's picture in advance stops at this side: what is left is quickly done.
_FINEST_REDUCTION = 32


def premultiplied_bgra(rgba: npt.NDArray[np.uint8]) -> Bgra:
    """Premultiplied BGRA pixels, the order and form that Qt's raster engine draws fastest.

    Parameters
    ----------
    rgba : ndarray of uint8, shape (height, width, 4)
        Straight alpha.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Blue, green, red, alpha; colours multiplied by alpha, so that averaging does not bleed
        invisible colours over edges.
    """
    out: Bgra = np.empty_like(rgba)
    out[..., 2::-1] = rgba[..., :3]
    out[..., 3] = rgba[..., 3]
    alpha = rgba[..., 3]
    if alpha.size and int(alpha.min()) < 255:
        scaled = out[..., :3].astype(np.uint16)
        scaled *= alpha[..., None]
        out[..., :3] = (scaled + 127) // 255
    return out


def halve(image: Bgra) -> Bgra:
    """Averages of blocks of 2×2 pixels; an odd last row or column counts twice."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = np.add(image[0::2, 0::2], image[0::2, 1::2], dtype=np.uint16)
    total += image[1::2, 0::2]
    total += image[1::2, 1::2]
    total += 2
    total >>= 2
    return total.astype(np.uint8)


def reductions(bgra: Bgra) -> list[Bgra]:
    """Picture of a tile, halved again and again: what :meth:`Pyramid.write` would make of it."""
    out: list[Bgra] = []
    while max(bgra.shape[:2]) > _FINEST_REDUCTION:
        bgra = halve(bgra)
        out.append(bgra)
    return out


@dataclass(frozen=True, eq=False)
class Patch:
    """Patch: a part of the scene, rendered as finely as the screen shows it.

    Attributes
    ----------
    window : Window
        What it shows.
    factor : int
        Pixels of the scene that one of it spans, at the right and lower edge maybe fewer.
    bgra : ndarray of uint8, shape (height, width, 4)
    rendering : Rendering or None
        How it was made of samples; None for a map of differences.
    key : int
        Of the result it shows; 0 for the original.
    """

    window: Window
    factor: int
    bgra: Bgra
    rendering: Rendering | None
    key: int = 0


class Pyramid:
    """Image pyramid: levels, each half as wide and high as the one before.

    A view that is zoomed out draws a level near its own scale: no aliasing, and the cost of
    painting does not grow with the scene.

    Parameters
    ----------
    width, height : int
        Size of the scene in pixels.
    base : int
        The finest level kept has 1 / 2**base of the scene's resolution; above 0 for scenes too
        large to hold.

    Attributes
    ----------
    rendering : Rendering or None
        How its pixels were made of samples; None for a picture that came as one.
    """

    rendering: Rendering | None = None

    def __init__(self, width: int, height: int, base: int = 0) -> None:
        self.width, self.height, self.base = width, height, base
        self.complete = False
        self.transparent = False
        self.levels: list[Bgra] = []
        w, h = -(-width // 2**base), -(-height // 2**base)
        while True:
            self.levels.append(np.zeros((h, w, 4), np.uint8))  # calloc: pages come when written
            if max(w, h) <= _SMALLEST_SIDE:
                break
            w, h = -(-w // 2), -(-h // 2)
        self._scales = [(float(2 ** (base + k)),) * 2 for k in range(len(self.levels))]

    @classmethod
    def from_overview(cls, width: int, height: int, bgra: Bgra) -> Pyramid:
        """Pyramid of a reduced picture of any size, stretched over a scene of ``width`` × ``height``."""
        self = cls.__new__(cls)
        self.width, self.height, self.base = width, height, 0
        self.complete = True
        self.transparent = bool((bgra[..., 3] < 255).any())
        self.levels = [np.ascontiguousarray(bgra)]
        while max(self.levels[-1].shape[:2]) > _SMALLEST_SIDE:
            self.levels.append(halve(self.levels[-1]))
        first = (width / bgra.shape[1], height / bgra.shape[0])
        self._scales = [(first[0] * 2**k, first[1] * 2**k) for k in range(len(self.levels))]
        return self

    def erasable_copy(self) -> Pyramid:
        """Independent copy that :meth:`erase` may be called on."""
        out = copy.copy(self)
        out.levels = [level.copy() for level in self.levels]
        out.transparent = True
        return out

    def scale(self, level: int) -> tuple[float, float]:
        """Scene pixels that one pixel of a level spans, across and down."""
        return self._scales[level]

    def level_for(self, zoom: float) -> int:
        """Coarsest level that still has at least one pixel for each pixel drawn."""
        best = 0
        for k, (sx, sy) in enumerate(self._scales):
            if max(sx, sy) * zoom <= 1.0001:
                best = k
        return best

    def write(self, x: int, y: int, bgra: Bgra, reduced: Sequence[Bgra] = ()) -> None:
        """Update of a rectangle of full-resolution pixels and of every level under it.

        Parameters
        ----------
        x, y : int
            Where its upper left corner lies in the scene; multiples of 2**base.
        bgra : ndarray of uint8, shape (height, width, 4)
            As :func:`premultiplied_bgra` gives it.
        reduced : sequence of ndarray
            As of :func:`reductions`; what is there need not be made here.
        """
        made = list(reduced)
        for _ in range(self.base):
            bgra = made.pop(0) if made else halve(bgra)
        x0, y0 = x >> self.base, y >> self.base
        self._put(x0, y0, bgra, made)

    def erase(self, x: int, y: int, width: int, height: int) -> None:
        """Transparency, from now on, of the pixels that lie inside a rectangle of the scene."""
        for level, (sx, sy) in zip(self.levels, self._scales, strict=True):
            rows = _inside(y, y + height, self.height, sy)
            columns = _inside(x, x + width, self.width, sx)
            level[rows, columns] = 0

    def write_reduced(self, y0: int, pixels: Bgra) -> None:
        """Whole rows of the finest level that is kept, put in place, the first one at row ``y0`` of it."""
        self._put(0, y0, pixels)

    def _put(self, x0: int, y0: int, pixels: Bgra, reduced: Sequence[Bgra] = ()) -> None:
        """Pixels written at the finest level kept, and a rebuild of what depends on it."""
        first = self.levels[0]
        x1, y1 = min(x0 + pixels.shape[1], first.shape[1]), min(y0 + pixels.shape[0], first.shape[0])
        first[y0:y1, x0:x1] = pixels[: y1 - y0, : x1 - x0]
        made = iter(reduced)
        for finer, coarser in itertools.pairwise(self.levels):
            height, width = finer.shape[:2]
            # Whole blocks of four pixels, or cut where the scene ends: they depend on nothing beside them.
            whole = x0 % 2 == y0 % 2 == 0 and (x1 % 2 == 0 or x1 == width) and (y1 % 2 == 0 or y1 == height)
            x0, y0, x1, y1 = x0 // 2, y0 // 2, -(-x1 // 2), -(-y1 // 2)
            known = next(made, None) if whole else None
            if known is None:
                made = iter(())
                known = halve(finer[2 * y0 : 2 * y1, 2 * x0 : 2 * x1])
            coarser[y0:y1, x0:x1] = known[: y1 - y0, : x1 - x0]


def _inside(start: int, end: int, scene: int, scale: float) -> slice:
    """Pixels of ``scale`` scene pixels each that lie inside start … end; the last one may stick out."""
    slack = 1e-6
    stop = math.ceil(scene / scale - slack) if end >= scene else math.floor(end / scale + slack)
    return slice(math.ceil(start / scale - slack), stop)
