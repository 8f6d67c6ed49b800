"""Plan of a compression: settled once, and handed to all who take part in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from typing_extensions import Self

from fdegc.atomic import identity
from fdegc.codec.network import Network
from fdegc.codec.tiling import TilePlan
from fdegc.errors import UnsupportedRaster
from fdegc.format.header import StreamHeader
from fdegc.format.info import ORIGIN, header_for
from fdegc.options import QUALITY_STEPS, EncodeOptions
from fdegc.raster import RasterSource
from fdegc.raster.mapping import plan_mapping
from fdegc.raster_info import RasterInfo
from fdegc.types import HALO, BandMapping


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EncodingPlan:
    """Plan of a compression: network, source, mapping, header, tiles and options.

    Attributes
    ----------
    network : Network
    source : RasterSource
        Read by the thread that runs the compression, and by no other.
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
    fingerprint: bytes | None = None

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
            If the ranges do not fit the bands.
        """
        fingerprint = source_fingerprint(source)
        mapping = plan_mapping(source, options.ranges)
        header = header_for(
            source.info,
            mapping,
            tile_size=options.tile_size,
            halo=HALO,
            quality_steps=options.quality_steps,
            weights_hash=network.entry.short_hash,
            profile=network.entry.profile,
        )
        return cls(
            network=network,
            source=source,
            options=options,
            mapping=mapping,
            header=header,
            tiles=TilePlan(header.width, header.height, header.tile_size, header.halo),
            extra={} if origin is None else {ORIGIN: origin},
            reconstruct=reconstruct,
            fingerprint=fingerprint,
        )

    @property
    def info(self) -> RasterInfo:
        """Description of the raster."""
        return self.source.info

    @property
    def quality(self) -> float:
        """Quality in the unit of the options."""
        return self.header.quality_steps / QUALITY_STEPS

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


def source_fingerprint(source: RasterSource) -> bytes | None:
    """State of a source's file, which tells it from others and its own earlier ones; None for no file."""
    if not source.info.path:  # which is no name of the current folder
        return None
    file = identity(source.info.path)
    return None if file is None else file + source.part.encode()
