"""Facts of the open file: size, type, place on Earth, and for ``.fdegc`` what it was made with."""

from __future__ import annotations

import re

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from fdegc.raster_info import RasterInfo
from fdegc.results import StreamInfo
from fdegc.text import exactness_text, fidelity_text, palette_text, ways_text
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures
from fdegc_gui.text import human_bytes, quality_name, ratio

_FORMATS = {"GTiff": "GeoTIFF / TIFF", "COG": "Cloud-optimised GeoTIFF", "FDEGC": "FDEGC", "MPO": "JPEG"}
_NAME = re.compile(r'^\s*[A-Z]+\s*\[\s*"([^"]+)"')
#: Names of units: of lengths and angles alike in WKT 1.
_UNIT = re.compile(r'UNIT\["([^"]+)"')
_AUTHORITY = re.compile(r'(?:AUTHORITY|ID)\s*\[\s*"([^"]+)"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$')

#: Of a file that is not whole.
_UNKNOWN = "not known: a part of the file is missing or damaged"


def crs_name(wkt: str) -> str:
    """CRS in words: name of the coordinate reference system and its code, from its WKT."""
    name, code = _NAME.search(wkt), _AUTHORITY.search(wkt.strip())
    text = name.group(1) if name else "defined, without a name"
    return f"{text} ({code.group(1)}:{code.group(2)})" if code else text


def crs_unit(wkt: str) -> str:
    """Unit of a CRS's coordinates from its WKT, as it follows a number; empty where it is not that plain."""
    if wkt.lstrip().startswith("GEOG"):
        return "°" if _UNIT.findall(wkt)[-1:] == ["degree"] else ""
    if not wkt.lstrip().startswith("PROJ"):
        return ""  # several, as of a height besides
    units = [unit for unit in _UNIT.findall(wkt) if "degree" not in unit and unit != "unity"]
    unit = units[-1] if units else ""
    return " m" if unit in {"metre", "meter"} else f" {unit}" if unit else ""


def bounds(info: RasterInfo) -> tuple[float, float, float, float] | None:
    """Left, bottom, right, top in map units; None without a transform."""
    if info.transform is None:
        return None
    a, b, c, d, e, f = info.transform
    corners = [(0, 0), (info.width, 0), (0, info.height), (info.width, info.height)]
    xs = [a * col + b * row + c for col, row in corners]
    ys = [d * col + e * row + f for col, row in corners]
    return min(xs), min(ys), max(xs), max(ys)


def facts_of(scene: Scene) -> list[tuple[str, str]]:
    """Names and values of the facts, in the order they are read."""
    info = scene.info
    rows = [
        ("File", scene.file.name),
        ("Pixels", f"{info.width} × {info.height}  ({_many(info.pixels)})"),
        ("Bands", _bands(info)),
        ("Uncompressed", human_bytes(info.raw_bytes)),
    ]
    if scene.guess:
        rows.insert(3, ("Red, green, blue", scene.guess))
    if scene.colours:
        rows.insert(3, ("Colours", scene.colours))
    if scene.file_bytes is not None:
        rows.insert(1, ("Size on disk", human_bytes(scene.file_bytes)))
    if scene.stream is None:
        rows.insert(1, ("Format", _FORMATS.get(info.format, info.format)))
    else:
        rows += _stream_facts(scene.stream)
        palette = palette_text(scene.stream.raster)
        rows += [("Palette", palette)] if palette else []
    if scene.part:
        rows.insert(1, ("Part", scene.part))
    return rows + _place_facts(info)


def _many(pixels: int) -> str:
    return f"{pixels / 1e6:.2f} Mpx" if pixels >= 10_000 else f"{pixels:,} px"


def _bands(info: RasterInfo) -> str:
    extra = ["alpha"] if info.has_alpha else []
    if info.nodata is not None:
        extra.append(f"nodata {info.nodata:g}")
    elif info.has_mask and np.dtype(info.dtype).kind != "f":  # of those it is not known, see Rasters
        extra.append("mask")
    return ", ".join([f"{info.bands} × {info.dtype}", *extra])


def _stream_facts(stream: StreamInfo) -> list[tuple[str, str]]:
    return [
        ("Bits per pixel", f"{stream.bpp:.3f}" if stream.is_whole else _UNKNOWN),
        ("Ratio", ratio(stream.ratio) if stream.is_whole else _UNKNOWN),
        ("Quality", exactness_text(stream.bound) or quality_name(stream.quality)),
        *([("PSNR", fidelity)] if stream.is_whole and (fidelity := fidelity_text(stream)) else []),
        *([("Profile", stream.profile), ("Weights", stream.weights_hash)] if stream.profile else []),
        ("Tiles", f"{stream.tiles} of {stream.tile_size} px: {ways_text(stream.ways)}"),
        ("Format version", str(stream.version)),
    ]


def _place_facts(info: RasterInfo) -> list[tuple[str, str]]:
    if info.crs_wkt is None and info.transform is None:
        points = len(info.gcps)
        return [("Georeference", f"{points} ground control points" if points else "none")]
    rows = [("CRS", crs_name(info.crs_wkt) if info.crs_wkt else "none")]
    box = bounds(info)
    if info.transform is not None and box is not None:
        a, b, _, d, e, _ = info.transform
        rotated = "  (rotated)" if b or d else ""
        across, down = (a * a + d * d) ** 0.5, (b * b + e * e) ** 0.5
        left, bottom, right, top = box
        unit = crs_unit(info.crs_wkt or "")
        rows += [
            ("Pixel size", f"{across:.6g} × {down:.6g}{unit}{rotated}"),
            ("West, east", f"{left:.9g}, {right:.9g}"),
            ("South, north", f"{bottom:.9g}, {top:.9g}"),
        ]
    return rows


class FactsPanel(QWidget):
    """Facts in two columns; values can be selected and copied."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(8, 0, 8, 0)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 1)
        self.values: dict[str, str] = {}
        session.scene_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the panel to the facts of the open scene."""
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        scene = self._session.scene
        rows = facts_of(scene) if scene is not None else []
        self.values = dict(rows)
        for row, (name, value) in enumerate(rows):
            label = QLabel(name)
            label.setObjectName("factName")
            text = QLabel(value)
            text.setFont(figures(text.font()))
            text.setWordWrap(True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            text.setToolTip(value)
            top = Qt.AlignmentFlag.AlignTop
            self._grid.addWidget(label, row, 0, top)
            self._grid.addWidget(text, row, 1, top)
