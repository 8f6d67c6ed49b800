"""Session: the open scene, the results computed for it, and the one that the user looks at."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.results import Estimate
from fdegc.types import RasterStatistics, Samples
from fdegc_gui.models.comparison import ORIGINAL, SELECTED, Side, Sides
from fdegc_gui.models.difference import Difference, DifferenceStyle
from fdegc_gui.models.display import Display, Rendering, default_display, resolve
from fdegc_gui.models.forecast import Pace
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.pyramid import Patch, Pyramid
from fdegc_gui.models.result import Result, Saved, State
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.scene import STREAM, Scene, unpainted
from fdegc_gui.models.way import EXACT, Way, cut_of, effort_of, keys_of, row_of, way_name
from fdegc_gui.models.wishes import Wishes
from fdegc_gui.text import fixed


class Session(Wishes):
    """Session: the open scene and everything known about it, and what is asked for (:class:`Wishes`).

    Signals
    -------
    scene_changed()
        Another scene, or none, is open.
    image_changed()
        Another picture of the original is there.
    image_written(object)
        Rectangles (list of Window) of the original's picture changed.
    display_changed()
        Bands or stretch are others now, by choice or because the scene is better known.
    patches_changed()
        Other finely resolved parts are there.
    sides_changed()
        Other pictures are compared.
    difference_changed()
        Another map of differences is there, or none.
    style_changed()
        Differences are to be shown otherwise.
    estimates_changed()
        Costs of the rate points are known or refined.
    result_changed(int)
        State of one result changed, or it was removed.
    figures_changed(int)
        Figures of one result changed.
    tiles_written(int, object)
        Rectangles (list of Window) of one result's picture changed.
    """

    scene_changed = Signal()
    image_changed = Signal()
    image_written = Signal(object)
    display_changed = Signal()
    patches_changed = Signal()
    sides_changed = Signal()
    difference_changed = Signal()
    style_changed = Signal()
    estimates_changed = Signal()
    result_changed = Signal(int)
    figures_changed = Signal(int)
    tiles_written = Signal(int, object)

    def __init__(
        self, rate: int = 4, parent: QObject | None = None, pace: Pace | None = None, effort: int = 0
    ) -> None:
        super().__init__(rate, effort, parent)
        self._scene: Scene | None = None
        self._counter = 0
        self.original: Pyramid | None = None
        #: Seen where the original's picture has nothing yet.
        self.original_backdrop: Pyramid | None = None
        #: Reduced samples of the original, all bands, to render anew from.
        self.reduced: Samples | None = None
        self._statistics: RasterStatistics | None = None
        self._displays: dict[Path, dict[tuple[int, str], Display]] = {}
        self._sides = Sides()
        self._style = DifferenceStyle()
        self._difference: Difference | None = None
        #: Finely resolved parts: of the original, and of results that are looked at.
        self.patches: dict[str, Patch] = {}
        #: Small picture that an opened ``.fdegc`` file carries.
        self.overview: Pyramid | None = None
        #: Estimates by row, without an effort.
        self.estimates: dict[int, Estimate] = {}
        #: How long compressions have taken here, and the device that the next one will run on.
        self.pace = pace if pace is not None else Pace()
        self.device = self.pace.device
        self.refined = False
        #: What was finished before estimates were refined, whose time means nothing until then.
        self.untimed: list[Result] = []
        self.results: dict[int, Result] = {}
        #: What was asked for and has not begun, by key: how to compress, or the decoding.
        self.waiting: dict[int, Way] = {}
        self.planned: list[int] = []
        #: Keys of which a cancelled compression has left something to go on from.
        self.unfinished: set[int] = set()
        #: Whether results are found again when the scene is opened the next time.
        self.keeps = False
        self.asked_changed.connect(self._on_asked)

    @property
    def scene(self) -> Scene | None:
        """Scene that is open."""
        return self._scene

    @property
    def key(self) -> int:
        """Key of the result that is looked at."""
        stream = self._scene is not None and self._scene.stream is not None
        return STREAM if stream else self.asked_key(self.rate)

    @property
    def current(self) -> Result | None:
        """Result that is looked at, if there is one."""
        return self.result(self.key)

    def result(self, key: int) -> Result | None:
        """Result of a key, if there is one, with the quality or largest error that is asked for now."""
        found = self.results.get(key)
        return found if found is not None and self.is_asked(found) else None

    @property
    def shows_overview(self) -> bool:
        """Whether a file's overview is all that there is to see yet."""
        return self.overview is not None and (self.current is None or not self.current.tiles_done)

    def select(self, rate: int, effort: int, cut: int) -> None:
        """Selection of a row, and choice of the effort and of a cut; estimates are of one cut."""
        self.refined = self.refined and cut == self.cut
        super().select(rate, effort, cut)

    def next_number(self) -> int:
        """Number for a scene about to be opened."""
        self._counter += 1
        return self._counter

    def is_current(self, number: int) -> bool:
        """Whether a scene's number is that of the open scene."""
        return self._scene is not None and self._scene.number == number

    def set_scene(
        self,
        scene: Scene | None,
        first_look: Pyramid | None,
        estimates: Mapping[int, Estimate],
        *,
        statistics: RasterStatistics | None = None,
        reduced: Samples | None = None,
        keeps: bool = False,
        unfinished: Iterable[int] = (),
    ) -> None:
        """Replacement of the open scene; results of the former one are dropped.

        Parameters
        ----------
        scene : Scene or None
        first_look : Pyramid or None
            Its first picture: of the original, or the overview that a ``.fdegc`` file carries.
        estimates : mapping
        statistics : RasterStatistics, optional
            Where they are known.
        reduced : Samples, optional
            What the first picture was made of.
        keeps : bool
            Whether its results are found again when it is opened the next time.
        unfinished : iterable of int
            Keys of which a cancelled compression has left something to go on from.
        """
        stream = scene is not None and scene.stream is not None
        self.results.clear()
        self.waiting.clear()
        self.planned.clear()
        self.unfinished, self.keeps = set(unfinished), keeps
        self.patches.clear()
        self._sides, self._difference = Sides(), None
        # A band and a gain are those of the scene that is left.
        self._style = dataclasses.replace(self._style, band=None, gain=None)
        self._scene = scene
        self.original, self.overview = (None, first_look) if stream else (first_look, None)
        self.original_backdrop = None
        self.reduced, self._statistics = reduced, statistics
        self.estimates = dict(estimates)
        self.refined, self.untimed = False, []
        self._forget_scene()  # which may tell of another rate: all has to be of the new scene by then
        self.scene_changed.emit()
        self.estimates_changed.emit()

    # ------------------------------------------------------------------ what is compared

    @property
    def sides(self) -> Sides:
        """Pictures that are compared."""
        return self._sides

    def set_sides(self, sides: Sides) -> None:
        """Choice of the pictures that are compared."""
        if sides != self._sides:
            self._sides = sides
            self.sides_changed.emit()

    def choose(self, side: Side, key: int) -> None:
        """Choice of one side's picture: the original, or a result.

        A result of a rate point becomes the selected one unless the other side shows that one: so
        figures and pictures stay together.
        """
        if key == ORIGINAL or key >= FIRST_GUEST:
            self.set_sides(self._sides.with_side(side, key))
            return
        other = self._sides.b if side is Side.A else self._sides.a
        if key == STREAM:
            self.set_sides(self._sides.with_side(side, SELECTED))
        elif other == SELECTED:
            self.set_sides(self._sides.with_side(side, key))
        else:
            self.set_sides(self._sides.with_side(side, SELECTED))
            exact = key == EXACT
            effort, cut = (self.effort, self.cut) if exact else (effort_of(key), cut_of(key))
            self.select(row_of(key), effort, cut)
        found = self.results.get(key)
        if found is not None:
            self.ask_as(found)

    @property
    def paired(self) -> bool:
        """Whether there are two pictures: a ``.fdegc`` is alone until another file is opened beside it."""
        scene = self._scene
        return scene is not None and (scene.stream is None or any(key >= FIRST_GUEST for key in self.results))

    def key_of(self, side: Side) -> int:
        """Key of a side's picture: ``ORIGINAL``, or a result's; a ``.fdegc`` file has its own, and guests."""
        key = self._sides[side]
        if self._scene is not None and self._scene.stream is not None:
            return key if key >= FIRST_GUEST else STREAM
        return self.key if key == SELECTED else key

    def name_of(self, side: Side) -> str:
        """Name of a side's picture."""
        key = self.key_of(side)
        if key == ORIGINAL:
            return "Original"
        result = self.results.get(key)
        if result is not None and result.guest is not None:
            # Codings by one codec differ in nothing but their size.
            bpp = None if self._scene is None else result.bpp(self._scene.info.pixels)
            coded = bool(result.guest.reference) and bpp is not None
            return f"{result.title} · {fixed(bpp, 3)} bpp" if coded else result.title
        stream = self._scene.stream if self._scene is not None else None
        if stream is not None:
            return f"Reconstruction · {way_name(stream.quality, stream.bound)}"
        bound = self.bound if key == EXACT else None if result is None else result.bound
        way = self.way(key)
        return f"Reconstruction · {way_name(way.quality, bound, way.effort, way.cut)}"

    def result_of(self, side: Side) -> Result | None:
        """Result of a side, if it is one, and there is it."""
        return self.result(self.key_of(side))

    @property
    def shown_results(self) -> list[Result]:
        """Results that are compared, and the selected one."""
        found = (self.current, self.result_of(Side.A), self.result_of(Side.B))
        return list({result.key: result for result in found if result is not None}.values())

    def patch_name(self, result: Result) -> str:
        """Name of a result's finely resolved part."""
        return "result" if result is self.current else f"result {result.key}"

    def comparable(self) -> bool:
        """Whether both sides are there to be compared sample by sample."""
        if not self.paired:
            return False
        results = [self.result_of(side) for side in Side if self.key_of(side) != ORIGINAL]
        return all(result is not None and result.state is State.DONE for result in results)

    @property
    def style(self) -> DifferenceStyle:
        """Style of differences."""
        return self._style

    def set_style(self, style: DifferenceStyle) -> None:
        """Choice of the style of differences."""
        if style != self._style:
            self._style = style
            self.style_changed.emit()

    @property
    def difference(self) -> Difference | None:
        """Difference of the two sides in view."""
        return self._difference

    def set_difference(self, difference: Difference | None) -> None:
        """Replacement of the difference that is shown."""
        if difference is not self._difference:
            self._difference = difference
            self.difference_changed.emit()

    @property
    def reach(self) -> float:
        """Range of what is mapped: that of the samples, or 1 of SSIM."""
        return 1.0 if self._style.similar else self.span

    @property
    def black(self) -> float:
        """Least of the scene's samples: 0 of 8 bits, or what was found in a reading."""
        statistics = self._statistics
        if self._scene is None or self._scene.info.dtype == "uint8" or statistics is None:
            return 0.0
        return min((one.minimum for one in statistics.bands if math.isfinite(one.minimum)), default=0.0)

    @property
    def span(self) -> float:
        """Range of the scene's samples, in their units: that of 8 bits, or what was found in a reading."""
        statistics = self._statistics
        if self._scene is None or self._scene.info.dtype == "uint8" or statistics is None:
            return 255.0
        band = self._style.band
        bands = statistics.bands if band is None else statistics.bands[band : band + 1]
        found = [one.maximum - one.minimum for one in bands]
        return max((span for span in found if math.isfinite(span) and span > 0), default=1.0)

    # ------------------------------------------------------------------ display

    @property
    def display(self) -> Display | None:
        """Display of the open scene as the user wants it; kept for every file as long as the program runs."""
        scene = self._scene
        if scene is None:
            return None
        chosen = self.choices(scene.path).get((scene.info.bands, scene.info.dtype))
        return chosen if chosen is not None else default_display(scene.info, scene.bands)

    def choices(self, path: Path) -> dict[tuple[int, str], Display]:
        """Choices made for a file, by the number and the type of its bands."""
        return self._displays.get(path, {})

    def set_display(self, display: Display) -> None:
        """Choice of bands and stretch of the open scene."""
        scene = self._scene
        if scene is not None and display != self.display:
            chosen = {**self.choices(scene.path), (scene.info.bands, scene.info.dtype): display}
            self._displays[scene.path] = chosen
            self.display_changed.emit()

    def reset_display(self) -> None:
        """Default display of the open scene, as if nobody had chosen."""
        if self._scene is not None:
            self.set_display(default_display(self._scene.info, self._scene.bands))

    @property
    def statistics(self) -> RasterStatistics | None:
        """Ranges of the open scene's bands; None until something of a ``.fdegc`` file is decoded."""
        return self._statistics

    def set_statistics(self, statistics: RasterStatistics) -> None:
        """Ranges of the bands, now known or known better."""
        if statistics != self._statistics:
            self._statistics = statistics
            self.display_changed.emit()

    @property
    def rendering(self) -> Rendering | None:
        """Rendering for samples of the open scene as of now; None if it cannot be told yet."""
        display = self.display
        if self._scene is None or display is None:
            return None
        return resolve(display, self._scene.info.dtype, self._statistics)

    def set_original(self, pyramid: Pyramid, backdrop: Pyramid | None = None) -> None:
        """Replacement of the original's picture, over a backdrop if it is not complete."""
        self.original, self.original_backdrop = pyramid, backdrop
        self.image_changed.emit()

    def set_patch(self, which: str, patch: Patch | None) -> None:
        """Finely resolved part of ``original`` or a result (:meth:`patch_name`), shown or dropped."""
        if patch is not self.patches.get(which):
            if patch is None:
                del self.patches[which]
            else:
                self.patches[which] = patch
            self.patches_changed.emit()

    def set_peak(self, peak: float) -> None:
        """Peak value for PSNR, now known."""
        if self._scene is not None:
            self._scene = dataclasses.replace(self._scene, peak=peak)

    # ------------------------------------------------------------------ results

    def set_estimates(self, estimates: Mapping[int, Estimate]) -> None:
        """Estimates refined by trying the network on this scene, stored."""
        self.estimates.update(estimates)
        self.refined = True
        self.estimates_changed.emit()

    def set_device(self, device: str) -> None:
        """Device, by its label, that the next compression will run on; experience of others means nothing."""
        if device != self.device:
            self.device = device
            self.refined, self.untimed = False, []  # times are those of the other device
            self.estimates_changed.emit()

    def set_unasked(self, notice: str) -> None:
        """Entry of why the scene is coded without loss although nobody asked, which selects that."""
        self._unasked = notice
        self.way_changed.emit()
        if not self.results and not self.waiting:
            self.set_rate(EXACT)

    def _on_asked(self, row: int) -> None:
        """What a row stands for is another thing: nothing goes on from what it was before."""
        if row == EXACT:
            self.estimates.pop(EXACT, None)
        self.unfinished -= set(keys_of(row))
        self.way_changed.emit()
        self.sides_changed.emit()
        self.result_changed.emit(self.asked_key(row))
        self.estimates_changed.emit()

    def set_exact_estimate(self, bound: float, estimate: Estimate) -> None:
        """Estimate with a bound on every error, stored if that is still asked for."""
        if bound == self.bound:
            self.estimates[EXACT] = estimate
            self.estimates_changed.emit()

    def set_waiting(self, key: int, waiting: bool) -> None:
        """Entry of what was asked for and has not begun, or its removal."""
        if waiting != (key in self.waiting):
            if waiting:
                self.waiting[key] = self.way(key)
                # What begins at once is told of then, and not twice in a row.
                QTimer.singleShot(0, self, lambda: self._tell_waiting(key))
            else:
                del self.waiting[key]
                self.result_changed.emit(key)

    def _tell_waiting(self, key: int) -> None:
        if key in self.waiting:
            self.result_changed.emit(key)

    def begin(self, key: int, quality: float, tiles_total: int, store: SampleStore) -> Result:
        """Fresh beginning of a result."""
        info = store.info
        pyramid = unpainted(info)
        pyramid.rendering = self.rendering
        result = Result(key, quality, pyramid, store, tiles_total=tiles_total)
        result.asked = self.bound if key == EXACT else None
        if self.overview is not None:
            result.backdrop = self.overview.erasable_copy()
        self.results[key] = result
        self.result_changed.emit(key)
        return result

    def add(self, result: Result) -> None:
        """Addition of a finished result that was not made here."""
        self.results[result.key] = result
        self.result_changed.emit(result.key)

    @property
    def focus(self) -> Result | None:
        """Result whose figures are shown: a guest that is picture B, else the selected one."""
        shown = self.result_of(Side.B)
        return shown if shown is not None and shown.guest is not None else self.current

    def drop(self, result: Result) -> None:
        """Removal of a result that was cancelled or failed, or is not wanted any more."""
        if self.holds(result):
            del self.results[result.key]
            self.set_sides(self._sides.without(result.key))
            self.result_changed.emit(result.key)

    def note_saved(self, result: Result, saved: Saved) -> None:
        """Entry of a file that the user has saved of a result."""
        result.saved.append(saved)
        if self.holds(result):
            self.result_changed.emit(result.key)

    def holds(self, result: Result) -> bool:
        """Whether a result is still one of the open scene's, not dropped or begun afresh."""
        return self.results.get(result.key) is result
