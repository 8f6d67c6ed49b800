"""Metrics panel: figures of the result that is looked at, live while it is made."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from fdegc.options import METRIC_LABELS, SLOW_METRICS
from fdegc_gui.models import optional
from fdegc_gui.models.points import tiles_text
from fdegc_gui.models.result import MetricState, Result
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures
from fdegc_gui.text import NONE, decibels, fixed, human_bytes, human_seconds, ratio

_COLUMNS = 3

#: Key in ``fdegc.metrics.DEFINITIONS`` and label.
_CELLS = (
    ("bytes", "Size"),
    ("bpp", "bpp"),
    ("ratio", "Ratio"),
    *METRIC_LABELS.items(),
    ("encode_time", "Encode"),
    ("decode_time", "Decode"),
)
_DECODE_PREVIEW = (
    "Here it is the share of the time that went into this picture, which was made beside the compression; "
    "open the .fdegc file to measure a whole decode."
)
_NOT_DECODED = (
    "Nothing was decoded for this picture, which without loss is the scene; open the .fdegc file to measure "
    "a decode."
)
_NO_ORIGINAL = "A .fdegc file comes without its original, so there is nothing to compare with."
_STORED = "As it was measured when the file was made, to a third of a decibel."
_DAMAGED = "Tiles are damaged; the file says only what it was of the whole when it was made."
_INCOMPLETE = "A part of the file is missing or damaged."
_PENDING = "Computed when all tiles are finished."


@dataclass(frozen=True)
class Figure:
    """Figure: a value as it is shown, and why it is missing if it is."""

    text: str = NONE
    note: str = ""


def definitions() -> dict[str, str]:
    """Definitions of the metrics by key; numpy comes with them, not torch."""
    from fdegc.metrics import DEFINITIONS

    return dict(DEFINITIONS)


def carries_figures(session: Session) -> bool:
    """Whether what is looked at is an opened ``.fdegc`` file, which has its figures with it."""
    focus = session.focus
    stream = session.scene is not None and session.scene.stream is not None
    return stream and (focus is None or focus.guest is None)


def _carried(scene: Scene, result: Result | None) -> dict[str, Figure]:
    """Figures of an opened ``.fdegc`` file, from before its first tile is decoded."""
    stream = scene.stream
    if stream is None:
        return {}
    seconds = None if result is None else result.decode_seconds
    out = dict.fromkeys(SLOW_METRICS, Figure(NONE, _NO_ORIGINAL))
    psnr = Figure(NONE, _NO_ORIGINAL)
    if stream.psnr is not None:
        psnr = Figure(
            decibels(stream.psnr) if stream.psnr == math.inf else f"≈ {stream.psnr:.1f} dB", _STORED
        )
    if result is not None and result.damaged:
        psnr = Figure(NONE, _DAMAGED)
    sizes = {"bpp": Figure(fixed(stream.bpp, 3)), "ratio": Figure(ratio(stream.ratio))}
    if not stream.is_whole:  # so small only because the rest is missing
        sizes = dict.fromkeys(sizes, Figure(NONE, _INCOMPLETE))
        psnr = Figure(NONE, _DAMAGED)
    return (
        out
        | sizes
        | {
            "bytes": Figure(human_bytes(stream.bytes)),
            "psnr": psnr,
            "encode_time": Figure(NONE, "It was compressed at another time."),
            "decode_time": Figure(NONE if seconds is None else human_seconds(seconds)),
        }
    )


def figures_of(session: Session) -> dict[str, Figure]:
    """Values of all cells for the result that is looked at."""
    scene, result = session.scene, session.focus
    if scene is not None and carries_figures(session):
        return _carried(scene, result)
    if scene is None or result is None:
        return {}
    out: dict[str, Figure] = {}
    bpp = result.bpp(scene.info.pixels)
    raw = scene.info.raw_bytes * result.coded_pixels(scene.info.pixels) / scene.info.pixels
    out["bytes"] = Figure(human_bytes(result.bytes) if result.bytes else NONE)
    out["bpp"] = Figure(fixed(bpp, 3))
    out["ratio"] = Figure(ratio(raw / result.bytes) if result.bytes else NONE)
    original = scene.stream is None  # beside a guest
    psnr = result.live_psnr(scene.peak)
    out["psnr"] = Figure(decibels(psnr), "" if original else _NO_ORIGINAL)
    for name in SLOW_METRICS:
        out[name] = _slow(result, name) if original else Figure(NONE, _NO_ORIGINAL)
    if result.encode is not None:
        out["encode_time"] = Figure(human_seconds(result.encode.encode_seconds))
        shown = result.encode.reconstruct_seconds
        out["decode_time"] = (
            Figure(human_seconds(shown), _DECODE_PREVIEW) if shown else Figure(NONE, _NOT_DECODED)
        )
    elif result.guest is not None:
        guest, why = result.guest, "It was compressed at another time."
        for key, spent in (("encode_time", guest.encode_seconds), ("decode_time", guest.decode_seconds)):
            out[key] = Figure(NONE, why) if spent is None else Figure(human_seconds(spent))
    return out


def _slow(result: Result, name: str) -> Figure:
    """Figure of a metric that is computed over the finished scene."""
    if result.metrics is not None:
        value = getattr(result.metrics, name)
        note = result.metrics.notes.get(name, "")
        if value is None:
            return Figure(NONE, note or "It is not defined for this scene.")
        decibel = result.metrics.ms_ssim_db if name == "ms_ssim" else None
        if decibel is not None:
            note = f"{decibels(decibel)} as −10·log₁₀(1 − MS-SSIM). {note}".strip()
        return Figure(fixed(value, 4), note)
    if result.metric_state in (MetricState.WAITING, MetricState.RUNNING):
        return Figure("…", "Being computed.")
    return Figure(NONE, _PENDING)


class _Cell(QWidget):
    """Cell: a label above a value."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._name = label
        self._explained: tuple[str, str] | None = None
        self._label = QLabel(label)
        self._label.setObjectName("statLabel")
        small = self._label.font()
        small.setPointSizeF(small.pointSizeF() * 0.9)
        self._label.setFont(small)
        self.value = QLabel(NONE)
        self.value.setObjectName("statValue")
        self.value.setFont(figures(self.value.font(), scale=1.12, bold=True))
        self.value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.value.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._label)
        layout.addWidget(self.value)

    def show_figure(self, figure: Figure, definition: str) -> None:
        """Value in the cell; the tooltip says what it means and why it is missing."""
        if self.value.text() != figure.text:
            self.value.setText(figure.text)
            self.value.setAccessibleName(f"{self._name}: {figure.text}")
        if self._explained != (
            definition,
            figure.note,
        ):  # folding takes a while, and there are figures all the time
            self._explained = definition, figure.note
            parts = [f"{self._name}: {definition}" if definition else self._name, figure.note]
            self.setToolTip("\n\n".join(textwrap.fill(part, 72) for part in parts if part))


class MetricsPanel(QWidget):
    """Metrics panel, a grid of figures."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._definitions: dict[str, str] | None = None
        self.cells: dict[str, _Cell] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 0, 8, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(9)
        shown = [(key, label) for key, label in _CELLS if key != "lpips" or optional.lpips_installed()]
        for i, (key, label) in enumerate(shown):
            cell = _Cell(label)
            self.cells[key] = cell
            grid.addWidget(cell, i // _COLUMNS, i % _COLUMNS)
        for column in range(_COLUMNS):
            grid.setColumnStretch(column, 1)
        self.tiles = QLabel()
        self.tiles.setObjectName("muted")
        self.tiles.setWordWrap(True)
        self.tiles.hide()
        grid.addWidget(self.tiles, grid.rowCount(), 0, 1, _COLUMNS)
        session.scene_changed.connect(self.refresh)
        session.rate_changed.connect(self.refresh)
        session.result_changed.connect(self.refresh)
        session.figures_changed.connect(self.refresh)
        session.sides_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the panel to the session's figures."""
        if self._definitions is None and self._session.scene is not None:
            self._definitions = definitions()  # not at start-up: the window comes first
        known = self._definitions or {}
        current = figures_of(self._session)
        for key, cell in self.cells.items():
            cell.show_figure(current.get(key, Figure()), known.get(key, ""))
        focus = self._session.focus
        said = ""
        if focus is not None and focus.encode is not None:
            words = tiles_text(focus.encode)
            said = " ".join(filter(None, (f"{words[:1].upper()}{words[1:]}.", focus.encode.outliers)))
        if self.tiles.text() != said:
            self.tiles.setText(said)
            self.tiles.setVisible(bool(said))
