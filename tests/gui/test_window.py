"""What a user does, with a fake codec behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from fdegc_gui import app
from fdegc_gui.dialogs.help import AboutDialog, ShortcutsDialog
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models import optional
from fdegc_gui.models.result import MetricState
from fdegc_gui.settings import Settings
from fdegc_gui.text import distinct_names
from fdegc_gui.views.scene_facts import facts_of
from tests.gui.fakes import FakeEngine, FakeUser, said
from tests.gui.window_steps import compress, error_dialog, finished, open_scene

TIMEOUT = 10_000


def test_scene_is_shown_before_the_engine_is_loaded(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(scene_path)
    assert fake.loaded == []
    assert window.compare.original.pyramid is not None
    assert window.compare.viewport.fitted
    assert window.stack.currentWidget() is window.compare
    assert "scene.png" in window.windowTitle()
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=TIMEOUT)
    assert window.status.device.text() == "CPU (fake)"


def test_full_resolution_replaces_the_first_look(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(
        lambda: (
            window.session.original is not None and window.session.original.levels[0].shape == (160, 192, 4)
        ),
        timeout=TIMEOUT,
    )
    assert window.session.original is not None and window.session.original.complete
    with Image.open(scene_path) as image:
        rgb = np.asarray(image.convert("RGB"))
    assert np.array_equal(window.session.original.levels[0][..., 2::-1], rgb), "8 bits are shown as they are"


def test_compress_fills_picture_figures_and_table(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    result = window.session.results[4]
    assert result.tiles_done == 9
    assert (result.pyramid.levels[0][..., 3] == 255).all()
    qtbot.waitUntil(lambda: result.metric_state is MetricState.DONE, timeout=TIMEOUT)
    cells = window.sidebar.metrics.cells
    assert cells["psnr"].value.text().endswith("dB")
    assert cells["ms_ssim"].value.text() == "0.9877"
    assert window.sidebar.results.model.rowCount() == 1
    assert window.sidebar.rates.rows[4].cost.exact
    assert not window.sidebar.rates.rows[3].cost.exact
    assert "rate 4" in window.compare.reconstruction.label and "λ 1024" in window.compare.reconstruction.label


@pytest.mark.parametrize("installed", [False, True])
def test_lpips_shows_nothing_where_it_is_not_installed(
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    make_window: Callable[..., MainWindow],
    scene_path: Path,
    installed: bool,
) -> None:
    monkeypatch.setattr(optional, "lpips_installed", lambda: installed)
    window = make_window()
    cells = window.sidebar.metrics.cells
    assert ("lpips" in cells) == installed
    assert window.actions_["lpips"].isVisible() == installed
    if installed:
        open_scene(qtbot, window, scene_path)
        compress(qtbot, window, 4)
        result = window.session.results[4]
        qtbot.waitUntil(lambda: result.metric_state is MetricState.DONE, timeout=TIMEOUT)
        assert cells["lpips"].value.text() == "–"
        assert "backbone" in cells["lpips"].toolTip()


def test_every_metric_names_its_definition(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    from fdegc.metrics import DEFINITIONS

    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    for key, cell in window.sidebar.metrics.cells.items():
        assert len(cell.toolTip()) > 30, key
        if key in DEFINITIONS:
            words = DEFINITIONS[key].split()[:4]
            assert all(word in cell.toolTip().split() for word in words), key


def test_tiles_appear_one_by_one_and_cancel_drops_them(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.gate = threading.Event()
    open_scene(qtbot, window, scene_path)
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: 4 in window.session.results, timeout=TIMEOUT)
    result = window.session.results[4]
    qtbot.waitUntil(lambda: result.tiles_done == 1, timeout=TIMEOUT)
    assert result.pyramid.levels[0][:64, :64, 3].all()
    assert not result.pyramid.levels[0][64:, :, 3].any()
    assert not window.status.bar.isHidden()
    assert window.actions_["cancel"].isEnabled()
    with said(qtbot, window, "Cancelled.", 1000):
        window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: 4 not in window.session.results, timeout=1000)
    assert not list((tmp_path / "cache").rglob("rate4*"))
    assert window.actions_["compress"].isEnabled()
    assert window.sidebar.rates.rows[4].cost.progress is None


def test_two_rate_points_make_a_curve(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    plot = window.sidebar.plot
    compress(qtbot, window, 2)
    assert plot.isHidden()
    compress(qtbot, window, 5)
    qtbot.waitUntil(lambda: not plot.isHidden(), timeout=TIMEOUT)
    assert sorted(rate for _, _, rate in plot.points) == [2, 5]
    plot.chosen.emit(2)
    assert window.session.rate == 2


def test_switching_back_is_instant(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    compress(qtbot, window, 2)
    four, two = window.session.results[4].pyramid, window.session.results[2].pyramid
    assert window.compare.reconstruction.pyramid is two
    window.sidebar.rates.rows[4].click()
    assert window.compare.reconstruction.pyramid is four
    assert window.compare.original.pyramid is window.session.original
    window.actions_["rate_6"].trigger()
    assert window.compare.reconstruction.pyramid is None
    assert "Ctrl+Return" in window.compare.reconstruction.hint


def test_compress_at_all_rates(qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine) -> None:
    open_scene(qtbot, window, scene_path)
    fake.gate = threading.Event()
    window.actions_["compress_all"].trigger()
    rows = window.sidebar.rates.rows
    qtbot.waitUntil(lambda: rows[4].cost.progress is not None, timeout=TIMEOUT)
    assert [rate for rate, row in rows.items() if row.cost.queued] == [1, 2, 3, 5, 6]
    window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: not any(row.cost.queued for row in rows.values()), timeout=TIMEOUT)
    fake.gate.set()
    qtbot.waitUntil(lambda: not window.controller.can_cancel, timeout=TIMEOUT)
    fake.gate = None
    window.actions_["compress_all"].trigger()
    qtbot.waitUntil(lambda: all(finished(window, rate) for rate in range(1, 7)), timeout=TIMEOUT)
    assert window.sidebar.results.model.rowCount() == 6


def test_estimates_are_refined(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: window.session.refined, timeout=TIMEOUT)
    assert window.sidebar.rates.rows[3].cost.size == "≈ 3 kB"
    assert "λ = 512" in window.sidebar.rates.rows[3].toolTip()


def test_flip_while_space_is_held(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    pane = window.compare.reconstruction
    qtbot.keyPress(pane, Qt.Key.Key_Space)
    assert pane.pyramid is window.session.original
    qtbot.keyRelease(pane, Qt.Key.Key_Space)
    assert pane.pyramid is window.session.results[4].pyramid


def test_drop_opens(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(scene_path))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, left, none)
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, left, none)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.dropEvent(drop)


def test_drop_of_text_is_refused(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("hello")
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, left, none)
    enter.ignore()
    window.dragEnterEvent(enter)
    assert not enter.isAccepted()


def test_open_dialog_and_recent_files(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser
) -> None:
    user.answer = scene_path
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.actions_["open"].trigger()
    assert window.settings.recent == [str(scene_path)]
    assert window.settings.folder("open") == str(scene_path.parent)
    entries = [action for action in window.recent_menu.actions() if action.text() == "scene.png"]
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        entries[0].trigger()


def test_recent_files_of_one_name_are_told_apart(
    make_window: Callable[..., MainWindow], settings: Settings, tmp_path: Path
) -> None:
    for folder in ("2023/north", "2024/north", "2024/south"):
        settings.add_recent(tmp_path / folder / "scene.tif")
    settings.add_recent(tmp_path / "other.tif")
    window = make_window()
    names = [
        "other.tif",
        f"scene.tif – {Path('south')}",
        f"scene.tif – {Path('2024/north')}",
        f"scene.tif – {Path('2023/north')}",
    ]
    assert [action.text() for action in window.recent_menu.actions()[:4]] == names
    links = window.welcome.findChildren(QPushButton, "welcomeLink")
    assert [link.text() for link in links] == names
    assert distinct_names(["/scene.tif", "/a/scene.tif"]) == ["scene.tif – /", "scene.tif – a"]
    assert distinct_names(["x.tif", "x.tif"]) == ["x.tif", "x.tif"] and distinct_names([]) == []


def test_no_welcome_flashes_where_a_file_is_given(
    qtbot: QtBot, make_window: Callable[..., MainWindow], scene_path: Path, tmp_path: Path
) -> None:
    window = make_window()
    assert window.welcome.isVisible()
    window.start(scene_path)
    assert not window.welcome.isVisible()
    seen: list[bool] = []
    window.stack.currentChanged.connect(lambda: seen.append(window.welcome.isVisible()))
    qtbot.waitUntil(lambda: window.session.scene is not None, timeout=TIMEOUT)
    assert seen == [False] and window.compare.isVisible()
    window.close_scene()
    assert window.welcome.isVisible()
    window.start(tmp_path / "gone.tif")
    error_dialog(qtbot, window).reject()
    assert window.welcome.isVisible(), "there is nothing else to show"


@pytest.mark.parametrize("named", [True, False], ids=["a file is given", "no file"])
def test_the_first_paint_has_the_invitation_only_where_no_file_is_given(
    qtbot: QtBot, qapp: QApplication, scene_path: Path, tmp_path: Path, fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch, named: bool,
) -> None:  # fmt: skip
    """In the app as it is started, from its very first picture on."""
    painted: list[list[str]] = []

    class Onlooker(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint and isinstance(watched, QLabel):
                painted.append([watched.text()])
            elif event.type() == QEvent.Type.Paint and isinstance(watched, MainWindow):
                painted.append(["window"])
            return False

    onlooker = Onlooker()

    def run() -> int:
        [window] = made  # others may be on their way out
        seen = (lambda: window.session.scene is not None) if named else window.welcome.isVisible
        qtbot.waitUntil(lambda: seen() and ["window"] in painted, timeout=TIMEOUT)
        window.grab()
        window.close()
        qtbot.waitUntil(lambda: not window.controller.is_running, timeout=TIMEOUT)
        window.deleteLater()
        return 0

    monkeypatch.setattr(app, "make_application", lambda: qapp)
    monkeypatch.setattr(app, "_give_up", lambda: None)  # this process goes on after half a minute
    made: list[MainWindow] = []

    def make(*arguments: Any, **others: Any) -> MainWindow:
        made.append(MainWindow(*arguments, engine=fake.engine, **others))
        return made[0]

    monkeypatch.setattr(app, "MainWindow", make)
    monkeypatch.setattr(app, "set_up_logging", lambda: None)
    monkeypatch.setattr(
        app, "Settings", lambda: Settings(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    )
    monkeypatch.setattr(app, "user_folder", lambda: tmp_path / "kept")
    monkeypatch.setattr(QApplication, "exec", lambda *_: run())
    qapp.installEventFilter(onlooker)
    try:
        assert app.main([str(scene_path)] if named else []) == 0
    finally:
        qapp.removeEventFilter(onlooker)
    assert (["Drop a scene here"] in painted) is not named


def test_device_can_be_chosen_and_a_lost_one_falls_back(
    qtbot: QtBot, make_window: Callable[..., MainWindow], settings: Settings, fake: FakeEngine
) -> None:
    settings.device = "cuda:7"
    window = make_window()
    window.start()
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=TIMEOUT)
    assert window.controller.keeper.device == "auto"
    choices = {str(action.data()): action for action in window.status.device_menu.actions()}
    assert set(choices) == {"auto", "cpu", "cuda:0"}
    choices["cuda:0"].trigger()
    qtbot.waitUntil(lambda: window.status.device.text() == "GPU (fake)", timeout=TIMEOUT)
    assert settings.device == "cuda:0"


def test_settings_survive_a_restart(
    qtbot: QtBot, make_window: Callable[..., MainWindow], settings: Settings
) -> None:
    first = make_window()
    first.actions_["rate_2"].trigger()
    first.set_theme("dark")
    first.actions_["sidebar"].trigger()
    first.sidebar.sections["facts"].set_open(False)
    first.resize(900, 600)
    with qtbot.waitSignal(first.closed, timeout=TIMEOUT):
        first.close()
    saved = settings.geometry
    second = make_window()
    # The offscreen screen is smaller than the window, so its size itself cannot come back here.
    assert not saved.isEmpty()
    assert second.restoreGeometry(saved)
    assert second.session.rate == 2
    assert settings.theme == "dark"
    assert second.sidebar.isHidden()
    assert not second.sidebar.sections["facts"].is_open


def test_closing_while_compressing_ends_the_threads(
    qtbot: QtBot, make_window: Callable[..., MainWindow], scene_path: Path, fake: FakeEngine
) -> None:
    fake.gate = threading.Event()
    window = make_window()
    open_scene(qtbot, window, scene_path)
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: 4 in window.session.results, timeout=TIMEOUT)
    with qtbot.waitSignal(window.closed, timeout=2000):
        window.close()
    assert not window.isVisible()
    assert not window.controller.is_running


def test_closing_the_scene_goes_back_to_the_start(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    window.actions_["close_scene"].trigger()
    assert window.stack.currentWidget() is window.welcome
    assert not window.actions_["compress"].isEnabled()
    assert window.sidebar.facts.values == {}


def test_another_scene_drops_results(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    other = tmp_path / "other.png"
    other.write_bytes(scene_path.read_bytes())
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.controller.open(other)
    assert window.session.results == {}
    assert window.sidebar.results.model.rowCount() == 0


def test_shortcuts_dialog_lists_every_action(window: MainWindow) -> None:
    dialog = ShortcutsDialog(window.actions_, window)
    listed = {keys for _, _, keys in dialog.rows}
    for action in window.actions_.all():
        if not action.shortcut().isEmpty() and action.isVisible():
            assert any(action.shortcut().toString() in keys for keys in listed), action.objectName()
    texts = {label.text() for label in dialog.findChildren(QLabel)}
    assert {words for _, words, _ in dialog.rows} <= texts
    assert any("LPIPS" in text for text in texts) == window.actions_["lpips"].isVisible()
    dialog.close()


def test_no_menu_is_higher_than_a_small_screen_or_has_a_mnemonic_twice(window: MainWindow) -> None:
    assert list(window.menus.by_name) == ["File", "Edit", "View", "Compare", "Codec", "Help"]
    for name, menu in window.menus.by_name.items():
        assert menu.sizeHint().height() < 700, name
        words = [action.text() for action in menu.actions() if action.isVisible() and action.text()]
        letters = [text[text.index("&") + 1].lower() for text in words if "&" in text]
        assert len(letters) == len(set(letters)) == len(words), (name, words)


def test_no_shortcut_is_given_twice(window: MainWindow) -> None:
    keys = [k.toString() for action in window.actions_.all() for k in action.shortcuts()]
    assert len(keys) == len(set(keys))


def test_about(window: MainWindow) -> None:
    window.actions_["about"].trigger()
    dialog = window.findChildren(AboutDialog)[0]
    assert any("Apache" in label.text() for label in dialog.findChildren(QLabel))
    dialog.close()


def test_nothing_more_is_heard_of_a_scene_that_was_left(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path, fake: FakeEngine
) -> None:
    fake.gate = threading.Event()
    open_scene(qtbot, window, scene_path)
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: 4 in window.session.results, timeout=TIMEOUT)
    other = tmp_path / "other.png"
    other.write_bytes(scene_path.read_bytes())
    words: list[str] = []
    window.controller.message.connect(words.append)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.controller.open(other)
    assert window.session.results == {}
    fake.gate.set()
    qtbot.waitUntil(lambda: not window.controller.can_cancel and window.session.refined, timeout=TIMEOUT)
    assert window.session.results == {} and words == []
    compress(qtbot, window, 4)


def test_a_file_of_several_rasters_asks_which(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, user: FakeUser
) -> None:
    pages = [Image.new("L", (40 + number, 30), 50 * number) for number in range(3)]
    path = tmp_path / "pages.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with qtbot.waitSignal(window.controller.part_wanted, timeout=TIMEOUT):
        window.controller.open(path)
    assert user.asked == ["part pages.tif"]
    assert user.parts == tuple(f"GTIFF_DIR:{number}:{path}" for number in (1, 2, 3))
    assert user.titles == tuple(f"{width}×30, 1 band, 8-bit unsigned" for width in (40, 41, 42))
    assert window.session.scene is None
    user.part = user.parts[1]
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.controller.open(path)
    assert window.session.scene is not None
    assert (window.session.scene.info.width, window.session.scene.path.name) == (41, "pages.tif")
    # What a page takes in its file nobody knows.
    facts = dict(facts_of(window.session.scene))
    assert "Size on disk" not in facts and facts["Uncompressed"] == "1.23 kB"
    assert window.header.facts.toolTip().endswith("1.23 kB uncompressed")
