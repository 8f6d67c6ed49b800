"""Pictures of the real window: at two sizes, in both themes, with what has popped up over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget

from fdegc_gui.main_window import MainWindow

SIZES = ((1280, 800), (2560, 1440))
THEMES = ("light", "dark")
_TIMEOUT_SECONDS = 1800.0
#: Seconds after which nothing moves any more.
_SETTLED = 0.2
#: Colours of a picture, and rounds in which they are chosen.
_COLORS, _ROUNDS = 200, 8
#: Share of a picture from which on a colour is that of a surface.
_SURFACE = 0.002
#: Widths of windows whose pictures are WebP with losses, which takes half of a PNG in few colours.
WEBP: set[int] = set()
_WEBP_QUALITIES, _WEBP_BYTES = (88, 80, 70, 60, 50, 40), 400_000
#: What the application reported.
FAILURES: list[str] = []


def wait(app: QApplication, condition: Callable[[], bool], what: str) -> None:
    """Process events until something holds; give up at once when the application says what failed."""
    end = time.perf_counter() + _TIMEOUT_SECONDS
    while not condition():
        if FAILURES and what != "closing":
            raise RuntimeError(FAILURES[0])
        if time.perf_counter() > end:
            raise TimeoutError(what)
        app.processEvents()
        time.sleep(0.005)


def save(
    app: QApplication,
    window: MainWindow,
    out: Path,
    name: str,
    only: int | None = None,
    section: str | None = None,
) -> None:
    """Save the window at every size in both themes, as it is now: files are written once all is seen.

    Parameters
    ----------
    app : QApplication
    window : MainWindow
    out : Path
        A folder.
    name : str
        What the files' names begin with.
    only : int, optional
        The only width that is wanted.
    section : str, optional
        Of the side bar, to be in view.
    """
    shots = {}
    for theme in THEMES:
        window.set_theme(theme)
        for width, height in SIZES:
            if only is not None and width != only:
                continue
            window.resize(width, height)
            if window.compare.viewport.fitted:
                window.compare.viewport.fit()
            if section is not None:
                window.sidebar.reveal(section)
            end = time.perf_counter() + _SETTLED
            while time.perf_counter() < end:
                app.processEvents()
            ending = "webp" if width in WEBP else "png"
            shots[out / f"{name}-{theme}-{width}.{ending}"] = picture(window, app)
    for target, shot in shots.items():
        write(shot, target)
        print(target, flush=True)


def write(shot: Image.Image, target: Path) -> None:
    """Write a picture as WebP of at most 400 kB, or as PNG in few colours, as its name ends."""
    if target.suffix != ".webp":
        few_colours(shot, _COLORS).save(target, optimize=True)
        return
    for quality in _WEBP_QUALITIES:
        shot.save(target, quality=quality, method=6)
        if target.stat().st_size <= _WEBP_BYTES:
            break


def picture(window: MainWindow, app: QApplication) -> Image.Image:
    """Window with what has popped up over it."""
    shot = window.grab()
    painter = QPainter(shot)
    for other, at in popped_up(app, window):
        over = other.grab()
        painter.drawPixmap(at, over)
        if isinstance(other, QDialog):  # whose frame is the system's
            painter.setPen(QColor(window.theme.tokens.strong_border))
            painter.drawRect(at.x() - 1, at.y() - 1, over.width() + 1, over.height() + 1)
    painter.end()
    image = shot.toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    return Image.fromarray(pixels.copy())


def popped_up(app: QApplication, window: MainWindow) -> Iterable[tuple[QWidget, QPoint]]:
    """Menus, tooltips and dialogs over a window, and where they are in it; dialogs in its middle."""
    for other in app.topLevelWidgets():
        if other is window or not other.isVisible():
            continue
        if isinstance(other, QDialog):
            yield other, (window.rect().center() - other.rect().center())
        elif isinstance(other, QMenu) or other.windowType() == Qt.WindowType.ToolTip:
            yield other, other.pos() - window.pos()


def save_asked(
    app: QApplication, window: MainWindow, out: Path, name: str, ask: Callable[[], object]
) -> None:
    """Save a dialog that waits for an answer, and answer with a refusal."""

    def look() -> None:
        dialog = app.activeModalWidget()
        if not isinstance(dialog, QDialog):
            QTimer.singleShot(20, look)
            return
        save(app, window, out, name)
        dialog.reject()

    QTimer.singleShot(20, look)
    ask()


def few_colours(image: Image.Image, count: int) -> Image.Image:
    """Picture in so many colours: the commonest, of surfaces, as they are, and means of others.

    k-means of all colours by how often they are there, to a power that keeps rare ones, as of a thin line.
    """
    pixels = np.asarray(image).reshape(-1, 3)
    found, places, numbers = np.unique(pixels >> 2, axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(places.ravel(), pixels[:, i], len(found)) for i in range(3)], axis=1)
    colors = (sums / numbers[:, None]).astype(np.float32)
    weights = numbers.astype(np.float32) ** 0.4
    common = np.argsort(-numbers, kind="stable")[
        : max(1, min(count // 8, (numbers > _SURFACE * len(pixels)).sum()))
    ]
    # After those always the one that is worst served.
    centres = np.empty((min(count, len(found)), 3), np.float32)
    away = np.full(len(found), np.inf, np.float32)
    for i in range(len(centres)):
        nearest = common[i] if i < len(common) else int((away * weights).argmax())
        centres[i] = colors[nearest]
        away = np.minimum(away, np.square(colors - centres[i]).sum(axis=1))
    kept = centres[: len(common)].copy()
    for _ in range(_ROUNDS):
        own = _nearest(colors, centres)
        total = np.bincount(own, weights, len(centres))
        for channel in range(3):
            mean = np.bincount(own, weights * colors[:, channel], len(centres)) / np.maximum(total, 1e-9)
            centres[:, channel] = np.where(total > 0, mean, centres[:, channel])
        centres[: len(common)] = kept
    indices = _nearest(colors, centres).astype(np.uint8)[places.ravel()]
    out = Image.fromarray(indices.reshape(image.height, image.width), "P")
    out.putpalette(centres.round().clip(0, 255).astype(np.uint8).tobytes())
    return out


def _nearest(colors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Number of the centre that is nearest to each colour."""
    half = np.square(centres).sum(axis=1) / 2
    return np.concatenate([(half - part @ centres.T).argmin(axis=1) for part in np.array_split(colors, 64)])
