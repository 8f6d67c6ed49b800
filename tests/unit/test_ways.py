"""Tiles that are coded in several ways beside each other, through the shipped weights and real files."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdegc.codec import Codec, choosing
from fdegc.codec.advice import advice_on
from fdegc.codec.forms import PACKETS
from fdegc.codec.inputs import NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import TilePlan
from fdegc.codec.ways import PlainWays
from fdegc.coding import jpeg2000
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream
from fdegc.format import layout
from fdegc.format.header import StreamHeader
from fdegc.format.info import read_info
from fdegc.format.kinds import UnitKind, unpack_fidelity
from fdegc.format.metadata import ALPHA, MASK, MISSING
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions, Target, TargetKind
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import EncodeResult, TileResult
from fdegc.types import Components, Samples
from tests import scenes
from tests.sharing import search_less

SCENES = {
    "photo": scenes.photo(256, 128),
    "drawing": scenes.drawing(120, 100),
    "noise": scenes.noise(128, 100),
    "mixed": scenes.mixed(),
    # Six tiles of 64, in all ways.
    "some": np.ascontiguousarray(scenes.mixed()[:, :128, 64:]),
}
#: Of which each is coded once.
WHOLE = ("photo", "drawing", "noise", "mixed")
Coded = Callable[[str, float, int], tuple[Path, EncodeResult, np.ndarray]]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


class Shown:
    """What an encoder shows of its tiles, put together."""

    def __init__(self, like: np.ndarray) -> None:
        self.pixels = np.zeros_like(like)
        self.visits = np.zeros(like.shape[1:], int)

    def __call__(self, tile: TileResult) -> None:
        self.pixels[:, tile.window.rows, tile.window.cols] = tile.samples.pixels
        self.visits[tile.window.rows, tile.window.cols] += 1


def whole(pixels: np.ndarray) -> Window:
    return Window(0, 0, pixels.shape[2], pixels.shape[1])


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    error = np.square(first.astype(float) - second.astype(float)).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def encode(
    codec: Codec, pixels: np.ndarray, path: Path, options: EncodeOptions
) -> tuple[EncodeResult, np.ndarray]:
    """Result of a compression, and what it showed."""
    shown = Shown(pixels)
    result = codec.encode(ArraySource(pixels), path, options, reconstruct=True, on_tile=shown, overwrite=True)
    # With a target that was missed at first, all is coded and shown again, up to five times.
    most = 5 if options.target else 1
    assert (shown.visits == shown.visits[0, 0]).all() and 1 <= shown.visits[0, 0] <= most
    assert result.bytes == path.stat().st_size
    return result, shown.pixels


@pytest.fixture(scope="module")
def coded(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Coded:
    """File of a scene at a rate in tiles of a size, the result, and what was shown; each is made once."""
    folder = tmp_path_factory.mktemp("coded")

    @functools.cache
    def made(name: str, rate: float, tile: int) -> tuple[Path, EncodeResult, np.ndarray]:
        path = folder / f"{name}-{rate}-{tile}.fdegc"
        return path, *encode(codec, SCENES[name], path, EncodeOptions(rate, tile))

    return made


def kinds_of(path: Path) -> list[int]:
    with ContainerReader(path) as reader:
        return reader.entries.kinds[:: reader.header.groups].tolist()


@pytest.mark.parametrize(("tile", "rate"), [(64, 2.0), (64, 5.0), (128, 3.3)])
@pytest.mark.parametrize("name", WHOLE)
def test_what_was_shown_is_what_comes_back(
    codec: Codec, coded: Coded, name: str, tile: int, rate: float
) -> None:
    pixels = SCENES[name]
    path, result, shown = coded(name, rate, tile)
    decoded = codec.decode_window(path, whole(pixels)).pixels
    assert np.array_equal(decoded, shown)
    height, width = pixels.shape[1:]
    for window in (Window(50, 40, 30, 30), Window(width - 70, height - 50, 70, 50), Window(0, 63, width, 2)):
        part = codec.decode_window(path, window)
        assert np.array_equal(part.pixels, decoded[:, window.rows, window.cols])
    verified = codec.verify(path)
    assert verified.problems == () and verified.digest is not None
    # What the file says of itself.
    info = read_info(path)
    assert dict(info.ways) == dict(result.ways) and sum(info.ways.values()) == result.tiles
    if name == "mixed" and tile == 64:
        assert {"network", "jpeg2000", "classes"} <= set(info.ways)
    elif name != "mixed":
        assert name != "photo" or info.ways["network"] >= 0.7 * info.tiles
        assert name != "drawing" or set(info.ways) == {"classes"}
    assert result.psnr is not None and result.worst is not None
    assert result.psnr == pytest.approx(psnr(pixels, decoded))
    assert info.psnr is not None and info.worst is not None
    if math.isinf(result.psnr):
        assert info.psnr == info.worst == result.worst == math.inf
        return
    # They are stored in thirds of a decibel, rounded down.
    assert abs(info.psnr - result.psnr) <= 1 / 6 + 1e-6
    assert 0 <= result.worst - info.worst < 1 / 3 + 1e-6
    with ContainerReader(path) as reader:
        entries = [reader.entries[unit] for unit in range(0, reader.header.units, reader.header.groups)]
    columns = -(-width // tile)
    for index, entry in enumerate(entries):
        y, x = (tile * place for place in divmod(index, columns))
        own = psnr(pixels[:, y : y + tile, x : x + tile], decoded[:, y : y + tile, x : x + tile])
        stored = unpack_fidelity(entry.fidelity)
        assert stored is not None and (own == stored or 0 <= own - stored < 1 / 3 + 1e-6)


@pytest.mark.parametrize("rate", [2.0, 5.0])
@pytest.mark.parametrize("name", WHOLE)
def test_nothing_is_worse_than_jpeg_2000(coded: Coded, name: str, rate: float) -> None:
    """Neither a scene of one tile, nor any tile of several, in the same bytes."""
    pixels = SCENES[name]
    _, result, shown = coded(name, rate, 256)
    peer = jpeg2000.decode(jpeg2000.encode(pixels, 8, result.bytes), pixels.shape, 8)
    assert psnr(pixels, shown) >= psnr(pixels, peer) - 0.3
    path, _, shown = coded(name, rate, 64)
    with ContainerReader(path) as reader:
        lengths = np.array([entry.length for entry in reader.entries])
        sizes = lengths.reshape(-1, reader.header.groups).sum(axis=1).tolist()
    columns, kinds = -(-pixels.shape[2] // 64), kinds_of(path)
    plan = TilePlan(pixels.shape[2], pixels.shape[1], 64, 16)
    for index, size in enumerate(sizes):
        y, x = (64 * place for place in divmod(index, columns))
        own, found = pixels[:, y : y + 64, x : x + 64], shown[:, y : y + 64, x : x + 64]
        peer = jpeg2000.decode(data := jpeg2000.encode(own, 8, size), own.shape, 8)
        if len(data) <= size:
            # What latents beside tiles without any lose, since those are seen without their own surroundings.
            beside = not kinds[index] and any(kinds[n] for n in plan.neighbours(index))
            assert psnr(own, found) >= psnr(own, peer) - (3.0 if beside else 0.3)


def test_several_tiles_are_nearly_as_good_as_jpeg_2000_of_all(codec: Codec, tmp_path: Path) -> None:
    """A codestream for each of four tiles takes a little more than one for all of them."""
    pixels = scenes.mixed(256, 256)
    for rate in (2.0, 5.0):
        result, shown = encode(codec, pixels, tmp_path / "a.fdegc", EncodeOptions(rate, 128))
        peer = jpeg2000.decode(jpeg2000.encode(pixels, 8, result.bytes), pixels.shape, 8)
        assert psnr(pixels, shown) >= psnr(pixels, peer) - 1.0


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ({UnitKind.LATENTS: 3, UnitKind.STATED: 2}, None),
        (
            {UnitKind.LATENTS: 1, UnitKind.STATED: 2},
            "2 of 3 tiles were kept as JPEG 2000, which was better; a hig",
        ),
        (
            {UnitKind.LATENTS: 1, UnitKind.EXACT: 2},
            "kept without loss, which was better; --lossless keeps all",
        ),
        ({UnitKind.CLASSES: 2}, "2 of 2 tiles were kept without loss, which was better."),
        (
            {UnitKind.PACKETS: 1, UnitKind.EXACT: 1},
            "as JPEG 2000 or without loss, which was better; a higher rate",
        ),
    ],
)
def test_a_scene_that_hardly_needed_the_network_is_said_to_be_such(
    codec: Codec, ways: dict[UnitKind, int], said: str | None
) -> None:
    plan = EncodingPlan.of(codec.networks[0], ArraySource(scenes.photo(64, 64)), EncodeOptions(2.0))
    found = advice_on(plan, ways, None, {}, 9000)
    assert len(found) == (said is not None) and (said is None or said in found[0])


@pytest.mark.parametrize(
    ("planes", "said"),
    [
        (
            {ALPHA: 8000, MASK: 20},
            "The alpha band is kept without loss, and takes 8 kB of",
        ),
        ({MASK: 3000, MISSING: 2000}, "Which samples are missing is kept exactly, and takes 5 kB of"),
        ({MASK: 4000}, None),
        ({}, None),
    ],
)
def test_planes_that_take_most_of_a_file_are_said(
    codec: Codec, planes: dict[bytes, int], said: str | None
) -> None:
    plan = EncodingPlan.of(codec.networks[0], ArraySource(scenes.photo(64, 64)), EncodeOptions(2.0))
    found = advice_on(plan, {UnitKind.LATENTS: 2}, None, planes, 9000)
    assert len(found) == (said is not None) and (said is None or found[0].startswith(said))
    assert not advice_on(plan, {UnitKind.LATENTS: 2}, None, {MASK: 900}, 1000)  # which nobody minds


def test_an_alpha_band_of_noise_is_said_to_take_most_of_the_file(codec: Codec, tmp_path: Path) -> None:
    alpha = np.random.default_rng(0).integers(1, 255, (64, 96), np.uint8)
    result = codec.encode(
        ArraySource(scenes.photo(96, 64), alpha=alpha), tmp_path / "a.fdegc", EncodeOptions(1.0, 64)
    )
    (said,) = [sentence for sentence in result.advice if "alpha" in sentence]
    assert said.startswith("The alpha band is kept without loss, and takes 6.")


def test_what_small_tiles_cost_is_said_where_it_counts(codec: Codec, coded: Coded, tmp_path: Path) -> None:
    def said(result: EncodeResult) -> list[str]:
        return [sentence for sentence in result.advice if "--tile-size" in sentence]

    (sentence,) = said(coded("noise", 2.0, 64)[1])
    assert "Tiles of 64" in sentence and "1.1 to 1.7 dB" in sentence and "8 to 15 dB" in sentence
    assert said(coded("noise", 2.0, 256)[1]) == []
    single = ArraySource(scenes.noise(64, 60))
    assert said(codec.encode(single, tmp_path / "a.fdegc", EncodeOptions(2.0, 64))) == []
    assert said(coded("photo", 2.0, 64)[1]) == []


def test_unchecked_tiles_are_the_networks(codec: Codec, tmp_path: Path) -> None:
    pixels = SCENES["photo"]
    payloads = {}
    for check in (True, False):
        path = tmp_path / f"{check}.fdegc"
        codec.encode(ArraySource(pixels), path, EncodeOptions(4.0, 128, check=check))
        with ContainerReader(path) as reader:
            payloads[check] = [
                (reader.payload(u), e.kind, e.dither, e.y_hash, e.phi_hash)
                for u, e in enumerate(reader.entries)
            ]
    assert payloads[True] == payloads[False]
    assert read_info(tmp_path / "False.fdegc").psnr is None
    path = tmp_path / "noise.fdegc"
    result = codec.encode(ArraySource(SCENES["mixed"]), path, EncodeOptions(2.0, 64, check=False))
    assert set(result.ways) == {"network"} and not any(kinds_of(path))


def test_a_small_picture_carries_at_most_70_bytes_besides_its_payload(codec: Codec, tmp_path: Path) -> None:
    for name, pixels in (("photo", scenes.photo(256, 256)), ("drawing", scenes.drawing(256, 256))):
        path = tmp_path / f"{name}.fdegc"
        result = codec.encode(ArraySource(pixels), path, EncodeOptions(2.0))
        with ContainerReader(path) as reader:
            assert result.bytes - sum(entry.length for entry in reader.entries) <= 70


@pytest.mark.usefixtures("few_tries")
def test_any_number_of_threads_gives_the_same_file(tmp_path: Path) -> None:
    files = []
    for threads in (1, 2):
        path = tmp_path / f"{threads}.fdegc"
        one = Codec(device="cpu", threads=threads)
        one.encode(ArraySource(SCENES["some"]), path, EncodeOptions(2.5, 64))
        one.encode(
            ArraySource(SCENES["some"]),
            tmp_path / "b",
            EncodeOptions(tile_size=64, max_error=2.0),
            overwrite=True,
        )
        files.append((path.read_bytes(), (tmp_path / "b").read_bytes()))
    assert files[0] == files[1]


# ------------------------------------------------------------------ going on


def interrupted(source: Path, path: Path, options: EncodeOptions, share: float) -> None:
    """Compression that ends in the middle."""
    cancel = CancelToken()
    with open_raster(source) as raster, pytest.raises(Cancelled):
        Codec(device="cpu", threads=1).encode(
            raster, path, options, resume=True, cancel=cancel,
            on_progress=lambda p: cancel.cancel() if p.fraction > share else None,
        )  # fmt: skip


@pytest.mark.parametrize("options", [EncodeOptions(2.5, 64), EncodeOptions(tile_size=64, max_error=3.0)])
@pytest.mark.usefixtures("few_tries")
def test_an_interrupted_run_writes_the_same_file(
    codec: Codec, tmp_path: Path, options: EncodeOptions
) -> None:
    source, expected, path = tmp_path / "a.png", tmp_path / "whole.fdegc", tmp_path / "a.fdegc"
    # Other ways first, so that what is finished has them.
    pixels = np.ascontiguousarray(SCENES["some"][:, :, ::-1])
    Image.fromarray(np.moveaxis(pixels, 0, 2)).save(source)
    with open_raster(source) as raster:
        codec.encode(raster, expected, options)
    kinds = kinds_of(expected)
    if options.max_error is None:
        assert any(kinds[:4])
    for share in (0.65, 0.8):
        path.unlink(missing_ok=True)
        interrupted(source, path, options, share)
        shown = Shown(pixels)
        with open_raster(source) as raster:
            result = codec.encode(
                raster, path, options, resume=True, reconstruct=share > 0.7, on_tile=shown, overwrite=True
            )
        assert 0 < result.resumed_tiles < result.tiles
        assert path.read_bytes() == expected.read_bytes()
        if share > 0.7:
            assert np.array_equal(shown.pixels, codec.decode_window(path, whole(pixels)).pixels)


@pytest.mark.usefixtures("few_tries")
def test_a_run_that_ended_within_a_tile_writes_the_same_file(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its units are, of which some bands' are written."""
    source, expected, path = tmp_path / "a.tif", tmp_path / "whole.fdegc", tmp_path / "a.fdegc"
    bands = np.concatenate([SCENES["mixed"], SCENES["mixed"][::-1, ::-1]])[:5, 64:128, :192]
    tifffile = pytest.importorskip("tifffile", reason="writes the scene of this test")
    tifffile.imwrite(source, bands, planarconfig="separate", photometric="minisblack")
    options = EncodeOptions(2.5, 64)
    with open_raster(source) as raster:
        codec.encode(raster, expected, options)
    kinds = kinds_of(expected)
    with ContainerReader(expected) as reader:
        groups = reader.header.groups
    assert groups > 1 and len(set(kinds)) > 2
    add = ContainerWriter.add
    for kind in sorted(set(kinds)):
        stop = groups * kinds.index(kind) + 1

        def cut(self: ContainerWriter, *args: object, stop: int = stop, **named: object) -> None:
            if self.units_done == stop:
                raise KeyboardInterrupt
            add(self, *args, **named)  # type: ignore[arg-type]

        with monkeypatch.context() as patch, open_raster(source) as raster:
            patch.setattr(ContainerWriter, "add", cut)
            with pytest.raises(KeyboardInterrupt):
                codec.encode(raster, path, options, resume=True, overwrite=True)
        with open_raster(source) as raster:
            codec.encode(raster, path, options, resume=True, overwrite=True)
        assert path.read_bytes() == expected.read_bytes(), UnitKind(kind)


# ------------------------------------------------------------------ targets


@pytest.mark.parametrize("name", ["some", "drawing"])
@pytest.mark.usefixtures("few_tries")
def test_a_size_holds_where_other_ways_win(codec: Codec, tmp_path: Path, name: str) -> None:
    pixels, path = SCENES[name], tmp_path / "a.fdegc"
    plain = codec.encode(ArraySource(pixels), path, EncodeOptions(3.0, 64, check=False)).bytes
    options = EncodeOptions(tile_size=64, target=Target(TargetKind.SIZE, plain))
    result, shown = encode(codec, pixels, path, options)
    assert result.bytes <= plain and set(result.ways) - {"network"}
    assert np.array_equal(codec.decode_window(path, whole(pixels)).pixels, shown)


@pytest.mark.usefixtures("few_tries")
def test_a_psnr_holds_where_other_ways_win(codec: Codec, tmp_path: Path) -> None:
    pixels, path = SCENES["some"], tmp_path / "a.fdegc"
    target = Target(TargetKind.PSNR, 20.0)
    result, shown = encode(codec, pixels, path, EncodeOptions(tile_size=64, target=target))
    assert set(result.ways) - {"network"}
    assert psnr(pixels, shown) >= 20.0


# ------------------------------------------------------------------ component transforms


@pytest.mark.parametrize(("bands", "kept"), [(3, 2), (6, 5), (6, 4), (7, 2), (13, 8)])
def test_components_that_are_left_out_leave_no_rounding_errors(bands: int, kept: int) -> None:
    rng = np.random.default_rng(bands)
    axes = np.linalg.qr(rng.normal(size=(bands, bands)))[0]
    variances = np.where(np.arange(bands) < kept, 0.01, 1e-7)
    covariance = (axes * variances) @ axes.T
    way = choosing._karhunen_loeve(np.full(bands, 0.5), covariance, np.ones(bands))
    header = StreamHeader(8, 8, bands, "uint8", 64, 16, 1024, bytes(8), "lite", components=way)
    inputs = NetworkInputs(header)
    unit = 0.5 + np.einsum("ij,jhw->ihw", axes * np.sqrt(variances), rng.normal(size=(bands, 8, 8)))
    found = inputs.bands([x + np.float32(1e-3) for x in inputs.of(unit.astype(np.float32))])
    assert np.abs(found - unit).max() < 5e-3


def six_bands(width: int = 192, height: int = 128) -> np.ndarray:
    """Bands of one scene in other mixtures, and some noise in each."""
    photo = scenes.photo(width, height).astype(float)
    mixture = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.6, 0.4], [0.3, 0.3, 0.4]])
    rng = np.random.default_rng(3)
    out = np.einsum("bc,chw->bhw", mixture, photo) + rng.normal(0, 0.5, (6, height, width))
    return np.clip(out * 16, 0, 4095).astype(np.uint16)


def test_correlated_bands_share_what_they_have(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, path = six_bands(), tmp_path / "a.fdegc"
    # Tiles with a transform of their own need none of the scene's.
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))
    result, shown = encode(codec, pixels, path, EncodeOptions(4.0, 64))
    with ContainerReader(path) as reader:
        components = reader.header.components
    assert components is not None
    decoded = codec.decode_window(path, whole(pixels)).pixels
    assert np.array_equal(decoded, shown)
    window = Window(70, 50, 40, 40)
    part = codec.decode_window(path, window).pixels
    assert np.array_equal(part, decoded[:, window.rows, window.cols])
    monkeypatch.setattr("fdegc.codec.facade.choose_components", lambda *_: None)
    plain, _ = encode(codec, pixels, tmp_path / "b.fdegc", EncodeOptions(4.0, 64))
    with ContainerReader(tmp_path / "b.fdegc") as reader:
        assert reader.header.components is None
    assert result.psnr is not None and plain.psnr is not None
    assert result.bytes < plain.bytes
    assert result.psnr >= plain.psnr


def test_weights_of_bands_count(codec: Codec, tmp_path: Path) -> None:
    pixels, path = six_bands(128, 128)[3:], tmp_path / "a.fdegc"
    errors = []
    for weights in ((1.0, 1.0, 4.0), (4.0, 1.0, 1.0)):
        _, shown = encode(codec, pixels, path, EncodeOptions(3.0, 128, band_weights=weights))
        errors.append(np.square(shown.astype(float) - pixels).mean(axis=(1, 2)))
        assert np.array_equal(codec.decode_window(path, whole(pixels)).pixels, shown)
    assert errors[0][2] < errors[1][2] and errors[1][0] < errors[0][0]


# ------------------------------------------------------------------ bounds


def bounded(dtype: str, bands: int = 2) -> np.ndarray:
    """Smooth bands over a wide part of a type, with its extremes in the corners."""
    y, x = np.mgrid[0:70, 0:90]
    waves = np.stack([np.sin(x / (9 + band)) * np.cos(y / 7) for band in range(bands)])
    waves += np.random.default_rng(1).normal(0, 0.05, waves.shape)
    if np.dtype(dtype).kind == "f":
        pixels = (waves * 700.3 + 2000).astype(dtype)
        pixels[0, 0, :4] = (0.0, -0.0, 1e30, -1e-30)
        return pixels
    limits = np.iinfo(dtype)
    middle, span = (limits.max + limits.min) / 2, min(limits.max - limits.min, 60_000) * 0.3
    pixels = (middle + waves * span).astype(dtype)
    pixels[0, 0, :2] = limits.min, limits.max
    return pixels


@pytest.mark.parametrize("bound", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("gaps", ["none", "mask", "bands", "alpha"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_a_bound_holds(codec: Codec, tmp_path: Path, dtype: str, gaps: str, bound: float) -> None:
    pixels, path = bounded(dtype), tmp_path / "a.fdegc"
    holes = np.random.default_rng(2).random(pixels.shape[1:]) < 0.2
    valid = alpha = info = None
    if gaps == "mask":
        valid = ~holes
    elif gaps == "alpha":
        alpha = np.where(holes, 0, 100).astype(dtype)
    elif gaps == "bands":
        info = RasterInfo("", "MEM", 90, 70, 2, dtype, nodata=7.0)
        pixels[0, holes] = 7
        pixels[:, 60:65] = 7
    source = ArraySource(pixels, valid, alpha, info=info)
    shown: list[TileResult] = []
    result = codec.encode(source, path, EncodeOptions(tile_size=64, max_error=bound), on_tile=shown.append)
    before, after = source.read(whole(pixels)), codec.decode_window(path, whole(pixels))
    known = np.ones(pixels.shape, bool)
    for name in ("valid", "alpha", "missing"):
        first, second = getattr(before, name), getattr(after, name)
        assert (first is None) == (second is None) or name == "valid"
        if first is not None and second is not None:
            assert np.array_equal(first, second)
    if before.valid is not None:
        known &= before.valid
    if before.missing is not None:
        known &= ~before.missing
    bits = f"u{pixels.itemsize}"
    if bound == 0:
        assert np.array_equal(after.pixels.view(bits)[known], pixels.view(bits)[known])
        assert result.psnr == math.inf
    error = np.abs(after.pixels.astype(np.float64) - pixels.astype(np.float64))[known]
    assert error.max() <= bound
    info_read = read_info(path)
    assert info_read.bound == bound and set(info_read.ways) <= {"exact", "classes"}
    for tile in shown:
        own = after.pixels[:, tile.window.rows, tile.window.cols]
        assert np.array_equal(tile.samples.pixels, own, equal_nan=True)
    window = Window(40, 30, 40, 40)
    part = codec.decode_window(path, window)
    assert np.array_equal(part.pixels, after.pixels[:, window.rows, window.cols], equal_nan=True)
    assert codec.verify(path).problems == ()


@pytest.mark.parametrize("bound", [0.0, 0.01])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_no_number_is_no_matter(codec: Codec, tmp_path: Path, dtype: str, bound: float) -> None:
    pixels, path = bounded(dtype), tmp_path / "a.fdegc"
    holes = np.random.default_rng(2).random(pixels.shape[1:]) < 0.2
    pixels[:, holes] = np.nan
    pixels[1, 5:9] = np.nan
    pixels[0, 20, 3:9] = np.inf
    source = ArraySource(pixels)
    codec.encode(source, path, EncodeOptions(tile_size=64, max_error=bound))
    after = codec.decode_window(path, whole(pixels))
    assert np.array_equal(np.isnan(after.pixels), np.isnan(np.where(np.isfinite(pixels), pixels, np.nan)))
    finite = np.isfinite(pixels)
    assert np.abs(after.pixels[finite].astype(float) - pixels[finite].astype(float)).max() <= bound


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e39])
def test_numbers_beyond_float32_have_bounds(codec: Codec, tmp_path: Path, scale: float) -> None:
    pixels, path = bounded("float64", 1)[:, 1:] * scale, tmp_path / "a.fdegc"
    for bound in (0.0, scale / 10):
        codec.encode(ArraySource(pixels), path, EncodeOptions(tile_size=64, max_error=bound), overwrite=True)
        after = codec.decode_window(path, whole(pixels)).pixels
        assert np.abs(after - pixels).max() <= bound


# ------------------------------------------------------------------ hostile and damaged files


def changed_units(path: Path, out: Path, changes: dict[int, dict[str, object]]) -> None:
    """Write a file again with other entries or payloads of some units, and checksums that fit."""
    with ContainerReader(path) as reader, ContainerWriter(out, reader.header, overwrite=True) as writer:
        for unit, entry in enumerate(reader.entries):
            fields: dict[str, object] = {
                name: getattr(entry, name)
                for name in ("kind", "quality", "fidelity", "dither", "phi_hash", "y_hash")
            }
            change = dict(changes.get(unit, {}))
            payload = change.pop("payload", reader.payload(unit))
            writer.add(payload, **(fields | change))  # type: ignore[arg-type]
        for tag, data in reader.blocks.items():
            writer.add_block(tag, data)
        writer.commit()


@pytest.fixture(scope="module")
def mixed_file(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Samples]:
    """Tiles of all kinds, those of JPEG 2000 with bands as components."""
    path, out = (tmp_path_factory.mktemp("mixed") / name for name in ("a.fdegc", "b.fdegc"))
    with pytest.MonkeyPatch.context() as monkeypatch:  # forms for few tones, which serve better, are no such
        monkeypatch.setattr(PlainWays, "_has_few_tones", lambda *_: False)
        search_less(monkeypatch)
        codec.encode(ArraySource(SCENES["mixed"]), path, EncodeOptions(2.0, 64))
    changes: dict[int, dict[str, object]] = {}
    with ContainerReader(path) as reader:
        plan, ways = TilePlan(256, 192, 64, 16), PlainWays(reader.header)
        for index, entry in enumerate(reader.entries):
            if entry.kind == UnitKind.COMPONENTS:
                window = plan.window(index)
                unit = (SCENES["mixed"][:, window.rows, window.cols] / 255).astype(np.float32)
                tile = ways.jpeg2000(unit, entry.length)
                changes[index] = {"kind": tile.kind, "payload": tile.payload}
    assert changes
    changed_units(path, out, changes)
    return out, codec.decode_window(out, whole(SCENES["mixed"]))


def check_cost(codec: Codec, path: Path, sound: Samples, lost: int, words: str) -> None:
    """One tile is zero and told; none but its neighbours change."""
    shown = Shown(sound.pixels)
    result = codec.decode(path, on_tile=shown)
    y, x = divmod(lost, 4)
    assert result.damaged == (Window(64 * x, 64 * y, 64, 64),)
    assert not shown.pixels[:, 64 * y : 64 * y + 64, 64 * x : 64 * x + 64].any()
    beside = np.zeros(sound.pixels.shape[1:], bool)
    beside[max(64 * y - 64, 0) : 64 * y + 128, max(64 * x - 64, 0) : 64 * x + 128] = True
    assert np.array_equal(shown.pixels[:, ~beside], sound.pixels[:, ~beside])
    verified = codec.verify(path)
    told = " ".join(verified.problems)
    assert f"Tile {lost}" in told and words in told and verified.digest is None
    with pytest.raises(CorruptStream):
        codec.decode_window(path, Window(64 * x + 5, 64 * y + 5, 3, 3))


def check_rest(codec: Codec, path: Path, sound: Samples, lost: int) -> None:
    """Everything but a tile and those beside it is as before, whatever has become of that one."""
    shown = Shown(sound.pixels)
    codec.decode(path, on_tile=shown)
    y, x = divmod(lost, 4)
    beside = np.zeros(sound.pixels.shape[1:], bool)
    beside[max(64 * y - 64, 0) : 64 * y + 128, max(64 * x - 64, 0) : 64 * x + 128] = True
    assert np.array_equal(shown.pixels[:, ~beside], sound.pixels[:, ~beside])


@pytest.mark.parametrize("kind", [UnitKind.PACKETS, UnitKind.CLASSES])
def test_a_damaged_plain_tile_costs_its_tile(
    codec: Codec, tmp_path: Path, mixed_file: tuple[Path, Samples], kind: UnitKind
) -> None:
    path, sound = mixed_file
    tile = kinds_of(path).index(kind)
    with ContainerReader(path) as reader:
        entry = reader.entries[tile]
    data = bytearray(path.read_bytes())
    data[entry.offset + entry.length // 2] ^= 1
    damaged = tmp_path / "a.fdegc"
    damaged.write_bytes(data)
    check_cost(codec, damaged, sound, tile, "damaged")
    # The same with a checksum that fits, where what is left cannot be decoded.
    with ContainerReader(path) as reader:
        payload = reader.payload(tile)
    for broken in (payload[: len(payload) // 2], b"", b"\0" * 40):
        changed_units(path, damaged, {tile: {"payload": broken}})
        if kind != UnitKind.PACKETS:  # which may be any bytes
            check_cost(codec, damaged, sound, tile, "")
        else:
            check_rest(codec, damaged, sound, tile)
    if kind == UnitKind.PACKETS:
        # The kind that has a header of its own is held to it.
        changed_units(path, damaged, {tile: {"kind": UnitKind.JPEG2000}})
        check_cost(codec, damaged, sound, tile, "JPEG 2000 codestream of a tile")


def test_whole_codestreams_are_read(codec: Codec, tmp_path: Path, mixed_file: tuple[Path, Samples]) -> None:
    """Files of before hold them; so do those of an OpenJPEG with other steps of quantization."""
    path, sound = mixed_file
    out, tile = tmp_path / "a.fdegc", kinds_of(path).index(UnitKind.PACKETS)
    with ContainerReader(path) as reader:
        window = TilePlan(reader.header.width, reader.header.height, 64, 16).window(tile)
    own = np.ascontiguousarray(sound.pixels[:, window.rows, window.cols])
    data = jpeg2000.encode(own, 8, 3000)
    changed_units(path, out, {tile: {"kind": UnitKind.JPEG2000, "payload": data}})
    assert np.array_equal(codec.decode_window(out, window).pixels, jpeg2000.decode(data, own.shape, 8))
    assert read_info(out).ways == read_info(path).ways and codec.verify(out).problems == ()


@pytest.mark.parametrize("side", [130, 224])
@pytest.mark.parametrize("rate", [1.0, 3.0, 5.0])
def test_slow_ramps_have_all_levels(codec: Codec, tmp_path: Path, side: int, rate: float) -> None:
    """JPEG 2000 of five levels, with all its headers, was up to 14 dB ahead of a single small smooth tile."""
    y, x = np.mgrid[0:side, 0:side] / side
    noise = np.random.default_rng(1).normal(0, 0.6, (3, side, side))
    pixels = np.rint(np.stack([20 + 200 * x, 20 + 200 * y, 220 - 100 * (x + y)]) + noise).astype(np.uint8)
    path = tmp_path / "a.fdegc"
    result, shown = encode(codec, pixels, path, EncodeOptions(rate))
    # Of components, which may be deep as well.
    assert kinds_of(path) in ([UnitKind.DEEP_PACKETS], [UnitKind.COMPONENTS])
    assert dict(result.ways) == {"jpeg2000": 1}
    assert np.array_equal(codec.decode_window(path, whole(pixels)).pixels, shown)
    sizes = range(result.bytes - 40, result.bytes + 40, 4)
    # None of them may be so small.
    rivals = [data for size in sizes if len(data := jpeg2000.encode(pixels, 8, size)) <= result.bytes]
    theirs = [psnr(jpeg2000.decode(data, pixels.shape, 8), pixels) for data in rivals]
    assert psnr(shown, pixels) > max(theirs, default=0) - 0.3 and psnr(shown, pixels) > 35


@pytest.mark.parametrize(
    ("kind", "words"), [(200, "does not know \\(200\\): update FDEGC"), (9, "update FDEGC")]
)
def test_unknown_kinds_are_named_and_cost_their_tile(
    codec: Codec, tmp_path: Path, mixed_file: tuple[Path, Samples], kind: int, words: str
) -> None:
    path, sound = mixed_file
    out = tmp_path / "a.fdegc"
    for tile in (0, kinds_of(path).index(UnitKind.PACKETS)):
        changed_units(path, out, {tile: {"kind": kind}})
        check_cost(codec, out, sound, tile, words.replace("\\", ""))
        assert read_info(out).ways["unknown"] == 1


def test_nothing_where_something_should_be_costs_its_tile(
    codec: Codec, tmp_path: Path, mixed_file: tuple[Path, Samples]
) -> None:
    path, sound = mixed_file
    out = tmp_path / "a.fdegc"
    tile = kinds_of(path).index(UnitKind.LATENTS)
    for change in ({"kind": UnitKind.NOTHING}, {"kind": UnitKind.NOTHING, "payload": b""}):
        changed_units(path, out, {tile: change})
        check_cost(codec, out, sound, tile, "no payload")
    changed_units(path, out, {tile: {"payload": b""}})
    check_cost(codec, out, sound, tile, "")


@pytest.mark.parametrize("kind", [k for k in UnitKind if k != UnitKind.NOTHING])
def test_payloads_of_other_kinds_cost_their_tile(
    codec: Codec, tmp_path: Path, mixed_file: tuple[Path, Samples], kind: UnitKind
) -> None:
    path, sound = mixed_file
    out = tmp_path / "a.fdegc"
    kinds = kinds_of(path)
    for tile in (
        kinds.index(UnitKind.LATENTS),
        kinds.index(UnitKind.PACKETS),
        kinds.index(UnitKind.CLASSES),
    ):
        if kinds[tile] != kind:
            changed_units(path, out, {tile: {"kind": kind}})
            if kind in PACKETS:  # nearly any bytes
                check_rest(codec, out, sound, tile)
            else:
                check_cost(codec, out, sound, tile, "")


def test_bands_without_units_of_their_own(codec: Codec, tmp_path: Path) -> None:
    """Second units that are missing or not empty harm nobody who does not read them."""
    pixels = np.concatenate([scenes.photo(64, 64), scenes.photo(64, 64, 400)])[:5]
    path, out = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(3.0, 64, check=False))
    with ContainerReader(path) as reader:
        groups = reader.header.groups
    assert groups > 1
    changed_units(path, out, {1: {"kind": UnitKind.NOTHING, "payload": b""}})
    assert codec.decode(out).damaged == (Window(0, 0, 64, 64),)
    assert "Tile 0" in " ".join(codec.verify(out).problems)


def test_latents_in_a_file_that_has_none(codec: Codec, tmp_path: Path) -> None:
    pixels, path, out = scenes.drawing(200, 128), tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(tile_size=64, max_error=0.0))
    changed_units(path, out, {2: {"kind": UnitKind.LATENTS}})
    assert codec.decode(out).damaged == (Window(128, 0, 64, 64),)
    assert "header says no tile" in " ".join(codec.verify(out).problems)
    assert codec.verify(path).problems == ()


def test_files_without_latents_need_no_weights(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(SCENES["drawing"]), path, EncodeOptions(tile_size=64, max_error=0.0))
    info = read_info(path)
    assert (info.profile, info.weights_hash) == ("", "0" * 16)
    assert np.array_equal(codec.decode_window(path, whole(SCENES["drawing"])).pixels, SCENES["drawing"])


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.usefixtures("few_tries")
def test_what_ends_without_latents_holds_nothing_for_a_network(
    codec: Codec, tmp_path: Path, side: int
) -> None:
    """Bands that had entered it by a transform, and two groups of them."""
    pixels, path = np.random.default_rng(0).integers(0, 256, (5, side, 128), np.uint8), tmp_path / "a.fdegc"
    pixels[1] = pixels[0] // 2
    result, shown = encode(codec, pixels, path, EncodeOptions(5.0, side))
    assert dict(result.ways) == dict(read_info(path).ways) == {"jpeg2000": 128 // side}
    with ContainerReader(path) as reader:
        header, payload = reader.header, sum(entry.length for entry in reader.entries)
        assert result.bytes == layout.file_size(header, payload, reader.blocks)
    assert header == header.without_network and header.units == result.tiles
    assert np.array_equal(codec.decode_window(path, whole(pixels)).pixels, shown)
    assert codec.verify(path).problems == ()
    most = 60_000 * side // 128
    target = EncodeOptions(tile_size=side, target=Target(TargetKind.SIZE, most))
    result, _ = encode(codec, pixels, path, target)
    assert 59_000 * side // 128 <= result.bytes <= most


@pytest.mark.parametrize("factor", [0.0, 1e-38, 1e38])
def test_transforms_that_are_none_are_no_trouble(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """A header may hold any finite matrix."""
    pixels, path, out = six_bands(64, 64), tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    monkeypatch.setattr("fdegc.codec.facade.choose_components", lambda *_: None)
    codec.encode(ArraySource(pixels), path, EncodeOptions(3.0, 64, check=False))
    with ContainerReader(path) as reader:
        matrix = (np.eye(6) + 0.125) * factor
        components = Components(tuple(map(tuple, matrix.astype(np.float32).tolist())), (0.5,) * 6)
        header: StreamHeader = replace(reader.header, components=components)
        with ContainerWriter(out, header) as writer:
            for unit, e in enumerate(reader.entries):
                writer.add(reader.payload(unit), dither=e.dither, phi_hash=e.phi_hash, y_hash=e.y_hash)
            writer.commit()
    found = codec.decode_window(out, whole(pixels)).pixels
    assert found.shape == pixels.shape


def test_entries_have_the_room_that_the_layout_says() -> None:
    assert (layout.entry_size(1), layout.entry_size(2)) == (17, 16)


def test_a_single_band_is_as_good_as_its_rate_says(codec: Codec, tmp_path: Path) -> None:
    """Heights, which JPEG 2000 serves better: fewer bytes are no reason to lose decibels."""
    random = np.random.default_rng(1)
    heights = np.zeros((256, 256))
    for side in (4, 8, 16, 24):  # rougher ones the network serves better
        layer = Image.fromarray(random.normal(0, 1, (side, side)).astype(np.float32))
        heights += np.asarray(layer.resize((256, 256), Image.Resampling.BICUBIC)) * 4 / side
    heights -= heights.min()
    source = ArraySource((255 * heights / heights.max()).astype(np.uint8)[None])
    checked, unchecked = (
        codec.encode(source, tmp_path / f"{check}.fdegc", EncodeOptions(3.0, check=check), reconstruct=True)
        for check in (True, False)
    )
    assert checked.ways == {"jpeg2000": 1} and unchecked.ways == {"network": 1}
    assert checked.bytes < unchecked.bytes
    assert checked.psnr is not None and unchecked.psnr is not None
    assert checked.psnr > unchecked.psnr - 1.0
