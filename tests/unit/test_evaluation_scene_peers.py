"""Other codecs for scenes that are not 8-bit colour: what is coded, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from fdegc.evaluation.coder import Coder
from fdegc.evaluation.matching import code_to_match
from fdegc.evaluation.peers import peer_names
from fdegc.evaluation.scene_peers import find_scene_peers
from fdegc.evaluation.worker import DECODED, PIXELS, read_answer, write_request

HEIGHT, WIDTH = 645, 651  # large enough for a sample to go first
PEAK = 4095.0


def scene(folder: Path, bands: int, dtype: str) -> np.ndarray:
    """Pixels of a GeoTIFF, shape (height, width, bands)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    base = 1600 + 900 * np.sin(x / 9) * np.cos(y / 11)
    rng = np.random.default_rng(4)
    planes = np.stack([base * (1 + 0.2 * k) + rng.normal(0, 30, x.shape) for k in range(bands)])
    if dtype == "int16":
        planes -= 1500
    if dtype == "uint8":
        planes /= 16
    path = folder / f"{bands}-{dtype}.tif"
    profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": bands, "dtype": dtype}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(5e5, 5.8e6, 0.5, 0.5)}
    with rasterio.open(path, "w", **profile) as out:
        out.write(planes.round().astype(dtype))
    with rasterio.open(path) as source:
        return np.ascontiguousarray(source.read().transpose(1, 2, 0))


def coder(name: str, pixels: np.ndarray) -> Coder:
    """The codec of a name for a scene; skips where its library is not installed."""
    found = find_scene_peers(pixels.shape[2], pixels.dtype.name, [name], int(pixels.max()))
    if not found.coders:
        pytest.skip(found.missing[0])
    return found.coders[0]


def level(pixels: np.ndarray, decoded: np.ndarray) -> float:
    return float(10 * np.log10(PEAK**2 / np.square(decoded.astype(float) - pixels).mean()))


def samples_in(data: bytes) -> list[int]:
    """Bits of each component as the SIZ segment of a JPEG 2000 file says, negative if they have a sign."""
    start = data.index(b"\xff\x4f\xff\x51") + 4
    count = int.from_bytes(data[start + 36 : start + 38], "big")
    sizes = [data[start + 38 + 3 * k] for k in range(count)]
    return [-((size & 127) + 1) if size & 128 else size + 1 for size in sizes]


@pytest.mark.parametrize(
    ("bands", "dtype", "bits"),
    [(3, "uint16", 12), (4, "uint16", 12), (1, "uint16", 12), (8, "int16", -16), (4, "uint8", 8)],
)
def test_jpeg2000_holds_the_scene_as_it_is(tmp_path: Path, bands: int, dtype: str, bits: int) -> None:
    pixels = scene(tmp_path, bands, dtype)
    if dtype == "uint16":
        assert int(pixels.max()).bit_length() == bits
    size = HEIGHT * WIDTH * bands // 4
    match = code_to_match(coder("jpeg2000", pixels), pixels, size=size, peak=PEAK)
    assert abs(len(match.data) / size - 1) < 0.02
    assert samples_in(match.data) == [bits] * bands
    imagecodecs = pytest.importorskip("imagecodecs")  # OpenJPEG without GDAL
    read = imagecodecs.jpeg2k_decode(match.data).reshape(pixels.shape)
    assert match.decoded.dtype == pixels.dtype == read.dtype
    assert np.array_equal(read, match.decoded)
    spread = np.square(pixels - pixels.mean(axis=(0, 1))).mean(axis=(0, 1))
    assert (np.square(match.decoded.astype(float) - pixels).mean(axis=(0, 1)) < spread / 10).all()


@pytest.mark.parametrize("bands", [1, 3])
def test_jpegxl_holds_sixteen_bits(tmp_path: Path, bands: int) -> None:
    pixels = scene(tmp_path, bands, "uint16")
    codec = coder("jpegxl", pixels)
    size = HEIGHT * WIDTH * bands // 4
    match = code_to_match(codec, pixels, size=size, peak=PEAK)
    assert abs(len(match.data) / size - 1) < 0.02
    assert match.data[:2] == b"\xff\x0a" and match.decoded.dtype == np.uint16
    assert match.decoded.shape == pixels.shape
    coarse = codec.round_trip(pixels, 10.0, "it").decoded
    assert level(pixels, coarse) < level(pixels, match.decoded)
    assert level(pixels, match.decoded) > 38


@pytest.mark.parametrize("name", ["jpeg2000", "jpegxl"])
def test_psnr_is_met_with_the_peak_of_the_scene(tmp_path: Path, name: str) -> None:
    pixels = scene(tmp_path, 3, "uint16")
    match = code_to_match(coder(name, pixels), pixels, psnr=42.0, peak=PEAK)
    assert level(pixels, match.decoded) == pytest.approx(42.0, abs=0.2)


def test_what_cannot_hold_the_scene_is_said() -> None:
    for bands, dtype, held in (
        (4, "uint16", {"JPEG 2000"}),
        (3, "uint16", {"JPEG 2000", "JPEG XL"}),
        (3, "int16", {"JPEG 2000"}),
        (4, "uint8", {"JPEG 2000"}),
        (3, "float32", set()),
        (1, "uint32", set()),
    ):
        found = find_scene_peers(bands, dtype)
        labels = {one.label for one in found.coders}
        assert labels <= held and labels | {"JPEG XL"} >= held
        assert len(found.coders) + len(found.unfit) + len(found.missing) == len(peer_names())
        assert all(one.why.startswith("holds ") for one in found.unfit) and found.bands == bands


def test_eight_bit_grey_and_colour_are_coded_as_before() -> None:
    for bands in (1, 3):
        found = find_scene_peers(bands, "uint8", ["jpeg2000", "webp"])
        assert [one.name for one in found.coders] == ["jpeg2000", "webp"]
        assert not found.unfit and found.bands == 3
        assert "Pillow" in found.coders[0].version


def test_process_codes_sixteen_bits_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    pixels = scene(tmp_path, 4, "uint16")
    np.save(tmp_path / PIXELS, pixels)
    command = [sys.executable, "-m", "fdegc.evaluation.worker", str(tmp_path)]
    write_request(tmp_path, "jpeg2000", None, 40.0, PEAK)
    subprocess.run(command, capture_output=True, check=True)
    decoded = np.load(tmp_path / DECODED)
    assert decoded.dtype == np.uint16 and level(pixels, decoded) == pytest.approx(40.0, abs=0.2)
    write_request(tmp_path, "webp", 1000, None)
    assert subprocess.run(command, capture_output=True).returncode == 1
    answer = read_answer(tmp_path)
    assert answer is not None and answer.error == "WebP holds 8-bit grey or colour only."
