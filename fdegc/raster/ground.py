"""Size on the ground of a part of a raster: lengths and area on the WGS 84 ellipsoid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.raster.location import Geolocator
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import GroundExtent

_Array = npt.NDArray[np.float64]

#: Semi-major axis in metres and squared eccentricity of WGS 84 (NIMA TR8350.2).
_A, _E2 = 6378137.0, 6.69437999014e-3
#: Cells a side that a window is divided into.  Their chords and facets stand for the curved ground: too
#: short by less than a part in 10⁸ for 100 km, in 2000 for the whole Earth.
_CELLS = 128


def ground_extent(info: RasterInfo, window: Window) -> GroundExtent | None:
    """Extent of a window on the ellipsoid, whatever the projection does to lengths and areas.

    Parameters
    ----------
    info : RasterInfo
        Its transform and CRS count.
    window : Window

    Returns
    -------
    GroundExtent or None
        Without heights of the terrain.  None where pixels have no place on Earth.
    """
    steps = np.linspace(0.0, 1.0, _CELLS + 1)
    xs, ys = window.x + steps * window.width, window.y + steps * window.height
    grid_x, grid_y = np.meshgrid(xs, ys)
    places = Geolocator(info).lonlats(grid_x.ravel(), grid_y.ravel())
    if places is None:
        return None
    points = _cartesian(*np.radians(places)).reshape(3, *grid_x.shape)
    middle = _CELLS // 2
    return GroundExtent(
        _length(points[:, middle]),
        _length(points[:, :, middle]),
        _length(points[:, np.arange(_CELLS + 1), np.arange(_CELLS + 1)]),
        _area(points),
    )


def _cartesian(lon: _Array, lat: _Array) -> _Array:
    """Geocentric coordinates in metres of points on the ellipsoid, shape (3, n)."""
    normal = _A / np.sqrt(1 - _E2 * np.sin(lat) ** 2)
    flat = normal * np.cos(lat)
    return np.stack([flat * np.cos(lon), flat * np.sin(lon), normal * (1 - _E2) * np.sin(lat)])


def _length(points: _Array) -> float:
    """Length of a line through points, shape (3, n)."""
    return float(np.linalg.norm(np.diff(points, axis=1), axis=0).sum())


def _area(points: _Array) -> float:
    """Area of a surface through a grid of points, shape (3, rows, columns): half the product of diagonals."""
    first = points[:, 1:, 1:] - points[:, :-1, :-1]
    second = points[:, 1:, :-1] - points[:, :-1, 1:]
    return float(np.linalg.norm(np.cross(first, second, axis=0), axis=0).sum() / 2)
