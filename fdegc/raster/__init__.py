"""Rasters in and out: files of many kinds, arrays, their mapping to the network's range, display."""

from fdegc.raster.coded_range import plan_mapping
from fdegc.raster.colours import default_bands, guess_text
from fdegc.raster.display import display_limits, raster_statistics, to_rgb8
from fdegc.raster.ground import ground_extent
from fdegc.raster.location import Geolocator
from fdegc.raster.mapping import band_groups, from_unit, peak_value, to_unit
from fdegc.raster.opening import looks_like_raster, open_raster
from fdegc.raster.saving import open_sink
from fdegc.raster.sink import RasterSink
from fdegc.raster.source import ArraySource, RasterSource

__all__ = [
    "ArraySource",
    "Geolocator",
    "RasterSink",
    "RasterSource",
    "band_groups",
    "default_bands",
    "display_limits",
    "from_unit",
    "ground_extent",
    "guess_text",
    "looks_like_raster",
    "open_raster",
    "open_sink",
    "peak_value",
    "plan_mapping",
    "raster_statistics",
    "to_rgb8",
    "to_unit",
]
