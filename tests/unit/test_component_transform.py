"""Tiles as JPEG 2000 of components: the transform, its bytes, and files in which tiles have one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.codec import Codec
from fdegc.codec.bound_search import BoundSearch
from fdegc.codec.forms import Form
from fdegc.codec.ways import Hints, PlainWays
from fdegc.coding import jpeg2000
from fdegc.coding.component_transform import ComponentTransform, band_exponents, band_factors, fit
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream
from fdegc.format.header import StreamHeader
from fdegc.format.info import read_info
from fdegc.format.kinds import UnitKind
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions, Target, TargetKind
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.results import TileResult
from fdegc.types import BandMapping
from tests import scenes


def fields(bands: int, height: int = 24, width: int = 31, seed: int = 0) -> np.ndarray:
    """Bands in [0, 1] that are mixtures of two fields, and a little noise."""
    random = np.random.default_rng(seed)
    mixture = random.normal(size=(bands, 2))
    out = np.einsum("bf,fhw->bhw", mixture, random.normal(size=(2, height, width)))
    out += random.normal(0, 0.02, out.shape)
    return ((out - out.min()) / (out.max() - out.min())).astype(np.float32)


def fitted(
    unit: np.ndarray, spans: np.ndarray, exponents: np.ndarray | None, error: float
) -> ComponentTransform:
    return fit(unit, spans, exponents, np.full(len(unit), 255.0), error)[0]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 24), st.booleans(), st.sampled_from([1e-9, 1e-6, 1e-3]), st.integers(0, 99))
def test_a_transform_is_orthonormal_and_undone(bands: int, weighted: bool, error: float, seed: int) -> None:
    unit, random = fields(bands, seed=seed), np.random.default_rng(seed)
    spans = random.uniform(1, 1000, bands)
    exponents = random.integers(0, 30, bands).astype(np.uint8) if weighted else None
    transform = fitted(unit, spans, exponents, error)
    matrix = transform.matrix()
    assert matrix == pytest.approx(matrix) and np.allclose(matrix @ matrix.T, np.eye(transform.components))
    data = transform.pack(deep=weighted)
    again, deep, rest = ComponentTransform.unpack(data + b"packets", bands)
    assert deep == weighted and rest == b"packets" and again.pack(deep) == data
    samples = transform.forward(unit, spans)
    assert samples.shape == (transform.components, *unit.shape[1:])
    assert samples.dtype == (np.uint8 if transform.bits <= 8 else np.uint16)
    assert int(samples.max()) < 1 << transform.bits
    difference = (again.backward(samples, spans) - unit) * band_factors(spans, exponents)[:, None, None]
    # What is left out takes a hundredth of the error, rounding less, and 16 bits are so fine.
    assert np.square(difference).sum(axis=0).mean() <= 0.02 * error + 1e-8


def test_bands_that_say_the_same_become_one_component() -> None:
    plane = np.random.default_rng(3).random((1, 40, 40)).astype(np.float32)
    unit = np.concatenate([plane, plane / 2, 1 - plane])
    transform, saved = fit(unit, np.ones(3), None, np.full(3, 255.0), 4e-3)
    assert transform.components == 1 and saved > 0
    unrelated = np.random.default_rng(4).random((4, 40, 40)).astype(np.float32)
    assert fit(unrelated, np.ones(4), None, np.full(4, 255.0), 1e-4)[1] < 0


def test_what_bands_count_by() -> None:
    alike, apart = np.array([100.0, 13.0, 0.0]), np.array([100.0, 1.0, 0.0])
    assert band_exponents(alike, [1, 1, 1], whole=True) is None
    assert band_factors(alike, None)[:2].tolist() == [1, 0.13]

    def factors(spans: np.ndarray, weights: list[float], whole: bool) -> list[float]:
        exponents = band_exponents(spans, weights, whole)
        assert exponents is not None
        return [round(float(factor), 2) for factor in band_factors(spans, exponents)[:2]]

    assert factors(alike, [0.5, 1, 1], True) == [0.5, 0.12]
    assert factors(apart, [1, 1, 1], True) == [1, 0.12]
    assert factors(apart, [1, 1, 1], False) == [1, 1]
    assert factors(apart, [1, 0, 1], False) == [1, 0]


def test_samples_become_bands_as_documented() -> None:
    """Step by step as ``docs/format.md`` says, with nothing of the coder's."""
    payload = bytes([9 | 0x20, 60, 2, 10, 100, 200, 0, 3, 20, 40, 130, 250]) + b"packets"
    means, factors, angles = payload[3:6], payload[6:9], payload[9:12]
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    for (i, j), step in reversed(list(zip([(0, 1), (0, 2), (1, 2)], angles, strict=True))):
        angle = math.pi * step / 256
        for row in rows:
            x, y = row[i], row[j]
            row[i] = x * math.cos(angle) - y * math.sin(angle)
            row[j] = x * math.sin(angle) + y * math.cos(angle)
    samples = np.random.default_rng(0).integers(0, 1024, (2, 3, 5), np.uint16)
    components = (samples - 512.0) / 2 ** (60 / 8)
    expected = [
        means[band] / 255 + sum(rows[k][band] * components[k] for k in range(2)) / 2 ** (-factors[band] / 8)
        for band in range(3)
    ]
    transform, deep, packets = ComponentTransform.unpack(payload, 3)
    assert (transform.bits, deep, packets) == (10, False, b"packets")
    found = transform.backward(samples, np.array([5.0, 1.0, 2.0]))
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_malformed_transforms_are_refused() -> None:
    transform = fitted(fields(4), np.ones(4), None, 1e-9)
    data = transform.pack(deep=False)
    assert transform.components == 4 and len(data) == 3 + 4 + 6
    for length in range(len(data)):
        with pytest.raises(CorruptStream, match="cut off"):
            ComponentTransform.unpack(data[:length], 4)
    for first in (0x40, 0x80, 0xFF):
        with pytest.raises(CorruptStream, match="impossible"):
            ComponentTransform.unpack(bytes([first]) + data[1:], 4)
    for components in (0, 5, 255):
        with pytest.raises(CorruptStream, match="impossible"):
            ComponentTransform.unpack(data[:2] + bytes([components]) + data[3:], 4)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_transform_gives_samples_or_is_refused(data: st.DataObject) -> None:
    """Whatever its numbers, and the spans of a header."""
    number = st.sampled_from([0.0, 1.0, -1.0, 5e-324, 1e-300, 1e300, 255.0])
    mapping = tuple(BandMapping(data.draw(number), data.draw(number)) for _ in range(3))
    header = StreamHeader(9, 7, 3, "float64", 64, 16, 1024, bytes(8), "lite", mapping)
    head = bytes(
        [data.draw(st.integers(0, 0x3F)), data.draw(st.integers(0, 255)), data.draw(st.integers(0, 4))]
    )
    payload = head + data.draw(st.binary(min_size=6, max_size=60))
    try:
        found = PlainWays(header).decode(UnitKind.COMPONENTS, payload, 7, 9)
    except CorruptStream:
        return
    assert found.shape == (3, 7, 9) and np.isfinite(found).all()


# ------------------------------------------------------------------ files


@pytest.fixture(autouse=True)
def no_further_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of grain, forms that are tested elsewhere would be better still."""
    monkeypatch.setattr(PlainWays, "hints", lambda *_: Hints(math.inf, False, False))


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


def grained(bands: int, width: int = 192, height: int = 128) -> np.ndarray:
    """Grain that bands share, which the network codes badly, beside a photograph; uint8."""
    random = np.random.default_rng(5)
    grain = random.normal(0, 30, (height, width))
    own = random.normal(0, 4, (bands, height, width))
    out = 128 + grain * np.linspace(1, -0.6, bands)[:, None, None] + own
    picture = scenes.photo(64, 64)
    out[:, :64, :64] = picture[np.arange(bands) % 3]
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def kinds_of(path: Path) -> list[int]:
    with ContainerReader(path) as reader:
        return reader.entries.kinds[:: reader.header.groups].tolist()


@pytest.mark.parametrize("bands", [2, 3, 5])
@pytest.mark.usefixtures("few_tries")
def test_tiles_of_components_come_back(codec: Codec, tmp_path: Path, bands: int) -> None:
    pixels, path = grained(bands), tmp_path / "a.fdegc"
    shown = np.zeros_like(pixels)

    def show(tile: TileResult) -> None:
        assert tile.samples is not None
        shown[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    result = codec.encode(ArraySource(pixels), path, EncodeOptions(3.0, 64), reconstruct=True, on_tile=show)
    kinds = kinds_of(path)
    assert kinds.count(UnitKind.COMPONENTS) >= 4
    assert dict(read_info(path).ways) == dict(result.ways) and result.ways["jpeg2000"] >= 4
    after = codec.decode_window(path, Window(0, 0, 192, 128)).pixels
    assert np.array_equal(after, shown)
    part = Window(50, 40, 60, 50)
    assert np.array_equal(codec.decode_window(path, part).pixels, after[:, part.rows, part.cols])
    assert codec.verify(path).problems == ()
    # What is refused costs its tile.
    tile = kinds.index(UnitKind.COMPONENTS)
    with ContainerReader(path) as reader:
        entry = reader.entries[tile * reader.header.groups]
    data = bytearray(path.read_bytes())
    data[entry.offset + entry.length // 2] ^= 1
    path.write_bytes(data)
    y, x = divmod(tile, 3)
    assert codec.decode(path).damaged == (Window(64 * x, 64 * y, 64, 64),)


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (5, "uint16")])
@pytest.mark.usefixtures("few_tries")
def test_a_cancelled_run_goes_on_to_the_same_file(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bands: int, dtype: str
) -> None:
    """With tiles of components on both sides of where it ended, and of three bands latents, too."""
    monkeypatch.setattr("fdegc.codec.facade.choose_components", lambda *_: None)  # the scene has none
    pixels = grained(bands).astype(dtype) * np.array(1 if dtype == "uint8" else 37, dtype)
    source, path, expected = tmp_path / "a.tif", tmp_path / "a.fdegc", tmp_path / "whole.fdegc"
    tifffile.imwrite(source, pixels, planarconfig="separate", photometric="minisblack")
    options = EncodeOptions(3.0, 64)
    with open_raster(source) as raster:
        codec.encode(raster, expected, options)
    kinds = kinds_of(expected)
    assert UnitKind.COMPONENTS in kinds[:3] and UnitKind.COMPONENTS in kinds[3:]
    assert bands == 5 or UnitKind.LATENTS in kinds
    cancel, add = CancelToken(), ContainerWriter.add

    def cancelled(self: ContainerWriter, *args: object, **named: object) -> None:
        add(self, *args, **named)  # type: ignore[arg-type]
        if self.units_done == self.header.units // 2:
            cancel.cancel()

    with monkeypatch.context() as patch, open_raster(source) as raster, pytest.raises(Cancelled):
        patch.setattr(ContainerWriter, "add", cancelled)
        codec.encode(raster, path, options, resume=True, cancel=cancel)
    shown = np.zeros_like(pixels)

    def show(tile: TileResult) -> None:
        assert tile.samples is not None
        shown[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    with open_raster(source) as raster:
        result = codec.encode(raster, path, options, resume=True, reconstruct=True, on_tile=show)
    assert 3 <= result.resumed_tiles < result.tiles
    assert path.read_bytes() == expected.read_bytes()
    assert np.array_equal(shown, codec.decode_window(path, Window(0, 0, 192, 128)).pixels)


def test_components_are_ahead_of_bands() -> None:
    """And three of them are not taken for colours."""
    pixels = grained(3)[:, 64:]
    header = StreamHeader(192, 64, 3, "uint8", 256, 16, 1024, bytes(8), "lite")
    ways, unit = PlainWays(header), (pixels / 255).astype(np.float32)
    transform, _ = ways.transform(unit, [1.0] * 3, 1e-3)
    assert transform is not None
    bare, found = (ways.jpeg2000(unit, 4000, form) for form in (Form(), Form(transform=transform)))
    errors = [
        np.square(tile.pixels.astype(float) - pixels).mean()
        for tile in (bare, found)
        if tile.pixels is not None
    ]
    assert len(found.payload) <= 4000 and 10 * math.log10(errors[0] / errors[1]) > 2


def test_thin_scenes_have_components_where_an_estimate_of_details_says_nothing(
    codec: Codec, tmp_path: Path
) -> None:
    """Of so few halvings most bytes are for how far a band is from the middle of the widest one's range."""
    path, random, shape = tmp_path / "a.fdegc", np.random.default_rng(3), (200, 3)
    ramp = np.linspace(0, 1, 600).reshape(shape)
    pixels = np.stack([30000 * ramp, 1764 + 5000 * ramp[::-1, ::-1] ** 2]) + random.normal(0, 40, (2, *shape))
    pixels = np.clip(np.rint(pixels), 0, 65535).astype(np.uint16)
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0))
    assert kinds_of(path) == [UnitKind.COMPONENTS]
    found = codec.decode_window(path, Window(0, 0, shape[1], shape[0])).pixels
    with ContainerReader(path) as reader:
        ways, size, mapping = PlainWays(reader.header), reader.entries[0].length, reader.header.mapping
    offsets, spans = (
        np.array([[[value]] for value in numbers])
        for numbers in zip(*((entry.offset, entry.scale) for entry in mapping), strict=True)
    )
    bare = ways.jpeg2000(((pixels - offsets) / spans).astype(np.float32), size)
    assert bare.pixels is not None
    ours, theirs = (np.square(way.astype(float) - pixels).mean() for way in (found, bare.pixels))
    assert 10 * math.log10(theirs / ours) > 3


@pytest.mark.parametrize("bands", [2, 3, 5])
def test_floats_of_several_spans_are_coded_in_their_own_units(
    codec: Codec, tmp_path: Path, bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JPEG 2000 of bands has as many steps of each, and the widest counts most."""
    random, path = np.random.default_rng(bands), tmp_path / "a.fdegc"
    noise = random.gamma(4.0, 0.25, (bands, 96, 96)).clip(0, 3) * np.geomspace(1, 0.2, bands)[:, None, None]
    pixels = noise.astype(np.float32)
    spans = np.ptp(pixels.reshape(bands, -1), axis=1).astype(float)
    unit = (pixels - pixels.min(axis=(1, 2))[:, None, None]) / spans.astype(np.float32)[:, None, None]
    equal = fit(unit, np.ones(bands), None, np.full(bands, 65535.0), 1e-2)[1]
    assert fit(unit, spans, None, np.full(bands, 65535.0), 1e-2)[1] > max(equal, 0)
    monkeypatch.setattr(BoundSearch, "run", lambda *_: [])  # which of three bands takes fewer bytes
    result = codec.encode(ArraySource(pixels), path, EncodeOptions(target=Target(TargetKind.PSNR, 30.0)))
    assert kinds_of(path) == [UnitKind.COMPONENTS]
    # All bands in steps of one size, as many bytes.
    steps = np.rint((pixels - pixels.min()) / np.ptp(pixels) * 65535).astype(np.uint16)
    peer = jpeg2000.decode(jpeg2000.encode(steps, 16, result.bytes), steps.shape, 16) / 65535.0
    ours = codec.decode_window(path, Window(0, 0, 96, 96)).pixels
    theirs = peer * np.ptp(pixels) + pixels.min()
    errors = [np.square(found - pixels, dtype=np.float64).mean() for found in (theirs, ours)]
    assert 10 * math.log10(errors[0] / errors[1]) > -0.3


def test_files_of_components_alone_need_no_weights(codec: Codec, tmp_path: Path) -> None:
    pixels, path = grained(5)[:, 64:], tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0))
    assert kinds_of(path) == [UnitKind.COMPONENTS]
    assert read_info(path).profile == ""


def test_pixels_that_are_not_there(codec: Codec, tmp_path: Path) -> None:
    pixels, path = grained(4)[:, 64:].astype(np.float32), tmp_path / "a.fdegc"
    valid = np.ones(pixels.shape[1:], bool)
    valid[10:40, 20:90] = False
    pixels[:, ~valid] = np.nan
    codec.encode(ArraySource(pixels, valid), path, EncodeOptions(4.0))
    assert kinds_of(path) == [UnitKind.COMPONENTS]
    after = codec.decode_window(path, Window(0, 0, 192, 64))
    assert after.valid is not None and np.array_equal(after.valid, valid)
    error = np.square(after.pixels - pixels)[:, valid].mean()
    assert error < 0.2 * pixels[:, valid].var()


def test_different_quantities_all_survive(codec: Codec, tmp_path: Path) -> None:
    """A band of floats in units of its own is not drowned by wider ones."""
    grains, path = grained(4)[:, 64:].astype(np.float32), tmp_path / "a.fdegc"
    pixels = grains * np.array([10, 10, 10, 1e-3], np.float32)[:, None, None]
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0))
    after = codec.decode_window(path, Window(0, 0, 192, 64)).pixels
    lost = np.square(after - pixels).mean(axis=(1, 2)) / pixels.var(axis=(1, 2))
    assert lost[3] < 0.3 and pixels[3].max() < 1e-3 * pixels[0].max()


@pytest.mark.parametrize("kind", [TargetKind.SIZE, TargetKind.PSNR])
def test_targets_are_met_with_components(codec: Codec, tmp_path: Path, kind: TargetKind) -> None:
    pixels, path = grained(4), tmp_path / "a.fdegc"
    wanted = 20_000 if kind is TargetKind.SIZE else 30.0
    result = codec.encode(ArraySource(pixels), path, EncodeOptions(tile_size=64, target=Target(kind, wanted)))
    assert UnitKind.COMPONENTS in kinds_of(path)
    if kind is TargetKind.SIZE:
        assert 19_500 <= result.bytes <= 20_000
    else:
        assert result.psnr is not None and 29.95 <= result.psnr <= 30.6
