"""Line icons in the colour of the text, sharp at any pixel ratio."""

from __future__ import annotations

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
    image = QPixmap(size, size)
    image.fill(Qt.GlobalColor.transparent)
    path = data_dir("resources") / "icons" / f"{name}.svg"
    try:
        svg = path.read_text(encoding="utf-8")
    except OSError:
        return image
    renderer = QSvgRenderer(QByteArray(svg.replace("currentColor", QColor(color).name()).encode()))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image


def icon(name: str, color: str, disabled: str | None = None) -> QIcon:
    """Icon in a colour, and in another where it is disabled."""
    out = QIcon()
    for size in _SIZES:
        out.addPixmap(pixmap(name, color, size))
        if disabled is not None:
            out.addPixmap(pixmap(name, disabled, size), QIcon.Mode.Disabled)
    return out
