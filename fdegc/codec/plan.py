"""Plan of a compression: settled once, and handed to all who take part in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from affine import Affine
from typing_extensions import Self

from fdegc.atomic import identity
from fdegc.codec.allotting import Share
from fdegc.codec.network import Network
from fdegc.codec.tiling import TilePlan
from fdegc.errors import InvalidOption, UnsupportedRaster
from fdegc.format.header import StreamHeader
from fdegc.format.info import ORIGIN, header_for
from fdegc.format.kinds import TILE_STEPS, UnitKind, pack_quality, unpack_quality
from fdegc.format.metadata import OUTLIERS
from fdegc.format.outliers import pack_outliers
from fdegc.options import QUALITY_MIN, QUALITY_STEPS, EncodeOptions, QualityRegion
from fdegc.raster import RasterSource
from fdegc.raster.coded_range import coded_range
from fdegc.raster.outliers import OutlierSource
from fdegc.raster_info import RasterInfo
from fdegc.types import HALO, BandMapping, Components, Correction, Outliers


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EncodingPlan:
    """Plan of a compression: network, source, mapping, header, tiles and options.

    Attributes
    ----------
    network : Network
    source : RasterSource
        Read by the thread that runs the compression, and by no other.  Outliers are missing in it.
    options : EncodeOptions
    mapping : tuple of BandMapping
        Of every band to the network's range.
    header : StreamHeader
        Of the file; its quality is that of the options until a search has found another (:meth:`at`).
    tiles : TilePlan
    extra : mapping
        Blocks of the file beside those that describe the raster.
    reconstruct : bool
        Whether the decoder's pixels are computed, too.
    special : frozenset of int
        Tiles in the region that has a quality of its own.
    shares : mapping of int to Share
        Tiles of which a target says how they are kept.
    beyond : bool
        Whether that is since its target lies beyond what latents reach.
    outliers : Outliers or None
        What is kept beside the mapping, as it is.
    fingerprint : bytes or None
        State of the source's file before anything was read of it; None for what is no file.
    """

    network: Network
    source: RasterSource
    options: EncodeOptions
    mapping: tuple[BandMapping, ...]
    header: StreamHeader
    tiles: TilePlan
    extra: Mapping[bytes, bytes]
    reconstruct: bool = False
    outliers: Outliers | None = None
    fingerprint: bytes | None = None
    special: frozenset[int] = frozenset()
    shares: Mapping[int, Share] = field(default_factory=dict)
    beyond: bool = False

    @classmethod
    def of(
        cls,
        network: Network,
        source: RasterSource,
        options: EncodeOptions,
        *,
        origin: bytes | None = None,
        reconstruct: bool = False,
    ) -> Self:
        """Plan of compressing a raster; reads as much of it as the mapping needs.

        Raises
        ------
        InvalidOption
            If the ranges or the weights do not fit the bands.
        """
        if len(options.band_weights) not in (0, source.info.bands):
            raise InvalidOption(
                f"{len(options.band_weights)} weights were given for {source.info.bands} bands; "
                "give one a band."
            )
        fingerprint = source_fingerprint(source)
        mapping, outliers = coded_range(source, options.ranges)
        exact = options.max_error is not None
        extra = {} if origin is None else {ORIGIN: origin}
        if exact:  # where they are samples like the others
            outliers = None
        if outliers is not None:
            source, extra[OUTLIERS] = OutlierSource(source, outliers), pack_outliers(outliers)
        header = header_for(
            source.info,
            mapping,
            tile_size=options.tile_size,
            halo=HALO,
            quality_steps=options.quality_steps,
            # Whoever reads a file without latents needs no weights.
            weights_hash=bytes(8) if exact else network.entry.short_hash,
            profile="" if exact else network.entry.profile,
            bound=options.max_error,
            whole=exact,
            has_outliers=outliers is not None,
        )
        tiles = TilePlan(header.width, header.height, header.tile_size, header.halo)
        return cls(
            network=network,
            source=source,
            options=options,
            mapping=mapping,
            header=header,
            tiles=tiles,
            extra=extra,
            reconstruct=reconstruct,
            outliers=outliers,
            fingerprint=fingerprint,
            special=frozenset() if options.region is None else _touched(tiles, options.region),
        )

    @property
    def info(self) -> RasterInfo:
        """Description of the raster."""
        return self.source.info

    @property
    def quality(self) -> float:
        """Quality in the unit of the options."""
        return self.header.quality_steps / QUALITY_STEPS

    @property
    def resume_key(self) -> bytes | None:
        """What a run must have in common with an interrupted one to go on from it, besides the header."""
        if self.fingerprint is None:
            return None
        options = self.options
        return self.fingerprint + f"\0{options.check}{options.region}{options.refinement}".encode()

    @property
    def exact(self) -> bool:
        """Whether all tiles are coded without the network, with a bound or without loss."""
        return self.header.whole

    @property
    def checks(self) -> bool:
        """Whether what the network makes of tiles is compared with other ways."""
        return self.options.check and not self.exact

    @property
    def decodes(self) -> bool:
        """Whether the decoder's pixels are computed."""
        return self.reconstruct or self.options.check

    def quality_of(self, index: int) -> float:
        """Quality of a tile."""
        return unpack_quality(self.stored_quality(index), self.quality)

    def stored_quality(self, index: int) -> int:
        """Quality of a tile as the index has it; 0: that of the header."""
        region = self.options.region
        if region is None or index not in self.special:
            return 0
        return pack_quality(round((region.quality - QUALITY_MIN) * TILE_STEPS))

    def is_shared(self, index: int) -> bool:
        """Whether a target says that a tile is kept without latents."""
        share = self.shares.get(index)
        return share is not None and share.kind != UnitKind.LATENTS

    def in_tiles_of(self, side: int) -> Self:
        """Plan of the same compression in tiles of another size, which touch no region."""
        header = replace(self.header, tile_size=side)
        tiles = TilePlan(header.width, header.height, side, header.halo)
        return replace(self, options=replace(self.options, tile_size=side), header=header, tiles=tiles)

    def through(self, components: Components | None) -> Self:
        """Plan of the same compression, with bands that enter the network through a component transform."""
        return replace(self, header=replace(self.header, components=components))

    def corrected(self, correction: Correction | None) -> Self:
        """Plan of the same compression, with a correction of what the network gives."""
        return replace(self, header=replace(self.header, correction=correction))

    def allotted(self, shares: Mapping[int, Share], *, beyond: bool = False) -> Self:
        """Plan of the same compression, with tiles of which is said how they are kept."""
        return replace(self, shares=shares, beyond=beyond)

    def at(self, steps: int) -> Self:
        """Plan of the same compression at another quality, in 1/256 steps."""
        return replace(self, header=replace(self.header, quality_steps=steps))

    def check_unchanged(self) -> None:
        """Verification that the source's file is as it was before the first reading.

        A file that is gone was read to its end: what was made of it may be all that is left.

        Raises
        ------
        UnsupportedRaster
        """
        now = source_fingerprint(self.source)
        if now is not None and now != self.fingerprint:
            raise UnsupportedRaster(f"“{self.info.path}” changed while it was being read; compress it again.")


def _touched(tiles: TilePlan, region: QualityRegion) -> frozenset[int]:
    """Tiles that a region touches."""
    from rasterio.features import rasterize

    shapes = [{"type": "Polygon", "coordinates": polygon} for polygon in region.polygons]
    grid = rasterize(
        shapes,
        out_shape=(tiles.rows, tiles.columns),
        transform=Affine.scale(tiles.tile_size),
        all_touched=True,
        dtype="uint8",
    )
    return frozenset(np.flatnonzero(grid).tolist())


def source_fingerprint(source: RasterSource) -> bytes | None:
    """State of a source's file, which tells it from others and its own earlier ones; None for no file."""
    if not source.info.path:  # which is no name of the current folder
        return None
    file = identity(source.info.path)
    return None if file is None else file + source.part.encode()
