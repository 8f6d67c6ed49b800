"""Field for a quality between the rate points, with the PSNR that it will have."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget

from fdegc.options import QUALITY_MAX, QUALITY_MIN
from fdegc_gui.models.asking import STEP, course_of
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import FREE
from fdegc_gui.text import decibels

_PAGE = 0.1


class QualityField(QWidget):
    """Field for the quality of one's own, there while that is selected."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.quality = QDoubleSpinBox()
        self.quality.setAccessibleName("Quality")
        self.quality.setToolTip("1 is the smallest file, 6 the best quality; whole numbers are rate points.")
        self.quality.setRange(QUALITY_MIN, QUALITY_MAX)
        self.quality.setDecimals(len(f"{STEP:g}") - 2)
        self.quality.setSingleStep(_PAGE)
        self.quality.setKeyboardTracking(False)
        self.quality.lineEdit().setTextMargins(6, 0, 0, 0)  # which a style sheet cannot give it
        self.quality.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.quality.valueChanged.connect(session.set_quality)
        self.forecast = QLabel()
        self.forecast.setObjectName("muted")
        line = QHBoxLayout(self)
        line.setContentsMargins(48, 2, 8, 2)
        line.addWidget(QLabel("Quality"))
        line.addWidget(self.quality, 1)
        line.addWidget(self.forecast)
        for signal in (
            session.scene_changed,
            session.way_changed,
            session.rate_changed,
            session.result_changed,
            session.estimates_changed,
        ):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the field to the session."""
        session, scene = self._session, self._session.scene
        self.quality.blockSignals(True)
        self.quality.setValue(session.quality)
        self.quality.blockSignals(False)
        wanted = scene is not None and scene.stream is None and session.rate == FREE
        self.setVisible(wanted and FREE in session.rates)
        asked = course_of(session).exactly_at(session.quality) if wanted else None
        psnr = None if asked is None else asked.psnr
        about = "" if asked is not None and asked.exact else "≈ "
        self.forecast.setText("" if psnr is None else f"{about}{decibels(psnr)}")
