"""Coordinate epoch of a GeoTIFF (GeoTIFF 1.1, key 5120), which rasterio neither reads nor writes."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

from fdegc.raster.tiff_tags import Directory, replace_tags

#: Where a raster's metadata keep it: the name of the domain and of its only key.
EPOCH = "COORDINATE_EPOCH"
_GEO_KEYS, _GEO_DOUBLES = 34735, 34736
_EPOCH_KEY = 5120
_SHORT, _DOUBLE = 3, 12


def epoch_of(directory: Directory) -> float | None:
    """Decimal year in which a picture's coordinates hold; None if it does not say."""
    keys = directory.values.get(_GEO_KEYS, ())
    doubles = directory.doubles.get(_GEO_DOUBLES, ())
    for at in range(4, len(keys) - 3, 4):
        if keys[at : at + 2] == (_EPOCH_KEY, _GEO_DOUBLES) and keys[at + 3] < len(doubles):
            return doubles[keys[at + 3]]
    return None


def set_epoch(path: Path, directory: Directory, epoch: str) -> None:
    """Addition of an epoch to the first picture of a file, which has GeoTIFF's keys; else nothing is done."""
    keys, doubles = directory.values.get(_GEO_KEYS, ()), directory.doubles.get(_GEO_DOUBLES, ())
    if len(keys) < 4 or epoch_of(directory) is not None:
        return
    with contextlib.suppress(ValueError):
        year = float(epoch)
        added = (*keys[:3], keys[3] + 1, *keys[4:], _EPOCH_KEY, _GEO_DOUBLES, 1, len(doubles))
        tags = {
            _GEO_KEYS: (_SHORT, len(added), struct.pack(f"{directory.order}{len(added)}H", *added)),
            _GEO_DOUBLES: (
                _DOUBLE,
                len(doubles) + 1,
                struct.pack(f"{directory.order}{len(doubles) + 1}d", *doubles, year),
            ),
        }
        replace_tags(path, directory, tags)
