"""Scenes of any size: glance, overview and the part in sight, with a fake codec behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from fdegc.control import CancelToken
from fdegc.errors import Cancelled
from fdegc.raster import open_raster
from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.peaks import peak_and_offset
from fdegc_gui.jobs.reduction import aligned
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.sample_store import block_means
from fdegc_gui.views.canvas import Pane
from tests.gui.display_steps import TIMEOUT, choose, compress, open_scene, settled, write


def shown_at(pane: Pane, window: Window) -> np.ndarray:
    """Pixels of a pane at 100 %, (rows, columns, 3)."""
    shot = pane.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rect = pane._scene_rect()
    raw = np.frombuffer(shot.constBits(), np.uint8).reshape(shot.height(), shot.width(), 4)
    top, left = int(rect.y()) + window.y, int(rect.x()) + window.x
    return raw[top : top + window.height, left : left + window.width, 2::-1]


@pytest.mark.usefixtures("small_limits")
def test_a_huge_scene_is_seen_coarsely_then_whole_then_as_fine_as_the_screen(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    path, pixels = noise
    seen: list[tuple[bool, int]] = []
    session = window.session

    def look() -> None:
        assert session.original is not None
        seen.append((session.original.complete, session.original.levels[0].shape[1]))

    session.image_changed.connect(look)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    assert session.original is not None and session.original.levels[0].shape[1] < 20, "a glance"
    settled(qtbot, window)
    assert session.original.complete and session.original.levels[0].shape[:2] == (32, 44)
    assert seen[0] == (False, 44) and window.compare.original.backdrop is None
    means = pixels[0, :16, :16].mean()
    assert abs(float(session.original.levels[0][0, 0, 2]) - means) <= 1
    window.compare.viewport.restore(QPointF(300, 250), 1.0)
    qtbot.waitUntil(lambda: window.compare.original.patch is not None, timeout=TIMEOUT)
    part = Window(260, 220, 80, 60)
    expected = np.moveaxis(pixels[:, part.rows, part.cols], 0, 2)
    np.testing.assert_array_equal(shown_at(window.compare.original, part), expected)
    window.compare.viewport.set_zoom(0.3)
    pane = window.compare.original
    qtbot.waitUntil(lambda: pane.patch is not None and pane.patch.factor == 2, timeout=TIMEOUT)


def test_a_scene_that_is_slow_to_read_stays_sharp_when_it_is_stretched(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc.raster.glance.QUICK_BYTES", 10_000)
    monkeypatch.setattr("fdegc_gui.jobs.scene.FIRST_LOOK_SIDE", 350)
    open_scene(qtbot, window, noise[0])
    session = window.session
    sizes: list[tuple[int, ...]] = []

    def look() -> None:
        assert session.original is not None
        sizes.append(session.original.levels[0].shape[:2])

    session.image_changed.connect(look)
    choose(qtbot, window, bands=(2, 1, 0))
    assert sizes[-1] == (512, 700) and min(sizes) >= (256, 350), "never the glance"


@pytest.mark.usefixtures("small_limits")
def test_a_huge_result_is_shown_as_finely_as_its_original(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    path, pixels = noise
    open_scene(qtbot, window, path)
    compress(qtbot, window, 2)
    window.compare.viewport.restore(QPointF(300, 250), 1.0)
    pane = window.compare.reconstruction
    qtbot.waitUntil(lambda: pane.patch is not None, timeout=TIMEOUT)
    part = Window(260, 220, 80, 60)
    decoded = np.moveaxis(pixels[:, part.rows, part.cols] // 32 * 32, 0, 2)
    np.testing.assert_array_equal(shown_at(pane, part), decoded)
    choose(qtbot, window, bands=(2, 1, 0))
    qtbot.waitUntil(lambda: pane.patch is not None, timeout=TIMEOUT)
    np.testing.assert_array_equal(shown_at(pane, part), decoded[..., ::-1])
    window.actions_["rate_5"].trigger()
    assert pane.patch is None, "no picture of another rate point"


def test_the_look_for_the_peak_is_given_up_between_pieces_of_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.peaks._PIECE", 3_000)
    pixels = np.random.default_rng(2).integers(0, 4000, (2, 150, 100), dtype=np.uint16)
    path = write(tmp_path / "strips.tif", pixels, blockysize=16)
    cancel, reads = CancelToken(), []
    with open_raster(path) as source:
        read = source.read

        def counted(window: Window) -> Samples:
            reads.append(window)
            if len(reads) == 2:
                cancel.cancel()
            return read(window)

        monkeypatch.setattr(source, "read", counted)
        with pytest.raises(Cancelled):
            peak_and_offset(source, cancel)
        assert [(window.y, window.height) for window in reads] == [(0, 16), (16, 16)]
        reads.clear()
        peak, _ = peak_and_offset(source, CancelToken())
    assert sum(window.height for window in reads) % 150 == 0
    assert peak == pytest.approx(float(np.ptp(pixels)), rel=0.01)


def test_parts_are_aligned_and_averaged() -> None:
    assert aligned(Window(5, 9, 10, 10), 4, 100, 18) == Window(4, 8, 12, 10)
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    valid = np.ones((4, 6), bool)
    valid[:2, :2], valid[0, 4] = False, False
    reduced = block_means(Samples(pixels, valid, pixels[0]), 4)
    assert reduced.valid is not None and reduced.valid.all()
    usable = valid[:, :4]
    assert reduced.pixels[0, 0, 0] == round(pixels[0, :, :4][usable].mean())
    missing = np.zeros((2, 4, 6), bool)
    missing[1, :, :4] = True
    partly = block_means(Samples(np.concatenate([pixels, pixels]), valid, None, missing), 4)
    assert partly.missing is not None and partly.missing[:, 0].tolist() == [[False, False], [True, False]]
    assert partly.pixels[0, 0, 0] == reduced.pixels[0, 0, 0]
    assert reduced.alpha is not None and reduced.alpha[0, 1] == round(pixels[0, :, 4:].mean())
