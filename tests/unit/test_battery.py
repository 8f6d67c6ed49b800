"""The battery of unlike pictures: what is drawn, and how codecs are compared on it."""

from __future__ import annotations

import io
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from fdegc.evaluation.coder import Coder
from fdegc.weights import find

ROOT = Path(__file__).resolve().parents[2]
SIDE = 96


@pytest.fixture(scope="module")
def battery():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import battery

        yield battery


@pytest.fixture(scope="module")
def pictures(battery):
    return sys.modules["battery_pictures"]


def texture(bands, seed, height=SIDE, width=SIDE):
    """Smooth bands that are not the same."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (bands, height // 8 + 1, width // 8 + 1), np.uint8)
    large = [Image.fromarray(band).resize((width, height), Image.Resampling.BICUBIC) for band in small]
    return np.stack([np.asarray(band) for band in large])


@pytest.fixture(scope="module")
def sources(battery, pictures):
    roles = {"blue": 0, "green": 1, "red": 2, "nir": 3}
    scene = pictures.Scene("a_landsat.tif", texture(6, 2, SIDE, SIDE - 7), roles)
    return battery.Sources({"a.png": texture(3, 1, SIDE - 5, SIDE)}, [scene], SIDE, 1)


def fake(name):
    """A codec that keeps fewer levels the lower its parameter."""

    def encode(pixels, value):
        step = max(1, round(64 / value))
        buffer = io.BytesIO()
        np.save(buffer, pixels // step * step)
        return zlib.compress(buffer.getvalue())

    def decode(data):
        pixels = np.load(io.BytesIO(zlib.decompress(data)))
        return np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3))

    return Coder(name, name, "levels", (1.0,), "fake", "1", 0.0, encode, decode)


# ------------------------------------------------------------------ pictures


def test_every_variant_makes_the_same_picture_twice(battery, pictures, sources):
    for name, variant in pictures.VARIANTS.items():
        ((image, source),) = sources.of(name, variant)
        picture = variant.picture(source, image)
        again = variant.picture(source, image)
        assert picture.dtype == np.uint8 and picture.flags.c_contiguous, name
        assert picture.shape[0] == (1 if "one band" in name else 3), name
        assert picture.shape[1:] in {(SIDE, SIDE), (SIDE - 5, SIDE), (SIDE, SIDE - 7)}, name
        assert np.array_equal(picture, again), name
        assert np.ptp(picture) > 0 or name == "one flat colour", name


def test_sources_are_left_as_they_are(pictures, sources):
    before = sources.pictures["a.png"].copy(), sources.scenes[0].bands.copy()
    for name, variant in pictures.VARIANTS.items():
        for image, source in sources.of(name, variant):
            variant.picture(source, image)
    assert np.array_equal(before[0], sources.pictures["a.png"])
    assert np.array_equal(before[1], sources.scenes[0].bands)


def test_scenes_are_spread_over_the_variants(battery, pictures, sources):
    scenes = [pictures.Scene(f"{n}.tif", sources.scenes[0].bands, sources.scenes[0].roles) for n in range(9)]
    many = battery.Sources({}, scenes, SIDE, 2)
    used = {
        name: [image for image, _ in many.of(name, variant)]
        for name, variant in pictures.VARIANTS.items()
        if name.startswith("scene")
    }
    assert all(len(set(images)) == 2 for images in used.values())
    assert len({image for images in used.values() for image in images}) > 5
    assert many.of("Landsat", pictures.VARIANTS["Landsat 1 2 3"]) == []


def test_drawings_differ_with_their_names(pictures):
    variants = [v for n, v in pictures.VARIANTS.items() if v.source == "size"]
    same = [v for v in variants if np.array_equal(v.picture(SIDE, "drawing 1"), v.picture(SIDE, "drawing 2"))]
    assert not same


def test_scenes_are_read_as_8_bits(pictures, tmp_path):
    bands = texture(4, 3, 200, 210)
    for name, samples in (("u8", bands), ("u16", bands.astype(np.uint16) * 20), ("small", bands[:, :100])):
        profile = {"driver": "GTiff", "count": 4, "dtype": samples.dtype, "photometric": "minisblack"}
        place = rasterio.transform.from_origin(500000, 5000000, 10, 10)
        height, width = samples.shape[1:]
        path = tmp_path / f"{name}.tif"
        with rasterio.open(
            path, "w", height=height, width=width, transform=place, crs="EPSG:32632", **profile
        ) as file:
            file.write(samples)
            if name == "u16":
                file.descriptions = ("B02", "B03", "B04", "B08")
    (tmp_path / "none.tif").write_bytes(b"no raster")
    wide, plain = pictures.load_scenes([tmp_path], 128)
    assert (wide.name, plain.name) == ("u16.tif", "u8.tif")
    assert np.array_equal(plain.bands, pictures.crop(bands, 128))
    assert wide.bands.shape == (4, 128, 128) and wide.bands.dtype == np.uint8
    assert wide.roles == plain.roles == {"blue": 0, "green": 1, "red": 2, "nir": 3}


def test_variants_are_chosen_by_pattern(pictures):
    assert list(pictures.choose(["grey*", "natural"])) == ["natural", "grey, three bands", "grey, one band"]
    assert pictures.choose(None) == pictures.VARIANTS
    with pytest.raises(ValueError, match="no variant “gray”"):
        pictures.choose(["gray"])


# ------------------------------------------------------------------ comparing


@pytest.mark.parametrize("start", [0.01, 1.0, 4.9, 5.1, 300.0])
def test_the_largest_file_is_found(battery, start):
    data = battery.largest_file(lambda value: bytes(int(1000 * value)), start, 5000)
    assert 4990 <= len(data) <= 5000


def test_files_that_cannot_be_larger_or_as_small(battery):
    assert len(battery.largest_file(lambda value: bytes(min(int(1000 * value), 3000)), 2.0, 5000)) == 3000
    assert len(battery.largest_file(lambda value: bytes(6000 + int(value)), 2.0, 5000)) == 6000


def test_a_table_with_fake_codecs(battery, pictures, sources):
    said = []
    variants = pictures.choose(["natural", "grey, one band", "chart", "Landsat*"])
    without = battery.Sources(sources.pictures, [], SIDE, 2)
    peers = {"jpeg2000": fake("jpeg2000"), "jxl": fake("jpegxl")}
    results = list(battery.run(variants, without, (2.0, 5.0), fake("fdegc"), peers, said.append))
    assert len(said) == 2 and "Landsat 1 2 3" in said[0]
    assert len(results) == 2 * (1 + 1 + 2)
    assert all(result.peers["jpeg2000"].bytes <= result.bytes for result in results)
    lines = battery.table(results, (2.0, 5.0), ["jpeg2000", "jxl"]).splitlines()
    assert len(lines) == 2 + 3 + 1
    assert {line.count("|") for line in lines} == {1 + 1 + 2 * 5}
    assert lines[-1].startswith("| all |")


def test_the_worst_variant_comes_first(battery):
    def result(variant, image, lead, rate):
        rival = battery.Rival(90, 30.0, False)
        return battery.Result(variant, image, rate, 10, 10, 3, 100, 30.0 + lead, {"jpeg2000": rival})

    results = [result("good", "a/b.png", 1, 2), result("bad", "c", -2, 2), result("bad", "d.tif", 0, 2)]
    lines = battery.table(results, (2,), ["jpeg2000"]).splitlines()
    assert lines[2] == "| bad | 8.00 | −1.00 | −2.00 (c) | 50 % |"
    assert lines[3] == "| good | 8.00 | +1.00 | +1.00 (b) | 0 % |"
    assert lines[4] == "| all | 8.00 | −0.33 | −2.00 (c) | 33 % |"


def test_the_program(battery, tmp_path, monkeypatch, capsys):
    Image.fromarray(texture(3, 4).transpose(1, 2, 0)).save(tmp_path / "a.png")
    call = ["battery.py", str(tmp_path), "--side", "64", "--rates", "2", "--variants", "natural", "scene: *"]
    monkeypatch.setattr(sys, "argv", [*call, "--json", str(tmp_path / "out.json")])
    battery.main()
    said = capsys.readouterr()
    assert "| natural |" in said.out
    assert "“scene: red, green, blue” is left out" in said.err
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    (result,) = document["results"]
    assert (result["variant"], result["image"], result["width"], document["weights"]) == (
        "natural",
        "a.png",
        64,
        find(profile="lite").short_hash.hex(),
    )
    monkeypatch.setattr(sys, "argv", [*call, "--sheet", str(tmp_path / "sheet.png")])
    battery.main()
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width > 160
