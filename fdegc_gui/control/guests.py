"""Guests: other codecs and other files as pictures of the scene, asked for, awaited, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from typing_extensions import Never

from fdegc.options import EncodeOptions
from fdegc.raster_info import Window
from fdegc_gui.control.activities import Activities
from fdegc_gui.control.engine import EngineKeeper
from fdegc_gui.control.measuring import Measuring
from fdegc_gui.jobs import Failure, Job, Lane, Request, Requests
from fdegc_gui.jobs.guest_files import ReadRaster, ReadStream, ReopenRaster, ReopenStream
from fdegc_gui.jobs.guests import Arrival, CodePeer, FindOffers, Offers, Reference
from fdegc_gui.jobs.kept_files import KeepFile, missing_words
from fdegc_gui.jobs.kept_guests import ForgetGuest, next_guest_folder
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.scene import Opened
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.comparison import SELECTED, Side
from fdegc_gui.models.guest import FIRST_GUEST, Guest, Offer, coded_window
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.models.result import MetricState, Result, State
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.scene import Scene, unpainted
from fdegc_gui.models.session import Session

_RANK = 6
#: Side of the tiles of what is compressed here.
_TILE = EncodeOptions().tile_size


class Guests(QObject):
    """Keeper of the guests of the open scene, on a thread of its own.

    Parameters
    ----------
    session : Session
    rasters : Rasters
        Open files.
    engine : Lane
        Decodes ``.fdegc`` files and computes MS-SSIM.
    keeper : EngineKeeper
    measuring : Measuring
    activities : Activities
    folder : Path
        For samples.

    Attributes
    ----------
    offers : Offers or None
        Other codecs for scenes like the open one; None until they have been looked for.
    by_psnr : bool
        Whether other codecs are asked for the PSNR of a result rather than for its size.
    view_only : bool
        Whether they code what is in view, however small the scene.

    Signals
    -------
    offers_changed()
        Other codecs have been found.
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    """

    offers_changed = Signal()
    message = Signal(str)
    failed = Signal(str, object)

    def __init__(
        self,
        session: Session,
        rasters: Rasters,
        engine: Lane,
        keeper: EngineKeeper,
        measuring: Measuring,
        activities: Activities,
        folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._keeper = session, engine, keeper
        self._measuring, self._activities, self._folder = measuring, activities, folder
        self.lane = Lane("guests", None, self, rasters)
        self.offers: Offers | None = None
        self.by_psnr, self.view_only = False, False
        self._kind: tuple[int, str] | None = None  # bands and type that the offers are for
        self._looking: Request[Offers, Never] | None = None
        self._seen: Window | None = None
        self._coming: list[Path] = []  # files that were open beside the scene and are to be again
        self._place: Path | None = None  # where what other codecs make is found again
        self._counter = FIRST_GUEST
        self._news: dict[int, str] = {}
        self._requests = Requests()
        session.scene_changed.connect(self._on_scene)
        session.display_changed.connect(self._reopen_all)
        session.rate_changed.connect(self._on_rate)
        session.result_changed.connect(self._on_result)
        session.figures_changed.connect(self._on_figures)

    # ------------------------------------------------------------------ what can be asked for

    def look(self) -> None:
        """Look for other codecs for scenes like this one, once."""
        scene = self._session.scene
        if scene is not None and self.offers is None and self._looking is None:
            self._looking = self.lane.submit(
                FindOffers(bands=scene.info.bands, dtype=scene.info.dtype),
                done=self._on_offers,
                failed=self._on_no_offers,
                cancelled=self._forget_look,
            )

    def set_view(self, window: Window | None, _zoom: float) -> None:
        """View of another part of the scene; None for nothing."""
        self._seen = window

    @property
    def reference(self) -> Result | None:
        """Result that other codecs are compared with: the selected one, once it is finished."""
        result = self._session.current
        return result if result is not None and result.state is State.DONE and result.bytes else None

    @property
    def why_not(self) -> str:
        """Sentence that says why no other codec can be asked for now; empty if one can."""
        scene = self._session.scene
        if scene is None:
            return "Open a scene first."
        if scene.stream is not None:
            return "A .fdegc file comes without its original, which other codecs would have to code."
        if self.reference is None:
            way = self._session.asked_way.how
            return f"Compress {way} first: other codecs are given its size."
        return ""

    def window_for(self, offer: Offer) -> Window | None:
        """Part of the scene that a codec would code; None for all of it."""
        scene = self._session.scene
        return (
            None if scene is None else coded_window(scene.info, offer.room, self._seen, _TILE, self.view_only)
        )

    def seconds_for(self, offer: Offer) -> float:
        """Rough seconds that a codec would take."""
        scene, window = self._session.scene, self.window_for(offer)
        if scene is None:
            return 0.0
        return offer.seconds(scene.info.pixels if window is None else window.pixels)

    # ------------------------------------------------------------------ requests

    def code(self, offer: Offer, side: Side) -> None:
        """Coding with another codec at the size of the selected result; it becomes one side's picture."""
        session = self._session
        scene, reference, rendering = session.scene, self.reference, session.rendering
        if scene is None or reference is None or rendering is None or self.why_not:
            return
        name, here = reference.way.name, self._next_folder(scene)
        job = CodePeer(
            path=scene.path,
            offer=offer,
            reference=Reference(name, reference.bytes, reference.stream_path, reference.store),
            by_psnr=self.by_psnr,
            window=self.window_for(offer),
            folder=here if self._place is None else next_guest_folder(self._place),
            exchange=here.with_name(f"{here.name}-exchange"),
            rendering=rendering,
            keeps=self._place is not None,
        )
        what = "PSNR" if self.by_psnr else "size"
        title = f"Coding with {offer.label} at the {what} of {name}"
        self._submit(self.lane, job, side, title, f"{offer.label} could not code the scene.")

    def read(self, path: Path, side: Side) -> None:
        """Reading of a file that shows the scene as well; it becomes one side's picture."""
        scene = self._session.scene
        if scene is None:
            return
        if self._session.rendering is None:
            self.message.emit("The scene has to be there first; try again once it is decoded.")
            return
        path = path.absolute()
        heading = f"“{path.name}” cannot be picture {side.value}."
        title = f"Reading “{path.name}”"
        common = self._file_of(scene, path)

        def on_raster(arrival: Arrival | None) -> None:
            if arrival is not None:
                self._on_arrival(scene, side, arrival)
                return
            self._keeper.load()
            stream = ReadStream(**common, folder=self._next_folder(scene), device=self._keeper.device)
            self._submit(self._engine, stream, side, title, heading)

        job = ReadRaster(**common, folder=self._next_folder(scene))
        self._requests.add(
            self.lane.submit(
                job,
                done=on_raster,
                failed=lambda failure: self.failed.emit(heading, failure),
                cancelled=lambda: self.message.emit("Cancelled."),
                watch=self._activities.watch(Activity(title, _RANK, cancellable=True)),
            )
        )

    def _file_of(self, scene: Scene, path: Path) -> dict[str, Any]:
        """What reading a file takes, whatever it is."""
        original = scene.path if scene.stream is None else None
        rendering = self._session.rendering
        return {"path": path, "scene": original, "info": scene.info, "rendering": rendering}

    def _reopen_all(self) -> None:
        """Reading of the files that were open beside the scene, once it is known how to show them."""
        scene, files = self._session.scene, self._coming
        if scene is not None and files and self._session.rendering is not None:
            self._coming = []
            for path in files:
                self._reopen(scene, path)

    def _reopen(self, scene: Scene, path: Path) -> None:
        """Reading of a file that was open beside the scene when it was left; pictures stay what they are."""
        common = self._file_of(scene, path)

        def on_raster(arrival: Arrival | None) -> None:
            if arrival is not None:
                self._on_arrival(scene, None, arrival)
                return
            self._keeper.load()
            stream = ReopenStream(**common, folder=self._next_folder(scene), device=self._keeper.device)
            self._requests.add(self._engine.submit(stream, done=on_raster, failed=on_failed))

        def on_failed(failure: Failure) -> None:
            self._keep_file(path, opened=False)
            self.message.emit(f"“{path.name}” is not beside this scene any more: {failure.message}")

        job = ReopenRaster(**common, folder=self._next_folder(scene))
        self._requests.add(self.lane.submit(job, done=on_raster, failed=on_failed))

    def _keep_file(self, path: Path, *, opened: bool) -> None:
        """Entry of a file to be opened beside the scene again, or its removal."""
        if self._place is not None:
            self.lane.submit(KeepFile(folder=self._place, path=path, opened=opened))

    def remove(self, key: int) -> None:
        """Removal of a guest."""
        result = self._session.results.get(key)
        if result is not None and result.guest is not None:
            self._session.drop(result)
            self.lane.submit(ForgetGuest(samples=result.store.folder))
            if result.guest.path is not None:
                self._keep_file(result.guest.path, opened=False)

    def take_over(self, opened: Opened) -> None:
        """What other codecs made of a scene that has just been opened, and the place for what is to come."""
        self._place = opened.folder
        for kept in opened.guests:
            if opened.folder is not None:
                store = SampleStore(opened.folder / kept.samples, opened.scene.info)
                result = self._result(kept.guest, store, unpainted(opened.scene.info))
                result.metrics = kept.metrics
                self._session.add(result)
                if kept.metrics is None:
                    self._measure(opened.scene, result)
                else:
                    result.metric_state = MetricState.DONE
        self._coming = [file.path for file in opened.files]
        self._reopen_all()
        for file in opened.lost:
            self._keep_file(file.path, opened=False)
        if opened.lost:
            QTimer.singleShot(0, lambda: self.message.emit(missing_words(opened.lost)))

    def _next_folder(self, scene: Scene) -> Path:
        self._counter += 1
        return self._folder / f"scene{scene.number}-guest{self._counter}"

    def _submit(self, lane: Lane, job: Job[Arrival, Never], side: Side, title: str, heading: str) -> None:
        scene = self._session.scene
        if scene is None:
            return
        request = lane.submit(
            job,
            done=lambda arrival: self._on_arrival(scene, side, arrival),
            failed=lambda failure: self.failed.emit(heading, failure),
            cancelled=lambda: self.message.emit("Cancelled."),
            watch=self._activities.watch(Activity(title, _RANK, cancellable=True)),
        )
        self._requests.add(request)

    # ------------------------------------------------------------------ answers

    def _on_scene(self) -> None:
        self._requests.drop()
        self._place, self._coming = None, []
        self._forget_offers()
        self._news.clear()
        self._seen = None
        self.lane.submit(CloseFiles())

    def _forget_offers(self) -> None:
        """Other codecs are to be looked for anew where the scene is of another kind."""
        info = None if self._session.scene is None else self._session.scene.info
        kind = None if info is None else (info.bands, info.dtype)
        if kind is None or kind == self._kind:
            return
        self._kind, self.offers = kind, None
        if self._looking is not None:
            self._looking.drop()
            self._looking = None

    def _forget_look(self) -> None:
        self._looking = None

    def _on_offers(self, offers: Offers) -> None:
        self._looking, self.offers = None, offers
        self.offers_changed.emit()

    def _on_no_offers(self, failure: Failure) -> None:
        self._on_offers(Offers((), (f"Other codecs could not be looked for: {failure.message}",)))

    def _on_arrival(self, scene: Scene, side: Side | None, arrival: Arrival) -> None:
        session = self._session
        if not session.is_current(scene.number):
            return
        guest = arrival.guest
        result = self._result(guest, arrival.store, arrival.pyramid)
        session.add(result)
        if side is not None:
            session.choose(side, result.key)
            words = f"Picture {side.value} is {guest.name}. {guest.reference} {guest.note}"
            self._news[result.key] = " ".join(words.split())
            if guest.path is not None:
                self._keep_file(guest.path, opened=True)
        self._measure(scene, result)
        if result.metric_state is MetricState.DONE:
            self._tell(result.key)

    def _result(self, guest: Guest, store: SampleStore, pyramid: Pyramid) -> Result:
        self._counter += 1
        return Result(
            self._counter,
            0.0,
            pyramid,
            store,
            state=State.DONE,
            bytes=guest.bytes or 0,
            decode_seconds=guest.decode_seconds,
            guest=guest,
        )

    def _tell(self, key: int) -> None:
        """What there is to say of a guest, once no measuring hides it in the status line."""
        words = self._news.pop(key, "")
        if words:
            QTimer.singleShot(0, lambda: self.message.emit(words))

    def _on_figures(self, key: int) -> None:
        result = self._session.results.get(key)
        if result is not None and result.metric_state is MetricState.DONE:
            self._tell(key)

    def _measure(self, scene: Scene, result: Result) -> None:
        """MS-SSIM and the like of a guest; of a part MS-SSIM only."""
        window = None if result.guest is None else result.guest.window
        if scene.stream is not None:  # with nothing to measure it against
            result.metric_state = MetricState.DONE
        elif window is None:
            self._measuring.measure(result)
        else:
            self._measuring.measure_part(result, window)

    # ------------------------------------------------------------------ back to what is made here

    def _on_rate(self, _rate: int) -> None:
        """Another rate point was chosen: it is to be seen, even where both sides show something else."""
        sides = self._session.sides
        if SELECTED not in (sides.a, sides.b) and sides.b >= FIRST_GUEST:
            self._session.set_sides(sides.with_side(Side.B, SELECTED))

    def _on_result(self, key: int) -> None:
        result = self._session.results.get(key)
        if result is not None and result.state is State.RUNNING and key == self._session.key:
            self._on_rate(key)
