"""Header, the strip above the canvas: what is open, and the commands used most."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QIcon, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.models.session import Session
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures
from fdegc_gui.text import human_bytes


class _Elided(QLabel):
    """Label that shortens its text in the middle rather than pushing others out."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(40)

    def show_text(self, text: str) -> None:
        """Text of the label, whole in the tooltip."""
        self._full = text
        self.setToolTip(text)
        self._shorten()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(self.fontMetrics().horizontalAdvance(self._full) + 4, hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, self.width()))


class Header(QWidget):
    """Header: open, the scene's name and facts, view commands, export."""

    def __init__(self, session: Session, actions: Actions, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(50)
        self._session, self._theme = session, theme
        self._icons: list[tuple[QToolButton, str]] = []
        self.name = _Elided("sceneName")
        self.facts = _Elided("sceneFacts")
        self.facts.setFont(figures(self.facts.font()))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 0, 10, 0)
        layout.setSpacing(4)
        layout.addWidget(self._button(actions["open"], "open", "Open"))
        layout.addSpacing(10)
        layout.addWidget(self.name)
        layout.addSpacing(8)
        layout.addWidget(self.facts)
        layout.addStretch(1)
        layout.addWidget(self._button(actions["display"], "display", "Display"))
        layout.addWidget(self._button(actions["fit"], "fit", "Fit"))
        layout.addWidget(self._button(actions["actual"], "actual", "1 : 1"))
        layout.addSpacing(8)
        self.export = self._export_button(actions)
        layout.addWidget(self.export)
        layout.addWidget(self._button(actions["sidebar"], "sidebar", ""))
        theme.changed.connect(self._paint_icons)
        session.scene_changed.connect(self._on_scene)
        self._paint_icons()

    def _button(self, action: QAction, icon: str, text: str) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(action)
        self._style(button, icon, text)
        # A default action brings its own words and icon along on every change; ours stay.
        action.changed.connect(lambda: self._restore(button, icon, text))
        button.setToolTip(action.toolTip())
        button.setAccessibleName(action.text().replace("&", "").rstrip("…"))
        return button

    def _restore(self, button: QToolButton, icon: str, text: str) -> None:
        button.setText(text)
        button.setIcon(self._icon(icon))

    def _export_button(self, actions: Actions) -> QToolButton:
        button = QToolButton()
        menu = QMenu(button)
        menu.addAction(actions["export_stream"])
        menu.addAction(actions["export_image"])
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolTip("Save the compressed file or the reconstruction.")
        self._style(button, "export", "Save")
        return button

    def _style(self, button: QToolButton, icon: str, text: str) -> None:
        button.setObjectName("flat")
        button.setText(text)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if text else Qt.ToolButtonStyle.ToolButtonIconOnly
        button.setToolButtonStyle(style)
        self._icons.append((button, icon))

    def _icon(self, name: str) -> QIcon:
        return icons.icon(name, self._theme.tokens.text, self._theme.tokens.strong_border)

    def _paint_icons(self) -> None:
        for button, name in self._icons:
            button.setIcon(self._icon(name))

    def _on_scene(self) -> None:
        scene = self._session.scene
        if scene is None:
            self.name.show_text("")
            self.facts.show_text("")
            return
        info = scene.info
        self.name.show_text(scene.name)
        self.name.setToolTip(str(scene.path))
        bands = f"{info.bands} band{'s' if info.bands != 1 else ''}"
        size = f"{info.width} × {info.height}"
        own = scene.file_bytes
        told = f"{human_bytes(info.raw_bytes)} uncompressed" if own is None else f"{human_bytes(own)} on disk"
        self.facts.show_text(f"{size}  ·  {bands} {info.dtype}  ·  {told}")
        self.name.updateGeometry()
        self.facts.updateGeometry()
