"""Settings that are remembered between two runs, typed and in one place."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from fdegc.options import EFFORT_STEPS, TIFF_KINDS
from fdegc_gui.models.colormaps import DIVERGING, SEQUENTIAL
from fdegc_gui.models.comparison import Layout
from fdegc_gui.models.difference import DifferenceStyle
from fdegc_gui.models.forecast import Pace

THEMES = ("system", "light", "dark")
_RECENT_MAX = 10
#: Before, times were compared with those of one machine for all, not with what was measured on this one.
_PACE = "engine/measured_pace"


class Settings:
    """Typed access to a ``QSettings``; unreadable values fall back to defaults.

    Parameters
    ----------
    store : QSettings, optional
        Where to keep them; the user's own by default.  Tests pass a file of their own.
    """

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store if store is not None else QSettings()

    def _text(self, key: str, default: str = "") -> str:
        value = self._store.value(key, default)
        return value if isinstance(value, str) else default

    def _number(self, key: str, default: float, lowest: float, highest: float) -> float:
        try:
            return min(highest, max(lowest, float(self._text(key, str(default)))))
        except ValueError:
            return default

    def _bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    @property
    def geometry(self) -> QByteArray:
        """Window geometry."""
        return self._bytes("window/geometry")

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.setValue("window/geometry", value)

    @property
    def splitter(self) -> QByteArray:
        """Splitter state: where canvas and side bar meet."""
        return self._bytes("window/splitter")

    @splitter.setter
    def splitter(self, value: QByteArray) -> None:
        self._store.setValue("window/splitter", value)

    @property
    def sidebar(self) -> bool:
        """Whether the side bar is shown."""
        return self._text("window/sidebar", "1") != "0"

    @sidebar.setter
    def sidebar(self, value: bool) -> None:
        self._store.setValue("window/sidebar", "1" if value else "0")

    @property
    def minimap(self) -> bool:
        """Whether there is a minimap when zoomed in."""
        return self._text("view/minimap", "1") != "0"

    @minimap.setter
    def minimap(self, value: bool) -> None:
        self._store.setValue("view/minimap", "1" if value else "0")

    @property
    def tiff_kind(self) -> str:
        """Kind of TIFF that the reconstruction was last saved as."""
        kind = self._text("export/tiff", TIFF_KINDS[0])
        return kind if kind in TIFF_KINDS else TIFF_KINDS[0]

    @tiff_kind.setter
    def tiff_kind(self, value: str) -> None:
        self._store.setValue("export/tiff", value)

    @property
    def folded(self) -> set[str]:
        """Names of the side bar's folded sections."""
        return set(filter(None, self._text("window/folded").split(",")))

    @folded.setter
    def folded(self, value: set[str]) -> None:
        self._store.setValue("window/folded", ",".join(sorted(value)))

    @property
    def theme(self) -> str:
        """Theme, one of ``THEMES``."""
        value = self._text("view/theme", "system")
        return value if value in THEMES else "system"

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.setValue("view/theme", value)

    @property
    def layout(self) -> Layout:
        """Layout of the stage."""
        value = self._text("compare/layout", Layout.AUTOMATIC.value)
        return Layout(value) if value in {layout.value for layout in Layout} else Layout.AUTOMATIC

    @layout.setter
    def layout(self, value: Layout) -> None:
        self._store.setValue("compare/layout", value.value)

    @property
    def swipe(self) -> tuple[bool, float]:
        """Whether the swipe's line is upright, and where it is (0 to 1)."""
        upright = self._text("compare/swipe_upright", "1") != "0"
        return upright, self._number("compare/swipe_line", 0.5, 0.0, 1.0)

    @swipe.setter
    def swipe(self, value: tuple[bool, float]) -> None:
        self._store.setValue("compare/swipe_upright", "1" if value[0] else "0")
        self._store.setValue("compare/swipe_line", f"{value[1]:.4f}")

    @property
    def blink_ms(self) -> int:
        """Milliseconds that a picture stays while two blink."""
        return round(self._number("compare/blink_ms", 800, 100, 10_000))

    @blink_ms.setter
    def blink_ms(self, value: int) -> None:
        self._store.setValue("compare/blink_ms", str(value))

    @property
    def style(self) -> DifferenceStyle:
        """Style of differences, of all bands, and with the gain that fits."""
        absolute, signed = self._text("difference/absolute_map"), self._text("difference/signed_map")
        return DifferenceStyle(
            signed=self._text("difference/signed", "0") == "1",
            similar=self._text("difference/similar", "0") == "1",
            absolute_map=absolute if absolute in SEQUENTIAL else SEQUENTIAL[0],
            signed_map=signed if signed in DIVERGING else DIVERGING[0],
        )

    @style.setter
    def style(self, value: DifferenceStyle) -> None:
        self._store.setValue("difference/signed", "1" if value.signed else "0")
        self._store.setValue("difference/similar", "1" if value.similar else "0")
        self._store.setValue("difference/absolute_map", value.absolute_map)
        self._store.setValue("difference/signed_map", value.signed_map)

    @property
    def device(self) -> str:
        """Device id; "auto" for the best there is."""
        return self._text("engine/device", "auto") or "auto"

    @device.setter
    def device(self, value: str) -> None:
        self._store.setValue("engine/device", value)

    @property
    def pace(self) -> Pace:
        """How long compressions have taken here."""
        return Pace.from_text(self._text(_PACE))

    @pace.setter
    def pace(self, value: Pace) -> None:
        self._store.setValue(_PACE, value.text)

    @property
    def lpips_download(self) -> bool:
        """Whether LPIPS may download its backbone weights."""
        return self._text("metrics/lpips_download", "0") == "1"

    @lpips_download.setter
    def lpips_download(self, value: bool) -> None:
        self._store.setValue("metrics/lpips_download", "1" if value else "0")

    @property
    def rate(self) -> int:
        """Selected rate point, 1 to 6."""
        try:
            return min(6, max(1, int(self._text("codec/rate", "4"))))
        except ValueError:
            return 4

    @rate.setter
    def rate(self, value: int) -> None:
        self._store.setValue("codec/rate", str(value))

    @property
    def effort(self) -> int:
        """Effort of compressions, 0 to 4."""
        return round(self._number("codec/effort", 0, 0, len(EFFORT_STEPS) - 1))

    @effort.setter
    def effort(self, value: int) -> None:
        self._store.setValue("codec/effort", str(value))

    def folder(self, purpose: str) -> str:
        """Folder last used for ``open``, ``stream`` or ``image``; empty if it is gone."""
        folder = self._text(f"folders/{purpose}")
        return folder if folder and Path(folder).is_dir() else ""

    def set_folder(self, purpose: str, folder: Path) -> None:
        """Remembered folder, replaced."""
        self._store.setValue(f"folders/{purpose}", str(folder))

    @property
    def recent(self) -> list[str]:
        """Recently opened files, the latest first."""
        value = self._store.value("files/recent", [])
        if isinstance(value, str):  # an ini file gives back a list of one as a string
            value = [value]
        return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []

    def add_recent(self, path: Path) -> None:
        """Addition of a file at the head of the recent ones."""
        entry = str(path)
        self._set_recent([entry, *(other for other in self.recent if other != entry)][:_RECENT_MAX])

    def remove_recent(self, path: Path) -> None:
        """Removal of a recent file, for example one that is gone."""
        self._set_recent([other for other in self.recent if other != str(path)])

    def clear_recent(self) -> None:
        """Removal of all recent files."""
        self._set_recent([])

    def _set_recent(self, entries: list[str]) -> None:
        self._store.setValue("files/recent", entries)

    def save(self) -> None:
        """Immediate write to disk."""
        self._store.sync()
