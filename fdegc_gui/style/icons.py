"""Line icons in the colour of the text, sharp at any pixel ratio."""

from __future__ import annotations

import functools

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from fdegc.resources import data_dir

#: Pixel sizes that icons are drawn in; Qt picks the nearest.
_SIZES = (16, 20, 32, 40)


def app_icon() -> QIcon:
    """Icon of the application."""
    return QIcon(str(data_dir("resources") / "icons" / "fdegc.svg"))


def pixmap(name: str, color: str, size: int) -> QPixmap:
    """Pixmap of an icon of ``resources/icons`` in one colour; empty if the file is missing."""
    return _drawn(_renderer(name, color), size)


def icon(name: str, color: str, disabled: str | None = None) -> QIcon:
    """Icon in a colour, and in another where it is disabled."""
    out = QIcon()
    for tint, mode in ((color, QIcon.Mode.Normal), (disabled, QIcon.Mode.Disabled)):
        if tint is not None:
            renderer = _renderer(name, tint)
            for size in _SIZES:
                out.addPixmap(_drawn(renderer, size), mode)
    return out


@functools.cache
def _svg(name: str) -> str:
    """Text of an icon's file; empty if it is missing."""
    try:
        return (data_dir("resources") / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    except OSError:
        return ""


def _renderer(name: str, color: str) -> QSvgRenderer | None:
    svg = _svg(name)
    return (
        QSvgRenderer(QByteArray(svg.replace("currentColor", QColor(color).name()).encode())) if svg else None
    )


def _drawn(renderer: QSvgRenderer | None, size: int) -> QPixmap:
    image = QPixmap(size, size)
    image.fill(Qt.GlobalColor.transparent)
    if renderer is not None:
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
    return image
