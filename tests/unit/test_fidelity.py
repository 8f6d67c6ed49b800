"""Any raster in, the same raster out: everything that is not the values of valid pixels comes back."""

from __future__ import annotations

import itertools
from dataclasses import fields

import numpy as np
import pytest

from fdegc.raster import open_raster
from fdegc.raster.fidelity import file_differences
from fdegc.raster.source import DTYPES
from fdegc.types import Window
from tests.rasters import CRSS, LAYOUTS, PLACEMENTS, VALIDITIES, draw, pack, unpack

BANDS = (1, 2, 3, 4, 5, 16)


def everything() -> list[tuple[object, ...]]:
    """Each type with each number of bands and validity; CRS, layout and placement take turns beside them."""
    turns = zip(itertools.cycle(CRSS), itertools.cycle(LAYOUTS), itertools.cycle(PLACEMENTS))
    return [(*case, *next(turns)) for case in itertools.product(DTYPES, BANDS, VALIDITIES)]


def told(path):
    """What a file says through our own reader, apart from its name and kind."""
    with open_raster(path) as source:
        facts = {field.name: getattr(source.info, field.name) for field in fields(source.info)}
        whole = source.read(Window(0, 0, source.info.width, source.info.height))
    del facts["path"], facts["format"]
    return facts, whole


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", ["geotiff", "cog"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_matrix(tmp_path, dtype, kind):
    cases = [case for case in everything() if case[0] == dtype]
    assert len(cases) == len(BANDS) * len(VALIDITIES)
    if kind == "cog":
        cases = cases[::5]
    source, coded, back = tmp_path / "a.tif", tmp_path / "a.fdegc", tmp_path / "b.tif"
    for case in cases:
        draw(source, *case)
        pack(source, coded)
        info, unheld = unpack(coded, source, back, kind=kind)
        assert [str(d) for d in file_differences(source, back)] == [], case
        assert unheld == (), case
        (first, a), (second, b) = told(source), told(back)
        np.testing.assert_array_equal(a.valid, b.valid)
        np.testing.assert_array_equal(a.missing, b.missing)
        np.testing.assert_array_equal(a.alpha, b.alpha)
        assert first["has_mask"] == info.has_mask
        for name in first.keys() - {"crs_wkt", "gcp_crs_wkt", "transform", "domains"}:
            assert first[name] == second[name] or name == "gcps", (case, name)
        for path in tmp_path.iterdir():
            path.unlink()
