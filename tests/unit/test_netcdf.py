"""netCDF as climate and ocean people have it: samples, places and names come back as the file has them."""

from __future__ import annotations

import json
import shlex
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from fdegc.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

_TYPES = {"i2": 3, "f4": 5, "f8": 6}
TITLE = "Température de surface — essai"


@dataclass
class Variable:
    """Variable of a netCDF file."""

    dimensions: tuple[str, ...]
    values: np.ndarray[Any, Any]
    attributes: dict[str, Any] = field(default_factory=dict)


def temperatures(
    latitudes: Sequence[float],
    longitudes: Sequence[float],
    times: int = 1,
    names: Sequence[str] = ("sst",),
    dtype: str = "i2",
    fill: float = -32768,
) -> dict[str, Variable]:
    """Variables of a file of temperatures, packed if they are integers, with a hole in their first rows."""
    y, x = np.mgrid[0 : len(latitudes), 0 : len(longitudes)]
    found = {
        "time": Variable(("time",), np.arange(times, dtype="f8"), {"units": "days since 2000-01-01"}),
        "lat": Variable(
            ("lat",), np.array(latitudes, "f8"), {"units": "degrees_north", "standard_name": "latitude"}
        ),
        "lon": Variable(
            ("lon",), np.array(longitudes, "f8"), {"units": "degrees_east", "standard_name": "longitude"}
        ),
    }
    for shift, name in enumerate(names):
        values = np.stack([1000 * np.sin(x / 13 + k + shift) * np.cos(y / 9) for k in range(times)])
        values[:, :10, :15] = fill
        packing = {"scale_factor": 0.01, "add_offset": 273.15} if dtype == "i2" else {}
        attributes = {
            "_FillValue": np.array(fill, dtype),
            "units": "K",
            "long_name": "sea surface",
            **packing,
        }
        found[name] = Variable(("time", "lat", "lon"), values.astype(dtype), attributes)
    return found


def write_classic(path: Path, variables: dict[str, Variable]) -> None:
    """Write the classic format (CDF-1, netCDF user's guide, appendix on the file format), by struct alone."""
    sizes = {
        name: length
        for variable in variables.values()
        for name, length in zip(variable.dimensions, variable.values.shape, strict=True)
    }
    order = list(sizes)

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def named(text: str) -> bytes:
        return struct.pack(">i", len(text.encode())) + padded(text.encode())

    def attributes(items: dict[str, Any]) -> Iterator[bytes]:
        yield struct.pack(">2i", 12 if items else 0, len(items))
        for name, value in items.items():
            if isinstance(value, str):
                yield named(name) + struct.pack(">2i", 2, len(value.encode())) + padded(value.encode())
            else:
                number = np.asarray(value)
                code = _TYPES[number.dtype.str[1:]]
                data = number.astype(number.dtype.newbyteorder(">")).tobytes()
                yield named(name) + struct.pack(">2i", code, 1) + padded(data)

    def header(begins: Sequence[int]) -> bytes:
        data = b"CDF\1" + struct.pack(">3i", 0, 10, len(sizes))
        data += b"".join(named(name) + struct.pack(">i", length) for name, length in sizes.items())
        data += b"".join(attributes({"Conventions": "CF-1.8", "title": TITLE}))
        data += struct.pack(">2i", 11, len(variables))
        for (name, variable), begin in zip(variables.items(), begins, strict=True):
            ids = [order.index(dimension) for dimension in variable.dimensions]
            data += named(name) + struct.pack(f">{len(ids) + 1}i", len(ids), *ids)
            data += b"".join(attributes(variable.attributes))
            size = variable.values.nbytes + -variable.values.nbytes % 4
            data += struct.pack(">3i", _TYPES[variable.values.dtype.str[1:]], size, begin)
        return data

    bodies = [padded(v.values.astype(v.values.dtype.newbyteorder(">")).tobytes()) for v in variables.values()]
    start = len(header([0] * len(bodies)))
    begins = [start + sum(map(len, bodies[:index])) for index in range(len(bodies))]
    path.write_bytes(header(begins) + b"".join(bodies))


def write_netcdf4(path: Path, variables: dict[str, Variable]) -> None:
    """Write the format of netCDF 4 (HDF5) by the netCDF library."""
    library = pytest.importorskip(
        "netCDF4", reason="netCDF4, which writes the files of this test, is missing"
    )
    with library.Dataset(path, "w") as file:
        file.Conventions, file.title = "CF-1.8", TITLE
        for name, variable in variables.items():
            for dimension, length in zip(variable.dimensions, variable.values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, length)
            items = dict(variable.attributes)
            fill = items.pop("_FillValue", None)
            there = file.createVariable(name, variable.values.dtype, variable.dimensions, fill_value=fill)
            there.set_auto_maskandscale(False)
            there.setncatts(items)
            there[:] = variable.values


WRITERS = {"classic": write_classic, "netCDF 4": write_netcdf4}
NORTH, EAST = np.linspace(45, -45, 91), np.linspace(-90, 90, 181)
CASES: dict[str, dict[str, Any]] = {
    "south up": {"latitudes": NORTH[::-1], "longitudes": EAST},
    "north up, 0 to 360": {"latitudes": NORTH, "longitudes": np.arange(0, 360, 2.0)},
    "12 times": {"latitudes": NORTH[::-1], "longitudes": EAST, "times": 12},
    "floats": {"latitudes": NORTH[::-1], "longitudes": EAST, "dtype": "f4", "fill": 9.969209968386869e36},
    "two variables": {"latitudes": NORTH[::-1], "longitudes": EAST, "names": ("sst", "err")},
}


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fdegc: error: ") and said.count("\n") == 1, said
    return said


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_comes_back_is_what_the_file_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, writer: str
) -> None:
    variables = temperatures(**CASES[case])
    path, coded, back = tmp_path / "a.nc", tmp_path / "a.fdegc", tmp_path / "b.tif"
    WRITERS[writer](path, variables)
    name, chosen = str(path), "sst"
    if "err" in variables:
        said = refused(capsys, "info", path)
        assert f"netcdf:{path}:sst, netcdf:{path}:err" in said
        name, chosen = f"netcdf:{path}:err", "err"
    report = run(capsys, "compress", name, coded, "--lossless")
    assert report["notices"] == []
    assert run(capsys, "decompress", coded, back)["not_held"] == []
    wanted, latitudes = variables[chosen].values, variables["lat"].values
    if latitudes[0] < latitudes[-1]:  # the north is up in what people look at
        wanted, latitudes = wanted[:, ::-1], latitudes[::-1]
    fill = variables[chosen].attributes["_FillValue"]
    with rasterio.open(back) as dataset:
        assert dataset.dtypes[0] == wanted.dtype.name and dataset.nodata == fill
        np.testing.assert_array_equal(dataset.read(), wanted)
        np.testing.assert_array_equal(dataset.read_masks() > 0, wanted != fill)
        assert dataset.xy(0, 0) == pytest.approx((variables["lon"].values[0], latitudes[0]))
        assert dataset.xy(dataset.height - 1, dataset.width - 1) == pytest.approx(
            (variables["lon"].values[-1], latitudes[-1])
        )
        packed = wanted.dtype.kind == "i"
        assert (dataset.scales[0], dataset.offsets[0]) == ((0.01, 273.15) if packed else (1, 0))
        assert set(dataset.units) == {"K"} and dataset.tags()["NC_GLOBAL#title"] == TITLE
        times = [dataset.tags(band)["NETCDF_DIM_time"] for band in dataset.indexes]
        assert times == [str(time) for time in range(dataset.count)]


@pytest.mark.parametrize("writer", WRITERS)
def test_latitudes_at_uneven_steps_stay_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: str
) -> None:
    """Nothing is placed that has no even steps; where its pixels lie is said to be elsewhere."""
    variables = temperatures(np.degrees(np.arcsin(np.linspace(-0.99, 0.99, 91))), EAST)
    WRITERS[writer](tmp_path / "gauss.nc", variables)
    (said,) = run(capsys, "compress", tmp_path / "gauss.nc", tmp_path / "a.fdegc", "--lossless")["notices"]
    assert said.startswith('Where its pixels lie is in other files (NETCDF:"gauss.nc":lon, ')
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.transform == rasterio.Affine.identity()
        assert dataset.tags(ns="GEOLOCATION")["Y_DATASET"] == 'NETCDF:"gauss.nc":lat'
        np.testing.assert_array_equal(dataset.read(), variables["sst"].values[:, ::-1])


@pytest.mark.parametrize("writer", WRITERS)
def test_names_with_colons_blanks_and_accents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], writer: str
) -> None:
    variables = temperatures(NORTH, EAST, names=("sst", "err"))
    path = tmp_path / "a b:c,é.nc"
    WRITERS[writer](path, variables)
    said = refused(capsys, "info", path)
    typed = shlex.split(said[said.index("to 2): ") + 7 :].strip().removesuffix("."))
    assert [name.rstrip(",") for name in typed] == [f'NETCDF:"{path}":sst', f'NETCDF:"{path}":err']
    run(capsys, "compress", typed[1], tmp_path / "a.fdegc", "--lossless")
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), variables["err"].values)


def test_more_times_than_bands_can_be_coded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_classic(tmp_path / "a.nc", temperatures(NORTH[::3], EAST[::9], times=70))
    said = refused(capsys, "compress", tmp_path / "a.nc", tmp_path / "a.fdegc")
    assert "has 70 bands; up to 64 can be compressed" in said
