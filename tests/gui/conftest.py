"""The application offscreen, with settings of its own; a thread that outlives its test fails it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, QThread
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from fdegc_gui.app import make_application
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.main_window import MainWindow
from fdegc_gui.settings import Settings
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme
from tests.gui.display_steps import NODATA, write
from tests.gui.fakes import FakeEngine, FakeUser

TIMEOUT = 10_000


@pytest.fixture(scope="session")
def qapp() -> Iterator[QApplication]:
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else make_application()
    yield app


@pytest.fixture(autouse=True, scope="session")
def icons_drawn_once(qapp: QApplication) -> Iterator[None]:
    """Every window shows two hundred icons, which take a good part of the time of a test that opens one."""
    drawn = functools.cache(icons.icon)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icons, "icon", lambda *which: QIcon(drawn(*which)))
        yield


@pytest.fixture(autouse=True)
def threads_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a QThread running."""
    started: list[QThread] = []
    start = QThread.start

    def remember(self: QThread, *args: object) -> None:
        started.append(self)
        start(self, *args)

    monkeypatch.setattr(QThread, "start", remember)
    yield
    leaked = []
    for thread in started:
        try:
            if thread.isRunning():
                leaked.append(thread.objectName())
        except RuntimeError:  # deleted with its owner, hence ended
            continue
    assert not leaked, f"threads still running after the test: {leaked}"


@pytest.fixture
def store(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def settings(store: QSettings) -> Settings:
    return Settings(store)


@pytest.fixture
def fake() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def user() -> FakeUser:
    return FakeUser()


@pytest.fixture
def make_window(
    qtbot: QtBot,
    qapp: QApplication,
    settings: Settings,
    fake: FakeEngine,
    user: FakeUser,
    tmp_path: Path,
) -> Iterator[Callable[..., MainWindow]]:
    """Open windows; each is closed, and its threads awaited, when the test ends."""
    windows: list[MainWindow] = []

    def make(engine: object = None, **kwargs: object) -> MainWindow:
        theme = Theme("light")
        kwargs.setdefault("kept", KeptScenes(tmp_path / "cache"))
        theme.apply()
        window = MainWindow(settings, theme, engine or fake.engine, user, **kwargs)  # type: ignore[arg-type]
        windows.append(window)
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield make
    for window in windows:
        if fake.gate is not None:
            fake.gate.set()
        window.close()
        controller = window.controller
        qtbot.waitUntil(lambda c=controller: not c.is_running and not c.folder.exists(), timeout=TIMEOUT)
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(make_window: Callable[..., MainWindow]) -> MainWindow:
    return make_window()


@pytest.fixture
def scene_path(tmp_path: Path) -> Path:
    """A smooth picture with noise, 192 × 160: 9 tiles of the fake codec."""
    y, x = np.mgrid[0:160, 0:192]
    rgb = np.stack([x, y, (x + y) // 2], axis=-1).astype(np.float64)
    rgb += np.random.default_rng(3).normal(0, 4, rgb.shape)
    path = tmp_path / "scene.png"
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    """Four bands of 12 bits, 130 × 100; the upper left corner is nodata."""
    rows, columns = np.mgrid[0:100, 0:130]
    bands = [1000 + 10 * rows, 500 + 8 * columns, 2000 + rows + columns, 3000 - 5 * columns]
    out = np.stack(bands).astype(np.uint16)
    out[:, :20, :20] = NODATA
    return out


@pytest.fixture
def scene(tmp_path: Path, pixels: np.ndarray) -> Path:
    return write(tmp_path / "scene.tif", pixels, nodata=NODATA)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a scene of half a megapixel were too large to be kept."""
    monkeypatch.setattr("fdegc_gui.models.scene.FULL_DETAIL_PIXELS", 10_000)
    monkeypatch.setattr("fdegc_gui.models.scene.OVERVIEW_SIDE", 64)
    monkeypatch.setattr("fdegc_gui.jobs.scene.FIRST_LOOK_SIDE", 64)
    monkeypatch.setattr("fdegc.raster.glance.QUICK_BYTES", 10_000)


@pytest.fixture
def noise(tmp_path: Path) -> tuple[Path, np.ndarray]:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 512, 700), dtype=np.uint8)
    path = write(tmp_path / "noise.tif", pixels, tiled=True, blockxsize=64, blockysize=64)
    return path, pixels
