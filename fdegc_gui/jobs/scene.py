"""Jobs of the file lane: opening scenes, a first picture at once, a better one after it."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from typing_extensions import Never

from fdegc.control import ProgressMeter
from fdegc.errors import CorruptStream, FdegcError, UnsupportedRaster
from fdegc.format import is_stream
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import Estimate
from fdegc.types import RasterStatistics, Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.kept import KeptResult, KeptScenes, find_results, find_unfinished
from fdegc_gui.jobs.kept_files import KeptFile, find_files
from fdegc_gui.jobs.kept_guests import KeptGuest, find_guests
from fdegc_gui.jobs.peaks import Cancellable, quick_peak
from fdegc_gui.jobs.pictures import reduced_picture
from fdegc_gui.jobs.reduction import chunks
from fdegc_gui.jobs.render import paint, render
from fdegc_gui.models.display import Display, Rendering, default_display, resolve
from fdegc_gui.models.pyramid import Bgra, Pyramid, premultiplied_bgra
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.way import CUTS, NETWORK_SWITCH

if TYPE_CHECKING:
    from fdegc.format.reader import ContainerReader
    from fdegc.raster import RasterSource

log = logging.getLogger(__name__)

#: Longest side of the first picture.
FIRST_LOOK_SIDE = 1536


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Opened file and its first picture.

    Attributes
    ----------
    scene : Scene
    first_look : Pyramid or None
        None for a ``.fdegc`` file that carries no overview.
    estimates : mapping
    reduced : Samples or None
        What the first picture of an original was made of, all bands.
    statistics : RasterStatistics or None
    coarse : bool
        Whether the first picture was made from a few blocks only, because reading all takes long.
    folder : Path or None
        Held for its results, which will be found there when it is opened again; None if they cannot be kept.
    results : tuple of KeptResult
        Of when it was open before.
    unfinished : frozenset of int
        Rate points of which a cancelled compression has left something to go on from.
    files, lost : tuple of KeptFile
        Other files that were open beside it and are as they were, and those that are not.
    guests : tuple of KeptGuest
        What other codecs made when it was open before.
    """

    scene: Scene
    first_look: Pyramid | None
    estimates: Mapping[int, Estimate]
    reduced: Samples | None = None
    statistics: RasterStatistics | None = None
    coarse: bool = False
    folder: Path | None = None
    results: tuple[KeptResult, ...] = ()
    unfinished: frozenset[int] = frozenset()
    guests: tuple[KeptGuest, ...] = ()
    files: tuple[KeptFile, ...] = ()
    lost: tuple[KeptFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrepareToOpen(Job[None, Never]):
    """Import of what opening a scene takes, so that the first one opens as quickly as the others."""

    def run(self, context: Context[Never]) -> None:
        import fdegc.metrics
        import fdegc.raster
        import fdegc.weights  # noqa: F401


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenScene(Job[Opened, Never]):
    """Opening of a file of any kind, with its first picture.

    Attributes
    ----------
    number : int
        Of the scene that it becomes.
    path : Path
    choices : mapping
        What the user chose to see of this file before, by the number and the type of its bands.
    kept : KeptScenes
        Where results of earlier may be.
    """

    number: int
    path: Path
    choices: Mapping[tuple[int, str], Display]
    kept: KeptScenes

    priority: ClassVar[int] = 10

    def run(self, context: Context[Never]) -> Opened:
        if not self.path.exists() and not self._is_part():
            raise UnsupportedRaster(f"There is no file “{self.path}”. It may have been moved or renamed.")
        if self.path.is_dir():
            raise UnsupportedRaster(f"“{self.path}” is a folder. Choose an image in it.")
        if is_stream(self.path):
            return self._open_stream()
        return self._open_raster(context)

    def _is_part(self) -> bool:
        """Whether this is the name of one of several rasters in a file."""
        from fdegc.raster.several import is_part

        return is_part(str(self.path))

    def _open_stream(self) -> Opened:
        from fdegc.format.info import describe
        from fdegc.format.reader import ContainerReader
        from fdegc.raster import default_bands, guess_text, peak_value
        from fdegc.raster.palettes import coloured_info

        with ContainerReader(self.path) as reader:
            stream = describe(reader)
            first = _overview(reader)
        info = coloured_info(stream.raster)
        peak = peak_value(stream.mapping) if stream.mapping else None
        scene = Scene(
            self.number, self.path, info, stream, default_bands(info), stream.bytes,
            quick_peak(info) or peak, guess=guess_text(info),
        )  # fmt: skip
        return self._with_files(Opened(scene, first, {}, folder=self.kept.hold(self.path)))

    def _open_raster(self, context: Context[Never]) -> Opened:
        from fdegc.raster import default_bands, guess_text, raster_statistics
        from fdegc.raster.advice import colours_text
        from fdegc.raster.glance import glance, is_quick

        source = context.rasters.get(self.path).source
        info = source.info
        coarse = not is_quick(source)
        if coarse:
            reduced, statistics = glance(source)
        else:
            # By a power of two: then GDAL can take a stored overview as it is.
            factor = 2 ** overview_base(info)
            whole = Window(0, 0, info.width, info.height)
            reduced = source.read_reduced(whole, -(-info.width // factor), -(-info.height // factor))
            statistics = raster_statistics(reduced)
        context.cancel.check()
        bands = default_bands(info)
        display = self.choices.get((info.bands, info.dtype), default_display(info, bands))
        first = reduced_picture(info, reduced, resolve(display, info.dtype, statistics))
        # A part of a file has no size of its own.
        size = self.path.stat().st_size if self.path.exists() else None
        colours = colours_text(source)
        scene = Scene(
            self.number, self.path, info, None, bands, size, quick_peak(info), colours, guess_text(info)
        )
        opened = Opened(scene, first, _quick_estimates(info), reduced, statistics, coarse)
        folder = self.kept.hold(self.path)
        if folder is None:
            return opened
        results, unfinished = find_results(folder, info), find_unfinished(folder)
        opened = dataclasses.replace(
            opened,
            folder=folder,
            results=results,
            unfinished=unfinished,
            guests=find_guests(folder, info),
        )
        return self._with_files(opened)

    def _with_files(self, opened: Opened) -> Opened:
        """Scene with the other files that were open beside it, and which of them are gone."""
        if opened.folder is None:
            return opened
        files = find_files(opened.folder)
        sound = tuple(file for file in files if file.is_as_it_was)
        lost = tuple(file for file in files if file not in sound)
        return dataclasses.replace(opened, files=sound, lost=lost)


def _overview(reader: ContainerReader) -> Pyramid | None:
    """Picture that a ``.fdegc`` file carries; it needs no network."""
    from fdegc.format.overview import read_overview

    try:
        picture = read_overview(reader)
    except CorruptStream as error:  # the tiles are the same without it
        log.warning("no overview: %s", error)
        return None
    if picture is None:
        return None
    rgba = np.full((*picture.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = picture if picture.ndim == 3 else picture[..., None]
    return Pyramid.from_overview(reader.header.width, reader.header.height, premultiplied_bgra(rgba))


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """Whole original: its picture, and evenly spaced samples of all bands."""

    pyramid: Pyramid
    reduced: Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadDetail(Job[Detail, Never]):
    """Picture of the whole original at full resolution."""

    path: Path
    rendering: Rendering

    priority: ClassVar[int] = 5
    preemptible: ClassVar[bool] = True  # another scene is to open at once

    def run(self, context: Context[Never]) -> Detail:
        source = _Thinning(context.rasters.get(self.path).source)
        pyramid = render(source, self.rendering, context.cancel)
        return Detail(pyramid, Samples.concatenate(source.parts, axis=-2))


class _Thinning:
    """Raster source that keeps some of what is read, strip by strip."""

    def __init__(self, source: RasterSource) -> None:
        self.info = source.info
        self.parts: list[Samples] = []
        self._source = source
        self._step = 2 ** overview_base(source.info)

    def read(self, window: Window) -> Samples:
        samples = self._source.read(window)
        rows, columns = np.arange(0, window.height, self._step), np.arange(0, window.width, self._step)
        self.parts.append(samples.picked(rows, columns))
        return samples


@dataclass(frozen=True, slots=True, eq=False)
class OverviewRows:
    """Rows of a reduced picture of the original.

    Attributes
    ----------
    window : Window
        Where they lie in the scene.
    first : int
        Number of the first row.
    bgra : ndarray of uint8, shape (rows, width, 4)
    """

    window: Window
    first: int
    bgra: Bgra


def overview_base(info: RasterInfo) -> int:
    """Level of the reduced picture of a scene: a side of the scene is 2**level times as long."""
    return max(0, math.ceil(math.log2(max(info.width, info.height) / FIRST_LOOK_SIDE)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadOverview(Job[Samples, OverviewRows]):
    """Reduced samples of all of a huge original; their picture is handed over in rows."""

    path: Path
    rendering: Rendering

    priority: ClassVar[int] = 5
    preemptible: ClassVar[bool] = True  # another scene is to open at once

    def run(self, context: Context[OverviewRows]) -> Samples:
        source = context.rasters.get(self.path).source
        info = source.info
        factor = 2 ** overview_base(info)
        meter = ProgressMeter("overview", info.pixels, context.progress)
        parts = []
        for window, samples in chunks(source, Window(0, 0, info.width, info.height), factor):
            context.cancel.check()
            parts.append(samples)
            context.part(OverviewRows(window, window.y // factor, paint(samples, info, self.rendering)))
            meter.advance(window.pixels)
        return Samples.concatenate(parts, axis=-2)


class Noticed(NamedTuple):
    """Sentences about a scene: that it is coded without loss, whatever the rate; what reading has chosen."""

    lossless: str | None
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookForNotices(Job[Noticed, Never]):
    """What is to be said of a scene before it is coded."""

    path: Path

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> Noticed:
        from fdegc.options import EncodeOptions
        from fdegc.raster import open_raster
        from fdegc.raster.advice import alpha_advice, pictures_advice
        from fdegc.raster.classes import palette_way, settle

        # As a compression opens it, for what is shown is colours.
        with open_raster(self.path, alpha="auto", palette=palette_way(EncodeOptions())) as source:
            chosen = filter(None, (pictures_advice(source), alpha_advice(source)))
            return Noticed(settle(source, EncodeOptions(), NETWORK_SWITCH)[1], " ".join(chosen))


class Wide(NamedTuple):
    """Sentence on the few values that make a scene's range wide, and the cut that helps (0: none)."""

    words: str
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookAtValues(Job[Wide | None, Never]):
    """Look for few values that make the coded range wide; it takes reading all of the original."""

    path: Path

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> Wide | None:
        from fdegc.raster import open_raster, plan_mapping
        from fdegc.raster.advice import long_tail, some_values

        with open_raster(self.path, alpha="auto") as source:
            if source.info.dtype == "uint8":
                return None
            # They take no more of a source than this has.
            held = Cancellable(source, context.cancel)
            tail = long_tail(some_values(held), plan_mapping(held))  # type: ignore[arg-type]
        return None if tail is None else Wide(tail.words, CUTS.index(tail.percent or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EstimateExact(Job[Estimate, Never]):
    """Estimate of a compression without loss or with a largest error, from coding parts of the scene so."""

    path: Path
    bound: float

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> Estimate:
        from fdegc.codec.exact_estimate import estimate_exact
        from fdegc.options import EncodeOptions
        from fdegc.raster import open_raster
        from fdegc.raster.classes import palette_way

        palette = palette_way(EncodeOptions(max_error=self.bound))
        with open_raster(self.path, alpha="auto", palette=palette) as source:
            return estimate_exact(source, self.bound, context.cancel)


def _quick_estimates(info: RasterInfo) -> dict[int, Estimate]:
    """Estimates from the manifest's table; none if there are no weights to estimate for."""
    try:
        from fdegc.weights import quick_estimate

        return {rate: quick_estimate(info, float(rate)) for rate in range(1, 7)}
    except (FdegcError, ImportError) as error:
        log.warning("no quick estimate: %s", error)
        return {}
