"""Palettes and classes: kept as they are, through every kind of file, unless losses are asked for."""

from __future__ import annotations

import json
import types
import zlib
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp

import fdegc
from fdegc.cli import main
from fdegc.errors import CorruptStream
from fdegc.format.header import StreamHeader
from fdegc.format.info import read_info
from fdegc.format.metadata import PALETTE, metadata_blocks, raster_info
from fdegc.options import EncodeOptions, Target, TargetKind, ValueRange
from fdegc.raster import ArraySource, open_raster, open_sink, to_rgb8
from fdegc.raster.classes import MOST_CLASSES, class_count, palette_way, settle
from fdegc.raster.palettes import BLACK_AND_WHITE, coloured, coloured_info, info_table
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.usefixtures("few_tries_here", "bands_as_they_are"),
]

WIDTH, HEIGHT = 96, 80
UTM = {"crs": "EPSG:32633", "transform": rasterio.Affine(30, 0, 500000, 0, -30, 5e6)}


def patches(values: int, seed: int = 1, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Areas of equal values, each beside any other: uint8 (height, width)."""
    random = np.random.default_rng(seed)
    small = random.integers(0, values, (-(-height // 16), -(-width // 16)))
    return np.kron(small, np.ones((16, 16), np.int64))[:height, :width].astype(np.uint8)


def entries(count: int, clear: tuple[int, ...] = (), half: tuple[int, ...] = ()) -> tuple:
    colors = np.random.default_rng(count).integers(0, 256, (count, 3)).tolist()
    alpha = [0 if i in clear else 128 if i in half else 255 for i in range(count)]
    return tuple((*color, a) for color, a in zip(colors, alpha, strict=True))


def write_tiff(path, indices, palette, dtype="uint8", **options):
    height, width = indices.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype=dtype, photometric="palette",
        **UTM, **options,
    ) as dataset:  # fmt: skip
        dataset.write_colormap(1, dict(enumerate(palette)))
        dataset.write(indices.astype(dtype), 1)
    return path


def write_png(path, indices, palette, **options):
    image = Image.fromarray(indices)
    image.putpalette([value for entry in palette for value in entry[:3]])
    if any(entry[3] < 255 for entry in palette):
        options["transparency"] = bytes(entry[3] for entry in palette)
    image.save(path, **options)
    return path


# ------------------------------------------------------------------------------ opening


@pytest.mark.parametrize("kind", ["tif", "png", "gif", "bmp"])
def test_a_palette_raster_opens_as_indices_or_as_colours(tmp_path, kind):
    palette, indices = entries(256), patches(200)
    path = tmp_path / f"a.{kind}"
    write_tiff(path, indices, palette) if kind == "tif" else write_png(path, indices, palette)
    with open_raster(path, palette="indices") as source, open_raster(path) as colours:
        assert source.has_palette and colours.has_palette
        assert colours.info.palette == ()
        assert kind == "gif" or source.info.palette == palette  # Pillow sorts those of GIF
        assert (source.info.bands, source.info.dtype) == (1, "uint8")
        assert source.info.color_interpretation == ("palette",)
        whole = Window(0, 0, WIDTH, HEIGHT)
        stored = source.read(whole).pixels[0]
        assert kind == "gif" or np.array_equal(stored, indices)
        seen = coloured(source.read(whole), info_table(source.info))
        np.testing.assert_array_equal(seen.pixels, colours.read(whole).pixels)
        small = source.read_overview(20)
        assert set(np.unique(small.pixels)) <= set(np.unique(stored)), "no mean of indices"
        np.testing.assert_array_equal(seen.pixels.transpose(1, 2, 0), np.array(palette)[indices][..., :3])
        described = coloured_info(source.info)
        assert (described.bands, described.has_alpha) == (colours.info.bands, colours.info.has_alpha)


def test_the_nodata_index_stays_nodata(tmp_path):
    indices = patches(6)
    write_tiff(tmp_path / "a.tif", indices, entries(256), nodata=3)
    with (
        open_raster(tmp_path / "a.tif", palette="indices") as source,
        open_raster(tmp_path / "a.tif") as other,
    ):
        assert source.info.nodata == 3 and source.info.has_mask and other.info.nodata is None
        samples = source.read(Window(0, 0, WIDTH, HEIGHT))
        np.testing.assert_array_equal(samples.valid, indices != 3)
        assert coloured_info(source.info).has_alpha is other.info.has_alpha is False


def test_alpha_none_makes_a_palette_opaque(tmp_path):
    write_png(tmp_path / "a.png", patches(4), entries(4, clear=(1,)))
    with open_raster(tmp_path / "a.png", alpha="none", palette="indices") as source:
        assert [entry[3] for entry in source.info.palette] == [255] * 4
    with open_raster(tmp_path / "a.png", alpha="none") as source:
        assert not source.info.has_alpha and source.info.bands == 3


def test_plain_rasters_have_no_palette(tmp_path):
    Image.fromarray(patches(4)).save(tmp_path / "a.png")
    with open_raster(tmp_path / "a.png", palette="indices") as source:
        assert not source.has_palette and source.info.palette == ()


# ------------------------------------------------------------------------------ there and back


CASES = {
    "tif": ("tif", entries(256), {}),
    "tif, nodata": ("tif", entries(256), {"nodata": 3}),
    "tif, grey": ("tif", tuple((i, i, i, 255) for i in range(256)), {}),
    "png, 16": ("png", entries(16), {}),
    "png, one clear": ("png", entries(16, clear=(2,)), {}),
    "png, some clear": ("png", entries(16, clear=(2, 5), half=(6,)), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_palettes_come_back(tmp_path, case):
    kind, palette, options = CASES[case]
    indices, source = patches(12, seed=2), tmp_path / f"a.{kind}"
    (write_tiff if kind == "tif" else write_png)(source, indices, palette, **options)
    result = fdegc.compress(source, tmp_path / "a.fdegc", 2.0, tile_size=64)
    assert any("palette" in said for said in result.advice) and np.isinf(result.psnr)
    info = read_info(tmp_path / "a.fdegc")
    assert info.bound == 0 and len(info.raster.palette) == len(palette)
    np.testing.assert_array_equal(fdegc.decompress(tmp_path / "a.fdegc")[0], indices)
    with rasterio.open(source) as before:
        wanted = before.colormap(1)
        for name, format_ in (("b.tif", "geotiff"), ("c.tif", "cog"), ("b.png", "png")):
            fdegc.decompress(tmp_path / "a.fdegc", tmp_path / name, format=format_)
            with rasterio.open(tmp_path / name) as after:
                assert (after.count, after.dtypes, after.colorinterp) == (
                    1,
                    ("uint8",),
                    (ColorInterp.palette,),
                )
                np.testing.assert_array_equal(after.read(1), indices)
                found = after.colormap(1)
                several = "some" in case and name != "b.png"
                for index, entry in wanted.items():
                    assert found[index][: 3 if several else 4] == entry[: 3 if several else 4], (name, index)
                if not several:
                    assert after.nodata == before.nodata
                if kind == "tif" and name != "b.png":
                    assert (after.crs, after.transform) == (before.crs, before.transform)


def test_what_a_format_cannot_hold_of_a_palette_is_said(tmp_path):
    write_png(tmp_path / "a.png", patches(12), entries(16, clear=(2, 5)))
    fdegc.compress(tmp_path / "a.png", tmp_path / "a.fdegc", tile_size=64)
    info = read_info(tmp_path / "a.fdegc").raster
    samples = fdegc.open(tmp_path / "a.fdegc").samples()
    said = {}
    for name in ("b.tif", "b.png", "b.jp2"):
        with open_sink(tmp_path / name, info) as sink:
            sink.write(Window(0, 0, WIDTH, HEIGHT), samples)
        said[name] = sink.unsupported_metadata
    assert "transparency of the palette's colours" in said["b.tif"]
    assert not any("palette" in text for text in said["b.png"])
    assert any("palette" in text for text in said["b.jp2"])
    with open_raster(tmp_path / "a.png") as before, open_raster(tmp_path / "b.jp2") as after:
        assert after.info.has_alpha and after.info.bands == 3
        whole = Window(0, 0, WIDTH, HEIGHT)
        np.testing.assert_array_equal(before.read(whole).pixels, after.read(whole).pixels)
        np.testing.assert_array_equal(before.read(whole).alpha, after.read(whole).alpha)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_a_picture_of_bits_comes_back_as_bits(tmp_path, name):
    bits = Image.fromarray(patches(2) > 0)
    assert bits.mode == "1"
    bits.save(tmp_path / name, dpi=(300, 300))
    assert main(["compress", str(tmp_path / name), str(tmp_path / "a.fdegc")]) == 0
    back, tiff = tmp_path / "back.png", tmp_path / "back.tif"
    assert main(["decompress", str(tmp_path / "a.fdegc"), str(back)]) == 0
    with Image.open(back) as image:
        assert image.mode == "1" and np.array_equal(np.asarray(image), np.asarray(bits))
        assert image.size == bits.size
    assert main(["decompress", str(tmp_path / "a.fdegc"), str(tiff)]) == 0
    with rasterio.open(tiff) as dataset:
        assert np.array_equal(dataset.read(1), np.asarray(bits).astype(np.uint8))
        assert dataset.colormap(1)[1] == (255, 255, 255, 255)
    # As colours, which the library opens files as, it is grey.
    with open_raster(tmp_path / name) as source:
        grey = source.read(Window(0, 0, WIDTH, HEIGHT))
        assert source.info.bands == 1 and set(np.unique(grey.pixels)) == {0, 255}


def test_black_and_white_that_png_cannot_hold_in_bits_stays_a_palette(tmp_path):
    """An index beyond the two, or one that is nodata, has no place in one bit."""
    info = RasterInfo("", "MEM", WIDTH, HEIGHT, 1, "uint8", palette=BLACK_AND_WHITE)
    for number, (own, pixels) in enumerate(
        [(info, patches(3)), (replace(info, nodata=1.0, has_mask=True), patches(2))]
    ):
        path = tmp_path / f"{number}.png"
        with ArraySource(pixels[None], info=own) as source, open_sink(path, own) as sink:
            window = Window(0, 0, WIDTH, HEIGHT)
            sink.write(window, source.read(window))
        with Image.open(path) as image:
            assert image.mode == "P" and np.array_equal(np.asarray(image), pixels)
    bits = tmp_path / "bits.png"
    with open_sink(bits, info) as sink:
        sink.write(Window(0, 0, WIDTH, HEIGHT), Samples(patches(2)[None]))
    assert sink.unsupported_metadata == ()


def test_sixteen_bit_indices_keep_their_palette(tmp_path):
    palette = entries(1000)
    indices = patches(200).astype(np.uint16) * 4
    write_tiff(tmp_path / "a.tif", indices, palette, "uint16")
    fdegc.compress(tmp_path / "a.tif", tmp_path / "a.fdegc", tile_size=64)
    fdegc.decompress(tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "a.tif") as before, rasterio.open(tmp_path / "b.tif") as after:
        assert before.colormap(1) == after.colormap(1)
        np.testing.assert_array_equal(after.read(1), indices)
    fdegc.decompress(tmp_path / "a.fdegc", tmp_path / "b.png")  # of 8 bits only
    with open_raster(tmp_path / "a.tif") as before, open_raster(tmp_path / "b.png") as after:
        whole = Window(0, 0, WIDTH, HEIGHT)
        np.testing.assert_array_equal(before.read(whole).pixels, after.read(whole).pixels)


@pytest.mark.parametrize("name", ["geo/cog_cmap.tif", "odd/palette.png"])
def test_real_palettes_come_back_field_by_field(data_dir, tmp_path, name):
    window = {"geo/cog_cmap.tif": "3000,4000,512,512"}.get(name)
    part = ["--window", window] if window else []
    assert main(["compress", str(data_dir / name), str(tmp_path / "a.fdegc"), *part, "--rate", "1"]) == 0
    assert main(["decompress", str(tmp_path / "a.fdegc"), str(tmp_path / "b.tif")]) == 0
    with rasterio.open(data_dir / name) as before, rasterio.open(tmp_path / "b.tif") as after:
        place = rasterio.windows.Window(*map(int, window.split(","))) if window else None
        np.testing.assert_array_equal(before.read(window=place), after.read())
        for field in (
            "count",
            "dtypes",
            "nodatavals",
            "colorinterp",
            "crs",
            "descriptions",
            "units",
            "scales",
        ):
            assert getattr(before, field) == getattr(after, field), field
        assert before.colormap(1) == after.colormap(1)
        if window:
            assert after.transform == before.window_transform(place)


def test_losses_can_be_asked_for(tmp_path, capsys):
    write_png(tmp_path / "a.png", patches(12), entries(16))
    command = ["compress", str(tmp_path / "a.png"), str(tmp_path / "a.fdegc"), "--tile-size", "64", "--json"]
    assert main([*command, "--rate", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lossless"] and report["max_error_bound"] == 0 and "--lossy" in report["advice"][0]
    assert main([*command, "--force", "--lossy"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bands"] == 3 and report["max_error_bound"] is None
    assert read_info(tmp_path / "a.fdegc").raster.palette == ()


def test_metrics_compare_the_colours(tmp_path, capsys):
    write_png(tmp_path / "a.png", patches(12), entries(16, clear=(2, 5)))
    fdegc.compress(tmp_path / "a.png", tmp_path / "a.fdegc", tile_size=64)
    assert main(["metrics", str(tmp_path / "a.png"), str(tmp_path / "a.fdegc"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lossless"] and report["bands"] == 3 and not report["differences"]


def test_many_files_keep_their_palettes_and_are_not_done_twice(tmp_path, capsys):
    write_png(tmp_path / "a.png", patches(12), entries(16))
    for command, name in (("compress", "a.png"), ("decompress", "out/a.fdegc")):
        words = [command, str(tmp_path / name), "--out-dir", str(tmp_path / "out"), "--json"]
        for status in ("done", "skipped"):
            assert main(words) == 0
            assert json.loads(capsys.readouterr().out)["files"][0]["status"] == status, command
    with rasterio.open(tmp_path / "out" / "a.tif") as back:
        assert back.colorinterp == (ColorInterp.palette,)


def test_the_overview_and_the_picture_show_colours(tmp_path):
    palette, indices = entries(16, clear=(1,)), patches(16, width=640, height=512)
    write_png(tmp_path / "a.png", indices, palette)
    fdegc.compress(tmp_path / "a.png", tmp_path / "a.fdegc")
    with fdegc.open(tmp_path / "a.fdegc") as file:
        overview, samples, info = file.overview(), file.samples(), file.info.raster
    picture = to_rgb8(samples, info, limits=((3, 4),))
    np.testing.assert_array_equal(picture[indices != 1], np.array(palette, np.uint8)[indices[indices != 1]])
    assert not picture[indices == 1].any()
    if overview is not None:  # where it fits
        assert overview.shape[2] == 3


# ------------------------------------------------------------------------------ the block


def _header(dtype="uint8", bands=1):
    return StreamHeader(
        width=8, height=8, bands=bands, dtype=dtype, tile_size=64, halo=16, quality_steps=1024,
        weights_hash=bytes(8), profile="none",
    )  # fmt: skip


def test_the_block_holds_all_entries(tmp_path):
    info = RasterInfo("", "MEM", 8, 8, 1, "uint8", palette=entries(200, clear=(3,), half=(4,)))
    blocks = metadata_blocks(info)
    assert raster_info(tmp_path / "a.fdegc", _header(), blocks).palette == info.palette
    assert PALETTE not in metadata_blocks(replace(info, palette=()))


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (zlib.compress(b""), _header()),
        (zlib.compress(b"abc"), _header()),
        (zlib.compress(bytes(4 * 257)), _header()),
        (zlib.compress(bytes(4)), _header(bands=3)),
        (zlib.compress(bytes(4)), _header("int16")),
        (b"no zlib", _header()),
    ],
)
def test_malformed_palettes_are_refused(tmp_path, data, header):
    with pytest.raises(CorruptStream):
        raster_info(tmp_path / "a.fdegc", header, {PALETTE: data})


# ------------------------------------------------------------------------------ classes


def source_of(band: np.ndarray, **facts) -> ArraySource:
    height, width = band.shape
    info = RasterInfo("", "MEM", width, height, 1, band.dtype.name, **facts)
    return ArraySource(band[None], info=info)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("values", [1, 2, 3, 10, 40])
def test_bands_of_classes_are_known(dtype, values):
    band = patches(values).astype(dtype) * 3
    assert class_count(source_of(band)) == len(np.unique(band))


def test_large_rasters_are_looked_at_here_and_there():
    band = patches(10, width=2600, height=2100)
    assert class_count(source_of(band)) == 10


def test_nodata_is_no_class():
    band = patches(5)
    band[20:] = 200
    assert class_count(source_of(band, nodata=200.0)) == len(np.unique(band[:20]))
    assert class_count(source_of(np.full_like(band, 200), nodata=200.0)) is None


def smooth(levels: int) -> np.ndarray:
    """A smooth picture of some grey levels."""
    y, x = np.mgrid[:256, :256] / 40.0
    light = np.sin(x) * np.cos(y * 1.3) + 0.3 * np.sin(2.7 * x + y)
    light = (light - light.min()) / (light.max() - light.min())
    return np.minimum(light * levels, levels - 1).astype(np.uint8)


@pytest.mark.parametrize("levels", [3, 4, 8, 16, 32])
def test_pictures_of_few_grey_levels_are_no_classes(levels):
    noise = np.random.default_rng(1).normal(0, 0.4, (256, 256))
    assert class_count(source_of(smooth(levels))) is None
    noisy = np.clip(np.rint(smooth(levels) + noise), 0, levels - 1).astype(np.uint8)
    assert class_count(source_of(noisy)) is None


def test_a_dark_collar_makes_no_classes_of_a_picture():
    picture = np.random.default_rng(1).integers(0, 16, (256, 256), np.uint8)
    picture[60:] = 0
    assert class_count(source_of(picture)) is None


def test_colours_floats_and_many_values_are_no_classes():
    assert class_count(ArraySource(np.stack([patches(4)] * 3))) is None
    assert class_count(source_of(patches(4).astype(np.float32))) is None
    assert class_count(source_of(patches(255, width=512, height=512))) is None
    assert MOST_CLASSES < 255


def test_real_pictures_of_few_grey_levels_are_no_classes(data_dir):
    seen = 0
    for path in sorted((data_dir / "val").iterdir())[::5]:
        if path.suffix not in (".webp", ".jpg"):
            continue
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
        for band in (grey >> 3, grey >> 4, (grey >> 4) * 17, grey >> 5, grey // 8 + 100):
            assert class_count(source_of(band)) is None, path.name
            seen += 1
    assert seen


@pytest.mark.parametrize(
    "options",
    [
        EncodeOptions(lossy=True),
        EncodeOptions(target=Target(TargetKind.PSNR, 40.0)),
        EncodeOptions(ranges=(ValueRange(0, 3),)),
        EncodeOptions(band_weights=(1.0,)),
    ],
)
def test_who_asks_for_losses_gets_them(options):
    assert palette_way(options) == "colours"
    assert settle(source_of(patches(4)), options) == (options, None)


def test_others_get_none():
    asked = EncodeOptions(2.0)
    options, notice = settle(source_of(patches(4)), asked)
    assert options == replace(asked, max_error=0.0) and "4 distinct values" in notice
    assert settle(source_of(patches(4)), options) == (options, None)
    bounded = EncodeOptions(max_error=1.0)
    assert settle(source_of(patches(4)), bounded) == (bounded, None)
    assert settle(source_of(smooth(256)), asked) == (asked, None)


def test_arrays_of_classes_come_back_exactly(tmp_path):
    band = patches(7).astype(np.int16) - 3
    result = fdegc.compress(band, tmp_path / "a.fdegc", 1.0, tile_size=64)
    assert "7 distinct values" in result.advice[0]
    np.testing.assert_array_equal(fdegc.decompress(tmp_path / "a.fdegc")[0], band)
    fdegc.compress(band, tmp_path / "b.fdegc", 1.0, tile_size=64, lossy=True)
    assert read_info(tmp_path / "b.fdegc").bound is None


def test_the_app_says_it_before_it_codes(tmp_path):
    from fdegc_gui.jobs.rasters import Rasters
    from fdegc_gui.jobs.scene import LookForNotices

    write_png(tmp_path / "a.png", patches(12), entries(16))
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)).save(tmp_path / "b.png")
    context = types.SimpleNamespace(rasters=Rasters())
    assert "palette" in LookForNotices(path=tmp_path / "a.png").run(context).lossless
    assert LookForNotices(path=tmp_path / "b.png").run(context).lossless is None
    context.rasters.release()


def test_the_app_keeps_indices_and_shows_colours(tmp_path):
    from fdegc.codec import Codec
    from fdegc.control import CancelToken
    from fdegc_gui.jobs.base import Context
    from fdegc_gui.jobs.coding import Compress
    from fdegc_gui.jobs.decoding import Decode, LookedAt
    from fdegc_gui.jobs.kept import KeptScenes
    from fdegc_gui.jobs.rasters import Rasters
    from fdegc_gui.jobs.scene import OpenScene
    from fdegc_gui.models.display import Display, Stretch
    from fdegc_gui.models.sample_store import SampleStore

    write_png(tmp_path / "a.png", patches(12), entries(16, clear=(1,)))
    codec, parts = Codec(device="cpu"), []
    context = Context(
        cancel=CancelToken(),
        engine=types.SimpleNamespace(codec=lambda device: codec),
        rasters=Rasters(),
        on_progress=lambda progress: None,
        on_part=parts.append,
    )
    how = {"device": "cpu", "display": Display((0, 1, 2), Stretch.AS_IS), "rendering": None}
    folders, out = [tmp_path / "one", tmp_path / "two"], tmp_path / "a.fdegc"
    job = Compress(
        path=tmp_path / "a.png", folder=folders[0], key=2, options=EncodeOptions(2.0, 64), out=out, **how
    )
    assert np.isinf(job.run(context).psnr)
    stream = read_info(out)
    assert stream.raster.palette == entries(16, clear=(1,))
    scene = OpenScene(number=1, path=out, choices={}, kept=KeptScenes(None)).run(context).scene
    original = (
        OpenScene(number=2, path=tmp_path / "a.png", choices={}, kept=KeptScenes(None)).run(context).scene
    )
    assert scene.info.bands == original.info.bands == 3 and scene.info.has_alpha
    apart = {"tile_size": stream.tile_size, "looked_at": LookedAt()}
    Decode(path=out, folder=folders[1], info=stream.raster, **apart, **how).run(context)
    whole = Window(0, 0, WIDTH, HEIGHT)
    with open_raster(tmp_path / "a.png") as source:
        wanted = source.read(whole)
    for folder in folders:
        store = SampleStore(folder, scene.info)
        np.testing.assert_array_equal(store.read(whole).pixels, wanted.pixels)
        np.testing.assert_array_equal(store.read(whole).alpha, wanted.alpha)
        store.close()
    assert parts[0].painted.bgra.shape[2] == 4 and parts[0].painted.transparent
    context.rasters.release()
