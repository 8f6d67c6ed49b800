"""Whatever is opened in the window becomes a scene or one sentence in a dialog, and the window goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pytestqt.qtbot import QtBot
from rasterio.errors import NotGeoreferencedWarning

from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.main_window import MainWindow

TIMEOUT = 30_000

#: Of the folder of odd files, those that no program could show.
HOPELESS = {"empty.png", "text_as.tif", "truncated.jpg"}


def outcome(qtbot: QtBot, window: MainWindow, path: Path) -> bool:
    """Open a file and wait; True if it is shown, False if a dialog named it and was closed."""
    seen: list[bool] = []
    window.controller.opened.connect(lambda _: seen.append(True))
    window.controller.open_failed.connect(lambda _: seen.append(False))
    window.controller.open(path)
    qtbot.waitUntil(lambda: bool(seen), timeout=TIMEOUT)
    if seen[0]:
        assert window.session.scene is not None and window.session.scene.path == path
        return True
    qtbot.waitUntil(lambda: any(d.isVisible() for d in window.findChildren(ErrorDialog)), timeout=TIMEOUT)
    (dialog,) = [d for d in window.findChildren(ErrorDialog) if d.isVisible()]
    assert dialog.failure.expected and path.name in dialog.failure.message
    assert "Traceback" not in dialog.failure.message
    dialog.accept()
    return False


def test_all_odd_files_are_shown_or_explained(qtbot: QtBot, window: MainWindow, data_dir: Path) -> None:
    files = sorted((data_dir / "odd").iterdir())
    refused = {path.name for path in files if not outcome(qtbot, window, path)}
    assert refused == HOPELESS
    assert window.isVisible()


@pytest.mark.parametrize("kind", ["folder", "nan", "nodata", "line", "constant"])
def test_generated_extremes(qtbot: QtBot, window: MainWindow, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.tif"
    if kind == "folder":
        path.mkdir()
        assert not outcome(qtbot, window, path)
        return
    shape = (1, 20_000) if kind == "line" else (90, 120)
    band = np.zeros(shape, np.float32)
    if kind == "nan":
        band[::2], band[1::2] = np.nan, np.inf
    elif kind == "nodata":
        band[:] = -9999.0
    profile = {"driver": "GTiff", "width": shape[1], "height": shape[0], "count": 1, "dtype": "float32"}
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(path, "w", nodata=-9999.0 if kind == "nodata" else None, **profile) as out,
    ):
        out.write(band, 1)
    assert outcome(qtbot, window, path)
    assert window.compare.original.pyramid is not None
