"""Controller of the app: owns the lanes, opens and closes scenes, exports, and tells what goes on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from typing_extensions import Never

from fdegc_gui.control.activities import Activities
from fdegc_gui.control.coding import Coding
from fdegc_gui.control.differing import Differ
from fdegc_gui.control.engine import EngineKeeper
from fdegc_gui.control.estimating import Estimating
from fdegc_gui.control.feed import TileFeed
from fdegc_gui.control.guests import Guests
from fdegc_gui.control.measuring import Measuring
from fdegc_gui.control.painter import Painter
from fdegc_gui.control.prober import Prober
from fdegc_gui.control.regions import Regions
from fdegc_gui.jobs import Failure, Lane, Request, Requests
from fdegc_gui.jobs.coding import EngineReady
from fdegc_gui.jobs.engine import Engine
from fdegc_gui.jobs.export import Export
from fdegc_gui.jobs.kept import KeptScenes, TrimKept
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.scene import Opened, OpenScene, PrepareToOpen
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.result import Saved, SavedKind, State
from fdegc_gui.models.session import Session
from fdegc_gui.text import human_bytes, part_of

_OPEN_RANK, _EXPORT_RANK = 3, 4


class Controller(QObject):
    """Controller of the app: lanes, scenes, exports.

    Parameters
    ----------
    session : Session
    engine : Engine
        How to get the codec.
    device : str
        Device id to start with.
    kept : KeptScenes, optional
        Where results of scenes stay when they are left; nowhere by default.

    Signals
    -------
    activity_changed(Activity or None)
        The most important thing that goes on.
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    opened(Path)
        A file was opened.
    part_wanted(Path, tuple of str, tuple of str)
        A file holds several rasters of these names.
    open_failed(Path)
        A file could not be opened.
    stopped()
        All threads have ended.
    """

    activity_changed = Signal(object)
    message = Signal(str)
    failed = Signal(str, object)
    opened = Signal(object)
    open_failed = Signal(object)
    part_wanted = Signal(Path, tuple, tuple)
    stopped = Signal()

    def __init__(
        self,
        session: Session,
        engine: Engine,
        device: str,
        parent: QObject | None = None,
        kept: KeptScenes | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = Path(tempfile.mkdtemp(prefix="fdegc-"))
        self._feed = TileFeed(session, self)
        self._kept = kept if kept is not None else KeptScenes(None)
        self._held: Path | None = None
        self._opening: Request[Opened, Never] | None = None
        self._exports = Requests()
        rasters = Rasters()
        self.engine = Lane("engine", engine, self)
        self.files = Lane("files", None, self, rasters)
        self.exports = Lane("exports", None, self)
        self.activities = Activities(self)
        self.keeper = EngineKeeper(self.engine, device, self.activities, self)
        self.estimating = Estimating(session, self.engine, self.keeper, self)
        self.measuring = Measuring(session, self.engine, self.activities, self)
        self.painter = Painter(session, self.files, rasters, self._feed, self.activities, self)
        self.prober = Prober(session, rasters, self)
        self.differ = Differ(session, rasters, self)
        self.regions = Regions(session, rasters, self.engine, self.activities, self)
        self.coding = Coding(
            session,
            self.engine,
            self.keeper,
            self._feed,
            self.painter,
            self.measuring,
            self.activities,
            self.folder,
            self,
        )
        self.guests = Guests(
            session,
            rasters,
            self.engine,
            self.keeper,
            self.measuring,
            self.activities,
            self.folder,
            self,
        )
        self.activities.changed.connect(self.activity_changed)
        self.keeper.changed.connect(self._on_engine)
        self.keeper.failed.connect(self.failed)
        self.painter.failed.connect(self._on_failed)
        self.coding.failed.connect(self.failed)
        self.guests.failed.connect(self.failed)
        self.estimating.failed.connect(self._on_failed)
        for part in (
            self.keeper,
            self.estimating,
            self.measuring,
            self.painter,
            self.coding,
            self.differ,
            self.guests,
        ):
            part.message.connect(self.message)
        for lane in self.lanes:
            lane.stopped.connect(self._on_lane_stopped)
            lane.start()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Lanes: engine, files, exports, estimates, pictures, probes, differences, regions, guests."""
        keepers = (self.estimating, self.painter, self.prober, self.differ, self.regions, self.guests)
        return self.engine, self.files, self.exports, *(keeper.lane for keeper in keepers)

    # ------------------------------------------------------------------ wishes

    def prepare(self) -> None:
        """Preparation for scenes and loading of the engine, while nothing else is to be done."""
        self.files.submit(PrepareToOpen(), failed=self._on_prepare_failed)
        self.keeper.load()

    def open(self, path: Path, part: str | None = None) -> None:
        """Opening of a file, or of one of several rasters in it by its name.

        The current scene stays until that has succeeded.
        """
        if self._opening is not None:
            self._opening.drop()
        if part is not None:
            path = Path(part)
        elif path.exists() or part_of(path) is None:  # it is no such name, as of a recent one
            path = path.absolute()
        self._opening = self.files.submit(
            OpenScene(
                number=self.session.next_number(),
                path=path,
                choices=self.session.choices(path),
                kept=self._kept,
            ),
            done=self._on_opened,
            failed=lambda failure: self._on_open_failed(path, failure),
            watch=self.activities.watch(Activity("Opening…", _OPEN_RANK)),
        )

    def close_scene(self) -> None:
        """Closing of the scene, with cancellation of what runs for it."""
        self._leave_scene()
        self.session.set_scene(None, None, {})
        self.files.submit(CloseFiles())

    def compress(self) -> None:
        """Compression at the selected rate point; decoding if a stream is open."""
        self.coding.start()

    def export(self, job: Export, title: str, done: Callable[[Saved], None] | None = None) -> None:
        """Export of a file that the user keeps.

        Parameters
        ----------
        job : Export
        title : str
            Says what goes on.
        done : callable, optional
            Called with what was saved, before it is told.
        """
        request = self.exports.submit(
            job,
            done=lambda saved: self._on_exported(saved, done),
            failed=lambda failure: self._on_failed(f"“{job.target.name}” could not be saved.", failure),
            cancelled=lambda: self.message.emit("Cancelled."),
            watch=self.activities.watch(Activity(title, _EXPORT_RANK, cancellable=True)),
        )
        self._exports.add(request)

    def cancel(self) -> None:
        """Cancellation of what the user waits for, of the codec, of exports, of regions and of guests."""
        self.coding.forget_batch()
        for lane in (self.engine, self.exports, self.regions.lane, self.guests.lane):
            lane.cancel_foreground()

    def forget_kept(self) -> None:
        """Removal of what is kept of all scenes but the open one."""
        self._trim(everything=True)

    @property
    def would_be_lost(self) -> str:
        """What would be lost if the scene were left now, in a sentence; empty for nothing."""
        session = self.session
        scene = session.scene
        if scene is None or scene.stream is not None or session.keeps:
            return ""
        unsaved = [
            result
            for _, result in sorted(session.results.items())
            if result.encode is not None and not any(saved.kind is SavedKind.STREAM for saved in result.saved)
        ]
        running = session.waiting or any(r.state is State.RUNNING for r in session.results.values())
        coded = sum(r.guest is not None and bool(r.guest.reference) for r in session.results.values())
        parts = []
        if unsaved:
            parts.append(f"results that are not saved ({', '.join(one.way.name for one in unsaved)})")
        if coded:
            parts.append(f"what other codecs made ({coded})" if coded > 1 else "what another codec made")
        if running:
            parts.append("the compression that is under way")
        words = " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
        return f"What would be lost: {words}." if parts else ""

    def shut_down(self) -> None:
        """Shutdown: everything cancelled, the threads ended; ``stopped`` tells when they have."""
        self._feed.clear()
        for lane in self.lanes:
            lane.stop()

    @property
    def is_running(self) -> bool:
        """Whether a thread is alive."""
        return any(lane.is_running for lane in self.lanes)

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel."""
        return self.activities.can_cancel

    # ------------------------------------------------------------------ answers

    def _on_opened(self, opened: Opened) -> None:
        scene = opened.scene
        self._leave_scene()
        self.session.set_scene(
            scene,
            opened.first_look,
            opened.estimates,
            statistics=opened.statistics,
            reduced=opened.reduced,
            keeps=opened.folder is not None,
            unfinished=opened.unfinished,
        )
        self._held = opened.folder
        self.coding.take_over(opened)
        self.guests.take_over(opened)
        self.painter.show_opened(opened)
        self.opened.emit(scene.path)
        if scene.guess:
            self.message.emit(f"Red, green and blue are {scene.guess}. Display (D) chooses others.")
        if scene.stream is not None:
            QTimer.singleShot(0, lambda: self._decode(scene.number))  # after the overview's first paint
            return
        self.estimating.take_over(scene)
        self._trim()

    def _trim(self, everything: bool = False) -> None:
        if not self._exports.still_open():  # which may be of a scene that was left
            self.files.submit(
                TrimKept(kept=self._kept, everything=everything), failed=self._on_prepare_failed
            )

    def _on_open_failed(self, path: Path, failure: Failure) -> None:
        self.open_failed.emit(path)
        if failure.parts:
            self.part_wanted.emit(path, failure.parts, failure.titles)
            return
        self.failed.emit(f"“{path.name}” could not be opened.", failure)

    def _on_prepare_failed(self, failure: Failure) -> None:
        self._on_failed("Something could not be done.", failure)

    def _on_exported(self, saved: Saved, done: Callable[[Saved], None] | None) -> None:
        if done is not None:
            done(saved)
        path = saved.path
        words = f"Saved “{path.name}” in “{path.parent}”, {human_bytes(saved.bytes)}."
        self.message.emit(f"{words} {saved.lost}".rstrip())

    def _on_failed(self, heading: str, failure: Failure) -> None:
        self.coding.forget_batch()
        self.failed.emit(heading, failure)

    def _on_engine(self, ready: EngineReady | None) -> None:
        if ready is not None:
            self.session.set_device(ready.label)

    def _decode(self, number: int) -> None:
        if self.session.is_current(number):
            self.coding.start()

    def _leave_scene(self) -> None:
        """Cancellation of what runs for the open scene, and removal of its files."""
        self.coding.leave_scene()
        self.estimating.leave_scene()
        scene = self.session.scene
        if scene is not None and not self._exports.still_open():
            for path in self.folder.glob(f"scene{scene.number}-*"):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            self._kept.let_go(self._held)
            self._held = None

    def _on_lane_stopped(self) -> None:
        if not self.is_running:
            self._let_go()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.stopped.emit()
