"""Rasters through real weights, real files and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fdegc.codec import Codec
from fdegc.codec.tile_synthesis import TileSynthesis, nearest_rate
from fdegc.control import CancelToken
from fdegc.errors import (
    Cancelled,
    CorruptStream,
    DeviceUnavailable,
    InvalidOption,
    OutputExists,
    UnsupportedStream,
    WeightsMissing,
)
from fdegc.format.info import read_info
from fdegc.format.metadata import MASK
from fdegc.format.reader import ContainerReader
from fdegc.options import EncodeOptions, ValueRange
from fdegc.raster import ArraySource, open_raster, open_sink
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import TileResult
from fdegc.types import Progress, Samples

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


def scene(width: int, height: int, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Smooth random fields, so that a codec has something to keep."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:height, 0:width]
    out = np.empty((bands, height, width))
    for band in range(bands):
        phase = rng.uniform(0, 6, 4)
        out[band] = (
            np.sin(cols / 17 + phase[0])
            + np.cos(rows / 23 + phase[1])
            + np.sin((rows + cols) / 41 + phase[2])
        )
    out = (out + 3) / 6
    top = {"uint8": 255, "uint16": 4095, "int16": 2000, "float32": 1.0}[dtype]
    return (out * top).astype(dtype)


class Collector:
    """Puts tiles together and counts how often each pixel came."""

    def __init__(self, like: np.ndarray) -> None:
        self.pixels = np.zeros_like(like)
        self.visits = np.zeros(like.shape[1:], int)

    def __call__(self, tile: TileResult) -> None:
        self.pixels[:, tile.window.rows, tile.window.cols] = tile.samples.pixels
        self.visits[tile.window.rows, tile.window.cols] += 1


@pytest.mark.parametrize(
    ("width", "height", "bands", "dtype"),
    [
        (1, 1, 3, "uint8"),
        (7, 300, 1, "uint8"),
        (200, 130, 3, "uint8"),
        (150, 140, 4, "uint8"),
        (130, 70, 2, "uint16"),
        (65, 64, 1, "int16"),
        (90, 64, 3, "float32"),
    ],
)
def test_round_trip(codec: Codec, tmp_path: Path, width: int, height: int, bands: int, dtype: str) -> None:
    pixels = scene(width, height, bands, dtype)
    path = tmp_path / "a.fdegc"
    preview, decoded = Collector(pixels), Collector(pixels)
    options = EncodeOptions(4.0, tile_size=128)
    result = codec.encode(ArraySource(pixels), path, options, reconstruct=True, on_tile=preview)
    assert result.bytes == path.stat().st_size
    assert result.bpp == pytest.approx(result.bytes * 8 / (width * height))
    assert result.ratio == pytest.approx(pixels.nbytes / result.bytes)
    codec.decode(path, on_tile=decoded)
    assert (preview.visits == 1).all()
    assert (decoded.visits == 1).all()
    assert np.array_equal(preview.pixels, decoded.pixels)
    assert decoded.pixels.dtype == pixels.dtype
    if width * height > 5000:
        assert result.psnr is not None
        assert result.psnr > 22.0
    info = read_info(path)
    assert (info.raster.width, info.raster.height, info.raster.bands) == (width, height, bands)
    assert info.quality == 4.0


def test_psnr_is_that_of_the_decoded_file(codec: Codec, tmp_path: Path) -> None:
    pixels = scene(200, 150)
    decoded = Collector(pixels)
    result = codec.encode(ArraySource(pixels), tmp_path / "a.fdegc", EncodeOptions(5.0), reconstruct=True)
    codec.decode(tmp_path / "a.fdegc", on_tile=decoded)
    mse = np.square(decoded.pixels.astype(float) - pixels.astype(float)).mean()
    assert result.psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-6)


def test_quality_is_monotone_on_a_real_scene(codec: Codec, tmp_path: Path, data_dir: Path) -> None:
    with open_raster(data_dir / "val" / "rsscn7_c092.jpg") as source:
        pixels = source.read(Window(64, 64, 256, 256)).pixels
    figures = []
    for quality in (1.0, 2.5, 4.0, 6.0):
        result = codec.encode(
            ArraySource(pixels), tmp_path / f"{quality}.fdegc", EncodeOptions(quality), reconstruct=True
        )
        figures.append((result.bytes, result.psnr))
    assert figures == sorted(figures)
    assert figures[0][0] < figures[-1][0]


def test_geotiff_keeps_what_is_not_pixels(codec: Codec, tmp_path: Path, data_dir: Path) -> None:
    original = data_dir / "geo" / "cogeo.tif"
    with open_raster(original) as source:
        info = source.info
        codec.encode(source, tmp_path / "a.fdegc", EncodeOptions(2.0, check=False))
    stream = read_info(tmp_path / "a.fdegc").raster
    with open_sink(tmp_path / "b.tif", stream) as sink:
        codec.decode(tmp_path / "a.fdegc", sink)
    with open_raster(tmp_path / "b.tif") as back:
        for name in (
            "width",
            "height",
            "bands",
            "dtype",
            "transform",
            "crs_wkt",
            "nodata",
            "color_interpretation",
        ):
            assert getattr(back.info, name) == getattr(info, name), name


def test_invalid_pixels_come_back_exactly(codec: Codec, tmp_path: Path) -> None:
    pixels = scene(140, 130, 1, "uint16") + 10
    valid = np.ones((130, 140), bool)
    valid[20:60, 30:90] = False
    pixels[:, ~valid] = 65535
    info = RasterInfo("", "ARRAY", 140, 130, 1, "uint16", nodata=65535.0, has_mask=True)
    decoded: list[Samples] = []
    codec.encode(ArraySource(pixels, valid=valid, info=info), tmp_path / "a.fdegc", EncodeOptions(3.0))
    codec.decode(tmp_path / "a.fdegc", on_tile=lambda tile: decoded.append(tile.samples))
    (samples,) = decoded
    assert np.array_equal(samples.valid, valid)
    assert (samples.pixels[:, ~valid] == 65535).all()
    # The hole must not bleed: its neighbourhood is as good as the rest.
    error = np.abs(samples.pixels[0].astype(float) - pixels[0])
    assert error[15:65, 25:95][valid[15:65, 25:95]].mean() < 4 * error[80:].mean() + 20


@pytest.mark.parametrize("calm", [True, False])
def test_only_files_with_planes_by_contexts_need_who_knows_them(
    codec: Codec, tmp_path: Path, calm: bool
) -> None:
    random = np.random.default_rng(0)
    pixels = scene(140, 130, 2, "float32")
    valid = np.ones((130, 140), bool)
    if calm:
        valid[64:128] = False  # a strip of nothing
    else:
        valid &= random.random(valid.shape) < 0.9
        pixels[1, random.random(valid.shape) < 0.1] = np.nan
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels, valid=valid), path, EncodeOptions(tile_size=64, max_error=0.5))
    with ContainerReader(path) as reader:
        assert reader.header.contexts is not calm
        assert reader.header.has_band_masks is not calm
        assert MASK in reader.blocks
    assert codec.verify(path).problems == ()
    found = codec.decode_window(path, Window(0, 0, 140, 130))
    assert np.array_equal(found.valid, valid)
    assert (np.isnan(found.pixels[1]) == (np.isnan(pixels[1]) | ~valid)).all()


def test_alpha_is_lossless(codec: Codec, tmp_path: Path) -> None:
    pixels = scene(100, 80)
    alpha = np.random.default_rng(0).integers(0, 256, (80, 100)).astype(np.uint8)
    decoded: list[Samples] = []
    codec.encode(ArraySource(pixels, alpha=alpha), tmp_path / "a.fdegc", EncodeOptions(1.0))
    codec.decode(tmp_path / "a.fdegc", on_tile=lambda tile: decoded.append(tile.samples))
    assert np.array_equal(decoded[0].alpha, alpha)


def test_window_equals_the_same_part_of_the_whole(codec: Codec, tmp_path: Path) -> None:
    pixels = scene(400, 300)
    whole = Collector(pixels)
    codec.encode(ArraySource(pixels), tmp_path / "a.fdegc", EncodeOptions(3.0, tile_size=128, check=False))
    codec.decode(tmp_path / "a.fdegc", on_tile=whole)
    window = Window(100, 120, 60, 30)
    part = codec.decode_window(tmp_path / "a.fdegc", window)
    assert np.array_equal(part.pixels, whole.pixels[:, window.rows, window.cols])


@pytest.mark.parametrize(
    "name", ["large/drone_4000x2250.jpg", "geo/naip_20090818.tif", "geo/naip_20170827.tif"]
)
def test_no_seams(codec: Codec, tmp_path: Path, data_dir: Path, name: str) -> None:
    """Pixels along tile edges are as good as with the grid elsewhere (``docs/format.md``)."""
    with open_raster(data_dir / name) as source:
        pixels = source.read(Window(0, 0, 512, 512)).pixels[:3]
    strip = np.zeros((512, 512), bool)
    strip[:, 248:264] = strip[248:264] = True
    errors = []
    for tile in (256, 512):
        out = Collector(pixels)
        codec.encode(
            ArraySource(pixels), tmp_path / "a.fdegc", EncodeOptions(4.0, tile), reconstruct=True,
            on_tile=out, overwrite=True,
        )  # fmt: skip
        errors.append(np.square(out.pixels.astype(float) - pixels)[:, strip].mean())
    assert 10 * np.log10(errors[0] / errors[1]) < 0.1


def test_damage_costs_a_tile_and_a_halo_around_it(codec: Codec, tmp_path: Path) -> None:
    pixels = scene(320, 320)
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0, tile_size=64, check=False))
    intact = Collector(pixels)
    codec.decode(path, on_tile=intact)
    with ContainerReader(path) as reader:
        entry, end = reader.entries[12], reader.entries[18].offset
    whole = path.read_bytes()
    data = bytearray(whole)
    data[entry.offset + entry.length // 2] ^= 1
    path.write_bytes(data)
    damaged = Collector(pixels)
    result = codec.decode(path, on_tile=damaged)
    assert result.damaged == (Window(128, 128, 64, 64),)
    assert not damaged.pixels[:, 128:192, 128:192].any()
    difference = np.abs(damaged.pixels.astype(int) - intact.pixels).max(0)
    halo = result.info.halo
    near, beside = np.zeros((2, 320, 320), bool)
    near[128 - halo : 192 + halo, 128 - halo : 192 + halo] = True
    beside[64:256, 64:256] = True
    # Through the neighbours' pooled attentions; how much depends on the weights.
    assert difference[~near].max() <= 8
    assert difference[~near & beside].mean() < 1.0
    assert not difference[~beside].any()
    with pytest.raises(CorruptStream):
        codec.decode_window(path, Window(130, 140, 5, 5))
    verified = codec.verify(path)
    assert verified.digest is None
    assert "Tile 12" in " ".join(verified.problems)

    path.write_bytes(whole[: end + 7])  # truncated in the middle of a payload
    result = codec.decode(path, on_tile=damaged)
    assert [(w.x // 64, w.y // 64) for w in result.damaged] == [divmod(i, 5)[::-1] for i in range(18, 25)]
    assert np.array_equal(damaged.pixels[:, :128], intact.pixels[:, :128])


def test_fault_injection_is_a_mismatch_not_garbage(codec: Codec, tmp_path: Path) -> None:
    """A machine that computes φ differently reports every tile; it shows none."""
    pixels = scene(128, 64)
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0, tile_size=64, check=False))
    other = Codec(device="cpu")
    *_, bias = other._default.features._layers.parameters()  # what φ ends with
    exact = bias.clone()
    bias.copy_(exact + 1 / 64)
    out = Collector(pixels)
    assert len(other.decode(path, on_tile=out).damaged) == 2
    assert not out.pixels.any()
    assert "other entropy features" in " ".join(other.verify(path).problems)
    bias.copy_(exact + 1e-12)
    assert not other.decode(path, on_tile=out).damaged  # another order of summation is harmless


@pytest.fixture(scope="module")
def tiles_of_latents(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of seven by four tiles, all of them latents."""
    path = tmp_path_factory.mktemp("tiles") / "a.fdegc"
    codec.encode(ArraySource(scene(448, 256)), path, EncodeOptions(2.0, tile_size=64, check=False))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("window", "needed", "synthesised"),
    [
        (Window(130, 70, 40, 20), [1, 2, 3, 8, 9, 10, 15, 16, 17], 1),  # inside of tile (2, 1)
        (Window(0, 0, 65, 1), [0, 1, 2, 7, 8, 9], 2),  # two tiles in the corner
    ],
)
def test_window_decodes_only_what_it_needs(
    codec: Codec,
    tmp_path: Path,
    tiles_of_latents: bytes,
    window: Window,
    needed: list[int],
    synthesised: int,
) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(tiles_of_latents)
    with ContainerReader(path) as reader:
        entries = reader.entries
    sound = codec.decode_window(path, window)
    data = bytearray(path.read_bytes())
    for number, entry in enumerate(entries):
        if number not in needed:
            data[entry.offset] ^= 1
    path.write_bytes(data)
    tiles: list[TileResult] = []
    steps: list[Progress] = []
    assert not codec.decode(path, window=window, on_tile=tiles.append, on_progress=steps.append).damaged
    assert len(steps) == 1 + len(needed) + synthesised and steps[-1].fraction == 1
    assert tiles[-1].bytes_so_far == sum(entries[number].length for number in needed)
    assert np.array_equal(codec.decode_window(path, window).pixels, sound.pixels)


def test_tiles_that_are_not_asked_for_are_left_out(
    codec: Codec, tmp_path: Path, tiles_of_latents: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(tiles_of_latents)
    all_tiles: list[TileResult] = []
    codec.decode(path, on_tile=all_tiles.append)
    made: list[int] = []
    synthesise = TileSynthesis.pixels
    monkeypatch.setattr(
        TileSynthesis,
        "pixels",
        lambda self, tiles, check: made.extend(t.index for t in tiles) or synthesise(self, tiles, check),
    )
    some: list[TileResult] = []
    steps: list[Progress] = []
    codec.decode(path, asked=lambda place: place.x > 0, on_tile=some.append, on_progress=steps.append)
    wanted = [tile for tile in all_tiles if tile.window.x > 0]
    assert 0 < len(wanted) == len(some) == len(made) < len(all_tiles) and steps[-1].fraction == 1
    for one, other in zip(some, wanted, strict=True):
        assert one.window == other.window
        assert np.array_equal(one.samples.pixels, other.samples.pixels)


@pytest.mark.parametrize("rate", range(1, 7))
def test_payload_is_close_to_the_float_models_estimate(codec: Codec, tmp_path: Path, rate: int) -> None:
    sample = Path(__file__).parent.parent.parent / "resources" / "sample_scene.tif"
    with open_raster(sample) as source:
        pixels = source.read(Window(300, 200, 384, 384)).pixels
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(float(rate)))
    with ContainerReader(path) as reader:
        size = reader.entries[0].length
    estimate = codec._default.estimate_bits(pixels.astype(np.float32) / 255, [float(rate)])[0] / 8
    assert size <= 1.01 * estimate + 16


def test_plain_image_carries_little_besides_its_payload(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    sample = Path(__file__).parent.parent.parent / "resources" / "sample_scene.tif"
    with open_raster(sample) as source:
        pixels = source.read(Window(300, 200, 256, 256)).pixels
    result = codec.encode(ArraySource(pixels), path, EncodeOptions(2.0))
    with ContainerReader(path) as reader:
        assert result.bytes - reader.entries[0].length <= 70


@pytest.mark.parametrize(
    "window",
    [Window(-1, 0, 5, 5), Window(0, 0, 65, 5), Window(60, 60, 5, 5), Window(3, 3, 0, 1), Window(3, 3, 5, -2)],
)
def test_window_outside_of_the_scene_is_refused(codec: Codec, tmp_path: Path, window: Window) -> None:
    codec.encode(ArraySource(scene(64, 64)), tmp_path / "a.fdegc", EncodeOptions())
    with pytest.raises(InvalidOption, match="64×64"):
        codec.decode_window(tmp_path / "a.fdegc", window)


def test_damaged_metadata_is_named(codec: Codec, tmp_path: Path) -> None:
    """A lost coordinate system must not pass for a scene that never had one."""
    pixels = scene(64, 64)
    info = RasterInfo(
        "", "ARRAY", 64, 64, 3, "uint8", crs_wkt="x" * 60, transform=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    )
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels, info=info), path, EncodeOptions(2.0))
    assert read_info(path).lost == ()
    intact = path.read_bytes()
    data = bytearray(intact)
    data[data.index(b"cRSW") + 14] ^= 1
    path.write_bytes(data)
    damaged = codec.decode(path)
    assert damaged.info.lost == ("coordinate reference system",)
    assert damaged.info.raster.transform == info.transform
    path.write_bytes(intact[: intact.index(b"aFFN") + 20])
    assert codec.decode(path).info.lost == ("everything after a damaged place",)


def test_cancel_leaves_nothing(codec: Codec, tmp_path: Path) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        codec.encode(
            ArraySource(scene(300, 200)), tmp_path / "a.fdegc", EncodeOptions(3.0, tile_size=64, check=False),
            on_progress=lambda p: token.cancel() if p.fraction > 0.3 else None, cancel=token,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_existing_output_is_refused(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    path.write_text("precious")
    with pytest.raises(OutputExists, match="exists already"):
        codec.encode(ArraySource(scene(64, 64)), path, EncodeOptions())
    assert path.read_text() == "precious"


def test_unknown_weights_are_named(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(scene(64, 64)), path, EncodeOptions(check=False))  # by the network
    data = path.read_bytes()
    wrong = data.replace(codec._default.entry.short_hash, b"8 bytes!")
    path.write_bytes(wrong)
    # The CRC notices both copies.
    with pytest.raises(CorruptStream):
        codec.decode(path)
    with pytest.raises(WeightsMissing, match=b"8 bytes!".hex()):
        codec._network(short_hash=b"8 bytes!")


def test_newer_version_is_refused_in_words(codec: Codec, tmp_path: Path) -> None:
    from fdegc.format.header import StreamHeader

    header = StreamHeader(64, 64, 3, "uint8", 512, 32, 1024, bytes(8), "lite")
    packed = bytearray(header.pack())
    packed[0] = 9
    with pytest.raises(UnsupportedStream, match="version 9"):
        StreamHeader.unpack(bytes(packed))


def test_options_are_checked() -> None:
    for bad in ({"quality": 0.9}, {"quality": 6.1}, {"tile_size": 100}, {"tile_size": 4096}):
        with pytest.raises(InvalidOption):
            EncodeOptions(**bad)
    with pytest.raises(DeviceUnavailable, match="cpu"):
        Codec(device="cuda:77")
    assert [nearest_rate(q, 6) for q in (1.0, 1.49, 1.5, 5.6, 6.0)] == [1, 1, 2, 6, 6]
    assert nearest_rate(5.6, 1) == 1


def test_estimates_are_near_the_file(codec: Codec, tmp_path: Path, data_dir: Path) -> None:
    with open_raster(data_dir / "val" / "neon_HARV_HARV_043.webp") as source:
        estimates = codec.estimate_all(source)
        kept = codec.estimate_all(source, ranges=(ValueRange(10, 90, percent=True),))
        result = codec.encode(source, tmp_path / "a.fdegc", EncodeOptions(3.0))
    assert list(estimates) == [1, 2, 3, 4, 5, 6]
    assert estimates[3].bytes == pytest.approx(result.bytes, rel=0.25)
    assert estimates[1].bytes < estimates[6].bytes
    assert kept[3].bytes > 1.1 * estimates[3].bytes, "a narrower range is coded more finely"
