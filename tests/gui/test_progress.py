"""What goes on and how far it is: one count of tiles, figures that say of how many tiles they are."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

from pytestqt.qtbot import QtBot

from fdegc.format.info import read_info
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.activity import Activity
from fdegc_gui.text import human_bytes
from tests.gui.fakes import FakeEngine
from tests.gui.window_steps import finished, open_scene

TIMEOUT = 10_000
GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def test_tiles_are_counted_once_for_all(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.gate = threading.Event()
    window.start_compress()
    metrics = window.sidebar.sections["metrics"]
    qtbot.waitUntil(lambda: window.status.detail.text().startswith("1 of 9 tiles"), timeout=TIMEOUT)
    assert "%" not in window.status.detail.text(), "it would be of coding, which runs ahead"
    assert window.session.results[4].tiles_done == 1
    assert metrics._button.text() == "Quality so far, 1 of 9 tiles"
    assert window.sidebar.metrics.cells["psnr"].value.text().endswith("dB")
    window.actions_["rate_2"].trigger()
    assert metrics._button.text() == "Quality", "of which there is nothing yet"
    window.actions_["rate_4"].trigger()
    assert metrics._button.text() == "Quality so far, 1 of 9 tiles"
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window, 4), timeout=TIMEOUT)
    assert window.session.results[4].tiles_done == 9 and metrics._button.text() == "Quality"


def test_a_single_tile_has_percents() -> None:
    one = Activity("Compressing", 1, tiles_total=1, fraction=0.375)
    assert one.detail == "38 %"
    some = Activity("Compressing", 1, tiles_done=3, tiles_total=4, fraction=0.97, remaining=2.0)
    assert some.detail.startswith("3 of 4 tiles  ·  ") and "%" not in some.detail


def test_a_compressed_file_shows_the_figures_that_it_carries_from_the_start(
    qtbot: QtBot, window: MainWindow, fake: FakeEngine, tmp_path: Path
) -> None:
    path = Path(shutil.copy(GOLDEN / "v2-mixed-1.5.fdegc", tmp_path))
    info = read_info(path)
    assert info.psnr is not None
    fake.gate, fake.holds = threading.Event(), {0}
    open_scene(qtbot, window, path)
    qtbot.waitUntil(lambda: 0 in window.session.results, timeout=TIMEOUT)
    cells, title = window.sidebar.metrics.cells, window.sidebar.sections["metrics"]._button

    def shown() -> list[str]:
        return [cells[key].value.text() for key in ("bytes", "bpp", "psnr")]

    carried = [human_bytes(info.bytes), f"{info.bpp:.3f}", f"≈ {info.psnr:.1f} dB"]
    assert window.session.results[0].tiles_done == 0 and shown() == carried and title.text() == "Quality"
    assert "when the file was made" in cells["psnr"].toolTip()
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window, 0), timeout=TIMEOUT)
    assert shown() == carried and cells["decode_time"].value.text() == "0.7 s"


def test_the_bar_is_not_ahead_of_the_picture_by_a_tile() -> None:
    ahead = Activity("Decoding", 5, tiles_done=1, tiles_total=4, fraction=1.0)
    assert ahead.detail.startswith("1 of 4 tiles") and ahead.seen == (1 + 0.9) / 4
    assert replace(ahead, fraction=0.3).seen == 0.3
    assert replace(ahead, tiles_done=4).seen == 1.0
    assert replace(ahead, tiles_total=None).seen == 1.0 and replace(ahead, fraction=None).seen is None
