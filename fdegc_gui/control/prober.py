"""Pixel values and place under the pointer: asked for, and only the answer about where it is now kept."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc_gui.jobs import Lane, Request
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.probe import Probe, ReadBlock
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.sources import Origin
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.probe import Block, Reading
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.models.view import VALUES_ZOOM, View

#: After so long without an answer, that about the former pixel is no longer shown.
_PATIENCE_MS = 150
#: So many pixels are read at most to be written out.
_BLOCK_PIXELS = 40_000


class Prober(QObject):
    """Look-up of samples and places, on a thread of its own.

    Parameters
    ----------
    session : Session
    rasters : Rasters
        Open files.

    Signals
    -------
    reading_changed(Reading or None)
        What is under the pointer; None if nothing is, or it is not known yet.
    block_changed(Block or None)
        Samples of the pixels that are seen singly; None while none are.
    """

    reading_changed = Signal(object)
    block_changed = Signal(object)

    def __init__(self, session: Session, rasters: Rasters, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._pixel: tuple[int, int] | None = None
        self._seen: Window | None = None
        self._block: Block | None = None
        self._asked: Request[Reading, Never] | None = None
        self._reading: Reading | None = None
        self.lane = Lane("probes", None, self, rasters)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(lambda: self._set_reading(None))
        session.scene_changed.connect(self._on_scene)
        for signal in (session.sides_changed, session.rate_changed, session.result_changed):
            signal.connect(self._on_compared)
        session.display_changed.connect(self._read_block)
        session.style_changed.connect(self._read_block)
        session.tiles_written.connect(self._on_tiles)

    @property
    def reading(self) -> Reading | None:
        """Reading of the pixel under the pointer, as far as it is known."""
        return self._reading

    @property
    def block(self) -> Block | None:
        """Samples of the pixels that are seen singly."""
        return self._block

    def look(self, pixel: tuple[int, int] | None) -> None:
        """Look-up of a pixel (column, row), or of nothing."""
        if pixel != self._pixel:
            self._pixel = pixel
            self._again()

    def set_view(self, window: Window | None, zoom: float) -> None:
        """View of a part of the scene: what its pixels hold is read if they are large enough to say it."""
        scene = self._session.scene
        fits = window is not None and zoom >= VALUES_ZOOM and window.pixels <= _BLOCK_PIXELS
        self._seen = View(window, zoom).with_margin(scene.info) if fits and window and scene else None
        block = self._block
        if self._seen is None:
            self._set_block(None)
        elif window is None or block is None or block.window.intersection(window) != window:
            self._read_block()

    def _again(self) -> None:
        scene, pixel = self._session.scene, self._pixel
        if scene is None or pixel is None:
            if self._asked is not None:
                self._asked.drop()
            self._patience.stop()
            self._set_reading(None)
            return
        job = Probe(
            path=scene.path if scene.stream is None else None,
            origins=self._origins(lambda result: result.covers(*pixel)),
            info=scene.info,
            pixel=pixel,
            keys=self._keys(),
        )
        if not self._patience.isActive():
            self._patience.start()
        self._asked = self.lane.submit(job, done=self._on_reading)

    def _read_block(self) -> None:
        rendering, band = self._session.rendering, self._session.style.band
        if self._seen is not None and rendering is not None:
            bands = tuple(dict.fromkeys(rendering.bands))
            job = ReadBlock(
                origins=self._origins(lambda result: result.state is State.DONE),
                window=self._seen,
                keys=self._keys(),
                bands=bands,
                apart=bands if band is None else (band,),
            )
            self.lane.submit(job, done=self._on_block)

    def _keys(self) -> tuple[int, int]:
        return self._session.key_of(Side.A), self._session.key_of(Side.B)

    def _origins(self, ready: Callable[[Result], bool]) -> tuple[Origin | None, Origin | None]:
        """What to read of A and B, where there is something yet."""
        session = self._session
        scene = session.scene
        if scene is None:
            return None, None
        found: list[Origin | None] = []
        for side in Side:
            result = session.result_of(side)
            if session.key_of(side) == ORIGINAL:
                found.append(scene.path)
            else:
                found.append(result.store if result is not None and ready(result) else None)
        if not session.paired:
            found[0] = None
        return found[0], found[1]

    def _on_compared(self) -> None:
        self._again()
        if self._block is not None and self._block.keys != self._keys():
            self._set_block(None)
        self._read_block()

    def _on_block(self, block: Block) -> None:
        if self._seen is not None and block.keys == self._keys():
            self._set_block(block)

    def _set_block(self, block: Block | None) -> None:
        if block is not self._block:
            self._block = block
            self.block_changed.emit(block)

    def _on_scene(self) -> None:
        self._pixel, self._seen = None, None
        self.lane.drop()
        self._again()
        self._set_block(None)
        self.lane.submit(CloseFiles())

    def _on_tiles(self, key: int, windows: list[Window]) -> None:
        if self._pixel is not None and key in self._keys():
            place = Window(*self._pixel, 1, 1)
            if any(window.intersection(place) for window in windows):
                self._again()

    def _on_reading(self, reading: Reading) -> None:
        if reading.pixel == self._pixel and reading.keys == self._keys():
            self._patience.stop()
            self._set_reading(reading)

    def _set_reading(self, reading: Reading | None) -> None:
        if reading != self._reading:
            self._reading = reading
            self.reading_changed.emit(reading)
