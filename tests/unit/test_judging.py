"""Judging of tiles, beside all that JPEG 2000 could have made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fdegc.codec import Codec, tile_search
from fdegc.codec.forms import PACKETS, Form
from fdegc.codec.judging import Judge
from fdegc.codec.ways import Hints, PlainTile, PlainWays
from fdegc.coding import classes, jpeg2000
from fdegc.control import never
from fdegc.format.header import StreamHeader
from fdegc.format.kinds import UnitKind
from fdegc.options import RATE_POINTS, EncodeOptions, Target, TargetKind
from fdegc.raster import ArraySource
from fdegc.raster_info import Window
from fdegc.types import BandMapping, Samples
from tests import scenes

QUALITY, SIDE = 3.0, 128
WORTH = RATE_POINTS[2].lmbda / 3


def header_of(pixels: np.ndarray) -> StreamHeader:
    bands, height, width = pixels.shape
    mapping = () if pixels.dtype == np.uint8 else (BandMapping(0.0, 60000.0),) * bands
    return StreamHeader(width, height, bands, pixels.dtype.name, 256, 16, 768, bytes(8), "lite", mapping)


def unit_of(pixels: np.ndarray) -> np.ndarray:
    return (pixels / (255 if pixels.dtype == np.uint8 else 60000)).astype(np.float32)


def total(pixels: np.ndarray, found: PlainTile) -> float:
    """Bits and what the error is worth."""
    assert found.pixels is not None
    error = np.square(unit_of(pixels) - unit_of(found.pixels), dtype=np.float64).sum()
    return float(8 * len(found.payload) + WORTH * error)


def blurred(pixels: np.ndarray, steps: float) -> np.ndarray:
    """What a bad codec might make of it: noise of so many steps on it."""
    peak = 255 if pixels.dtype == np.uint8 else 60000
    noise = np.random.default_rng(3).normal(0, steps * peak / 255, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, peak).astype(pixels.dtype)


TILES = {
    "noise": lambda: scenes.noise(SIDE, SIDE),
    "photo": lambda: scenes.photo(SIDE, SIDE),
    "deep": lambda: scenes.photo(SIDE, SIDE).astype(np.uint16) * 235,
    "small": lambda: scenes.photo(40, 17),
}


@pytest.mark.parametrize("steps", [4.0, 20.0])
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("name", TILES)
def test_what_is_kept_is_as_good_as_the_best_codestream(name: str, share: float, steps: float) -> None:
    pixels = TILES[name]()
    ways, size = PlainWays(header_of(pixels)), round(share * pixels[0].size / 4)
    theirs = blurred(pixels, steps)
    # A single tile's latents pay for the name of the weights.
    ours = total(pixels, PlainTile(UnitKind.LATENTS, bytes(size + len("lite")), theirs))
    counts = [round(size * 1.03**k) for k in range(-70, 71, 3)]
    best = min((ways.jpeg2000(unit_of(pixels), count) for count in counts), key=lambda t: total(pixels, t))
    kept = Judge(header_of(pixels), EncodeOptions(QUALITY)).better(
        Samples(pixels), None, theirs, size, QUALITY, never
    )
    if total(pixels, best) < 0.97 * ours:
        # Of what takes some forty bytes, a few more or less.
        assert kept is not None and total(pixels, kept) <= 1.01 * total(pixels, best) + 40
    elif kept is not None:
        assert total(pixels, kept) < ours


def test_sizes_of_some_hundred_bytes_are_coded_and_not_looked_at() -> None:
    """Of a dark picture, layers of a few bytes each say nothing of what as many bytes make alone."""
    y, x = np.mgrid[0:256, 0:256] / 256
    noise = np.random.default_rng(2).normal(0, 0.5, (3, 256, 256))
    pixels = np.rint(12 + 4 * np.sin(5 * x + 3 * y) * np.cos(4 * y) + noise).astype(np.uint8)
    theirs, ways = np.clip(blurred(pixels, 1.2), 0, 24), PlainWays(header_of(pixels))
    best = min(total(pixels, ways.jpeg2000(unit_of(pixels), count)) for count in range(30, 300, 6))
    kept = Judge(header_of(pixels), EncodeOptions(QUALITY)).better(
        Samples(pixels), None, theirs, 178, QUALITY, never
    )
    assert kept is not None and total(pixels, kept) <= 1.01 * best + 40


def test_tiles_of_few_bytes_are_coded_where_looks_are_nearly_as_good() -> None:
    """Of hot spots on a smooth ground, layers show a fifth more error than as many bytes alone."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:256, 0:256] / 256
    pixels = 2500 * np.sin(3 * x + y) * np.cos(2 * y) + random.normal(0, 15, (256, 256)) + 4000
    for row, column in random.integers(5, 245, (9, 2)):
        pixels[row : row + 3, column : column + 4] += random.uniform(1000, 50000)
    pixels = np.rint(pixels.clip(0, 60000)).astype(np.uint16)[np.newaxis]
    ways, size, quality = PlainWays(header_of(pixels)), 579, 5.0
    worth = RATE_POINTS[4].lmbda

    def error(found: PlainTile) -> float:
        assert found.pixels is not None
        return float(np.square(unit_of(pixels) - unit_of(found.pixels), dtype=np.float64).sum())

    # As good in as many bytes as JPEG 2000 with a third more error.
    tile = ways.jpeg2000(unit_of(pixels), size, Form(jpeg2000.all_levels(*pixels.shape[1:])))
    theirs = blurred(pixels, 255 * (1.3 * error(tile) / pixels.size) ** 0.5)
    ours = error(PlainTile(UnitKind.LATENTS, b"", theirs))
    assert error(tile) < 0.8 * ours
    kept = Judge(header_of(pixels), EncodeOptions(quality)).better(
        Samples(pixels), None, theirs, size, quality, never
    )
    assert kept is not None
    assert 8 * len(kept.payload) + worth * error(kept) < 0.97 * (8 * size + worth * ours)


def test_looks_without_some_bits_may_be_rougher_than_rounding_is() -> None:
    """Of samples that all lie between steps, rounding adds three times the error that it has in others."""
    random, step = np.random.default_rng(0), 255 / 31
    y, x = np.mgrid[:96, :96]
    field = 128 + 60 * np.sin(x / 9) * np.cos(y / 7) + random.normal(0, 30, x.shape)
    pixels = np.rint((np.clip(field // step, 0, 30) + 0.5) * step).astype(np.uint8)[np.newaxis]
    kept = Judge(header_of(pixels), EncodeOptions(2.0)).better(
        Samples(pixels), None, blurred(pixels, 18.3), 1500, 2.0, never
    )
    assert kept is not None and kept.kind in PACKETS


def judged(pixels: np.ndarray, steps: float, size: int) -> tuple[PlainTile, PlainTile]:
    """What is kept of a tile, and the best of all forms that say nothing of themselves."""
    ways, unit = PlainWays(header_of(pixels)), unit_of(pixels)
    kept = Judge(header_of(pixels), EncodeOptions(QUALITY)).better(
        Samples(pixels), None, blurred(pixels, steps), size, QUALITY, never
    )
    levels = {jpeg2000.usual_levels(*unit.shape[1:]), jpeg2000.all_levels(*unit.shape[1:])}
    forms = [(number, Form(level)) for number in range(60, 2 * size, size // 25) for level in levels]
    plain = (ways.jpeg2000(unit, number, form) for number, form in forms)
    assert kept is not None
    return kept, min(plain, key=lambda found: total(pixels, found))


def test_dots_and_lettering_are_coded_without_wavelets() -> None:
    """Of what stands on a ground of one value, wavelets make more than there was: by 5 dB and more."""
    random = np.random.default_rng(1)
    stars = random.normal(800, 20, (64, 64))
    for row, column in random.integers(2, 62, (30, 2)):
        stars[row, column] += random.uniform(10000, 50000)
        stars[row, column + 1] += random.uniform(2000, 10000)
    chip = scenes.drawing(40, 33).astype(float).mean(axis=0)
    for pixels, size in (
        (stars.astype(np.uint16), 400),
        (np.rint(chip + random.normal(0, 2, chip.shape)), 600),
    ):
        deep = pixels.dtype == np.uint16
        pixels = pixels[np.newaxis] if deep else np.clip(pixels, 0, 255).astype(np.uint8)[np.newaxis]
        kept, plain = judged(pixels, 20.0, size)
        assert kept.kind == UnitKind.STATED and kept.payload[0] & 7 <= 1
        assert total(pixels, kept) < 0.8 * total(pixels, plain)


def test_areas_of_few_tones_are_coded_without_wavelets() -> None:
    """Maps and masks with some grain: the samples are of two kinds, but neighbours seldom differ."""
    random = np.random.default_rng(2)
    field = random.normal(0, 1, (SIDE + 8, SIDE + 8))
    for axis in (0, 1) * 4:
        field = field + np.roll(field, 1, axis)
    areas = np.where(field[8:, 8:] > 0, 20, 230) + random.normal(0, 2, (SIDE, SIDE))
    pixels = np.clip(np.rint(areas), 0, 255).astype(np.uint8)[np.newaxis]
    kept, plain = judged(pixels, 25.0, 1500)
    assert kept.kind == UnitKind.STATED and kept.payload[0] & 7 == 0
    assert total(pixels, kept) < 0.6 * total(pixels, plain)


def test_what_was_jpeg2000_of_few_levels_is_so_again() -> None:
    """Its own coefficients come back, where the usual levels lose some of them."""
    photo = scenes.photo(SIDE, SIDE)[:1]
    packets = jpeg2000.encode_packets(photo, 8, photo.size // 24, 1)
    assert packets is not None
    pixels = jpeg2000.decode_packets(packets, photo.shape, 8, 1)
    kept, plain = judged(pixels, 8.0, round(1.5 * len(packets)))
    assert kept.kind == UnitKind.STATED and kept.payload[0] & 7 in (1, 2)
    assert total(pixels, kept) < 0.9 * total(pixels, plain)
    assert len(kept.payload) < 1.1 * len(packets)
    assert np.square(kept.pixels.astype(float) - pixels).mean() < 0.2


def test_bands_that_have_nothing_in_common_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three bands with details of their own, the colour transform makes three with all of them."""
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))
    fields = np.random.default_rng(4).normal(0, 70, (3, 76, 76))
    for axis in (1, 2, 1, 2):
        fields = fields + np.roll(fields, 1, axis)
    pixels = np.clip(np.rint(128 + fields[:, 4:, 4:] / 5), 0, 255).astype(np.uint8)
    kept, plain = judged(pixels, 40.0, 3000)
    assert kept.kind == UnitKind.STATED and not kept.payload[0] & 0x18
    assert total(pixels, kept) < 0.97 * total(pixels, plain)


def test_ramps_whose_ends_lie_apart_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of next to no details the colour transform seems to save most, but gives each band the ends of all."""
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))
    monkeypatch.setattr(PlainWays, "exact_if", lambda *_: iter(()))
    rows, columns = np.mgrid[:160, :160] - 79.5
    turn = np.arctan2(rows, columns) / 2 / np.pi
    pixels = np.rint(255 * ((turn + np.arange(3)[:, None, None] / 3) % 1)).astype(np.uint8)
    kept, plain = judged(pixels, 3.0, 1500)
    assert kept.kind == UnitKind.STATED and not kept.payload[0] & 0x18
    assert total(pixels, kept) < 0.8 * total(pixels, plain)


@pytest.mark.parametrize(("share", "expected"), [(0.9, UnitKind.STATED), (1.1, UnitKind.EXACT)])
def test_no_loss_is_taken_where_it_takes_little_more(
    monkeypatch: pytest.MonkeyPatch, share: float, expected: UnitKind
) -> None:
    """Never is what is worse than either kept instead of both."""
    field = np.random.default_rng(1).normal(0, 1, (76, 76))
    for axis in (0, 1, 0, 1):
        field = field + np.roll(field, 1, axis)
    field = field[8:72, 8:72] / field.std()
    pixels = np.repeat(np.rint(255 / (1 + np.exp(-2 * field))).astype(np.uint8)[np.newaxis], 3, 0)
    monkeypatch.setattr(PlainWays, "exact_if", lambda *_: iter(()))
    lossy, plain = judged(pixels, 20.0, 600)
    assert lossy.kind == UnitKind.STATED
    assert total(pixels, plain) < 1.2 * total(pixels, lossy)
    # So large that it costs as many times what the best of the others does as _EXACT_WORTH allows, or more.
    payload = bytes(round(total(pixels, lossy) / 8 * tile_search._EXACT_WORTH / share))
    exact = PlainTile(UnitKind.EXACT, payload, pixels)
    monkeypatch.setattr(PlainWays, "exact_if", lambda *_: iter([exact]))
    assert judged(pixels, 20.0, 600)[0].kind == expected


def test_noise_is_not_kept_without_loss_as_drawings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the same forms, having no details either; but most of its bytes would be noise."""
    speckle = np.random.default_rng(6).gamma(1.0, 60.0, (1, 64, 64))
    pixels = np.clip(np.rint(speckle), 0, 255).astype(np.uint8)
    monkeypatch.setattr(PlainWays, "exact_if", lambda *_: iter(()))
    lossy, _ = judged(pixels, 40.0, 600)
    assert lossy.kind == UnitKind.STATED
    payload = bytes(round(total(pixels, lossy) / 8 * 1.5))
    assert len(payload) > tile_search._DRAWN * pixels.nbytes
    exact = PlainTile(UnitKind.EXACT, payload, pixels)
    monkeypatch.setattr(PlainWays, "exact_if", lambda *_: iter([exact]))
    assert judged(pixels, 40.0, 600)[0].kind == UnitKind.STATED


def test_what_the_network_does_better_costs_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    write: Callable[..., bytes] = jpeg2000._written

    def counted(*args: object, **more: str) -> bytes:
        made.append(1)
        return write(*args, **more)

    monkeypatch.setattr(jpeg2000, "_written", counted)
    pixels = scenes.photo(SIDE, SIDE)
    judge = Judge(header_of(pixels), EncodeOptions(QUALITY))
    assert judge.better(Samples(pixels), None, blurred(pixels, 3.0), 1500, QUALITY, never) is None
    assert len(made) == 2  # with the bands' own components, which would save much
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))
    assert judge.better(Samples(pixels), None, blurred(pixels, 3.0), 1500, QUALITY, never) is None
    assert len(made) == 2 + 1
    # Of what is kept, one more with all bits, one of finer steps, and the one that is kept.
    assert judge.better(Samples(pixels), None, blurred(pixels, 30.0), 6000, QUALITY, never) is not None
    assert len(made) == 3 + 4


@pytest.mark.parametrize("shape", [(8, 8), (24, 20)])
def test_no_form_of_a_small_tile_is_coded_twice_at_about_a_size(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    coded: dict[Form, list[int]] = {}
    code = PlainWays.jpeg2000

    def counted(self: PlainWays, unit: np.ndarray, size: int, form: Form) -> PlainTile:
        coded.setdefault(form, []).append(size)
        return code(self, unit, size, form)

    monkeypatch.setattr(PlainWays, "jpeg2000", counted)
    monkeypatch.setattr(PlainWays, "hints", lambda *_: Hints(np.inf, False, False))
    pixels = scenes.photo(*shape)
    judge = Judge(header_of(pixels), EncodeOptions(QUALITY))
    size = pixels[0].size // 2 + len("lite")
    theirs = blurred(pixels, 12.0)
    kept = judge.better(Samples(pixels), None, theirs, pixels[0].size // 2, QUALITY, never)
    assert kept is not None and len(coded) >= 2
    for sizes in coded.values():
        assert len(set(sizes)) == len(sizes)
        # At steps of a quarter, and four between the best of these and the next.
        swept = range(round(size / 1.25**8), round(size * 1.25**2) + 1)
        assert sum(some in swept for some in sizes) <= 11 + 4


def test_of_bands_and_components_the_better_by_looks_is_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    random, coded = np.random.default_rng(5), []
    grain = random.normal(0, 30, (1, SIDE, SIDE)) * np.array([1, 0.2, -0.6])[:, None, None]
    pixels = np.clip(np.rint(128 + grain + random.normal(0, 4, grain.shape)), 0, 255).astype(np.uint8)
    code = PlainWays.jpeg2000

    def counted(self: PlainWays, unit: np.ndarray, size: int, form: Form) -> PlainTile:
        coded.append(form.transform is not None)
        return code(self, unit, size, form)

    monkeypatch.setattr(PlainWays, "jpeg2000", counted)
    # Of noise, forms without wavelets would be looked at, too.
    monkeypatch.setattr(PlainWays, "hints", lambda *_: Hints(np.inf, False, False))
    judge = Judge(header_of(pixels), EncodeOptions(QUALITY))
    kept = judge.better(Samples(pixels), None, blurred(pixels, 30.0), 12000, QUALITY, never)
    assert kept is not None and kept.kind == UnitKind.COMPONENTS and coded == [True]


def test_bands_with_details_of_their_own_are_looked_at_as_they_are(tmp_path: Path) -> None:
    """A rotation spreads what is in one band alone over all components, which an estimate does not see."""
    side, random = 224, np.random.default_rng(3)
    ground = scenes.photo(side, side).astype(float).mean(axis=0) / 2 + 20
    blocks = (random.random((2, 75, 75)) < 0.3).repeat(3, axis=1).repeat(3, axis=2)[:, :side, :side]
    pixels = np.clip(np.rint(ground + 100 * blocks), 0, 255).astype(np.uint8)
    path, codec = tmp_path / "a.fdegc", Codec(device="cpu")
    result = codec.encode(ArraySource(pixels), path, EncodeOptions(3.5))
    assert dict(result.ways) == {"jpeg2000": 1}
    found = codec.decode_window(path, Window(0, 0, side, side)).pixels
    peer = jpeg2000.decode(jpeg2000.encode(pixels, 8, result.bytes), pixels.shape, 8)
    ours, theirs = (np.square(some.astype(float) - pixels).mean() for some in (found, peer))
    assert ours < theirs


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_different_quantities_count_by_their_own_spans(dtype: str) -> None:
    """Of floats a band of a narrow range is not given up for a wide one; integers count in their units."""
    random, spans = np.random.default_rng(1), np.array([[[60000.0]], [[60.0]]])
    unit = scenes.photo(SIDE, SIDE)[:2] / 255
    off = unit + random.normal(0, 1, unit.shape) * np.array([[[0.0005]], [[0.3]]])
    pixels, theirs = (np.clip(np.rint(part * spans), 0, spans).astype(dtype) for part in (unit, off))
    mapping = tuple(BandMapping(0.0, float(span)) for span in spans.ravel())
    header = StreamHeader(SIDE, SIDE, 2, dtype, 256, 16, 768, bytes(8), "lite", mapping)
    judge = Judge(header, EncodeOptions(QUALITY))
    kept = judge.better(Samples(pixels), None, theirs, 600, QUALITY, never)
    if dtype == "uint16":
        assert kept is None
    else:
        assert kept is not None and kept.pixels is not None
        assert np.square((kept.pixels - pixels)[1] / 60).mean() < 0.1**2


@pytest.mark.parametrize("kind", [TargetKind.SIZE, TargetKind.PSNR])
@pytest.mark.parametrize("name", TILES)
def test_with_a_target_no_tile_takes_more_or_is_worse(name: str, kind: TargetKind) -> None:
    pixels = TILES[name]()
    judge = Judge(header_of(pixels), EncodeOptions(target=Target(kind, 30.0)))
    size, theirs = pixels[0].size // 2, blurred(pixels, 12.0)
    kept = judge.better(Samples(pixels), None, theirs, size, QUALITY, never)
    alone = PlainWays(header_of(pixels)).jpeg2000(unit_of(pixels), size)

    def error(found: np.ndarray) -> float:
        return float(np.square(unit_of(pixels) - unit_of(found), dtype=np.float64).sum())

    assert alone.pixels is not None
    if error(alone.pixels) < 0.95 * error(theirs):
        assert kept is not None and kept.pixels is not None
        assert len(kept.payload) <= size and error(kept.pixels) <= error(theirs)
        assert kind is TargetKind.PSNR or error(kept.pixels) <= 1.001 * error(alone.pixels)
        assert kind is TargetKind.SIZE or len(kept.payload) < 0.97 * size


def test_no_loss_is_not_tried_to_its_end_where_it_is_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of speckle in grey, of which each tile has few distinct pixels and no two neighbours alike."""
    rng = np.random.default_rng(0)
    grey = np.clip(scenes.photo(SIDE, SIDE)[:1] * rng.gamma(1.0, 1.0, (1, SIDE, SIDE)), 0, 255)
    pixels = np.repeat(grey.astype(np.uint8), 3, axis=0)
    given_up: list[bool] = []
    code = classes.encode_within

    def watched(*args: object) -> bytes | None:
        data = code(*args)  # type: ignore[arg-type]
        given_up.append(data is None)
        return data

    monkeypatch.setattr(classes, "encode_within", watched)
    judge = Judge(header_of(pixels), EncodeOptions(QUALITY))
    judge.better(Samples(pixels), None, blurred(pixels, 10.0), SIDE * SIDE // 4, QUALITY, never)
    assert given_up == [True]
