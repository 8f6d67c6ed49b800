"""Bands that are predicted from others as they are decoded, through the shipped weights and real files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fdegc.codec import Codec, choosing
from fdegc.codec.devices import Share
from fdegc.codec.inputs import NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.ways import PlainWays
from fdegc.codec.workers import Workers
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream
from fdegc.format.header import StreamHeader
from fdegc.format.kinds import UnitKind
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions, QualityRegion, Target, TargetKind
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.results import TileResult
from fdegc.types import Components
from tests import scenes

pytestmark = pytest.mark.usefixtures("few_tries_here")

tifffile = pytest.importorskip("tifffile", reason="writes the scenes of these tests")

PREDICTED = Components(
    ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)) + ((0.25, -0.5, 0.125, 0.5),) * 3, (0.5,) * 4
)
EYE = tuple(tuple(float(i == j) for j in range(4)) for i in range(3))


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


@pytest.fixture(autouse=True)
def no_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """JPEG 2000 of bands as they are: of bands so linear in others, components would leave no latents."""
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))


def bands(photo: np.ndarray, count: int = 4) -> np.ndarray:
    """A photograph, and bands that are linear in its own, and some noise."""
    mixture = np.array([[0.6, -0.5, 0.7], [-0.4, 0.9, 0.3], [0.2, 0.5, 0.2]])[: count - 3]
    more = np.einsum("ij,jhw->ihw", mixture, photo.astype(float)) + 20
    more += np.random.default_rng(3).normal(0, 2, more.shape)
    return np.concatenate([photo, np.clip(np.rint(more), 0, 255).astype(np.uint8)])


def constant_second(pixels: np.ndarray) -> np.ndarray:
    """The same bands, of which the second says nothing."""
    pixels[1] = 9
    return pixels


def components_of(path: Path) -> Components | None:
    with ContainerReader(path) as reader:
        return reader.header.components


def kinds_of(path: Path) -> list[int]:
    with ContainerReader(path) as reader:
        return reader.entries.kinds[:: reader.header.groups].tolist()


def whole(pixels: np.ndarray) -> Window:
    return Window(0, 0, pixels.shape[2], pixels.shape[1])


def shown_by(
    codec: Codec, source: ArraySource, path: Path, options: EncodeOptions
) -> tuple[float, np.ndarray]:
    """PSNR of a compression, and the pixels that it showed."""
    shown = np.zeros((source.info.bands, source.info.height, source.info.width), source.info.dtype)

    def keep(tile: TileResult) -> None:
        shown[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    result = codec.encode(source, path, options, reconstruct=True, on_tile=keep, overwrite=True)
    assert result.psnr is not None
    return result.psnr, shown


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prediction wherever there are more than three bands, whatever serves best."""

    def choose(plan: EncodingPlan, _: object) -> Components:
        found = choosing._moments(plan)
        assert found is not None
        return choosing._predicted(*found, choosing._weights(plan))

    monkeypatch.setattr("fdegc.codec.facade.choose_components", choose)


# ------------------------------------------------------------------ the transform


@pytest.mark.parametrize("count", [4, 5, 6, 7])
def test_what_the_first_bands_lost_is_made_good(count: int) -> None:
    random = np.random.default_rng(count)
    header = StreamHeader(8, 8, count, "uint8", 64, 16, 1024, bytes(8), "lite")
    products = random.normal(0, 0.1, (count, count))
    weights = random.uniform(0.2, 1, count)
    way = choosing._predicted(random.uniform(0, 1, count), products @ products.T, weights)
    assert way.predicts and way.groups == -(-count // 3)
    inputs = NetworkInputs(replace(header, components=way))
    unit = random.uniform(0, 1, (count, 8, 8)).astype(np.float32)
    first = inputs.of(unit)[0]
    exact = inputs.of(unit)[1:]
    for ours, theirs in zip(inputs.further(unit, first), exact, strict=True):
        assert np.abs(ours - theirs).max() < 1e-5
    coarse = (np.rint(first * 4) / 4).astype(np.float32)
    back = inputs.bands([coarse, *inputs.further(unit, coarse)])
    assert np.abs(back[3:] - unit[3:]).max() < 1e-5
    assert np.abs(back[:3] - unit[:3]).max() > 0.01


@pytest.mark.parametrize(
    ("matrix", "predicts"),
    [
        (PREDICTED.matrix, True),
        (EYE + ((0.0, 0.0, 0.0, 1.0),) * 3, False),  # nothing is predicted
        (EYE + ((1.0, 0.0, 0.0, 0.0),) * 3, False),  # nor left over
        (((1.0, 0.0, 0.0, 0.5), *PREDICTED.matrix[1:]), False),
        (((0.0, 0.0, 0.0, 0.0), *PREDICTED.matrix[1:]), False),
        (tuple(tuple(float(row // 3 == band) for band in range(4)) for row in range(12)), False),  # greys
        (EYE, False),
    ],
)
def test_which_transforms_predict(matrix: tuple[tuple[float, ...], ...], predicts: bool) -> None:
    assert Components(matrix, (0.5,) * 4).predicts is predicts


# ------------------------------------------------------------------ the choice


def test_bands_that_follow_from_others_take_fewer_bytes_at_the_same_psnr(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, other = scenes.photo(128, 128).astype(float), scenes.photo(128, 128, 700, 500).astype(float)
    infrared = 0.6 * photo[0] - 0.5 * photo[1] + 0.7 * photo[2] + other[1] - 80
    pixels = np.clip(np.rint(np.concatenate([photo, infrared[None]])), 0, 255).astype(np.uint8)
    source, path, rest = ArraySource(pixels), tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    psnr, _ = shown_by(codec, source, path, EncodeOptions(4.0, 128, check=False))
    found = components_of(path)
    assert found is not None and found.predicts
    assert codec.verify(path).problems == ()
    # Without a prediction other ways serve best.
    monkeypatch.setattr(choosing, "_predicted", choosing._karhunen_loeve)
    points = []
    for quality in (3.5, 4.0, 4.5, 5.0):
        theirs, _ = shown_by(codec, source, rest, EncodeOptions(quality, 128, check=False))
        without = components_of(rest)
        assert without is None or not without.predicts
        points.append((theirs, math.log(rest.stat().st_size)))
    points.sort()
    assert points[0][0] < psnr < points[-1][0]
    same = math.exp(np.interp(psnr, *zip(*points, strict=True)))
    assert path.stat().st_size < 0.97 * same


def test_bands_that_do_not_follow_are_not_predicted(codec: Codec, tmp_path: Path) -> None:
    photo = scenes.photo(128, 128)
    pixels = np.concatenate([photo, scenes.photo(128, 128, 700, 500)[1:2, ::-1]])
    path = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(4.0, 128))
    found = components_of(path)
    assert found is None or not found.predicts


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (scenes.photo(64, 64), EncodeOptions(4.0, 64)),
        (bands(scenes.photo(64, 64)), EncodeOptions(4.0, 64, target=Target(TargetKind.PSNR, 30.0))),
        (bands(scenes.photo(64, 64)), EncodeOptions(4.0, 64, max_error=2.0)),
        (constant_second(bands(scenes.photo(64, 64)).astype(np.uint16)), EncodeOptions(4.0, 64)),
    ],
)
def test_nothing_is_tried_where_nothing_can_be_predicted(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray, options: EncodeOptions
) -> None:
    def refuse(*_: object) -> Components:
        raise AssertionError

    monkeypatch.setattr(choosing, "_predicted", refuse)
    source = ArraySource(pixels)
    plan = EncodingPlan.of(codec.networks[0], source, options)
    with Workers(Share(1, 1, 1), CancelToken()) as workers:
        choosing.choose_components(plan, workers)


# ------------------------------------------------------------------ real files


SQUARE = ((((0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0), (0.0, 0.0)),),)
PHOTO = bands(scenes.photo(150, 100))
HOLES = np.ones((100, 150), bool)
HOLES[20:80, 45:135] = False
ALL_BUT_A_CORNER = np.zeros((100, 150), bool)
ALL_BUT_A_CORNER[70:, 100:] = True


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (ArraySource(PHOTO), EncodeOptions(3.0, 64)),
        (ArraySource(PHOTO), EncodeOptions(3.0, 64, check=False)),
        (ArraySource(PHOTO), EncodeOptions(2.0, 64, region=QualityRegion(SQUARE, 5.0))),
        (ArraySource(PHOTO), EncodeOptions(2.0, 64, band_weights=(1.0, 0.5, 1.0, 2.0))),
        (ArraySource(PHOTO, HOLES), EncodeOptions(3.0, 64)),
        (ArraySource(PHOTO, ALL_BUT_A_CORNER), EncodeOptions(3.0, 64)),
        (ArraySource(bands(scenes.mixed()[:, 20:])), EncodeOptions(2.5, 64)),
        (ArraySource(bands(scenes.photo(150, 90), 6).astype(np.uint16) * 37), EncodeOptions(4.0, 64)),
        (ArraySource(bands(scenes.photo(100, 90), 5).astype(np.float32) / 7 - 3), EncodeOptions(4.0, 64)),
    ],
)
@pytest.mark.usefixtures("predicted")
def test_what_is_shown_is_what_decodes(
    codec: Codec, tmp_path: Path, source: ArraySource, options: EncodeOptions
) -> None:
    path = tmp_path / "a.fdegc"
    _, shown = shown_by(codec, source, path, options)
    found = components_of(path)
    assert found is not None and found.predicts
    decoded = codec.decode_window(path, whole(shown)).pixels
    assert np.array_equal(decoded, shown, equal_nan=decoded.dtype.kind == "f")
    window = Window(50, 30, 45, 50)
    part = codec.decode_window(path, window).pixels
    assert np.array_equal(part, decoded[:, window.rows, window.cols])
    assert codec.verify(path).problems == ()


@pytest.mark.usefixtures("predicted")
def test_tiles_of_all_ways_stand_beside_predicted_ones(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    pixels = bands(scenes.mixed())
    psnr, shown = shown_by(codec, ArraySource(pixels), path, EncodeOptions(2.5, 64))
    kinds = kinds_of(path)
    assert UnitKind.LATENTS in kinds and len(set(kinds)) > 1
    error = np.square(pixels.astype(float) - shown).mean()
    assert psnr == pytest.approx(10 * math.log10(255**2 / error))


@pytest.mark.usefixtures("predicted")
def test_any_number_of_workers_writes_the_same_file(tmp_path: Path) -> None:
    files = []
    for threads in (1, 3):
        path = tmp_path / f"{threads}.fdegc"
        source = ArraySource(bands(scenes.mixed()[:, :128, 64:]))
        Codec(device="cpu", threads=threads).encode(source, path, EncodeOptions(2.5, 64))
        files.append(path.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("options", [EncodeOptions(2.5, 64), EncodeOptions(2.5, 64, check=False)])
@pytest.mark.usefixtures("predicted")
def test_an_interrupted_run_writes_the_same_file(tmp_path: Path, options: EncodeOptions) -> None:
    source, path = tmp_path / "a.tif", tmp_path / "a.fdegc"
    pixels = bands(scenes.mixed()[:, :128, 64:])
    tifffile.imwrite(source, pixels, planarconfig="separate", photometric="minisblack")
    codec = Codec(device="cpu", threads=1)
    with open_raster(source) as raster:
        codec.encode(raster, tmp_path / "whole.fdegc", options)
    found = components_of(tmp_path / "whole.fdegc")
    assert found is not None and found.predicts
    for share in (0.65, 0.8):
        path.unlink(missing_ok=True)
        cancel = CancelToken()
        with open_raster(source) as raster, pytest.raises(Cancelled):
            codec.encode(
                raster, path, options, resume=True, cancel=cancel,
                on_progress=lambda p, c=cancel, s=share: c.cancel() if p.fraction > s else None,
            )  # fmt: skip
        with open_raster(source) as raster:
            result = codec.encode(raster, path, options, resume=True)
        assert 0 < result.resumed_tiles < result.tiles
        assert path.read_bytes() == (tmp_path / "whole.fdegc").read_bytes()


@pytest.mark.usefixtures("predicted")
def test_a_run_that_ended_within_a_tile_writes_the_same_file(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where latents are refined, which is not done twice."""
    monkeypatch.setattr("fdegc.options.EFFORT_STEPS", (0, 2, 2, 2, 2))
    source, path, expected = tmp_path / "a.tif", tmp_path / "a.fdegc", tmp_path / "whole.fdegc"
    tifffile.imwrite(source, bands(scenes.photo(128, 64)), planarconfig="separate", photometric="minisblack")
    add = ContainerWriter.add
    for effort in (0, 1):
        options = EncodeOptions(3.0, 64, effort=effort)
        with open_raster(source) as raster:
            codec.encode(raster, expected, options, overwrite=True)

        def cut(self: ContainerWriter, *args: object, **named: object) -> None:
            if self.units_done == 3:
                raise KeyboardInterrupt
            add(self, *args, **named)  # type: ignore[arg-type]

        with monkeypatch.context() as patch, open_raster(source) as raster:
            patch.setattr(ContainerWriter, "add", cut)
            with pytest.raises(KeyboardInterrupt):
                codec.encode(raster, path, options, resume=True, overwrite=True)
        with open_raster(source) as raster:
            codec.encode(raster, path, options, resume=True, overwrite=True)
        assert path.read_bytes() == expected.read_bytes()
        pixels = codec.decode_window(path, Window(0, 0, 128, 64)).pixels
        error = np.square(pixels.astype(float) - bands(scenes.photo(128, 64))).mean()
        assert error < 255**2 / 10**2.5


# ------------------------------------------------------------------ hostile files


def with_components(path: Path, out: Path, components: Components) -> None:
    """The same file with another transform in its header."""
    with ContainerReader(path) as reader:
        with ContainerWriter(out, replace(reader.header, components=components), overwrite=True) as writer:
            for unit, e in enumerate(reader.entries):
                writer.add(reader.payload(unit), dither=e.dither, phi_hash=e.phi_hash, y_hash=e.y_hash)
            writer.commit()


@pytest.mark.usefixtures("predicted")
def test_predictions_of_any_numbers_do_no_harm(codec: Codec, tmp_path: Path) -> None:
    pixels, path, out = bands(scenes.photo(64, 64)), tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    codec.encode(ArraySource(pixels), path, EncodeOptions(3.0, 64, check=False))
    for last in ((3e38, -3e38, 3e38, 1.0), (1.0, 1.0, 1.0, 1e-38), (1e-38, 0.0, 0.0, 3e38)):
        with_components(path, out, Components(EYE + (last,) * 3, (0.5,) * 4))
        found = codec.decode_window(out, whole(pixels)).pixels
        assert found.shape == pixels.shape and found.dtype == np.uint8
    for last, means in (((math.nan, 0.0, 0.0, 1.0), (0.5,) * 4), ((1.0,) * 4, (math.inf,) * 4)):
        with_components(path, out, Components(EYE + (last,) * 3, means))
        with pytest.raises(CorruptStream, match="damaged"):
            codec.decode(out)
