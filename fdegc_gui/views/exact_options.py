"""Options under the rate points: the largest error, and the network for what goes without loss unasked."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, NETWORK_SWITCH

_MOST = 1e9


class ExactOptions(QWidget):
    """Options of a coding without the network, each there only where it means something."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.bound = QDoubleSpinBox()
        self.bound.setAccessibleName("Largest error")
        self.bound.setToolTip("No valid sample comes back off by more than this; 0 is without loss.")
        self.bound.setSpecialValueText("0, without loss")
        self.bound.setRange(0.0, _MOST)
        self.bound.setKeyboardTracking(False)
        self.bound.lineEdit().setTextMargins(6, 0, 0, 0)  # which a style sheet cannot give it
        self.bound.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.bound.valueChanged.connect(session.set_bound)
        self._line = QWidget()
        line = QHBoxLayout(self._line)
        line.setContentsMargins(40, 0, 8, 0)
        line.addWidget(QLabel("Largest error"))
        line.addWidget(self.bound, 1)
        self.network = QCheckBox(NETWORK_SWITCH.strip("“”"))
        self.network.setToolTip("Compress its values as a picture at a rate point, with losses.")
        self.network.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.network.toggled.connect(session.set_lossy)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 2, 0, 2)
        box.setSpacing(4)
        box.addWidget(self._line)
        box.addWidget(self.network)
        for signal in (session.scene_changed, session.way_changed, session.rate_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the options to the session."""
        session, scene = self._session, self._session.scene
        original = scene is not None and scene.stream is None
        for widget, value in ((self.bound, session.bound), (self.network, session.lossy)):
            widget.blockSignals(True)
            if isinstance(widget, QDoubleSpinBox):
                whole = scene is None or np.dtype(scene.info.dtype).kind in "iu"
                widget.setDecimals(0 if whole else 6)
                widget.setSingleStep(1 if whole else 10.0 ** np.floor(np.log10(session.span / 1000)))
                widget.setValue(float(value))
            else:
                widget.setChecked(bool(value))
            widget.blockSignals(False)
        # Another index of a palette is another colour, and classes are no more alike for being neighbours.
        self._line.setVisible(original and session.rate == EXACT and not session.unasked)
        self.network.setVisible(original and bool(session.unasked))
        self.setVisible(not self._line.isHidden() or not self.network.isHidden())
