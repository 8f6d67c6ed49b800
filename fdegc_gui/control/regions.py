"""Measuring of a region of the scene: asked for, awaited, cancelled."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc.results import GroundExtent
from fdegc_gui.control.activities import Activities
from fdegc_gui.jobs import Lane, Request, Requests
from fdegc_gui.jobs.ground import MeasureGround
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.region import (
    SIMILARITY_PIXELS,
    SIMILARITY_SIDE,
    MeasureRegion,
    MeasureSimilarity,
)
from fdegc_gui.jobs.sources import Origin
from fdegc_gui.jobs.tile_maps import ShareBytes
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.region import RegionFigures
from fdegc_gui.models.result import State
from fdegc_gui.models.session import Session
from fdegc_gui.models.tile_map import ByteShare

#: What goes on while a region is measured.
MEASURING = "Measuring the region"
_RANK = 5
_COMING = "…"


class Regions(QObject):
    """Measuring of the region that the user has drawn.

    Parameters
    ----------
    session : Session
    rasters : Rasters
        Open files.
    engine : Lane
        Computes MS-SSIM.
    activities : Activities

    Attributes
    ----------
    window : Window or None
        The region.
    figures : RegionFigures or None
        None while they are computed.
    ms_ssim : float or None
    note : str
        In place of MS-SSIM where there is none.
    ground : GroundExtent or None
        How large it is on the ground, where that is known.
    share : ByteShare or None
        Bytes of the compressed file that is compared, by its tiles.

    Signals
    -------
    changed()
        Region or figures are others.
    """

    changed = Signal()

    def __init__(
        self,
        session: Session,
        rasters: Rasters,
        engine: Lane,
        activities: Activities,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._activities = session, engine, activities
        self.lane = Lane("regions", None, self, rasters)
        self.window: Window | None = None
        self.figures: RegionFigures | None = None
        self.ms_ssim: float | None = None
        self.note = ""
        self.ground: GroundExtent | None = None
        self.share: ByteShare | None = None
        self._state: tuple[object, ...] = ()
        self._requests = Requests()
        self._looking, self._sharing = Requests(), Requests()
        session.scene_changed.connect(self._on_scene)
        for signal in (session.sides_changed, session.rate_changed, session.result_changed):
            signal.connect(self._again)

    def measure(self, window: Window | None) -> None:
        """Measuring of a region; None for none any more."""
        self._requests.drop()
        self._looking.drop()
        self._sharing.drop()
        self.window, self.ground, self.share = window, None, None
        self._state = ()
        if window is None:
            self._clear("")
            self.changed.emit()
        else:
            self._look()
            self._again()

    def _look(self) -> None:
        """Look-up of how large the region is on the ground."""
        scene, window = self._session.scene, self.window
        if scene is not None and window is not None and scene.info.crs_wkt is not None:
            # Whatever goes wrong, the region is measured without it.
            job = MeasureGround(info=scene.info, window=window)
            self._looking.add(self.lane.submit(job, done=self._on_ground))

    def _on_ground(self, ground: GroundExtent | None) -> None:
        self.ground = ground
        self.changed.emit()

    def _share(self) -> None:
        """Look-up of how many bytes the region has of what is compared."""
        scene, window, self.share = self._session.scene, self.window, None
        self._sharing.drop()
        stream = self._stream()
        if scene is None or window is None or stream is None:
            return
        # Whatever goes wrong, the region is measured without it.
        job = ShareBytes(info=scene.info, stream=stream, window=window)
        self._sharing.add(self.lane.submit(job, done=self._on_share))

    def _stream(self) -> Path | None:
        """Compressed file of what is compared: of B, or of A if B has none."""
        found = (self._session.result_of(side) for side in (Side.B, Side.A))
        done = (r.stream_path for r in found if r is not None and r.state is State.DONE)
        return next((path for path in done if path), None)

    def _on_share(self, share: ByteShare) -> None:
        self.share = share
        self.changed.emit()

    def _on_scene(self) -> None:
        self.measure(None)
        self.lane.submit(CloseFiles())

    def _clear(self, note: str) -> None:
        self.figures, self.ms_ssim, self.note = None, None, note

    def _origin(self, side: Side) -> tuple[Origin | None, str]:
        """What a side shows, and its name."""
        session = self._session
        if session.key_of(side) == ORIGINAL:
            return (session.scene.path if session.scene is not None else None), "Original"
        result = session.result_of(side)
        name = session.name_of(side)
        return (result.store if result is not None else None), name

    def _again(self) -> None:
        session, window = self._session, self.window
        scene = session.scene
        if window is None or scene is None:
            return
        (a, a_name), (b, b_name) = self._origin(Side.A), self._origin(Side.B)
        ready = session.comparable()
        state = (window, a, b, ready, self._stream())
        if state == self._state:
            return
        self._state = state
        self._requests.drop()
        self._clear(_COMING)
        self._share()
        self.changed.emit()
        if not ready or a is None or b is None:
            alone = "A .fdegc file has no original beside it to compare with."
            nothing = "There is nothing to compare with until it is compressed."
            note = nothing if scene.stream is None else alone
            self.figures = RegionFigures(window, a_name, b_name, None, note)
            self.changed.emit()
            return
        job = MeasureRegion(path=scene.path, a=a, b=b, names=(a_name, b_name), window=window, peak=scene.peak)
        self._requests.add(
            self.lane.submit(
                job,
                done=self._on_figures,
                failed=lambda failure: self._on_nothing(job, failure.message),
                cancelled=lambda: self._on_nothing(job, "Cancelled before it was computed."),
                watch=self._activities.watch(Activity(MEASURING, _RANK, cancellable=True)),
            )
        )
        if min(window.width, window.height) < SIMILARITY_SIDE:
            self.note = f"from {SIMILARITY_SIDE} px a side"
        elif window.pixels > SIMILARITY_PIXELS:
            self.note = f"up to {SIMILARITY_PIXELS // 10**6} Mpx"
        else:
            self._similarity(MeasureSimilarity(path=scene.path, a=a, b=b, window=window, peak=scene.peak))

    def _similarity(self, job: MeasureSimilarity) -> None:
        request: Request[tuple[float | None, str], Never] = self._engine.submit(
            job,
            done=self._on_similarity,
            failed=lambda failure: self._on_similarity((None, failure.message)),
            cancelled=lambda: self._on_similarity((None, "cancelled")),
            watch=self._activities.watch(Activity(MEASURING, _RANK, cancellable=True)),
        )
        self._requests.add(request)

    def _on_figures(self, figures: RegionFigures) -> None:
        self.figures = figures
        self.changed.emit()

    def _on_similarity(self, answer: tuple[float | None, str]) -> None:
        self.ms_ssim, self.note = answer
        self.changed.emit()

    def _on_nothing(self, job: MeasureRegion, words: str) -> None:
        self.figures = RegionFigures(job.window, *job.names, None, words)
        self.changed.emit()
