"""Jobs that bring other pictures of the scene: what other codecs make of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import Never

from fdegc.errors import FdegcError, UnsupportedRaster
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import BandMapping, Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.coder_process import coded_apart
from fdegc_gui.jobs.kept_guests import keep_guest
from fdegc_gui.jobs.peaks import peak_and_offset
from fdegc_gui.jobs.region import RegionReader
from fdegc_gui.jobs.render import render
from fdegc_gui.jobs.sample_writer import stored
from fdegc_gui.jobs.sources import Source
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.guest import Guest, Offer, Unfit, samples_of
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.text import decibels

if TYPE_CHECKING:
    from fdegc.evaluation.worker import Answer as Coded

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Guest that has come: its facts, samples and picture."""

    guest: Guest
    store: SampleStore
    pyramid: Pyramid


@dataclass(frozen=True, slots=True)
class Offers:
    """Other codecs for a kind of scene.

    Attributes
    ----------
    codecs : tuple of Offer
        Those that can be used.
    missing : tuple of str
        A sentence for each that is not installed.
    unfit : tuple of Unfit
        Those that cannot hold such a scene.
    """

    codecs: tuple[Offer, ...]
    missing: tuple[str, ...]
    unfit: tuple[Unfit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindOffers(Job[Offers, Never]):
    """Look for other codecs: it takes importing their libraries.

    Attributes
    ----------
    bands : int
    dtype : str
        Of the scene.
    """

    bands: int
    dtype: str

    priority: ClassVar[int] = 9

    def run(self, context: Context[Never]) -> Offers:
        from fdegc.evaluation.scene_peers import find_scene_peers

        found = find_scene_peers(self.bands, self.dtype)
        offers = (
            Offer(c.name, c.label, c.parameter, c.settings, c.version, c.cost, found.bands)
            for c in found.coders
        )
        unfit = (Unfit(one.label, one.why) for one in found.unfit)
        return Offers(tuple(offers), tuple(found.missing), tuple(unfit))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Result that another codec is to be as small (or as good) as.

    Attributes
    ----------
    name : str
    bytes : int
        Of its file.
    stream : Path or None
        The file, to look up what it spends on a part of the scene.
    store : SampleStore
    """

    name: str
    bytes: int
    stream: Path | None
    store: SampleStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodePeer(Job[Arrival, Never]):
    """Coding of the scene, or of a part, with another codec at the size (or PSNR) of a result.

    Attributes
    ----------
    path : Path
        The scene's.
    offer : Offer
    reference : Reference
    by_psnr : bool
        Whether to be as good as the reference rather than as small.
    window : Window or None
        None for all of the scene.
    folder, exchange : Path
        For the samples, and for what the other process is told and tells.
    rendering : Rendering
    keeps : bool
        Whether it is recorded, to be found when the scene is opened again.
    """

    path: Path
    offer: Offer
    reference: Reference
    by_psnr: bool
    window: Window | None
    folder: Path
    exchange: Path
    rendering: Rendering
    keeps: bool = False

    foreground: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Kind by codec and reference: each is a request of its own."""
        return f"code-{self.folder.name}"

    def run(self, context: Context[Never]) -> Arrival:
        source = context.rasters.get(self.path).source
        info = source.info
        window = self.window or Window(0, 0, info.width, info.height)
        samples = source.read(window)
        context.cancel.check()
        size, basis = self._size(info, window)
        peak = peak_and_offset(source, context.cancel)[0]
        psnr = part_psnr(source, self.reference.store, window, peak, context) if self.by_psnr else None
        if psnr is not None and not np.isfinite(psnr):
            raise UnsupportedRaster(
                f"{self.reference.name} is without loss here, which {self.offer.label} cannot be asked for."
            )
        pixels = samples.pixels.transpose(1, 2, 0)
        grey = info.bands < self.offer.bands
        if grey:  # all of them take 8-bit colour; three equal bands cost them next to nothing
            pixels = np.repeat(pixels, 3, axis=2)
        target = None if psnr is not None else size
        pixels, name = np.ascontiguousarray(pixels), self.offer.name
        with coded_apart(self.exchange, pixels, name, target, psnr, peak, context) as (coded, decoded):
            planes = np.asarray(decoded)
            if grey:
                planes = np.rint(planes.mean(axis=2, keepdims=True))
            planes = planes.transpose(2, 0, 1).astype(info.dtype)
            store = self._store(info, window, replace(samples, pixels=planes))
        reached = part_psnr(source, store, window, peak, context)
        guest = self._guest(info, coded, reached, size, psnr, basis)
        if self.window is not None:
            ours = part_psnr(source, self.reference.store, window, peak, context)
            words = f"In that part {self.reference.name} has {decibels(ours)}"
            guest = replace(guest, note=f"{words}, {self.offer.label} {decibels(reached)}.")
        pyramid = render(store, self.rendering, context.cancel)
        if self.keeps:
            try:
                keep_guest(guest, store)
            except OSError as error:  # it is there all the same
                log.warning("what %s made will not be found again: %s", self.offer.label, error)
        return Arrival(guest, store, pyramid)

    def _size(self, info: RasterInfo, window: Window) -> tuple[int, str]:
        """Bytes to come near to, and what they are."""
        reference = self.reference
        if self.window is None:
            return reference.bytes, f"{reference.name} has"
        spent = None if reference.stream is None else spent_on(reference.stream, window)
        if spent is not None:
            return spent, f"the tiles of {reference.name} spend here"
        share = round(reference.bytes * window.pixels / info.pixels)
        return share, f"an equal share of {reference.name} comes to"

    def _store(self, info: RasterInfo, window: Window, samples: Samples) -> SampleStore:
        with stored(self.folder, info, covered=self.window is None) as writer:
            if self.window is not None and samples.valid is None:
                samples = replace(samples, valid=np.ones(samples.pixels.shape[1:], np.bool_))
            writer.write(window, samples)
            return writer.finish()

    def _guest(
        self, info: RasterInfo, coded: Coded, reached: float | None, size: int, psnr: float | None, basis: str
    ) -> Guest:
        offer, window = self.offer, self.window
        if psnr is None:
            apart = 100 * (coded.bytes / size - 1)
            more = f"{abs(apart):.1f} % {'more' if apart > 0 else 'less'} than"
            words = (
                f"{coded.bytes:,} bytes, {'as many as' if abs(apart) < 0.05 else more} {basis} ({size:,})."
            )
        else:
            words = f"{coded.bytes:,} bytes to reach {decibels(psnr)}; {basis} {size:,}."
        what = "all of the scene"
        if window is not None:
            what = f"{window.width} × {window.height} pixels from column {window.x}, row {window.y}"
        how = ", grey as three equal bands" if info.bands < offer.bands else f", {samples_of(info)}"
        settings = f"{offer.label} at {_asked(offer, coded.parameter)}: {offer.settings} [{offer.version}]."
        return Guest(
            name=offer.label if window is None else f"{offer.label}, part",
            series=offer.name if window is None else "",
            facts=f"{settings}\nCoded was {what}{how}.",
            bytes=coded.bytes,
            psnr=reached,
            window=window,
            encode_seconds=coded.encode_seconds,
            decode_seconds=coded.decode_seconds,
            reference=words,
        )


def _asked(offer: Offer, value: float) -> str:
    """Parameter of a codec in words."""
    kind = offer.parameter
    return f"{value:.3g} bpp" if kind == "bpp" else f"{kind} {value:.3g}"


def spent_on(stream: Path, window: Window) -> int | None:
    """Bytes that a ``.fdegc`` file spends on a part of its scene; None if it is no such file.

    Those of every tile by how much of it lies within, and an equal share of what belongs to no tile.
    """
    from fdegc.format.reader import ContainerReader

    try:
        with ContainerReader(stream) as reader:
            header, side = reader.header, reader.header.tile_size
            columns = -(-header.width // side)
            tiles, total = 0.0, 0
            for unit in range(header.units):
                length = reader.entries[unit].length
                row, column = divmod(unit // header.groups, columns)
                x, y = column * side, row * side
                tile = Window(x, y, min(side, header.width - x), min(side, header.height - y))
                common = tile.intersection(window)
                total += length
                tiles += length * common.pixels / tile.pixels if common is not None else 0.0
            return round(tiles + (reader.size - total) * window.pixels / (header.width * header.height))
    except (FdegcError, OSError):
        return None


def part_psnr(
    source: Source, store: SampleStore, window: Window, peak: float, context: Context[Any]
) -> float | None:
    """PSNR in dB of stored samples against the scene's in a part of it."""
    from fdegc.metrics import compare

    info = source.info
    found = compare(
        RegionReader(source, window),
        RegionReader(store, window),
        replace(info, width=window.width, height=window.height),
        [BandMapping(0.0, peak)] * info.bands,
        names=("psnr",),
        cancel=context.cancel,
    )
    return found.psnr
