"""Field for the cut of the few values that make a scene's range wide."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from fdegc_gui.models.session import Session
from fdegc_gui.models.way import CUT_SWITCH, CUTS, EXACT


class CutField(QWidget):
    """Field for the cut, there only where one is advised or was made."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.switch = QCheckBox(CUT_SWITCH.strip("“”"))
        self.switch.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.switch.toggled.connect(self._on_toggled)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 6, 0, 2)
        box.addWidget(self.switch)
        for signal in (session.scene_changed, session.way_changed, session.rate_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the field to the session."""
        session = self._session
        cut = session.cut or session.advised_cut
        self.switch.blockSignals(True)
        self.switch.setChecked(bool(session.cut))
        self.switch.blockSignals(False)
        share = CUTS[cut]
        self.switch.setToolTip(
            f"Code what lies between {share:g} % and {100 - share:g} % of each band's values;\n"
            "what lies beyond comes back as the nearest limit."
        )
        self.switch.setEnabled(session.rate != EXACT)  # which keeps all values as near as it says
        self.setVisible(bool(cut))

    def _on_toggled(self, checked: bool) -> None:
        self._session.set_cut(self._session.advised_cut if checked else 0)
