"""From pixels to map coordinates, longitude and latitude."""

from __future__ import annotations

import math

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
        east, north = a * x + b * y + c, d * x + e * y + f
        if not (abs(east) < _FARTHEST and abs(north) < _FARTHEST):
            return None
        try:
            lon, lat = transform_points(self._crs, _WGS84, [east], [north])
        except (*GDAL_ERRORS, CRSError):
            self._crs = None
            return None
        place = float(lon[0]), float(lat[0])
        return place if all(map(math.isfinite, place)) and abs(place[1]) <= 90 else None
