"""Colours, spacing and type: one set of tokens for light, one for dark."""

from __future__ import annotations

from dataclasses import dataclass, fields

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from fdegc.resources import data_dir
from fdegc_gui.style.stylesheet import STYLE


@dataclass(frozen=True)
class Tokens:
    """Colours by role.  Text on its ground has a contrast of at least 4.5 : 1 (WCAG AA)."""

    window: str
    panel: str
    raised: str
    hover: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_pressed: str
    on_accent: str
    accent_soft: str
    good: str
    bad: str
    warning_soft: str
    canvas: str
    canvas_empty: str
    checker: str
    pill: str
    pill_text: str
    tooltip: str
    tooltip_text: str
    #: Text of what cannot be chosen now, 3 : 1 against its ground.
    faint: str
    red: str
    green: str
    blue: str

    @property
    def channels(self) -> tuple[str, str, str]:
        """Colours of what is shown as red, green and blue."""
        return self.red, self.green, self.blue


LIGHT = Tokens(
    window="#f3f4f6",
    panel="#fbfbfc",
    raised="#ffffff",
    hover="#eceff2",
    border="#dde1e6",
    strong_border="#b9c0c9",
    text="#1a1e24",
    muted="#5a6472",
    accent="#0a6c86",
    accent_hover="#085c73",
    accent_pressed="#064a5d",
    on_accent="#ffffff",
    accent_soft="#dceef3",
    good="#1a7a46",
    bad="#b3261e",
    warning_soft="#fdf0cf",
    canvas="#d3d7dc",
    canvas_empty="#c4c9d0",
    checker="#e9ebee",
    pill="#f01a1e24",
    pill_text="#f4f6f8",
    tooltip="#1f242b",
    tooltip_text="#f1f3f5",
    faint="#868e99",
    red="#c0392b",
    green="#23803f",
    blue="#2c5fc4",
)

DARK = Tokens(
    window="#14171b",
    panel="#1a1e23",
    raised="#22272e",
    hover="#2a3038",
    border="#2c323a",
    strong_border="#4a535f",
    text="#e7eaee",
    muted="#9aa5b1",
    accent="#4fb8d0",
    accent_hover="#6cc7db",
    accent_pressed="#3aa2ba",
    on_accent="#06222a",
    accent_soft="#1c3a43",
    good="#5fcf8f",
    bad="#ff8a80",
    warning_soft="#3b2f14",
    canvas="#0d0f12",
    canvas_empty="#191d22",
    checker="#23282f",
    pill="#f0242a31",
    pill_text="#eef1f4",
    tooltip="#e7eaee",
    tooltip_text="#14171b",
    faint="#737d89",
    red="#ff7b72",
    green="#5fcf8f",
    blue="#79a8ff",
)


class Theme(QObject):
    """Theme in use; it follows the system unless the user chose otherwise.

    Signals
    -------
    changed()
        Colours are others now; whoever paints by hand repaints.
    """

    changed = Signal()

    def __init__(self, choice: str = "system", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._choice = choice
        self.tokens = LIGHT
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_system_changed)

    @property
    def choice(self) -> str:
        """Choice of the user: ``system``, ``light`` or ``dark``."""
        return self._choice

    def set_choice(self, choice: str) -> None:
        """Choice of theme, applied."""
        self._choice = choice
        self.apply()

    def apply(self) -> None:
        """Palette and style sheet of the application, set."""
        app = QApplication.instance()
        if not isinstance(app, QApplication):
            raise RuntimeError("a theme needs an application")
        dark = self._choice == "dark" or (
            self._choice == "system" and QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        )
        self.tokens = DARK if dark else LIGHT
        app.setPalette(_palette(self.tokens))
        app.setStyleSheet(_sheet(self.tokens))
        self.changed.emit()

    def _on_system_changed(self) -> None:
        if self._choice == "system":
            self.apply()


def set_up_fonts(app: QApplication) -> None:
    """Application font, one with good figures where the system's default is a stopgap."""
    font = app.font()
    families = set(QFontDatabase.families())
    # Desktops name a face of their own; a bare X server or the offscreen platform does not.
    if font.family() in {"", "Sans Serif", "Sans", "DejaVu Sans", "MS Shell Dlg 2"} and "Inter" in families:
        font.setFamily("Inter")
    if font.pointSizeF() <= 0 or font.pointSizeF() > 12:
        font.setPointSizeF(10)
    font.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    app.setFont(font)


def figures(font: QFont, *, scale: float = 1.0, bold: bool = False) -> QFont:
    """Tabular-figures copy of a font: figures of equal width, so that changing numbers do not jitter."""
    out = QFont(font)
    out.setPointSizeF(font.pointSizeF() * scale)
    if bold:
        out.setWeight(QFont.Weight.DemiBold)
    out.setFeature(QFont.Tag("tnum"), 1)
    return out


def _sheet(tokens: Tokens) -> str:
    sheet = STYLE
    for item in fields(tokens):
        value = getattr(tokens, item.name)
        sheet = sheet.replace(f"@{item.name}@", value)
    shade = "dark" if tokens is DARK else "light"  # a style sheet cannot colour an image
    for name, icon in (("chevron", "combo"), ("up", "up"), ("down", "down"), ("tick", "tick")):
        path = data_dir("resources") / "icons" / f"{icon}-{shade}.svg"
        sheet = sheet.replace(f"@{name}@", f'"{path.as_posix()}"')
    return sheet


def _palette(tokens: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    pairs = {
        role.Window: tokens.window,
        role.WindowText: tokens.text,
        role.Base: tokens.raised,
        role.AlternateBase: tokens.panel,
        role.Text: tokens.text,
        role.Button: tokens.raised,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.bad,
        role.Highlight: tokens.accent,
        role.HighlightedText: tokens.on_accent,
        role.Link: tokens.accent,
        role.LinkVisited: tokens.accent,
        role.ToolTipBase: tokens.tooltip,
        role.ToolTipText: tokens.tooltip_text,
        role.PlaceholderText: tokens.muted,
        role.Mid: tokens.border,
        role.Dark: tokens.strong_border,
        role.Light: tokens.raised,
    }
    for where, value in pairs.items():
        palette.setColor(where, QColor(value))
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(tokens.strong_border))
    return palette
