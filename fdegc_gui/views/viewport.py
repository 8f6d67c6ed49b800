"""Viewport: where a pane looks and how closely; linked panes share one."""

from __future__ import annotations

import math

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, Signal

#: Device pixels a scene pixel can take up at most.
MAX_ZOOM = 128.0
#: Zooming past 100 % stops there within this factor: pixels that are exact are worth a stop.
_SNAP = 1.06


class Viewport(QObject):
    """Viewport: centre in scene pixels and zoom in device pixels a scene pixel.

    Zoom 1 shows each pixel of the scene as one pixel of the screen, whatever the desktop's scale.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._scene = QSizeF(1, 1)
        self._pane = QSizeF(1, 1)
        self._center = QPointF(0.5, 0.5)
        self._zoom = 1.0
        self._fitted = True

    @property
    def zoom(self) -> float:
        """Device pixels a scene pixel."""
        return self._zoom

    @property
    def center(self) -> QPointF:
        """Scene point in the middle of the pane."""
        return QPointF(self._center)

    @property
    def fitted(self) -> bool:
        """Whether the whole scene is kept in view when the pane changes its size."""
        return self._fitted

    def set_scene(self, width: int, height: int) -> None:
        """Scene to look at from now on, fitted."""
        self._scene = QSizeF(width, height)
        self.fit()

    def set_pane(self, width: float, height: float) -> None:
        """Size of the panes in device pixels."""
        size = QSizeF(max(1.0, width), max(1.0, height))
        if size != self._pane:
            self._pane = size
            if self._fitted:
                self.fit()
            else:
                self._settle()
                self.changed.emit()

    def pixel_at(self, position: QPointF) -> tuple[int, int] | None:
        """Pixel (column, row) under a scene position, or None outside the scene."""
        x, y = math.floor(position.x()), math.floor(position.y())
        inside = 0 <= x < self._scene.width() and 0 <= y < self._scene.height()
        return (x, y) if inside else None

    @property
    def fit_zoom(self) -> float:
        """Zoom at which the whole scene just fits, a small margin included."""
        margin = min(24.0, 0.04 * min(self._pane.width(), self._pane.height()))
        width, height = self._pane.width() - 2 * margin, self._pane.height() - 2 * margin
        zoom = min(width / self._scene.width(), height / self._scene.height())
        return min(max(zoom, 1e-4), 8.0)  # a tiny picture is not blown up without end

    def fit(self) -> None:
        """View of the whole scene."""
        self._zoom = self.fit_zoom
        self._center = QPointF(self._scene.width() / 2, self._scene.height() / 2)
        self._fitted = True
        self.changed.emit()

    def set_zoom(self, zoom: float, anchor: QPointF | None = None) -> None:
        """Zoom factor; the scene point under ``anchor`` (device pixels from the pane's middle) stays put."""
        lowest = min(self.fit_zoom, 1.0) / 2
        zoom = min(max(zoom, lowest), MAX_ZOOM)
        at = anchor if anchor is not None else QPointF(0, 0)
        self._center += at / self._zoom - at / zoom
        self._zoom = zoom
        self._fitted = False
        self._settle()
        self.changed.emit()

    def zoom_by(self, factor: float, anchor: QPointF | None = None) -> None:
        """Multiplication of the zoom by a factor, with a stop at 100 % on the way."""
        target = self._zoom * factor
        crosses = (self._zoom < 1.0 < target) or (target < 1.0 < self._zoom)
        near = target != self._zoom and 1 / _SNAP < target < _SNAP and not math.isclose(self._zoom, 1.0)
        self.set_zoom(1.0 if crosses or near else target, anchor)

    def pan(self, dx: float, dy: float) -> None:
        """Movement of the scene by device pixels."""
        self._center -= QPointF(dx, dy) / self._zoom
        self._fitted = False
        self._settle()
        self.changed.emit()

    def restore(self, center: QPointF, zoom: float) -> None:
        """Restoration of a place at a zoom."""
        self._center = QPointF(center)
        self.set_zoom(zoom)

    def _settle(self) -> None:
        """Correction that keeps the pane's middle over the scene, so that it can never get lost."""
        x = min(max(self._center.x(), 0.0), self._scene.width())
        y = min(max(self._center.y(), 0.0), self._scene.height())
        self._center = QPointF(x, y)

    def scene_rect(self, pane_width: float, pane_height: float) -> QRectF:
        """Rectangle of the scene in a pane, in device pixels, on whole pixels."""
        # Whole device pixels: at 100 % nothing is resampled, and both panes resample alike.
        x = round(pane_width / 2 - self._center.x() * self._zoom)
        y = round(pane_height / 2 - self._center.y() * self._zoom)
        return QRectF(x, y, self._scene.width() * self._zoom, self._scene.height() * self._zoom)
