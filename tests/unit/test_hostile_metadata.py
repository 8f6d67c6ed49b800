"""Metadata that no writer expects: the raster is written all the same, and what is lost is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdegc.raster import open_sink
from fdegc.raster_info import AlphaBand, GroundControlPoint, RasterInfo, Window
from fdegc.types import Samples

PLAIN = RasterInfo("", "FDEGC", 30, 20, 3, "uint8", color_interpretation=("red", "green", "blue"))
POINTS = (GroundControlPoint(1, 2, 3, 4), GroundControlPoint(9, 2, 3, 8), GroundControlPoint(1, 22, 9, 4))
ODD = {
    "no CRS": ({"crs_wkt": "not WKT at all"}, "coordinate reference system"),
    "GCPs without a CRS": ({"gcps": POINTS}, None),
    "GCPs in no CRS": ({"gcps": POINTS, "gcp_crs_wkt": "nothing"}, "ground control points"),
    "one GCP": ({"gcps": POINTS[:1]}, None),
    "GCPs and a transform": (
        {"gcps": POINTS, "transform": (1.0, 0.0, 5.0, 0.0, -1.0, 9.0)},
        "ground control points",
    ),
    "odd tags": (
        {"tags": {"ns": "a", "bidx": "b", "a=b": "c", "": "d", "x": "1\n2\t<&>", "nul": "a\0b"}},
        "tags",
    ),
    "odd domains": (
        {"domains": {"xml:X": {"xml:X": "no equals sign"}, "D E/F": {"k": "v"}, "RPC": {"x": "y"}}},
        "",
    ),
    "no profile": ({"icc": b"not a profile"}, None),
    "odd EXIF": ({"exif": b"not EXIF"}, None),
    "odd alpha": ({"alpha_band": AlphaBand(2, "a\nb", {"ns": "x"}), "has_alpha": True}, None),
    "odd colours": ({"color_interpretation": ("palette", "alpha", "whatever")}, "colour interpretation"),
    "fewer names": ({"band_names": ("a",)}, None),
    "nodata beyond the type": ({"nodata": -9999.0, "has_mask": True}, None),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", ["geotiff", "cog", "png", "jp2"])
@pytest.mark.parametrize("case", ODD)
def test_odd_metadata(tmp_path, case, kind):
    changes, word = ODD[case]
    info = replace(PLAIN, **changes)
    path = tmp_path / {"png": "a.png", "jp2": "a.jp2"}.get(kind, "a.tif")
    with open_sink(path, info, kind=kind) as sink:
        sink.write(Window(0, 0, 30, 20), Samples(np.full((3, 20, 30), 9, np.uint8)))
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    if word is not None and kind in ("geotiff", "cog"):
        assert any(word in fact for fact in sink.unsupported_metadata), sink.unsupported_metadata
