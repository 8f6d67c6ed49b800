"""Whatever GDAL or Pillow can open opens, and what it says of its raster is kept."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image, ImageCms
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from fdegc.errors import UnsupportedRaster
from fdegc.raster import open_raster
from fdegc.raster_info import Window
from tests.rasters import HEIGHT, WIDTH, XMP, draw, samples_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
UTM = CRS.from_epsg(32633)
GRID = Affine(10, 0, 400_000, 0, -10, 5_000_000)


def write(path, pixels, **options):
    bands, height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": bands,
        "dtype": pixels.dtype.name,
    }
    with rasterio.Env(GDAL_PAM_ENABLED=False), rasterio.open(path, "w", **profile | options) as dataset:
        dataset.write(pixels)
    return path


def read(path, window=None):
    with open_raster(path) as source:
        return source.info, source.read(window or Window(0, 0, source.info.width, source.info.height))


def vrt(path: Path, bands: list[tuple[Path, int, str, float | None]]) -> Path:
    """A virtual raster: file, band, type and nodata of each of its bands."""
    text = f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}">'
    for number, (file, band, dtype, nodata) in enumerate(bands, 1):
        mark = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
        text += (
            f'<VRTRasterBand dataType="{dtype}" band="{number}">{mark}<SimpleSource><SourceFilename>{file}'
            f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        )
    path.write_text(text + "</VRTDataset>")
    return path


# ------------------------------------------------------------------ what GDAL knows


@pytest.mark.parametrize(
    ("driver", "ending", "bands"),
    [
        ("ENVI", "dat", 5), ("HFA", "img", 3), ("NITF", "ntf", 3), ("GIF", "gif", 1), ("SGI", "rgb", 3),
        ("PCIDSK", "pix", 3), ("AAIGrid", "asc", 1), ("netCDF", "nc", 1), ("ERS", "ers", 3),
        ("RST", "rst", 1), ("SAGA", "sdat", 1), ("EHdr", "bil", 2), ("PNM", "ppm", 3), ("ISIS3", "cub", 2),
        ("VICAR", "vic", 2), ("GSBG", "grd", 1), ("KRO", "kro", 3),
    ],
)  # fmt: skip
def test_formats_without_a_familiar_start(tmp_path, driver, ending, bands):
    pixels = samples_of("uint8", bands)
    source = write(tmp_path / "s.tif", pixels, crs=UTM, transform=GRID)
    path = tmp_path / f"a.{ending}"
    rasterio.shutil.copy(source, path, driver=driver)
    info, samples = read(path)
    assert (info.format, info.width, info.height) == (driver, WIDTH, HEIGHT)
    assert info.bands == bands
    np.testing.assert_array_equal(samples.pixels, pixels.astype(info.dtype))
    if driver in ("ENVI", "HFA", "PCIDSK", "netCDF", "ERS"):
        assert info.transform == pytest.approx(tuple(GRID)[:6]) and info.crs_wkt is not None


def test_a_file_of_several_rasters_names_them(tmp_path, monkeypatch):
    source = write(tmp_path / "s.tif", samples_of("int16", 3), crs=UTM, transform=GRID)
    rasterio.shutil.copy(source, tmp_path / "a.nc", driver="netCDF")
    with pytest.raises(UnsupportedRaster, match=r"a\.nc.*one of its parts.*netcdf:.*a\.nc:Band1, .*Band3\.$"):
        open_raster(tmp_path / "a.nc")
    info, samples = read(f"netcdf:{tmp_path / 'a.nc'}:Band2")
    np.testing.assert_array_equal(samples.pixels, samples_of("int16", 3)[1:2])
    assert info.crs_wkt is not None
    with pytest.raises(UnsupportedRaster, match="name"):
        open_raster(f"netcdf:{tmp_path / 'a.nc'}:Band9")
    rasterio.shutil.copy(source, tmp_path / "b.nc", driver="netCDF", FORMAT="NC4")
    info, samples = read(Path(f'HDF5:"{tmp_path / "b.nc"}"://Band3'))
    assert info.format == "HDF5Image"
    np.testing.assert_array_equal(
        samples.pixels[0], samples_of("int16", 3)[2, ::-1]
    )  # netCDF has south above


@pytest.mark.parametrize(
    "content",
    [
        b"just text\n" * 50, b"a,b,c\n1,2,3\n4,5,6\n", b"1 2 3\n2 3 4\n", b"<html><body>x</body></html>",
        b"<?xml version='1.0'?><GDAL_WMS/>", b'{"type": "FeatureCollection", "features": []}', b"\0" * 5000,
        b"PK\3\4" + bytes(99), b"%PDF-1.4\n" + bytes(99), b"SQLite format 3\0" + bytes(200),
        b"\x7fELF" + bytes(500),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a", "a.xyz", "a.tif", "a.asc"])
def test_what_is_no_raster_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnsupportedRaster, match=r"“.*a.*” is not an image of a known kind\. Use .*\.$"):
        open_raster(tmp_path / name)


def test_nodata_that_differs_between_bands(tmp_path):
    pixels = samples_of("int16", 3)
    pixels[0, :9], pixels[1, :5], pixels[1, 20] = -1, -2, -1
    source = write(tmp_path / "s.tif", pixels)
    bands = [(source, 1, "Int16", -1), (source, 2, "Int16", -2), (source, 3, "Int16", None)]
    info, samples = read(vrt(tmp_path / "a.vrt", bands))
    assert info.nodata_values == (-1.0, -2.0, None) and info.has_mask and info.has_band_masks
    assert samples.valid.all()
    expected = np.zeros(pixels.shape, bool)
    expected[0, :9] = expected[1, :5] = True
    np.testing.assert_array_equal(samples.missing, expected)
    info, samples = read(vrt(tmp_path / "b.vrt", bands[:2]))
    assert samples.valid.sum() == (HEIGHT - 5) * WIDTH


def test_nodata_near_enough_for_gdal_is_nodata(tmp_path):
    pixels = np.full((1, 2, 3), 5.0, np.float64)
    pixels[0, 0] = -9999.0, -9999.0000001, -9999.5
    _, samples = read(write(tmp_path / "a.tif", pixels, nodata=-9999.0))
    assert samples.valid[0].tolist() == [False, False, True]


def test_types_that_do_not_go_together(tmp_path):
    source = write(tmp_path / "s.tif", samples_of("int16", 2))
    path = vrt(tmp_path / "a.vrt", [(source, 1, "Int16", None), (source, 2, "Float32", None)])
    with pytest.raises(UnsupportedRaster, match=r"mixes sample types \(float32, int16\)"):
        open_raster(path)


def test_half_floats_are_floats(tmp_path):
    pixels = samples_of("float32", 1).astype(np.float16).astype(np.float32)
    info, samples = read(write(tmp_path / "a.tif", pixels, nbits=16))
    assert info.dtype == "float32"
    np.testing.assert_array_equal(samples.pixels, pixels)


def test_colours_of_other_kinds(tmp_path):
    pixels = samples_of("uint8", 4)
    # GDAL makes RGB of CMYK in 8 bits, and leaves it in 16.
    assert read(write(tmp_path / "cmyk.tif", pixels, photometric="cmyk"))[0].bands == 3
    deep = samples_of("uint16", 4)
    info, samples = read(write(tmp_path / "deep.tif", deep, photometric="cmyk"))
    assert info.color_interpretation == ("cyan", "magenta", "yellow", "black")
    np.testing.assert_array_equal(samples.pixels, deep)
    path = write(tmp_path / "y.tif", pixels[:3], photometric="ycbcr", compress="jpeg", jpeg_quality=100)
    info, samples = read(path)
    assert info.color_interpretation == ("red", "green", "blue")
    assert np.abs(samples.pixels.astype(int) - pixels[:3]).mean() < 3
    info, _ = read(write(tmp_path / "w.tif", pixels[:1], photometric="miniswhite"))
    assert info.domains["IMAGE_STRUCTURE"] == {"MINISWHITE": "YES"}
    bits = (pixels[:1] > 128).astype(np.uint8)
    for name, options in (("black.tif", {}), ("fax.tif", {"compress": "ccittfax4"})):
        info, samples = read(write(tmp_path / name, bits, nbits=1, **options))
        np.testing.assert_array_equal(samples.pixels, bits * 255)
    Image.fromarray(np.moveaxis(pixels, 0, 2), "CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    assert read(tmp_path / "cmyk.jpg")[0].bands == 3


def test_texts_of_another_encoding(tmp_path):
    path = write(tmp_path / "a.tif", samples_of("uint8", 1))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_COPYRIGHT="cafXYZ", TIFFTAG_SOFTWARE="plain")
        dataset.set_band_description(1, "ABC")
    path.write_bytes(path.read_bytes().replace(b"cafXYZ", b"caf\xe9 \xa9").replace(b"ABC", b"AB\xfc"))
    info, _ = read(path)
    assert (info.tags["TIFFTAG_COPYRIGHT"], info.tags["TIFFTAG_SOFTWARE"]) == ("café ©", "plain")
    assert info.band_names == (None,)


def test_masks_beside_the_file(tmp_path):
    draw(tmp_path / "a.tif", "uint8", 3, "outer mask", "utm", "striped", "transform")
    assert (tmp_path / "a.tif.msk").exists()
    info, samples = read(tmp_path / "a.tif")
    assert info.has_mask and not info.has_band_masks and 0.1 < 1 - samples.valid.mean() < 0.3


def test_jpeg_2000(tmp_path):
    pixels = samples_of("uint16", 3)
    source = write(tmp_path / "s.tif", pixels, crs=UTM, transform=GRID)
    rasterio.shutil.copy(source, tmp_path / "a.jp2", driver="JP2OpenJPEG", quality="100", reversible="YES")
    info, samples = read(tmp_path / "a.jp2", Window(5, 6, 50, 40))
    np.testing.assert_array_equal(samples.pixels, pixels[:, 6:46, 5:55])
    assert (info.format, info.transform) == ("JP2OpenJPEG", tuple(GRID)[:6])
    # Nothing says where it lies on the ground but GMLJP2, whose XML is not the raster's.
    assert not any(name.startswith("xml:") for name in info.domains)


# ------------------------------------------------------------------ pictures


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274], exif[306] = orientation, "2024:05:06 07:08:09"
    return exif.tobytes()


TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_orientation(tmp_path, ending, orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    path = tmp_path / f"a.{ending}"
    if ending == "tif":
        Image.fromarray(pixels).save(path, tiffinfo={274: orientation})
    else:
        Image.fromarray(pixels).save(path, exif=exif_with(orientation), lossless=True)
    turned = TURNS[orientation](pixels)
    info, samples = read(path)
    np.testing.assert_array_equal(np.moveaxis(samples.pixels, 0, 2), turned)
    window = Window(3, 5, 20, 11)
    np.testing.assert_array_equal(
        np.moveaxis(read(path, window)[1].pixels, 0, 2), turned[window.rows, window.cols]
    )
    with open_raster(path) as source:
        overview = source.read_overview(30).pixels
        assert overview.shape[1:] == ((20, 30) if orientation < 5 else (30, 20))
        assert sum(w.pixels for w in source.scan()) == 2400
    if ending != "tif":  # nobody may turn it again
        assert Image.open(io.BytesIO(_with_exif(info.exif))).getexif().get(274, 1) == 1
        assert "EXIF_Orientation" not in info.tags or info.tags["EXIF_Orientation"] == "1"


def _with_exif(exif: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG", exif=exif)
    return out.getvalue()


def test_a_placed_tiff_is_not_turned(tmp_path):
    path = write(tmp_path / "a.tif", samples_of("uint8", 1), transform=GRID, crs=UTM)
    data = bytearray(path.read_bytes())
    assert read(path)[0].width == WIDTH
    assert data[:2] == b"II"


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_profiles_and_exif_of_pictures(tmp_path, ending):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / f"a.{ending}"
    options = {} if ending == "png" else {"xmp": XMP.encode()}
    image = Image.fromarray(np.moveaxis(samples_of("uint8", 3), 0, 2))
    image.save(path, icc_profile=icc, exif=exif_with(1), **options)
    info, _ = read(path)
    assert info.icc == icc
    assert info.exif is not None and b"2024:05:06 07:08:09" in info.exif and info.exif[:2] in (b"II", b"MM")
    if options:
        assert info.domains["xml:XMP"]["xml:XMP"].strip("\0 \n") == XMP


def test_a_world_file_places_a_picture(tmp_path):
    pixels = samples_of("uint8", 3)
    Image.fromarray(np.moveaxis(pixels, 0, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text("2.0\n0\n0\n-2.0\n1001.0\n4999.0\n")
    info, samples = read(tmp_path / "a.png")
    assert info.transform == (2.0, 0.0, 1000.0, 0.0, -2.0, 5000.0)
    np.testing.assert_array_equal(samples.pixels, pixels)


def test_a_picture_too_large_for_pillow_is_read_by_gdal(tmp_path, monkeypatch):
    pixels = samples_of("uint8", 3)
    Image.fromarray(np.moveaxis(pixels, 0, 2)).save(tmp_path / "a.png", exif=exif_with(3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    np.testing.assert_array_equal(read(tmp_path / "a.png")[1].pixels, pixels[:, ::-1, ::-1])


# ------------------------------------------------------------------ parts


def test_a_part_keeps_its_place(tmp_path):
    points = [
        GroundControlPoint(r, c, 15 + c / 1e3, 45 - r / 1e3, 0.0) for r, c in ((0, 0), (0, 80), (60, 0.5))
    ]
    draw(tmp_path / "a.tif", "uint8", 1, "none", "utm", "striped", "rpcs")
    with rasterio.open(tmp_path / "g.tif", "w", driver="GTiff", width=WIDTH, height=HEIGHT, count=1,
                       dtype="uint8", gcps=points, crs=CRS.from_epsg(4326)) as dataset:  # fmt: skip
        dataset.colorinterp = [ColorInterp.gray]
    window = Window(8, 12, 30, 20)
    info = read(tmp_path / "a.tif")[0]
    part = info.part(window)
    assert part.domains["RPC"]["LINE_OFF"] == "1222.5" and part.domains["RPC"]["SAMP_OFF"] == "769.25"
    assert part.domains["RPC"]["LAT_OFF"] == info.domains["RPC"]["LAT_OFF"]
    assert part.domains["IMAGERY"] == info.domains["IMAGERY"]
    assert part.transform == (10.0, 0.0, 400_040.0, 0.0, -10.0, 4_999_920.0)
    info = read(tmp_path / "g.tif")[0]
    assert [(p.row, p.col) for p in info.part(window).gcps] == [(-12, -8), (-12, 72), (48, -7.5)]
    assert info.part(window).gcps[1].x == info.gcps[1].x
