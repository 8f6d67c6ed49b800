"""Opening ``.fdegc`` files: the overview at once, tiles over it, and what damage took."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, WeightsMissing
from fdegc.format.info import read_info
from fdegc.format.metadata import CRS, OVERVIEW, metadata_blocks
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import StreamInfo, TileResult
from fdegc.types import Samples
from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.jobs.decoding import LookedAt, ViewFirst
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.notice import damage_notice
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.scene import STREAM, Scene
from fdegc_gui.text import NONE
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.scene_facts import facts_of
from tests.gui.fakes import FakeEngine, FakeUser, damage, saved, write_stream

TIMEOUT = 10_000
RED, BLUE = (200, 30, 30), (30, 30, 200)


def halves() -> np.ndarray:
    """An overview, red on the left and blue on the right."""
    picture = np.empty((20, 30, 3), np.uint8)
    picture[:, :15], picture[:, 15:] = RED, BLUE
    return picture


def color_at(pane: Pane, x: float, y: float) -> tuple[int, int, int]:
    """What a pane shows at a point of the scene."""
    shot = pane.grab().toImage()
    rect, zoom = pane._scene_rect(), pane._viewport.zoom
    color = QColor(shot.pixel(int(rect.x() + x * zoom), int(rect.y() + y * zoom)))
    return color.red(), color.green(), color.blue()


def alike(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 24


def finished(window: MainWindow) -> bool:
    result = window.session.results.get(STREAM)
    return result is not None and result.state is State.DONE


def open_stream(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    window.controller.open(path)
    qtbot.waitUntil(
        lambda: window.session.scene is not None and window.session.scene.path == path and finished(window),
        timeout=TIMEOUT,
    )


def test_opening_a_compressed_file_decodes_it(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, user: FakeUser
) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path)
    window.start(path)
    qtbot.waitUntil(lambda: finished(window), timeout=TIMEOUT)
    facts = window.sidebar.facts.values
    assert facts["Profile"] == "lite" and facts["Weights"] == "0123456789abcdef"
    assert facts["Quality"] == "quality 3.5"
    assert "32633" in facts["CRS"]
    assert window.compare.original.isHidden()
    assert not window.sidebar.rates.isVisible()
    assert window.sidebar.metrics.cells["decode_time"].value.text() == "0.7 s"
    assert "without its original" in window.sidebar.metrics.cells["psnr"].toolTip()
    user.answer = tmp_path / "decoded.tif"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_image"].trigger()
    assert user.answer.exists()


# ------------------------------------------------------------------------------ overview


def test_the_overview_is_shown_before_the_engine_is_loaded(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate, fake.holds = threading.Event(), {0}
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves(), 300, 200)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    assert fake.loaded == [] and window.session.results == {}
    pane = window.compare.reconstruction
    assert pane.pyramid is window.session.overview is not None
    assert (pane.label, pane.hint) == ("Overview stored in the file", "")
    assert window.compare.original.isHidden() and window.session.original is None
    assert "overview" in window.status.text.text()
    for x in (4, 125):
        assert alike(color_at(pane, x, 100), RED)
    for x in (175, 295):
        assert alike(color_at(pane, x, 100), BLUE)
    qtbot.waitUntil(lambda: STREAM in window.session.results, timeout=TIMEOUT)
    assert "Decoding" in window.status.text.text() and "overview" in window.status.text.text()
    assert pane.hint == "" and alike(color_at(pane, 4, 100), RED)


def test_tiles_replace_the_overview(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate, fake.holds = threading.Event(), {2}
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves(), 300, 200)
    window.start(path)
    qtbot.waitUntil(
        lambda: STREAM in window.session.results and window.session.results[STREAM].tiles_done == 2,
        timeout=TIMEOUT,
    )
    pane = window.compare.reconstruction
    assert pane.label == "Reconstruction · quality 3.5"
    assert "overview" not in window.status.text.text()
    assert color_at(pane, 32, 32) == (100, 100, 100) and color_at(pane, 96, 32) == (101, 101, 101)
    assert alike(color_at(pane, 32, 100), RED) and alike(color_at(pane, 250, 32), BLUE)
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window), timeout=TIMEOUT)
    assert pane.backdrop is None
    assert color_at(pane, 250, 32) == (103, 103, 103)


def test_cancelling_leaves_the_whole_overview(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate, fake.holds = threading.Event(), {2}
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves(), 300, 200)
    window.start(path)
    qtbot.waitUntil(
        lambda: STREAM in window.session.results and window.session.results[STREAM].tiles_done == 2,
        timeout=TIMEOUT,
    )
    window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: STREAM not in window.session.results, timeout=TIMEOUT)
    pane = window.compare.reconstruction
    assert alike(color_at(pane, 32, 32), RED)
    window.compare.set_flipped(True)
    assert pane.label == "Overview stored in the file", "there is no original to flip to"
    fake.gate.set()
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: finished(window), timeout=TIMEOUT)


def test_the_overview_stays_when_the_weights_are_missing(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.load_error = WeightsMissing("The weights are not installed.")
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves())
    window.start(path)
    qtbot.waitUntil(lambda: bool(window.findChildren(ErrorDialog)), timeout=TIMEOUT)
    for dialog in window.findChildren(ErrorDialog):
        dialog.accept()
    assert alike(color_at(window.compare.reconstruction, 20, 50), RED)
    qtbot.waitUntil(lambda: not window.controller.can_cancel, timeout=TIMEOUT)
    assert "overview" in window.status.text.text()


def test_a_grey_overview(qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path) -> None:
    fake.gate, fake.holds = threading.Event(), {0}
    path = tmp_path / "scene.fdegc"
    write_stream(path, np.full((10, 15), 180, np.uint8), bands=1)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    assert alike(color_at(window.compare.reconstruction, 75, 50), (180, 180, 180))


@pytest.mark.parametrize("malformed", [False, True])
def test_without_a_usable_overview_the_pane_waits(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path, malformed: bool
) -> None:
    fake.gate, fake.holds = threading.Event(), {0}
    path = tmp_path / "scene.fdegc"
    write_stream(path)
    if malformed:
        with ContainerReader(path) as reader:
            header, blocks = reader.header, dict(reader.blocks)
        with ContainerWriter(path, header, overwrite=True) as writer:
            for _ in range(header.units):
                writer.add(b"payload")
            for tag, data in (blocks | {OVERVIEW: b"no picture"}).items():
                writer.add_block(tag, data)
            writer.commit()
    window.start(path)
    qtbot.waitUntil(lambda: STREAM in window.session.results, timeout=TIMEOUT)
    pane = window.compare.reconstruction
    assert window.session.overview is None and pane.backdrop is None
    assert pane.hint == "Working on the first tile…"
    assert "overview" not in window.status.text.text()
    assert window.notice.isHidden()


# ------------------------------------------------------------------------------ damage


def test_lost_metadata_are_said_until_dismissed(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, scene_path: Path
) -> None:
    path = tmp_path / "scene.fdegc"
    info = write_stream(path)
    damage(path, metadata_blocks(info.raster)[CRS])
    open_stream(qtbot, window, path)
    notice = window.notice
    assert notice.isVisible()
    assert notice.heading.text() == "“scene.fdegc” is damaged"
    assert "Lost with damaged bytes: coordinate reference system." in notice.text.text()
    assert "backup" in notice.text.text() and "fdegc verify" in notice.text.text()
    assert notice.show_place.isHidden()
    assert not window.findChildren(ErrorDialog)
    notice.dismiss.click()
    assert notice.isHidden()
    window.session.result_changed.emit(STREAM)
    assert notice.isHidden(), "what was dismissed does not come back"
    window.controller.open(scene_path)
    qtbot.waitUntil(lambda: window.windowTitle().startswith("scene.png"), timeout=TIMEOUT)
    assert notice.isHidden()
    open_stream(qtbot, window, path)
    assert notice.isVisible(), "opened again, it is said again"
    window.actions_["close_scene"].trigger()
    assert notice.isHidden()


def test_a_file_that_ends_early_claims_no_sizes_of_the_whole(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves(), 300, 200)
    open_stream(qtbot, window, path)
    cells = window.sidebar.metrics.cells
    assert cells["bpp"].value.text() != NONE and cells["ratio"].value.text() != NONE
    content = path.read_bytes()
    path = tmp_path / "cut.fdegc"
    path.write_bytes(content[: content.index(b"payload 19") + 10])
    open_stream(qtbot, window, path)
    assert "everything after a damaged place" in window.notice.text.text()
    for name in ("bpp", "ratio", "psnr"):
        assert cells[name].value.text() == NONE
    assert cells["bytes"].value.text() != NONE
    rows = dict(facts_of(window.session.scene))
    assert rows["Bits per pixel"] == rows["Ratio"] == "not known: a part of the file is missing or damaged"


def test_damaged_tiles_are_named_and_can_be_looked_at(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, user: FakeUser
) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path, halves(), 300, 200)
    damage(path, b"payload 6")
    damage(path, b"payload 19")
    open_stream(qtbot, window, path)
    notice, view = window.notice, window.compare.viewport
    assert notice.isVisible()
    assert (
        "2 of 20 tiles cannot be decoded and stay empty: tile 6 (x 64–127, y 64–127) and "
        "tile 19 (x 256–299, y 192–199). Up to 16 pixels around them are inexact."
    ) in notice.text.text()
    assert window.compare.reconstruction.marks == (Window(64, 64, 64, 64), Window(256, 192, 44, 8))
    for center in ((96, 96), (278, 196), (96, 96)):
        notice.show_place.click()
        assert (view.center.x(), view.center.y()) == center
    user.answer = tmp_path / "decoded.png"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_image"].trigger()
    assert notice.isVisible(), "a notice is in nobody's way"


def test_a_file_that_ends_before_its_first_tile_says_that_nothing_is_left(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"payload 0")])
    open_stream(qtbot, window, path)
    assert (
        window.notice.isVisible()
        and "Nothing of “scene.fdegc” can be decoded" in window.notice.heading.text()
    )


def test_new_damage_is_said_although_the_notice_was_dismissed(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate, fake.holds = threading.Event(), {0}
    path = tmp_path / "scene.fdegc"
    info = write_stream(path)
    damage(path, metadata_blocks(info.raster)[CRS])
    damage(path, b"payload 3")
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    assert window.notice.isVisible(), "it does not wait for the tiles"
    window.notice.dismiss.click()
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window), timeout=TIMEOUT)
    assert window.notice.isVisible()
    assert "tile 3" in window.notice.text.text() and "reference system" in window.notice.text.text()
    window.set_theme("dark")
    window.resize(860, 560)
    assert window.notice.height() < 200


@pytest.fixture
def stream(tmp_path: Path) -> StreamInfo:
    path = tmp_path / "scene.fdegc"
    write_stream(path)
    return read_info(path)


def test_many_damaged_tiles_are_counted(stream: StreamInfo) -> None:
    scene = Scene(1, Path("scene.fdegc"), stream.raster, stream)
    make: Callable[..., Result] = lambda tiles: Result(0, 4.0, None, None, damaged=tiles)  # type: ignore[arg-type]  # noqa: E731
    tiles = tuple(Window(x, y, 64, 64) for y in (0, 64) for x in (0, 64, 128))
    larger = Scene(1, Path("scene.fdegc"), stream.raster, replace(stream, tiles=60))
    notice = damage_notice(larger, make(tiles))
    assert notice is not None and "y 64–127) and 2 more." in notice.text and "inexact" in notice.text
    nothing = damage_notice(scene, make(tiles))
    assert nothing is not None and nothing.heading == "Nothing of “scene.fdegc” can be decoded"
    assert nothing.text.startswith("All of its tiles are damaged or missing. Fetch the file again")
    assert nothing.text.endswith("from a backup.") and not nothing.places
    one = damage_notice(scene, make(tiles[:1]))
    assert one is not None and one.text.startswith("1 of 6 tiles cannot be decoded and stays empty: tile 0")
    assert "Up to 16 pixels around it are inexact." in one.text
    assert damage_notice(scene, make(())) is None
    assert damage_notice(scene, None) is None and damage_notice(None, None) is None
    assert damage_notice(Scene(1, Path("a.tif"), stream.raster), make(tiles)) is None


def test_a_lost_mask_makes_the_file_unreadable(stream: StreamInfo) -> None:
    damaged = replace(stream, lost=("validity mask", "tags"))
    notice = damage_notice(Scene(1, Path("scene.fdegc"), stream.raster, damaged), None)
    assert notice is not None
    assert "Lost with damaged bytes: validity mask and tags." in notice.text
    assert "Without its validity mask it cannot be decoded." in notice.text
    assert "as it is" not in notice.text


# ------------------------------------------------------------------------------ what is looked at first


def test_what_is_looked_at_is_decoded_first(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate, fake.holds = threading.Event(), {2}
    path = tmp_path / "scene.fdegc"
    write_stream(path, None, 1600, 1200)  # 25 × 19 tiles
    written: list[tuple[int, int]] = []
    window.session.tiles_written.connect(lambda _key, places: written.extend((p.x, p.y) for p in places))
    window.start(path)
    qtbot.waitUntil(lambda: len(written) == 2, timeout=TIMEOUT)
    assert fake.windows == [], "of the whole scene the usual order shows as much"

    window.compare.look_at(Window(1400, 1000, 100, 80))
    seen = window.compare.visible_part()
    assert seen is not None and seen.width < 700
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window), timeout=TIMEOUT)
    [ahead] = fake.windows
    assert ahead == Window(
        seen.x // 64 * 64,
        seen.y // 64 * 64,
        min(-(-(seen.x + seen.width) // 64) * 64, 1600) - seen.x // 64 * 64,
        min(-(-(seen.y + seen.height) // 64) * 64, 1200) - seen.y // 64 * 64,
    )
    inside = -(-ahead.width // 64) * -(-ahead.height // 64)
    assert written[:3] == [(0, 0), (64, 0), (128, 0)]
    assert all(ahead.x <= x and ahead.y <= y for x, y in written[3 : 3 + inside])
    rest = written[3 + inside :]
    assert rest == sorted(rest, key=lambda place: place[::-1])
    assert len(written) == len(set(written)) == window.session.results[STREAM].tiles_done == 25 * 19


def test_what_is_decoded_first_is_what_it_would_be(network_file: Path, tmp_path: Path) -> None:
    codec = Codec(device="cpu")
    info = read_info(network_file)
    looked_at, order = LookedAt(), list[Window]()
    pixels = np.zeros((3, info.raster.height, info.raster.width), np.uint8)

    def tap(tile: TileResult) -> None:
        x, y, width, height = tile.window.x, tile.window.y, tile.window.width, tile.window.height
        pixels[:, y : y + height, x : x + width] = tile.samples.pixels
        order.append(tile.window)
        if len(order) == 2:
            looked_at.window = Window(300, 150, 60, 50)

    first = ViewFirst(codec, network_file, info.tile_size, info.raster, tap, looked_at, CancelToken())
    codec.decode(network_file, asked=first.lacks, on_tile=first)
    assert len(order) == len(set(order)) == info.tiles
    assert [(place.x, place.y) for place in order[2:4]] == [(256, 128), (320, 128)]
    assert np.array_equal(pixels, codec.decode_window(network_file, Window(0, 0, 370, 200)).pixels)

    cancel = CancelToken()
    looked_at.window = Window(300, 150, 60, 50)

    def cancelling(tile: TileResult) -> None:
        if tile.window.x >= 256:
            cancel.cancel()

    first = ViewFirst(codec, network_file, info.tile_size, info.raster, cancelling, looked_at, cancel)
    with pytest.raises(Cancelled):
        codec.decode(network_file, on_tile=first, cancel=cancel)


def test_tiles_of_a_large_view_are_not_gone_through_after_each_tile() -> None:
    asked = []

    class Asked(set[tuple[int, int]]):
        def __contains__(self, place: object) -> bool:
            asked.append(place)
            return super().__contains__(place)

    side = 64 * 500
    info, looked_at = RasterInfo("", "FDEGC", side, side, 1, "uint8"), LookedAt()
    looked_at.window = Window(0, 0, side, side)
    passed: list[TileResult] = []
    codec = Codec(device="cpu")
    first = ViewFirst(codec, Path("none"), 64, info, passed.append, looked_at, CancelToken())
    first._passed = Asked()
    first(TileResult(Window(0, 0, 64, 64), Samples(np.zeros((1, 64, 64), np.uint8)), 10))
    assert len(passed) == 1 and len(asked) == 1


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    """Six columns and four rows of tiles, all with latents."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (3, 7, 12), np.uint8).repeat(30, axis=1).repeat(31, axis=2)[:, :200, :370]
    path = tmp_path / "network.fdegc"
    Codec(device="cpu").encode(ArraySource(pixels), path, EncodeOptions(2.0, 64, check=False))
    assert dict(read_info(path).ways) == {"network": 24}
    return path
