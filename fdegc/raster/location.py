"""From pixels to map coordinates, longitude and latitude."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points

from fdegc.raster.gdal import GDAL_ERRORS
from fdegc.raster_info import RasterInfo

_WGS84 = CRS.from_epsg(4326)
#: Coordinates beyond are nowhere on Earth in any unit, and PROJ may never return from them.
_FARTHEST = 1e9


class Geolocator:
    """Places of a raster's pixels on Earth.

    Parameters
    ----------
    info : RasterInfo
        Its transform (rotated ones too) and CRS count; ground control points do not.
    """

    def __init__(self, info: RasterInfo) -> None:
        self._transform = info.transform
        self._crs: CRS | None = None
        if info.crs_wkt is not None and info.transform is not None:
            try:
                self._crs = CRS.from_wkt(info.crs_wkt)
            except CRSError:
                self._crs = None

    def lonlat(self, x: float, y: float) -> tuple[float, float] | None:
        """Longitude and latitude of a point.

        Parameters
        ----------
        x, y : float
            Column and row; pixel (0, 0) spans 0 to 1 in both.

        Returns
        -------
        (float, float) or None
            Degrees, WGS 84, as PROJ transforms them.  None without a CRS or transform, for a CRS that
            cannot be transformed (of another planet, of a building site) and for points outside of it.
        """
        if self._crs is None or self._transform is None:
            return None
        a, b, c, d, e, f = self._transform
        try:
            place = _transformed(self._crs, _WGS84, a * x + b * y + c, d * x + e * y + f)
        except (*GDAL_ERRORS, CRSError):
            self._crs = None
            return None
        return place if place is not None and abs(place[1]) <= 90 else None

    def lonlats(
        self, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64] | None:
        """Longitudes and latitudes of many points at once.

        Parameters
        ----------
        xs, ys : ndarray of float64, shape (n,)
            Columns and rows.

        Returns
        -------
        ndarray of float64, shape (2, n), or None
            Degrees, WGS 84.  None if there are none, for a single one of the points even.
        """
        if self._crs is None or self._transform is None:
            return None
        a, b, c, d, e, f = self._transform
        east, north = a * xs + b * ys + c, d * xs + e * ys + f
        if not (np.abs(east).max() < _FARTHEST and np.abs(north).max() < _FARTHEST):
            return None
        try:
            found = np.array(transform_points(self._crs, _WGS84, east.tolist(), north.tolist()), np.float64)
        except (*GDAL_ERRORS, CRSError):
            return None
        return found if np.isfinite(found).all() and (np.abs(found[1]) <= 90).all() else None

    def position(self, lon: float, lat: float) -> tuple[float, float] | None:
        """Column and row of a place on Earth: what :meth:`lonlat` does, the other way round.

        Parameters
        ----------
        lon, lat : float
            Degrees, WGS 84.

        Returns
        -------
        (float, float) or None
            They can lie outside of the raster.  None where :meth:`lonlat` has none.
        """
        if self._crs is None:
            return None
        try:
            place = _transformed(_WGS84, self._crs, lon, lat)
        except (*GDAL_ERRORS, CRSError):
            return None
        return None if place is None else self.position_on_map(*place)

    def position_on_map(self, x: float, y: float) -> tuple[float, float] | None:
        """Column and row of map coordinates; None without a transform that can be inverted."""
        if self._transform is None:
            return None
        a, b, c, d, e, f = self._transform
        det = a * e - b * d
        if not det:
            return None
        return (e * (x - c) - b * (y - f)) / det, (a * (y - f) - d * (x - c)) / det


def _transformed(source: CRS, target: CRS, x: float, y: float) -> tuple[float, float] | None:
    """Point in another CRS; None for what is nowhere in it."""
    if not (abs(x) < _FARTHEST and abs(y) < _FARTHEST):
        return None
    xs, ys = transform_points(source, target, [x], [y])
    place = float(xs[0]), float(ys[0])
    return place if all(map(math.isfinite, place)) else None
