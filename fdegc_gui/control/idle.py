"""Work on the GUI thread for when nobody touches the window and nothing goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer

from fdegc_gui.control.activities import Activities

_INPUT = {
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseMove,
    QEvent.Type.Wheel,
    QEvent.Type.KeyPress,
    QEvent.Type.DragMove,
}
#: Milliseconds without input, and between two steps; seconds of steps at a time.
_QUIET_MS, _PAUSE_MS, _BUDGET = 1500, 30, 0.004


class Idle(QObject):
    """Steps that are taken while there is no input and no activity, a few milliseconds at a time.

    Parameters
    ----------
    steps : iterator
    activities : Activities
    """

    def __init__(self, steps: Iterator[None], activities: Activities, parent: QObject) -> None:
        super().__init__(parent)
        self._steps, self._activities = steps, activities
        self.done = self._watching = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._work)

    def start(self) -> None:
        """Begin of the wait for a quiet moment, once."""
        if not self.done and not self._timer.isActive():
            self._watch(True)
            self._timer.start(_QUIET_MS)

    def stop(self) -> None:
        """End, whether everything is done or not."""
        self._timer.stop()
        self._watch(False)

    def _watch(self, watching: bool) -> None:
        """Look at all events or at none: every single one of them costs a call."""
        application = QCoreApplication.instance()
        if application is not None and watching != self._watching:
            (application.installEventFilter if watching else application.removeEventFilter)(self)
            self._watching = watching

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _INPUT and not self.done:
            self._timer.start(_QUIET_MS)
        return False

    def _work(self) -> None:
        if self._activities.is_busy or not self._watching:
            self._watch(not self._activities.is_busy)
            self._timer.start(_QUIET_MS)
            return
        end = time.perf_counter() + _BUDGET
        while time.perf_counter() < end:
            if next(self._steps, self) is self:
                self.done = True
                self.stop()
                return
        self._timer.start(_PAUSE_MS)
