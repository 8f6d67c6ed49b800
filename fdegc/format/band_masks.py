"""Lossless masks of single bands: samples missing in pixels that are valid (``docs/format.md``)."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from fdegc.control import Check, never
from fdegc.errors import CorruptStream, OutputFailed
from fdegc.format.header import MAX_BLOCK
from fdegc.format.planes import PlaneReader, PlaneWriter
from fdegc.raster_info import Window

Masks = npt.NDArray[np.bool_]

_NAME = "mask of a band"


class BandMasksWriter:
    """Writer of masks of single bands that arrive tile by tile.

    Parameters
    ----------
    bands, width, height : int
        Of the scene.
    strip_height, contexts
        As for :class:`~fdegc.format.planes.PlaneWriter`.
    """

    def __init__(
        self, bands: int, width: int, height: int, strip_height: int, *, contexts: bool = False
    ) -> None:
        self._size = (width, height, strip_height)
        self._contexts = contexts
        # Most bands lack nothing, and take no memory then.
        self._planes: list[PlaneWriter | None] = [None] * bands
        self._tiles: list[Window] = []

    @property
    def in_pieces(self) -> bool:
        """Whether a strip so far is coded by contexts."""
        return any(plane is not None and plane.in_pieces for plane in self._planes)

    def add(self, window: Window, missing: Masks | None, check: Check = never) -> None:
        """Addition of the next tile's masks.

        Parameters
        ----------
        window : Window
            The tile; see :meth:`~fdegc.format.planes.PlaneWriter.add`.
        missing : ndarray of bool, shape (bands, window.height, window.width), or None
            None if nothing is missing.
        check : callable, optional
            As for :meth:`~fdegc.format.planes.PlaneWriter.add`.

        Raises
        ------
        OutputFailed, InvalidOption, ValueError
            As for :class:`~fdegc.format.planes.PlaneWriter`.
        """
        for band, plane in enumerate(self._planes):
            mask = None if missing is None or not missing[band].any() else missing[band]
            if plane is None and mask is not None:
                plane = self._planes[band] = PlaneWriter(
                    *self._size, np.bool_, _NAME, contexts=self._contexts
                )
                for tile in self._tiles:
                    plane.add(tile, None, check)
            if plane is not None:
                plane.add(window, mask, check)
        self._tiles.append(window)

    def finish(self) -> bytes:
        """Data of the block.

        Raises
        ------
        OutputFailed
            If they are more than a block may hold.
        ValueError
            If tiles are missing.
        """
        planes = [b"" if plane is None else plane.finish() for plane in self._planes]
        data = struct.pack(f"<{len(planes)}I", *map(len, planes)) + b"".join(planes)
        if len(data) > MAX_BLOCK:
            raise OutputFailed(
                f"The masks of the bands take more than the {MAX_BLOCK >> 20} MiB that a file may hold of "
                "them: cut the scene into parts."
            )
        return data


class BandMasksReader:
    """Reader of windows of the masks of single bands.

    Parameters
    ----------
    data : bytes
        Data of the block.
    bands, width, height, strip_height
        As given to :class:`BandMasksWriter`.
    contexts : bool
        As for :class:`~fdegc.format.planes.PlaneReader`.

    Raises
    ------
    CorruptStream
        If the lengths in the data are wrong.
    """

    def __init__(
        self, data: bytes, bands: int, width: int, height: int, strip_height: int, *, contexts: bool = False
    ) -> None:
        head = struct.Struct(f"<{bands}I")
        malformed = CorruptStream(
            "The masks of the bands of the file are malformed: their lengths are wrong."
        )
        if len(data) < head.size:
            raise malformed
        lengths = head.unpack_from(data)
        if head.size + sum(lengths) != len(data):
            raise malformed
        self._planes: list[PlaneReader | None] = []
        at = head.size
        for length in lengths:
            plane = data[at : at + length]
            at += length
            self._planes.append(
                PlaneReader(plane, width, height, strip_height, np.bool_, _NAME, contexts=contexts)
                if length
                else None
            )

    def read(self, window: Window, check: Check = never) -> Masks | None:
        """Masks of a window, bool (bands, window.height, window.width); None if nothing is missing there.

        Parameters
        ----------
        window, check
            As for :meth:`~fdegc.format.planes.PlaneReader.read`.

        Raises
        ------
        CorruptStream
            If what the window touches is malformed.
        """
        out: Masks | None = None
        for band, plane in enumerate(self._planes):
            if plane is None:
                continue
            mask = plane.read(window, check).astype(bool, copy=False)
            if mask.any():
                if out is None:
                    out = np.zeros((len(self._planes), window.height, window.width), bool)
                out[band] = mask
        return out
