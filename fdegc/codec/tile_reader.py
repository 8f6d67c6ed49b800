"""Reading and analysis of a source's tiles: pixels to latents, masks, alpha and overview."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.codec.inputs import Float32Array, NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.refinement import TileView
from fdegc.codec.tiling import reflect_pad
from fdegc.codec.ways import known_samples
from fdegc.control import Check
from fdegc.format.band_masks import BandMasksWriter
from fdegc.format.metadata import ALPHA, MASK, MISSING, OVERVIEW, metadata_blocks
from fdegc.format.overview import OverviewBuilder, OverviewPart
from fdegc.format.planes import PlaneWriter
from fdegc.raster.colours import default_bands
from fdegc.raster.mapping import count_clipped, to_unit, usable_pixels
from fdegc.raster.palettes import coloured, coloured_info, info_table
from fdegc.raster_info import Window
from fdegc.types import STRIDE, Samples

#: Share of the payload that an overview may take.
OVERVIEW_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class TileSamples:
    """Samples of a tile, as they were read.

    Attributes
    ----------
    index : int
        Its number in the plan.
    samples : Samples
        Of the tile and its halo, as far as they lie inside of the scene.
    place : Window
        The tile in ``samples``.
    """

    index: int
    samples: Samples
    place: Window

    @property
    def own(self) -> Samples:
        """Samples of the tile itself."""
        return self.samples.part(self.place)


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedTile:
    """Latents of a tile, its count of clipped samples and its part of the overview.

    Attributes
    ----------
    index : int
        Its number in the plan.
    latents : list of ndarray of float32, shape (M, h, w)
        One a band group, before gain and rounding; none if only the rest was asked for.
    clipped : int
        Valid samples outside of the mapping.
    overview : OverviewPart
    empty : bool
        Whether no pixel of it and its halo means anything.
    views : tuple of TileView
        What its latents can be refined by, one a band group; none unless they were asked for.
    """

    index: int
    latents: list[Float32Array]
    clipped: int
    overview: OverviewPart
    empty: bool
    views: tuple[TileView, ...] = ()


class TileReader:
    """Reader of a scene's tiles, once and in order, whose analysis runs on any number of threads.

    Parameters
    ----------
    plan : EncodingPlan
        Its quality does not matter here.

    Attributes
    ----------
    clipped : int
        Valid samples so far that lie outside of the mapping.
    """

    def __init__(self, plan: EncodingPlan) -> None:
        self._network, self._source, self._tiles = plan.network, plan.source, plan.tiles
        self._header, self._mapping = plan.header, plan.mapping
        self._inputs, self._outliers = NetworkInputs(plan.header), plan.outliers
        self.clipped = 0
        header, info, size = plan.header, plan.info, (plan.header.width, plan.header.height)
        side = header.tile_size
        self._valid = PlaneWriter(*size, side, np.bool_, contexts=True) if info.has_mask else None
        self._alpha = PlaneWriter(*size, side, info.dtype, contexts=True) if info.has_alpha else None
        bands = BandMasksWriter(header.bands, *size, side, contexts=True)
        self._missing = bands if info.has_band_masks else None
        self._table = info_table(info)
        self._overview = OverviewBuilder(*size, default_bands(coloured_info(info)))
        self._fixed: dict[bytes, bytes] | None = None

    def read(self, index: int, check: Check) -> TileSamples:
        """Samples of a tile, the next in order; keeps its mask and alpha band.

        Parameters
        ----------
        index : int
        check : callable
            Called now and then, on any thread; raises to cancel.
        """
        found, tile = self.again(index), self._tiles.window(index)
        own = found.own
        if self._valid is not None and own.valid is not None:
            self._valid.add(tile, own.valid, check)
        if self._alpha is not None and own.alpha is not None:
            self._alpha.add(tile, own.alpha, check)
        if self._missing is not None:
            outliers = self._outliers
            missing = own.missing if outliers is None else outliers.removed(tile, own.missing)
            self._missing.add(tile, missing, check)
        return found

    def again(self, index: int) -> TileSamples:
        """Samples of a tile that was read before."""
        context = self._tiles.context_window(index)
        inside = Window(
            context.x,
            context.y,
            min(context.width, self._header.width - context.x),
            min(context.height, self._header.height - context.y),
        )
        return TileSamples(index, self._source.read(inside), self._tiles.window(index).relative_to(inside))

    def analyse(
        self,
        tiles: Sequence[TileSamples],
        check: Callable[[], None],
        batch: int = 1,
        *,
        latents: bool = True,
        views: bool = False,
    ) -> list[AnalysedTile]:
        """Latents of tiles and what else is kept of them, on any thread.

        Latents are zero, which costs next to nothing, where there is nothing to see.  Where other bands are
        predicted from the first group, of all others that one alone is analysed.

        Parameters
        ----------
        tiles : sequence of TileSamples
        check : callable
            Called now and then; raises to cancel.
        batch : int
            Network inputs that the device gets at a time.
        latents : bool
            Whether they are wanted at all.
        views : bool
            Whether views are wanted, besides.
        """
        looked = [self._look(tile) for tile in tiles]
        inputs = [x for groups, _, _ in looked for x in groups or ()] if latents else []
        found = iter(self._network.analyse(inputs, check, batch))
        out = []
        for tile, (groups, clipped, overview) in zip(tiles, looked, strict=True):
            own: list[Float32Array] = []
            seen: tuple[TileView, ...] = ()
            if latents:
                whole = [next(found) for _ in groups or ()]
                own = [self._cut(tile.index, latent) for latent in whole] or self.zeros(tile.index)
                if views:
                    seen = self._views(tile, groups or (), whole)
            out.append(AnalysedTile(tile.index, own, clipped, overview, groups is None, seen))
        return out

    def further(
        self,
        tiles: Sequence[tuple[AnalysedTile, TileSamples, Float32Array]],
        check: Callable[[], None],
        batch: int = 1,
        *,
        views: bool = False,
    ) -> list[AnalysedTile]:
        """Tiles whose other groups, which are predicted from the first one, are analysed, too.

        Parameters
        ----------
        tiles : sequence of tuple
            What :meth:`analyse` said, samples, and what the network gives for the first group of the tile and
            its halo, not clipped (:meth:`fdegc.codec.tile_synthesis.TileSynthesis.first`).
        check, batch, views
            As for :meth:`analyse`; there are no views of the first group.
        """
        inputs = []
        for found, samples, first in tiles:
            unit = self._padded(found.index, to_unit(samples.samples, self._mapping))
            inputs.append(self._inputs.further(unit, first))
        latents = iter(self._network.analyse([x for own in inputs for x in own], check, batch))
        out = []
        for (found, samples, _), own in zip(tiles, inputs, strict=True):
            whole = [next(latents) for _ in own]
            seen = self._views(samples, own, whole, first=1) if views else ()
            cut = [self._cut(found.index, latent) for latent in whole]
            out.append(replace(found, latents=found.latents + cut, views=seen))
        return out

    def _views(
        self,
        tile: TileSamples,
        inputs: Sequence[Float32Array],
        latents: Sequence[Float32Array],
        first: int = 0,
    ) -> tuple[TileView, ...]:
        """Views of groups of a tile; of what pads the scene nobody sees any errors."""
        context, own = self._tiles.context_window(tile.index), self._tiles.padded_window(tile.index)
        counts = np.zeros((context.height, context.width), np.bool_)
        usable = usable_pixels(tile.samples)
        height, width = tile.samples.pixels.shape[1:]
        counts[:height, :width] = True if usable is None else usable
        inner = own.relative_to(context)
        inner = Window(*(side // STRIDE for side in (inner.x, inner.y, inner.width, inner.height)))
        return tuple(
            TileView(x, y, inner, counts, group)
            for group, (x, y) in enumerate(zip(inputs, latents, strict=True), first)
        )

    def _look(self, tile: TileSamples) -> tuple[list[Float32Array] | None, int, OverviewPart]:
        """Network inputs of a tile with its halo, one a band group, and what else is kept of it.

        There are no inputs if no pixel of the tile and its halo means anything.
        """
        samples, place, window = tile.samples, tile.place, self._tiles.window(tile.index)
        usable = usable_pixels(samples)
        seen = None if usable is None else usable[place.rows, place.cols]
        if usable is not None and not usable.any():
            # Of a palette the overview shows three bands.
            bands = max(self._header.bands, 3)
            nothing = np.zeros((bands, window.height, window.width), np.float32)
            return None, 0, self._overview.part(window, nothing, seen)
        # Without loss, or with a bound, nothing is cut off.
        clipped = 0 if self._header.whole else count_clipped(samples.part(place), self._mapping)
        unit = to_unit(samples, self._mapping)
        shown = unit[:, place.rows, place.cols]
        if self._table is not None:
            colours = coloured(samples.part(place), self._table)
            shown, seen = colours.pixels.astype(np.float32) / np.float32(255), usable_pixels(colours)
        overview = self._overview.part(window, shown, seen)
        inputs = self._inputs.of(self._padded(tile.index, unit))
        return inputs[:1] if self._inputs.predicts else inputs, clipped, overview

    def _padded(self, index: int, unit: Float32Array) -> Float32Array:
        """Bands of a tile and its halo, continued beyond the scene."""
        context = self._tiles.context_window(index)
        padded: Float32Array = reflect_pad(unit, context.height, context.width).astype(np.float32, copy=False)
        return padded

    def known(self, index: int, own: Samples) -> npt.NDArray[np.bool_] | None:
        """Samples of a tile that the decoder knows to be there: (bands, height, width); None for all."""
        header = self._header
        valid = own.valid if header.has_mask else None
        missing = own.missing if header.has_band_masks or header.has_outliers else None
        return known_samples(header.bands, self._tiles.window(index), valid, missing)

    def _size(self, index: int) -> tuple[int, int]:
        tile = self._tiles.padded_window(index)
        return tile.height // STRIDE, tile.width // STRIDE

    def _cut(self, index: int, latent: Float32Array) -> Float32Array:
        """The tile's own part of a latent that was made of it and its halo."""
        context, tile = self._tiles.context_window(index), self._tiles.padded_window(index)
        left, top = (tile.x - context.x) // STRIDE, (tile.y - context.y) // STRIDE
        rows, cols = self._size(index)
        return np.ascontiguousarray(latent[:, top : top + rows, left : left + cols])

    def zeros(self, index: int) -> list[Float32Array]:
        """Latents of a tile where there is nothing to see, or nobody looks: float32, shape (M, h, w) each."""
        shape = (self._network.latent, *self._size(index))
        return [np.zeros(shape, np.float32)] * self._header.groups

    def keep(self, tile: AnalysedTile) -> None:
        """Addition of a tile's findings to what the file says of the scene."""
        self.clipped += tile.clipped
        self._overview.add(tile.overview)

    @property
    def in_pieces(self) -> bool:
        """Whether a strip of a plane is coded by contexts, which the header has to say."""
        planes = (self._valid, self._alpha, self._missing)
        return any(plane is not None and plane.in_pieces for plane in planes)

    @property
    def plane_bytes(self) -> dict[bytes, int]:
        """Bytes of the lossless planes by the tags of their blocks, after these were made."""
        fixed = self._fixed or {}
        return {tag: len(fixed[tag]) for tag in (MASK, ALPHA, MISSING) if tag in fixed}

    def blocks(self, payload_bytes: int) -> dict[bytes, bytes]:
        """Metadata blocks of the file, after the last tile was read.

        Parameters
        ----------
        payload_bytes : int
            Of all units; the overview's budget is a share of them.
        """
        if self._fixed is None:
            self._fixed = metadata_blocks(self._source.info)
            if self._valid is not None:
                self._fixed[MASK] = self._valid.finish()
            if self._alpha is not None:
                self._fixed[ALPHA] = self._alpha.finish()
            if self._missing is not None:
                self._fixed[MISSING] = self._missing.finish()
        budget = int(payload_bytes * OVERVIEW_SHARE)
        stretch = self._header.dtype != "uint8" and self._table is None
        invert = self._source.info.white_is_zero
        overview = self._overview.finish(budget, stretch=stretch, invert=invert)
        return self._fixed if overview is None else {**self._fixed, OVERVIEW: overview}
