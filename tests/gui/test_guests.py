"""Other codecs and other files as pictures of the scene, and the table and plot of all results."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidgetAction
from pytestqt.qtbot import QtBot

from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.guests import Offers, spent_on
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, SELECTED, Layout, Side
from fdegc_gui.models.guest import FIRST_GUEST, Offer, coded_window
from fdegc_gui.models.points import points_of, table_text
from fdegc_gui.models.result import MetricState, Result
from fdegc_gui.models.scene import STREAM
from tests.gui.display_steps import settled, write
from tests.gui.fakes import FakeUser, saved, write_stream
from tests.gui.window_steps import compress, error_dialog, finished, open_scene

TIMEOUT = 30_000


def offer(qtbot: QtBot, window: MainWindow, name: str) -> Offer:
    guests = window.controller.guests
    guests.look()
    qtbot.waitUntil(lambda: guests.offers is not None, timeout=TIMEOUT)
    return next(one for one in guests.offers.codecs if one.name == name)


def guests_of(window: MainWindow) -> list[Result]:
    return [result for key, result in sorted(window.session.results.items()) if key >= FIRST_GUEST]


def code(qtbot: QtBot, window: MainWindow, name: str, side: Side = Side.A) -> Result:
    """Code with another codec and wait until it is measured."""
    before = len(guests_of(window))
    window.controller.guests.code(offer(qtbot, window, name), side)
    qtbot.waitUntil(lambda: len(guests_of(window)) > before, timeout=TIMEOUT)
    result = guests_of(window)[-1]
    qtbot.waitUntil(lambda: result.metric_state is MetricState.DONE, timeout=TIMEOUT)
    return result


@pytest.fixture
def compressed(qtbot: QtBot, window: MainWindow, scene_path: Path) -> MainWindow:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    return window


def menu_words(window: MainWindow, side: Side = Side.A) -> list[str]:
    window.guest_menu.fill(side)
    return [action.text() for action in window.guest_menu.menus[side].actions() if action.text()]


# ---------------------------------------------------------------------- other codecs


def test_another_codec_at_the_size_of_a_result(
    qtbot: QtBot, compressed: MainWindow, scene_path: Path
) -> None:
    window, session = compressed, compressed.session
    ours = session.results[4]
    result = code(qtbot, window, "jpeg2000")
    guest = result.guest
    assert guest is not None and guest.window is None
    assert abs(result.bytes / ours.bytes - 1) < 0.03, "as many bytes"
    assert session.key_of(Side.A) == result.key and session.key_of(Side.B) == 4
    original = np.asarray(Image.open(scene_path)).transpose(2, 0, 1)
    decoded = result.store.read(Window(0, 0, 192, 160))
    assert decoded.valid is None
    apart = decoded.pixels.astype(float) - original
    assert guest.psnr == pytest.approx(10 * np.log10(255**2 / np.square(apart).mean()), abs=1e-6)
    assert result.metrics is not None and result.metrics.ms_ssim is not None
    assert "OpenJPEG" in guest.facts and "all of the scene" in guest.facts
    assert "rate 4 has" in guest.reference and f"{result.bytes:,} bytes" in guest.reference
    assert window.compare.original.label == f"JPEG 2000 · {8 * result.bytes / (192 * 160):.3f} bpp"
    settled(qtbot, window)
    assert window.compare.original.pyramid is result.pyramid
    assert not list(window.controller.folder.glob("*exchange")), "what was exchanged is gone"


def test_guest_is_compared_like_any_result(qtbot: QtBot, compressed: MainWindow) -> None:
    window, session = compressed, compressed.session
    result = code(qtbot, window, "webp", Side.B)
    assert session.sides.a == ORIGINAL and session.comparable()
    assert session.focus is result
    assert window.sidebar.metrics.cells["psnr"].value.text().startswith(f"{result.guest.psnr:.2f}")
    window.compare.set_layout(Layout.DIFFERENCE)
    qtbot.waitUntil(lambda: session.difference is not None, timeout=TIMEOUT)
    window.comparing.measure_view()
    qtbot.waitUntil(lambda: window.controller.regions.figures is not None, timeout=TIMEOUT)
    assert window.controller.regions.figures.b.startswith("WebP · ")
    window.actions_["swap"].trigger()
    assert session.key_of(Side.A) == result.key


def test_another_rate_point_takes_its_place_again(qtbot: QtBot, compressed: MainWindow) -> None:
    window, session = compressed, compressed.session
    code(qtbot, window, "webp", Side.B)
    window.sidebar.rates.rows[2].click()
    assert session.sides.b == SELECTED and session.key_of(Side.B) == 2
    result = guests_of(window)[0]
    session.choose(Side.B, result.key)
    compress(qtbot, window, 2)
    assert session.key_of(Side.B) == 2


def test_as_good_rather_than_as_small(qtbot: QtBot, compressed: MainWindow) -> None:
    window = compressed
    window.controller.guests.by_psnr = True
    result = code(qtbot, window, "jpeg2000")
    ours = window.session.results[4].live_psnr(255.0)
    assert result.guest.psnr == pytest.approx(ours, abs=0.3)
    assert "to reach" in result.guest.reference


def test_part_in_view_of_a_large_scene(
    qtbot: QtBot, compressed: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = compressed
    monkeypatch.setattr("fdegc_gui.models.guest._MOST_PIXELS", 96 * 80)
    result = code(qtbot, window, "jpeg-444")
    guest = result.guest
    part = guest.window
    assert part is not None and part.pixels <= 96 * 80
    samples = result.store.read(Window(0, 0, 192, 160))
    assert samples.valid is not None and int(samples.valid.sum()) == part.pixels, "the rest is not there"
    assert result.pyramid.transparent
    assert guest.name.endswith("part") and f"{part.width} × {part.height} pixels" in guest.facts
    assert "In that part rate 4 has" in guest.note
    assert result.bpp(192 * 160) == pytest.approx(8 * guest.bytes / part.pixels)
    assert result.metrics.ms_ssim is None and "161" in result.metrics.notes["ms_ssim"]
    assert not any(key == result.key for _, _, key in window.sidebar.plot.points)
    assert "px in view" in " ".join(menu_words(window))


def test_view_only(qtbot: QtBot, compressed: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    window = compressed
    monkeypatch.setattr("fdegc_gui.control.guests._TILE", 64)
    window.compare.viewport.restore(QPointF(100, 90), 20.0)
    window.controller.guests.view_only = True
    assert "64 × 64 px in view" in " ".join(menu_words(window)) or window.controller.guests.offers is None
    result = code(qtbot, window, "jpeg-444")
    assert result.guest.window == Window(64, 64, 64, 64), "the whole tile in view"
    window.session.choose(Side.B, result.key)
    window.compare.set_layout(Layout.DIFFERENCE)
    qtbot.waitUntil(lambda: window.session.difference is not None, timeout=TIMEOUT)


def test_cancel_within_a_second(qtbot: QtBot, make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window = make_window()
    noise = np.random.default_rng(1).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    open_scene(qtbot, window, tmp_path / "noise.png")
    compress(qtbot, window, 3)
    qtbot.waitUntil(lambda: window.session.results[3].metric_state is MetricState.DONE, timeout=TIMEOUT)
    avif = offer(qtbot, window, "avif")  # half a minute and more for each try
    window.controller.guests.code(avif, Side.A)
    folder = window.controller.folder
    qtbot.waitUntil(lambda: any(folder.glob("*exchange/progress")), timeout=TIMEOUT)
    assert window.actions_["cancel"].isEnabled()
    start = time.perf_counter()
    window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: not window.actions_["cancel"].isEnabled(), timeout=1000)
    assert time.perf_counter() - start < 1
    assert not guests_of(window) and not list(folder.glob("*guest*"))


def test_leaving_the_scene_ends_it(qtbot: QtBot, compressed: MainWindow, tmp_path: Path) -> None:
    window = compressed
    window.controller.guests.code(offer(qtbot, window, "avif"), Side.A)
    folder = window.controller.folder
    window.controller.close_scene()
    qtbot.waitUntil(lambda: not list(folder.glob("*guest*")), timeout=TIMEOUT)
    assert window.session.scene is None and not window.session.results


def test_codec_that_fails_is_said(qtbot: QtBot, compressed: MainWindow) -> None:
    window = compressed
    broken = Offer("nothing", "Nothing", "quality", "", "", 0.1)
    window.controller.guests.code(broken, Side.A)
    dialog = error_dialog(qtbot, window)
    assert dialog.heading == "Nothing could not code the scene."
    assert "no codec named" in dialog.failure.message and dialog.failure.expected


def test_process_that_breaks_down_is_said(
    qtbot: QtBot, compressed: MainWindow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a library's fault would take the process down, and nothing else."""
    codec = offer(qtbot, compressed, "webp")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    compressed.controller.guests.code(codec, Side.A)
    dialog = error_dialog(qtbot, compressed)
    assert "ended without an answer" in dialog.failure.message and dialog.failure.expected
    assert "webp: " in caplog.text and len(caplog.text) > 100
    assert not list(compressed.controller.folder.glob("*guest*"))


def test_menu_says_what_there_is(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    guests = window.controller.guests
    assert menu_words(window) == ["Open a scene first."]
    open_scene(qtbot, window, scene_path)
    assert menu_words(window)[0].startswith("Compress at rate 4 first")
    compress(qtbot, window, 4)
    assert "Looking for other codecs…" in menu_words(window)
    qtbot.waitUntil(lambda: guests.offers is not None, timeout=TIMEOUT)
    words = menu_words(window, Side.B)
    assert words[0] == "At the size of rate 4" and any(word.startswith("JPEG 2000") for word in words)
    guests.offers = Offers((), ("JPEG XL is left out: imagecodecs is not installed (pip install …).",))
    menu = window.guest_menu.menus[Side.A]
    words = menu_words(window)
    assert any("imagecodecs is not installed" in word for word in words)
    assert any(isinstance(action, QWidgetAction) for action in menu.actions())
    chip = window.compare.chips[Side.A]
    chip.fill()
    chip.fill()
    titles = [action.text() for action in chip.choices.actions()]
    assert "Open another file…" in titles and "Compare &with another codec" in titles


def test_scene_that_other_codecs_cannot_hold(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 4)
    assert offer(qtbot, window, "jpeg2000").bands == 4
    menu_words(window)
    actions = {action.text(): action for action in window.guest_menu.menus[Side.A].actions()}
    assert actions["JPEG 2000"].isEnabled()
    for words in (
        "WebP   ·   holds 8-bit grey or colour",
        "JPEG 4:4:4   ·   holds 8-bit grey or colour",
        "JPEG XL   ·   holds 1 or 3 bands of unsigned 8 or 16 bits",
    ):
        assert not actions[words].isEnabled()
        assert "cannot hold this scene" in actions[words].toolTip()


def sixteen_bits(path: Path, bands: int) -> tuple[Path, np.ndarray]:
    """A GeoTIFF of 12 bits in 16, as satellites bring them, and its pixels."""
    y, x = np.mgrid[0:200, 0:220]
    rng = np.random.default_rng(3)
    base = 1600 + 900 * np.sin(x / 19) * np.cos(y / 23)
    planes = [base * (1 + 0.2 * band) + rng.normal(0, 40, x.shape) for band in range(bands)]
    pixels = np.clip(planes, 1, 4000).astype(np.uint16)
    return write(path, pixels), pixels


@pytest.mark.parametrize(("name", "bands"), [("jpeg2000", 3), ("jpeg2000", 4), ("jpegxl", 3)])
def test_scene_of_sixteen_bits(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, name: str, bands: int
) -> None:
    path, pixels = sixteen_bits(tmp_path / "sixteen.tif", bands)
    open_scene(qtbot, window, path)
    compress(qtbot, window, 4)
    ours = window.session.results[4]
    result = code(qtbot, window, name)
    assert (result.store.info.bands, result.store.info.dtype) == (bands, "uint16")
    assert abs(result.bytes / ours.bytes - 1) < 0.05, "as many bytes"
    decoded = result.store.read(Window(0, 0, 220, 200)).pixels
    assert decoded.dtype == np.uint16
    apart = np.square(decoded.astype(float) - pixels)
    peak = window.session.scene.peak
    assert result.guest.psnr == pytest.approx(10 * np.log10(peak**2 / apart.mean()), abs=1e-6)
    spread = np.square(pixels - pixels.mean(axis=(1, 2), keepdims=True)).mean(axis=(1, 2))
    assert (apart.mean(axis=(1, 2)) < spread / 4).all(), "each band was coded"
    assert f"all of the scene, {bands} bands of uint16" in result.guest.facts
    assert result.metrics is not None and result.metrics.ms_ssim is not None


def test_sixteen_bits_as_good_rather_than_as_small(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path, pixels = sixteen_bits(tmp_path / "sixteen.tif", 4)
    open_scene(qtbot, window, path)
    compress(qtbot, window, 4)
    window.controller.guests.by_psnr = True
    result = code(qtbot, window, "jpeg2000")
    whole = Window(0, 0, 220, 200)
    ours, theirs = (
        np.square(one.store.read(whole).pixels.astype(float) - pixels).mean()
        for one in (window.session.results[4], result)
    )
    assert 10 * np.log10(theirs / ours) == pytest.approx(0.0, abs=0.1)


def test_offers_follow_the_scene(qtbot: QtBot, compressed: MainWindow, scene: Path, scene_path: Path) -> None:
    window, guests = compressed, compressed.controller.guests
    assert offer(qtbot, window, "webp").bands == 3 and not guests.offers.unfit
    first = guests.offers
    open_scene(qtbot, window, scene_path)
    assert guests.offers is first, "nothing is looked for twice"
    open_scene(qtbot, window, scene)
    assert offer(qtbot, window, "jpeg2000").bands == 4
    assert "WebP" in [unfit.label for unfit in guests.offers.unfit]


def test_grey_scene(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    y, x = np.mgrid[0:200, 0:220]
    pixels = ((x + y) // 2 + np.random.default_rng(2).integers(0, 9, x.shape)).astype(np.uint8)
    open_scene(qtbot, window, write(tmp_path / "grey.tif", pixels[None]))
    compress(qtbot, window, 4)
    result = code(qtbot, window, "jpeg2000")
    assert result.store.info.bands == 1 and result.guest.psnr > 25
    assert "grey as three equal bands" in result.guest.facts


def test_part_that_a_codec_codes() -> None:
    info = RasterInfo("", "", 1000, 800, 3, "uint8")
    assert coded_window(info, 800_000, None, 256) is None
    view = Window(300, 300, 100, 100)
    assert coded_window(info, 100_000, view, 256) == Window(256, 256, 256, 256)
    assert coded_window(info, 800_000, view, 256, only_view=True) == Window(256, 256, 256, 256)
    assert coded_window(info, 800_000, None, 256, only_view=True) is None
    assert coded_window(info, 300_000, Window(-20, 0, 600, 600), 256) == Window(0, 0, 512, 512)
    edge = coded_window(info, 100_000, Window(900, 700, 300, 300), 256)
    assert edge == Window(768, 512, 232, 288)
    small = coded_window(info, 1_000, view, 256)
    assert small is not None and 900 < small.pixels <= 1_000 and view.intersection(small) == small
    assert coded_window(info, 1, None, 256).pixels == 1


def test_bytes_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    info = write_stream(path, width=128, height=64)
    whole = spent_on(path, Window(0, 0, 128, 64))
    left = spent_on(path, Window(0, 0, 64, 64))
    assert whole == info.bytes and left == pytest.approx(info.bytes / 2, abs=1)
    assert spent_on(tmp_path / "none.fdegc", Window(0, 0, 1, 1)) is None


# ---------------------------------------------------------------------- other files


def test_raster_of_the_same_size(
    qtbot: QtBot, compressed: MainWindow, tmp_path: Path, user: FakeUser, scene_path: Path
) -> None:
    window, session = compressed, compressed.session
    pixels = np.asarray(Image.open(scene_path)).transpose(2, 0, 1).copy()
    pixels[0, 0, 0] ^= 255
    user.answer = write(tmp_path / "other.tif", pixels)
    window.actions_["open_other"].trigger()
    qtbot.waitUntil(lambda: len(guests_of(window)) == 1, timeout=TIMEOUT)
    result = guests_of(window)[0]
    assert session.key_of(Side.A) == result.key and result.title == "other.tif"
    assert np.array_equal(result.store.read(Window(0, 0, 192, 160)).pixels, pixels)
    apart = 2.0 * pixels[0, 0, 0] - 255
    assert result.guest.psnr == pytest.approx(10 * np.log10(255**2 * pixels.size / apart**2), abs=1e-6)
    user.answer = None
    window.actions_["open_other"].trigger()
    assert user.asked[-1] == "open as A"
    window.guest_menu._offer(window.compare.chips[Side.A].choices, Side.A)
    window.controller.guests.remove(result.key)
    assert not guests_of(window) and session.key_of(Side.A) == 4


def test_compressed_file_made_elsewhere(qtbot: QtBot, compressed: MainWindow, tmp_path: Path) -> None:
    window = compressed
    write_stream(tmp_path / "elsewhere.fdegc", width=192, height=160)
    window.controller.guests.read(tmp_path / "elsewhere.fdegc", Side.A)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 1, timeout=TIMEOUT)
    result = guests_of(window)[0]
    assert result.guest.bytes == (tmp_path / "elsewhere.fdegc").stat().st_size
    assert window.session.key_of(Side.A) == result.key
    assert int(result.store.read(Window(0, 0, 1, 1)).pixels[0, 0, 0]) == 100, "what the fake codec decodes"
    write_stream(tmp_path / "second.fdegc", width=192, height=160)
    window.controller.guests.read(tmp_path / "second.fdegc", Side.B)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 2, timeout=TIMEOUT)
    names = [window.session.name_of(side) for side in Side]
    assert names == ["elsewhere.fdegc", "second.fdegc"] and window.session.comparable()


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((3, 10, 20), np.uint8), "20 × 10 pixels and the scene 192 × 160"),
        (np.zeros((1, 160, 192), np.uint16), "1 band of uint16 and the scene 3 bands of uint8"),
    ],
)
def test_file_that_does_not_fit(
    qtbot: QtBot, compressed: MainWindow, tmp_path: Path, pixels: np.ndarray, words: str
) -> None:
    compressed.controller.guests.read(write(tmp_path / "other.tif", pixels), Side.B)
    dialog = error_dialog(qtbot, compressed)
    assert words in dialog.failure.message and "cannot be picture B" in dialog.heading
    assert not guests_of(compressed)


def test_compressed_file_that_does_not_fit(qtbot: QtBot, compressed: MainWindow, tmp_path: Path) -> None:
    write_stream(tmp_path / "small.fdegc")
    compressed.controller.guests.read(tmp_path / "small.fdegc", Side.A)
    assert "150 × 100 pixels" in error_dialog(qtbot, compressed).failure.message


def test_files_beside_a_compressed_one(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, user: FakeUser
) -> None:
    session, compare = window.session, window.compare
    write_stream(tmp_path / "first.fdegc")
    open_scene(qtbot, window, tmp_path / "first.fdegc")
    qtbot.waitUntil(lambda: STREAM in session.results and finished(window, STREAM), timeout=TIMEOUT)
    assert compare.shown is Layout.SINGLE and not session.paired
    assert not window.actions_["swap"].isEnabled() and not compare.bar.segments[Layout.SWIPE].isEnabled()
    write_stream(tmp_path / "second.fdegc")
    user.answer = tmp_path / "second.fdegc"
    window.actions_["open_other"].trigger()
    qtbot.waitUntil(lambda: len(guests_of(window)) == 1, timeout=TIMEOUT)
    first, second = session.results[STREAM], guests_of(window)[0]
    assert session.key_of(Side.A) == second.key and session.key_of(Side.B) == STREAM
    assert compare.shown.is_pair and compare.original.isVisible()
    assert compare.original.pyramid is second.pyramid and compare.reconstruction.pyramid is first.pyramid
    assert window.actions_["swap"].isEnabled() and compare.bar.segments[Layout.SWIPE].isEnabled()
    window.actions_["swap"].trigger()
    assert compare.reconstruction.pyramid is second.pyramid
    compare.set_layout(Layout.DIFFERENCE)
    qtbot.waitUntil(lambda: session.difference is not None, timeout=TIMEOUT)
    window.comparing.measure_view()
    qtbot.waitUntil(lambda: window.controller.regions.figures is not None, timeout=TIMEOUT)
    figures = window.controller.regions.figures
    assert figures.b == "second.fdegc" and figures.errors is not None and figures.errors.max_error == 0
    window.comparing.close_region()
    # Its original, opened beside it, is as good as any.
    pixels = np.full((3, 100, 150), 90, np.uint8)
    window.controller.guests.read(write(tmp_path / "original.tif", pixels), Side.A)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 2, timeout=TIMEOUT)
    assert session.name_of(Side.A) == "original.tif"
    chip = compare.chips[Side.B]
    chip.fill()
    words = [action.text() for action in chip.choices.actions()]
    assert "Original" not in words
    chip.choices.actions()[0].trigger()
    assert session.key_of(Side.B) == STREAM
    for guest in guests_of(window):
        window.controller.guests.remove(guest.key)
    assert compare.shown is Layout.SINGLE and not compare.original.isVisible()
    assert compare.reconstruction.pyramid is first.pyramid


# ---------------------------------------------------------------------- table and plot


@pytest.fixture
def several(qtbot: QtBot, compressed: MainWindow) -> MainWindow:
    compress(qtbot, compressed, 2)
    code(qtbot, compressed, "jpeg-444")
    compressed.session.set_rate(4)
    code(qtbot, compressed, "jpeg-444")
    return compressed


def test_plot_of_all_results(qtbot: QtBot, several: MainWindow) -> None:
    window, plot = several, several.sidebar.plot
    assert not plot.isHidden()
    peers = guests_of(window)
    assert sorted(key for _, _, key in plot.points) == [2, 4, *(peer.key for peer in peers)]
    x = {key: place for place, _, key in plot.points}
    assert x[4] == pytest.approx(window.session.results[4].encode.bpp)
    legend = plot.legend.text().replace("&nbsp;", " ")
    assert "FDEGC" in legend and "JPEG 4:4:4" in legend
    assert len(plot._canvas._curves) == 2, "one ours, one of both points of JPEG"
    plot.quality.setCurrentIndex(1)
    assert len(plot.points) == 4 and all(y == pytest.approx(19.08, abs=0.01) for _, y, _ in plot.points)
    plot.quality.setCurrentIndex(3)
    largest = {key: y for _, y, key in plot.points}
    assert largest[2] == 31 and largest[4] == 7, "what the fake codec leaves of its steps"
    plot.size_axis.setCurrentIndex(1)
    assert max(size for size, _, _ in plot.points) == pytest.approx(
        max(result.bytes for result in window.session.results.values()) / 1e3
    )
    marks = plot._canvas.marks
    target = next(mark for mark in marks.points() if mark.data().key == peers[0].key)
    marks.sigClicked.emit(marks, [target], None)
    assert window.session.key_of(Side.B) == peers[0].key
    assert "JPEG 4:4:4" in target.data().words and "PSNR" in target.data().words


def test_table_of_all_results(qtbot: QtBot, several: MainWindow, user: FakeUser, tmp_path: Path) -> None:
    window, table = several, several.sidebar.results
    names = [table.model.data(table.model.index(row, 0)) for row in range(table.model.rowCount())]
    assert names == ["Rate 2", "Rate 4", "JPEG 4:4:4", "JPEG 4:4:4"]
    assert table.table.isColumnHidden(6), "no LPIPS, no column"
    table.table.clicked.emit(table.model.index(2, 0))
    assert window.session.key_of(Side.B) == guests_of(window)[0].key
    tip = table.model.data(table.model.index(2, 0), Qt.ItemDataRole.ToolTipRole)
    assert "libjpeg" in tip and "all of the scene" in tip
    jpeg = offer(qtbot, window, "jpeg-444")
    assert re.match(rf"JPEG 4:4:4 at {jpeg.parameter} \d+: {re.escape(jpeg.settings)} \[", tip)
    assert f"[{jpeg.version}]" in tip and any(sign.isdigit() for sign in jpeg.version)
    window.actions_["copy_table"].trigger()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 5 and lines[1].split("\t")[0] == "FDEGC rate 2"
    assert "vifp" in lines[0] and "lpips" not in lines[0] and len({line.count("\t") for line in lines}) == 1
    user.answer = tmp_path / "results.csv"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_table"].trigger()
    assert user.suggested.endswith("scene-results.csv")
    rows = list(csv.DictReader(io.StringIO(user.answer.read_text())))
    assert [row["result"] for row in rows][2:] == ["JPEG 4:4:4"] * 2
    assert int(rows[3]["bytes"]) == guests_of(window)[1].bytes and float(rows[0]["psnr_db"]) > 20


def test_lpips_is_a_column_of_the_copy_where_there_is_one(several: MainWindow) -> None:
    points = points_of(several.session.results.values(), 100)
    points[1] = dataclasses.replace(points[1], lpips=0.25)
    rows = list(csv.DictReader(io.StringIO(table_text(points, ","))))
    assert [row["lpips"] for row in rows] == ["", "0.25000", "", ""]


def test_plot_in_a_file(qtbot: QtBot, several: MainWindow, user: FakeUser, tmp_path: Path) -> None:
    for name, start in (("plot.svg", b"<?xml"), ("plot.png", b"\x89PNG")):
        user.answer = tmp_path / name
        with saved(qtbot, several, TIMEOUT):
            several.actions_["export_plot"].trigger()
        content = user.answer.read_bytes()
        assert content.startswith(start)
        if name.endswith("svg"):
            assert b"JPEG 4:4:4" in content and b"bits per pixel" in content


def test_guest_that_is_not_wanted_goes(qtbot: QtBot, several: MainWindow) -> None:
    table = several.sidebar.results
    table.table.setCurrentIndex(table.model.index(2, 0))
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert len(guests_of(several)) == 1 and table.model.rowCount() == 3
    table.table.setCurrentIndex(table.model.index(0, 0))
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert table.model.rowCount() == 3, "what was made here stays"


# ---------------------------------------------------------------------- when the scene is left


def test_what_other_codecs_made_is_there_again_until_it_is_removed(
    qtbot: QtBot,
    compressed: MainWindow,
    scene_path: Path,
    user: FakeUser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window, session = compressed, compressed.session
    whole = code(qtbot, window, "webp")
    with monkeypatch.context() as patched:
        patched.setattr("fdegc_gui.models.guest._MOST_PIXELS", 96 * 80)
        part = code(qtbot, window, "jpeg-444")
    assert part.guest is not None and part.guest.window is not None
    Image.open(scene_path).save(tmp_path / "another.png")
    window.controller.guests.read(tmp_path / "another.png", Side.A)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 3, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: guests_of(window)[-1].metric_state is MetricState.DONE, timeout=TIMEOUT)
    window.close_scene()
    assert not user.lost, "nothing is lost"
    open_scene(qtbot, window, scene_path)
    again = guests_of(window)
    assert [result.guest for result in again] == [whole.guest, part.guest], "the other file is being read"
    qtbot.waitUntil(lambda: len(guests_of(window)) == 3, timeout=TIMEOUT)
    window.controller.guests.remove(guests_of(window)[-1].key)
    assert again[0].metrics == whole.metrics and again[0].metric_state is MetricState.DONE
    everything = Window(0, 0, 192, 160)
    for was, now in zip((whole, part), again, strict=True):
        np.testing.assert_array_equal(now.store.read(everything).pixels, was.store.read(everything).pixels)
    qtbot.waitUntil(lambda: again[1].metric_state is MetricState.DONE, timeout=TIMEOUT)
    session.choose(Side.A, again[0].key)
    qtbot.waitUntil(
        lambda: again[0].pyramid.complete, timeout=TIMEOUT
    )  # its picture comes when it is looked at
    np.testing.assert_array_equal(again[0].pyramid.levels[0], whole.pyramid.levels[0])
    # What comes next overwrites nothing, and what is removed stays away.
    third = code(qtbot, window, "jpeg-444")
    assert third.store.folder not in [result.store.folder for result in again]
    window.controller.guests.remove(again[0].key)
    qtbot.waitUntil(lambda: not again[0].store.folder.exists(), timeout=TIMEOUT)
    window.close_scene()
    open_scene(qtbot, window, scene_path)
    assert [result.guest for result in guests_of(window)] == [part.guest, third.guest]


def test_a_kept_guest_whose_files_have_changed_is_left_out(
    qtbot: QtBot, compressed: MainWindow, scene_path: Path
) -> None:
    window = compressed
    folders = [code(qtbot, window, name).store.folder for name in ("webp", "jpeg-444", "jpeg2000")]
    window.close_scene()
    pixels = np.fromfile(folders[0] / "pixels", np.uint8)
    (pixels ^ 1).tofile(folders[0] / "pixels")
    record = folders[1].with_name(f"{folders[1].name}.json")
    record.write_text(record.read_text().replace('"samples"', '"sample"'))
    open_scene(qtbot, window, scene_path)
    assert [result.store.folder for result in guests_of(window)] == [folders[2]]


def test_what_other_codecs_made_and_cannot_be_kept_is_not_lost_without_a_question(
    qtbot: QtBot, make_window: Callable[..., MainWindow], scene_path: Path, user: FakeUser
) -> None:
    window = make_window(kept=KeptScenes(None))
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    code(qtbot, window, "webp")
    user.leave = False
    window.close_scene()
    assert user.lost == [
        "What would be lost: results that are not saved (rate 4) and what another codec made."
    ]
    assert window.session.scene is not None
    user.leave = True
