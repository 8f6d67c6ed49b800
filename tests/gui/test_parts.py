"""The parts under the window: pictures, viewport, settings, words."""

from __future__ import annotations

import gc
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, QSettings
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot
from rasterio.crs import CRS

from fdegc.errors import Cancelled, CorruptStream
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import Estimate
from fdegc.types import Samples
from fdegc_gui.app import main
from fdegc_gui.jobs import Failure
from fdegc_gui.jobs.engine import spared
from fdegc_gui.jobs.sample_writer import SampleWriter
from fdegc_gui.logs import ExceptionHook
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models import pyramid
from fdegc_gui.models.pyramid import Pyramid, halve, premultiplied_bgra
from fdegc_gui.models.scene import display_base
from fdegc_gui.settings import Settings
from fdegc_gui.style.theme import DARK, LIGHT, Theme, Tokens
from fdegc_gui.text import distinct_names, human_bytes, human_seconds, part_of, time_left, zoom_percent
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.content import SidePicture
from fdegc_gui.views.costs import cost_of, memory_words
from fdegc_gui.views.scene_facts import bounds, crs_name, crs_unit
from fdegc_gui.views.viewport import Viewport
from tests.gui.display_steps import compress, write
from tests.gui.fakes import FakeUser
from tests.gui.window_steps import open_scene

TIMEOUT = 10_000


def random_rgba(height: int, width: int) -> np.ndarray:
    rgba = np.random.default_rng(1).integers(0, 256, (height, width, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    return rgba


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 300), (333, 257), (512, 512)])
@pytest.mark.parametrize("base", [0, 2])
@pytest.mark.parametrize("side", [64, 68, 52])
@pytest.mark.parametrize("reduced", [False, True], ids=["halved here", "halved before"])
def test_pyramid_of_tiles_equals_pyramid_of_the_whole(
    width: int, height: int, base: int, side: int, reduced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "_FINEST_REDUCTION", 4)
    bgra = premultiplied_bgra(random_rgba(height, width))
    whole, parts = Pyramid(width, height, base), Pyramid(width, height, base)
    whole.write(0, 0, bgra)
    for y in range(0, height, side):
        for x in range(0, width, side):
            part = np.ascontiguousarray(bgra[y : y + side, x : x + side])
            parts.write(x, y, part, pyramid.reductions(part) if reduced else ())
    for one, other in zip(whole.levels, parts.levels, strict=True):
        assert np.array_equal(one, other)


def test_halving_averages_and_keeps_the_odd_edge() -> None:
    image = np.zeros((3, 3, 4), np.uint8)
    image[:2, :2] = 100
    image[2, 2] = 40
    half = halve(image)
    assert half.shape == (2, 2, 4)
    assert half[0, 0, 0] == 100 and half[1, 1, 0] == 40


def test_transparent_colours_do_not_bleed() -> None:
    rgba = np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)
    half = halve(premultiplied_bgra(rgba))
    assert half[0, 0].tolist() == [0, 0, 128, 128]


@pytest.mark.parametrize(
    ("shape", "size"), [((20, 30), (300, 200)), ((33, 50), (151, 100)), ((8, 8), (8, 8))]
)
def test_what_tiles_cover_is_erased_from_the_overview(shape: tuple[int, int], size: tuple[int, int]) -> None:
    """So that it does not shine through transparent pixels, and no gap opens beside a tile."""
    width, height = size
    overview = Pyramid.from_overview(width, height, premultiplied_bgra(random_rgba(*shape)))
    rest = overview.erasable_copy()
    assert overview.complete and not overview.transparent and rest.transparent
    rest.erase(0, 0, 64, 64)
    sx, sy = rest.scale(0)
    shown = rest.levels[0][..., 3] > 0
    rows, columns = np.nonzero(~shown)
    assert ((columns + 1) * sx <= 64 + 1e-3).all() and ((rows + 1) * sy <= 64 + 1e-3).all()
    assert len(rows) >= (min(64, width) // sx) * (min(64, height) // sy) - 1e-3
    for y in range(0, height, 64):
        for x in range(0, width, 64):
            rest.erase(x, y, min(64, width - x), min(64, height - y))
    left = rest.levels[0][..., 3].mean()
    assert left == 0 or left < 255 * 0.4
    assert (overview.levels[0][..., 3] == 255).all(), "the overview itself stays"


def test_level_has_at_least_a_pixel_for_each_drawn() -> None:
    pyramid = Pyramid(4096, 4096)
    assert [pyramid.level_for(zoom) for zoom in (1.0, 0.6, 0.5, 0.2)] == [0, 0, 1, 2]


def test_huge_scenes_are_kept_reduced() -> None:
    assert display_base(6000, 6000) == 0
    assert display_base(20_000, 20_000) == 2
    assert 20_000 / 2 ** display_base(20_000, 20_000) <= 8192


@pytest.mark.usefixtures("qapp")
def test_zoom_keeps_the_point_under_the_pointer() -> None:
    view = Viewport()
    view.set_pane(800, 600)
    view.set_scene(4000, 3000)
    assert view.fitted and view.zoom < 0.2
    anchor = QPointF(100, -50)
    before = view.center + anchor / view.zoom
    view.zoom_by(3.0, anchor)
    after = view.center + anchor / view.zoom
    assert abs(before.x() - after.x()) < 1e-6 and abs(before.y() - after.y()) < 1e-6


@pytest.mark.usefixtures("qapp")
def test_zoom_stops_at_one_to_one_and_lies_on_whole_pixels() -> None:
    view = Viewport()
    view.set_pane(801, 601)
    view.set_scene(4000, 3000)
    view.set_zoom(0.7)
    view.zoom_by(2.0)
    assert view.zoom == 1.0
    view.zoom_by(2.0)
    assert view.zoom == 2.0
    view.set_zoom(1.0)
    view.pan(13.3, 7.7)
    rect = view.scene_rect(801, 601)
    assert rect.x() == int(rect.x()) and rect.y() == int(rect.y())


def pane_at(qtbot: QtBot, rgba: np.ndarray, zoom: float) -> tuple[Pane, Viewport]:
    view = Viewport()
    pane = Pane("Original", view, Theme("dark"))
    qtbot.addWidget(pane)
    pane.resize(320, 320)
    ratio = pane.devicePixelRatioF()
    view.set_pane(320 * ratio, 320 * ratio)
    pyramid = Pyramid(rgba.shape[1], rgba.shape[0])
    pyramid.write(0, 0, premultiplied_bgra(rgba))
    pyramid.complete = True
    view.set_scene(rgba.shape[1], rgba.shape[0])
    view.set_zoom(zoom)
    pane.show_picture(SidePicture(pyramid, "Original"))
    return pane, view


def test_at_100_percent_every_pixel_is_exact(qtbot: QtBot) -> None:
    rgba = random_rgba(64, 64)
    pane, view = pane_at(qtbot, rgba, 1.0)
    shot = pane.grab().toImage()
    rect = view.scene_rect(shot.width(), shot.height())
    for y, x in [(0, 0), (0, 63), (63, 0), (31, 17), (63, 63)]:
        color = QColor(shot.pixel(int(rect.x()) + x, int(rect.y()) + y))
        assert (color.red(), color.green(), color.blue()) == tuple(int(v) for v in rgba[y, x, :3])


def test_above_100_percent_pixels_are_hard_squares(qtbot: QtBot) -> None:
    pane, view = pane_at(qtbot, random_rgba(16, 16), 8.0)
    shot = pane.grab().toImage()
    rect = view.scene_rect(shot.width(), shot.height())
    at = (int(rect.x()) + 8 * 5, int(rect.y()) + 8 * 9)
    assert len({shot.pixel(at[0] + dx, at[1] + dy) for dx in range(8) for dy in range(8)}) == 1


def test_failures_in_words() -> None:
    damaged = Failure.of(CorruptStream("It is damaged."))
    assert damaged.message == "It is damaged." and damaged.expected and "CorruptStream" in damaged.detail
    assert Failure.of(MemoryError()).expected
    assert "denied" in Failure.of(PermissionError(13, "Permission denied", "/x")).message
    assert not Failure.of(KeyError("x")).expected
    assert Failure.of(Cancelled("Cancelled.")).expected


def test_reconstruction_round_trip(tmp_path: Path) -> None:
    info = RasterInfo("", "GTiff", 50, 40, 2, "int16", has_alpha=True, has_mask=True, has_band_masks=True)
    writer = SampleWriter(tmp_path / "r", info)
    pixels = np.random.default_rng(0).integers(-9, 9, (2, 40, 50)).astype(np.int16)
    valid, alpha, missing = pixels[0] > 0, pixels[1], pixels == 3
    for y in (0, 20):
        at = slice(y, y + 20)
        writer.write(Window(0, y, 50, 20), Samples(pixels[:, at], valid[at], alpha[at], missing[:, at]))
    back = writer.finish().read(Window(10, 5, 30, 30))
    assert np.array_equal(back.pixels, pixels[:, 5:35, 10:40])
    assert back.valid is not None and np.array_equal(back.valid, valid[5:35, 10:40])
    assert back.alpha is not None and np.array_equal(back.alpha, alpha[5:35, 10:40])
    assert back.missing is not None and np.array_equal(back.missing, missing[:, 5:35, 10:40])


def test_settings_survive_nonsense(store: QSettings) -> None:
    store.setValue("codec/rate", "many")
    store.setValue("view/theme", "pink")
    store.setValue("files/recent", "/one.tif")
    store.setValue("folders/open", "/no/such/folder")
    settings = Settings(store)
    assert (settings.rate, settings.theme, settings.recent) == (4, "system", ["/one.tif"])
    assert settings.folder("open") == ""
    for i in range(15):
        settings.add_recent(Path(f"/{i}.tif"))
    assert len(settings.recent) == 10 and settings.recent[0] == str(Path("/14.tif"))


def test_what_is_compiled_is_spared_by_the_collector_once() -> None:
    before = gc.get_freeze_count()
    try:
        with spared("a test") as end:
            assert not gc.isenabled()
            end()
            assert gc.isenabled() and gc.get_freeze_count() > before
            end()
        with spared("a test"):
            assert gc.isenabled()
        with pytest.raises(Cancelled), spared("another test"):
            raise Cancelled("Cancelled.")
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_exceptions_of_other_threads_are_caught(qtbot: QtBot, caplog: pytest.LogCaptureFixture) -> None:
    hook = ExceptionHook()
    restore = hook.install()
    try:
        with qtbot.waitSignal(hook.caught, timeout=TIMEOUT) as caught, caplog.at_level(logging.CRITICAL):
            thread = threading.Thread(target=lambda: 1 // 0)
            thread.start()
            thread.join()
    finally:
        restore()
    failure = caught.args[0]
    assert "ZeroDivisionError" in failure.detail and not failure.expected


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast(tokens: Tokens) -> None:
    def luminance(name: str) -> float:
        color = QColor(name)
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()[:3]]
        return float(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])

    pairs = [
        (text, ground) for text in (tokens.text, tokens.muted) for ground in (tokens.panel, tokens.raised)
    ]
    pairs += [
        (tokens.on_accent, tokens.accent),
        (tokens.text, tokens.accent_soft),
        (tokens.good, tokens.panel),
    ]
    pairs += [(tokens.text, tokens.warning_soft)]
    pairs += [(tokens.tooltip_text, tokens.tooltip), (tokens.muted, tokens.window)]
    for text, ground in pairs:
        high, low = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
    for ground in (tokens.panel, tokens.raised):
        high, low = sorted((luminance(tokens.faint), luminance(ground)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3.0, ("faint", ground)


def test_words() -> None:
    assert [human_bytes(n) for n in (0, 999, 1000, 1_240_000, 99_960_000, 999_600_000)] == [
        "0 bytes", "999 bytes", "1 kB", "1.24 MB", "100 MB", "1 GB",
    ]  # fmt: skip
    assert [human_seconds(s) for s in (0.123, 4.04, 42, 75, 200, 4000)] == [
        "0.123 s", "4.04 s", "42 s", "1 min 15 s", "3 min 20 s", "1 h 6 min",
    ]  # fmt: skip
    assert time_left(0.4) == "a second left" and time_left(33) == "35 s left"
    assert zoom_percent(0.0321) == "3.2 %" and zoom_percent(2) == "200 %"


def test_costs_in_words() -> None:
    estimate = Estimate(1_000_000, 10.0, 10**9)
    assert cost_of(estimate, None).time == "≈ 10 s" and cost_of(None, None).time == "–"
    assert memory_words([estimate, estimate]).startswith("Takes about ") and memory_words([]) == ""


def test_place_facts() -> None:
    info = RasterInfo("", "GTiff", 10, 20, 1, "uint8", transform=(0.0, 2.0, 5.0, 2.0, 0.0, 7.0))
    assert bounds(info) == (5.0, 7.0, 45.0, 27.0)
    assert crs_name('PROJCS["NAD83 / UTM zone 14N",GEOGCS["x"],AUTHORITY["EPSG","26914"]]') == (
        "NAD83 / UTM zone 14N (EPSG:26914)"
    )


def test_units_of_coordinates() -> None:
    units = {32633: " m", 4326: "°", 2263: " US survey foot"}
    for code, unit in units.items():
        for version in ("WKT1_GDAL", "WKT2_2019"):
            assert crs_unit(CRS.from_epsg(code).to_wkt(version=version)) == unit, (code, version)
    assert crs_unit("") == crs_unit(CRS.from_epsg(7415).to_wkt(version="WKT2_2019")) == ""


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_command_line(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([argument])
    assert stopped.value.code == 0
    assert "fdegc-gui" in capsys.readouterr().out


def test_a_band_that_is_called_alpha_but_has_data_is_a_band(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    bands = np.random.default_rng(1).integers(0, 255, (4, 40, 50), dtype=np.uint8)
    write(tmp_path / "infrared.tif", bands, photometric="rgb", alpha="yes")
    said: list[str] = []
    window.controller.message.connect(said.append)
    open_scene(qtbot, window, tmp_path / "infrared.tif")
    assert window.session.scene is not None and window.session.scene.info.bands == 4
    assert window.sidebar.facts.values["Colours"].endswith("called alpha, but taken for data")
    qtbot.waitUntil(lambda: any("called alpha, but its values" in words for words in said), timeout=TIMEOUT)
    compress(qtbot, window, 2)
    store = window.session.results[2].store
    assert store.info.bands == 4 and store.read(Window(0, 0, 50, 40)).pixels.shape == (4, 40, 50)


def test_printing_inks_are_named(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    inks = np.random.default_rng(1).integers(0, 255, (4, 40, 50), dtype=np.uint8)
    Image.fromarray(np.moveaxis(inks, 0, 2), "CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(np.moveaxis(inks[:3], 0, 2)).save(tmp_path / "photo.jpg")
    write(tmp_path / "print.tif", inks, photometric="cmyk")
    write(tmp_path / "deep.tif", inks.astype(np.uint16), photometric="cmyk")
    words = {}
    for name in ("print.jpg", "photo.jpg", "print.tif", "deep.tif"):
        open_scene(qtbot, window, tmp_path / name)
        words[name] = window.sidebar.facts.values.get("Colours")
    read = "CMYK, read and kept as RGB"
    assert words == {
        "print.jpg": read,
        "photo.jpg": None,
        "print.tif": read,
        "deep.tif": "CMYK, as four bands of ink",
    }


def test_names_of_parts_of_a_file_are_read() -> None:
    found = {
        "GTIFF_DIR:2:/a/pages.tif": ("/a/pages.tif", "Page 2"),
        "FRAME:3:/a/a stack.tif": ("/a/a stack.tif", "Page 3"),
        "netcdf:/a/sea.nc:height": ("/a/sea.nc", "height"),
        'HDF5:"/a/b c.h5"://group/data': ("/a/b c.h5", "group/data"),
        "NITF_IM:0:/a/one.ntf": ("/a/one.ntf", "NITF_IM:0:/a/one.ntf"),
    }
    for name, (file, part) in found.items():
        assert part_of(Path(name)) == (Path(file), part)
    for name in ("/a/scene.tif", "scene.tif", "/a/netcdf:b:c.tif"):
        assert part_of(Path(name)) is None
    assert distinct_names(["GTIFF_DIR:1:/a/p.tif", "GTIFF_DIR:2:/a/p.tif", "/b/p.tif", "/b/q.tif"]) == [
        "p.tif · Page 1 – a", "p.tif · Page 2 – a", "p.tif – b", "q.tif",
    ]  # fmt: skip


def test_a_page_of_a_file_is_named_and_opened_again(
    qtbot: QtBot, window: MainWindow, user: FakeUser, tmp_path: Path
) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (30, 50), dtype=np.uint8)  # not without loss unasked
    pages = [Image.fromarray(noise[:, : 40 + number]) for number in range(3)]
    path = tmp_path / "pages.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    user.part = f"GTIFF_DIR:2:{path}"
    open_scene(qtbot, window, path)
    name = "pages.tif · Page 2"
    facts = window.sidebar.facts.values
    assert (facts["File"], facts["Part"]) == ("pages.tif", "Page 2")
    assert window.header.name.toolTip().endswith(f"2:{path}") and window.windowTitle() == f"{name} – FDEGC"
    assert window.header.name._full == name
    assert window.settings.recent == [user.part] and window.settings.folder("open") == str(tmp_path)
    compress(qtbot, window, 2)
    window.actions_["export_stream"].trigger()
    assert user.suggested == str(tmp_path / "pages-rate2.fdegc")
    window.close_scene()
    user.part = None
    [again] = [action for action in window.recent_menu.actions() if action.text() == name]
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        again.trigger()
    assert window.session.scene is not None and window.session.scene.info.width == 41
    assert user.asked.count("part pages.tif") == 1, "it was asked before"
    assert not window.exporting.may_write(path, "image"), "the file that is open is not replaced"
    window.close_scene()
    path.unlink()
    with qtbot.waitSignal(window.controller.open_failed, timeout=TIMEOUT):
        window.controller.open(Path(window.settings.recent[0]))
    assert window.settings.recent == []
