"""Estimates of what compressions would take, and what is to be said of a scene before one."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc_gui.control.engine import EngineKeeper
from fdegc_gui.jobs import Failure, Lane, Requests
from fdegc_gui.jobs.coding import EstimateRates
from fdegc_gui.jobs.scene import EstimateExact, LookAtValues, LookForNotices, Noticed, Wide
from fdegc_gui.models.costs import refine
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, ranges_of

#: A scene is painted, and a largest error typed, before estimates are made: they begin with much work in
#: Python, for whose lock the window would have to wait.
_REST_MS = 150


class Estimating(QObject):
    """Estimator of the open scene's compressions.

    It has a lane of its own: coding windows of a scene without loss cannot be interrupted at once, and on the
    lane that opens files the next scene would wait for it.

    Parameters
    ----------
    session : Session
    engine : Lane
        Where estimates of rate points are made.
    keeper : EngineKeeper

    Signals
    -------
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    """

    message = Signal(str)
    failed = Signal(str, object)

    def __init__(
        self, session: Session, engine: Lane, keeper: EngineKeeper, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._keeper = session, engine, keeper
        self.lane = Lane("estimates", None, self)
        self._notices, self._rates, self._exact = Requests(), Requests(), Requests()
        self._bound, self._cut = 0.0, 0
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._submit)
        session.way_changed.connect(self.want)
        keeper.changed.connect(self._on_engine)

    def take_over(self, scene: Scene) -> None:
        """Look at a scene that has just been opened."""
        request = self.lane.submit(
            LookForNotices(path=scene.path),
            done=lambda noticed: self._on_noticed(scene, noticed),
            failed=lambda failure: self.failed.emit("Something could not be done.", failure),
        )
        self._notices.add(request)
        self.want()

    def leave_scene(self) -> None:
        """Dropping of what is asked for."""
        self._rest.stop()
        for requests in (self._notices, self._rates, self._exact):
            requests.drop()

    def want(self) -> None:
        """Requests, in a moment, for the estimates that are missing, once there is an engine."""
        self._rest.start()

    @property
    def _scene(self) -> Scene | None:
        """Scene to estimate for, if that can be done.

        Before the engine is there it would only be loaded more slowly: both import the same.
        """
        scene = self._session.scene
        ready = self._keeper.ready is not None
        return scene if ready and scene is not None and scene.stream is None else None

    def _submit(self) -> None:
        session, scene = self._session, self._scene
        if scene is None:
            return
        cut = session.cut
        if not session.refined and not (self._rates.still_open() and cut == self._cut):
            self._cut = cut
            self._rates.drop()
            self._rates.add(
                self._engine.submit(
                    EstimateRates(path=scene.path, device=self._keeper.device, ranges=ranges_of(cut)),
                    done=lambda estimates: refine(session, estimates),
                    failed=self._on_failed,
                )
            )
        bound = session.bound
        if EXACT not in session.estimates and not (self._exact.still_open() and bound == self._bound):
            self._bound = bound
            self._exact.drop()
            self._exact.add(
                self.lane.submit(
                    EstimateExact(path=scene.path, bound=bound),
                    done=lambda estimate: session.set_exact_estimate(bound, estimate),
                    failed=self._on_failed,
                )
            )

    def _on_engine(self) -> None:
        self._rates.drop()  # of the device before
        self.want()

    def _on_noticed(self, scene: Scene, noticed: Noticed) -> None:
        if noticed.lossless is not None:
            self._session.set_unasked(noticed.lossless)
        elif scene.info.dtype != "uint8":
            self._notices.add(
                self.lane.submit(LookAtValues(path=scene.path), done=self._on_wide, failed=self._on_failed)
            )
        if noticed.chosen:
            self.message.emit(noticed.chosen)

    def _on_wide(self, wide: Wide | None) -> None:
        if wide is not None:
            self._session.set_wide(*wide)

    def _on_failed(self, failure: Failure) -> None:
        words = "The estimates could not be refined; see the log."
        self.message.emit(failure.message if failure.expected else words)
