"""Lossless planes: validity mask and alpha band, coded strip by strip (``docs/format.md``).

A strip is one row of tiles.  The writer holds one uncompressed strip, the reader at most two, so
the height of a scene costs no memory.  Each strip is deflated, or coded by contexts
(:mod:`fdegc.format.strips`) where that is shorter.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from fdegc.control import Check, never
from fdegc.errors import CorruptStream, InvalidOption, OutputFailed
from fdegc.format import strips
from fdegc.format.header import MAX_BLOCK
from fdegc.raster_info import Window

Bytes2d = npt.NDArray[np.uint8]

#: Bytes that one strip may unpack to.
MAX_STRIP = 128 << 20

_CACHED_STRIPS = 2
_LENGTH = np.dtype("<u4")
_LEVEL = 6


class _Layout:
    """Sizes of a plane and its strips; a mask's rows are packed to bits."""

    def __init__(
        self, width: int, height: int, strip_height: int, dtype: npt.DTypeLike, name: str | None
    ) -> None:
        self.width, self.height, self.strip_height = width, height, strip_height
        self.dtype = np.dtype(dtype)
        self.is_mask = self.dtype == np.bool_
        self.name = name or ("validity mask" if self.is_mask else "alpha band")
        #: Little-endian unsigned integers as wide as a sample: NaNs are compared like other values.
        self.raw = np.dtype(f"<u{self.dtype.itemsize}")
        self.stride = -(-width // 8) if self.is_mask else width * self.dtype.itemsize
        self.strips = -(-height // strip_height)
        self.strip_bytes = self.stride * min(strip_height, height)

    def rows(self, strip: int) -> int:
        """Rows of a strip; the last one may have fewer than the others."""
        return min(self.strip_height, self.height - strip * self.strip_height)


class PlaneWriter:
    """Writer of a lossless plane that arrives tile by tile.

    Parameters
    ----------
    width, height : int
        Pixels of the scene.
    strip_height : int
        Rows of a strip: the side of a tile, a multiple of 8.
    dtype : dtype-like
        bool for a mask, else the alpha band's type.
    name : str, optional
        What errors call it.
    contexts : bool
        Whether strips may be coded by contexts.

    Attributes
    ----------
    in_pieces : bool
        Whether a strip so far is coded so; the header has to say it.

    Raises
    ------
    InvalidOption
        If a strip would take more than :data:`MAX_STRIP` bytes.
    """

    def __init__(
        self,
        width: int,
        height: int,
        strip_height: int,
        dtype: npt.DTypeLike,
        name: str | None = None,
        *,
        contexts: bool = False,
    ) -> None:
        self._layout = layout = _Layout(width, height, strip_height, dtype, name)
        self._contexts = contexts and strips.can_code(layout.dtype)
        self.in_pieces = False
        if layout.strip_bytes > MAX_STRIP:
            raise InvalidOption(
                f"One row of tiles of the {layout.name} takes more than {MAX_STRIP >> 20} MiB: "
                "choose smaller tiles."
            )
        self._streams: list[bytes] = []
        self._bytes = 0
        self._x = 0
        self._strip = self._new_strip()

    def _new_strip(self) -> Bytes2d:
        if self._complete:
            return np.zeros((0, 0), np.uint8)
        return np.zeros((self._layout.rows(len(self._streams)), self._layout.stride), np.uint8)

    @property
    def _complete(self) -> bool:
        return len(self._streams) == self._layout.strips

    def add(self, window: Window, values: npt.NDArray[np.generic] | None, check: Check = never) -> None:
        """Addition of the next tile's samples.

        Parameters
        ----------
        window : Window
            The tile, clipped to the scene.  Tiles come in raster order, each once.
        values : ndarray, shape (window.height, window.width), the plane's dtype; or None
            None for a tile of zeros.
        check : callable, optional
            Called now and then, on any thread, where the tile completes a strip; raises to cancel.

        Raises
        ------
        OutputFailed
            If the coded plane grows beyond what a block may hold.
        ValueError
            If this is not the next tile.
        """
        layout = self._layout
        strip = len(self._streams)
        place = (self._x, strip * layout.strip_height, layout.rows(strip) if not self._complete else 0)
        if place != (window.x, window.y, window.height) or window.x + window.width > layout.width:
            raise ValueError(f"{window} is not the next tile of the {layout.name}")
        if values is not None and values.shape != (window.height, window.width):
            raise ValueError(f"the samples' shape {values.shape} does not fit {window}")
        self._x += window.width
        first, last = self._columns(window)
        if values is not None:
            self._strip[:, first:last] = self._bytes_of(values)
        if self._x == layout.width:
            self._finish_strip(check)

    def _columns(self, window: Window) -> tuple[int, int]:
        """First and last + 1 byte column of a window; only the scene's last tile may end inside a byte."""
        layout = self._layout
        if not layout.is_mask:
            return window.x * layout.dtype.itemsize, (window.x + window.width) * layout.dtype.itemsize
        if window.x % 8:
            raise ValueError("a mask's tiles start at multiples of eight pixels")
        return window.x // 8, -(-(window.x + window.width) // 8)

    def _bytes_of(self, values: npt.NDArray[np.generic]) -> Bytes2d:
        if self._layout.is_mask:
            return np.packbits(values.astype(bool, copy=False), axis=1)
        little = np.ascontiguousarray(values, self._layout.dtype.newbyteorder("<"))
        return little.view(np.uint8).reshape(values.shape[0], -1)

    def _finish_strip(self, check: Check) -> None:
        stream = self._constant()
        if stream is None:
            stream = self._deflated()
            if self._contexts:
                layout = self._layout
                shorter = strips.encode(self._strip, layout.width, layout.dtype, len(stream), check)
                if shorter is not None:
                    stream, self.in_pieces = shorter, True
        self._bytes += len(stream) + _LENGTH.itemsize
        if self._bytes > MAX_BLOCK:
            raise OutputFailed(
                f"The {self._layout.name} takes more than the {MAX_BLOCK >> 20} MiB that a file may hold of "
                "it: cut the scene into parts."
            )
        self._streams.append(stream)
        self._x = 0
        self._strip = self._new_strip()

    def _deflated(self) -> bytes:
        differences = self._strip.copy()
        if self._layout.is_mask:
            differences[1:] ^= self._strip[:-1]
        else:
            differences[:, 1:] -= self._strip[:, :-1]
        return zlib.compress(differences.data, _LEVEL)

    def _constant(self) -> bytes | None:
        """The one sample that fills the strip, if it is the same everywhere."""
        layout = self._layout
        if not layout.is_mask:
            samples = self._strip.view(layout.raw)
            return samples[0, 0].tobytes() if bool((samples == samples[0, 0]).all()) else None
        # Bits beyond the scene are 0, so the last byte of a valid row may have fewer ones.
        full = np.packbits(np.ones(layout.width, bool))
        if bool((self._strip == full).all()):
            return b"\x01"
        return None if self._strip.any() else b"\x00"

    def finish(self) -> bytes:
        """Data of the block: the strips' lengths, then the strips.

        Raises
        ------
        ValueError
            If tiles are missing.
        """
        if not self._complete:
            raise ValueError(f"tiles of the {self._layout.name} are missing")
        lengths = np.array([len(stream) for stream in self._streams], _LENGTH)
        return lengths.tobytes() + b"".join(self._streams)


class PlaneReader:
    """Reader of windows of a coded plane, on any thread; decodes strips they touch, and keeps the last two.

    Parameters
    ----------
    data : bytes
        Data of the block.
    width, height, strip_height, dtype, name
        As given to :class:`PlaneWriter`.
    contexts : bool
        Whether the header says that strips may be coded by contexts.

    Raises
    ------
    CorruptStream
        If the strips' lengths do not fit the data, or a strip could unpack to more than
        :data:`MAX_STRIP` bytes.
    """

    def __init__(
        self,
        data: bytes,
        width: int,
        height: int,
        strip_height: int,
        dtype: npt.DTypeLike,
        name: str | None = None,
        *,
        contexts: bool = False,
    ) -> None:
        self._layout = layout = _Layout(width, height, strip_height, dtype, name)
        self._contexts = contexts
        if layout.strip_bytes > MAX_STRIP:
            raise CorruptStream(
                f"The {layout.name} of the file would need more than {MAX_STRIP >> 20} MiB a row of tiles."
            )
        start = layout.strips * _LENGTH.itemsize
        if len(data) < start:
            raise CorruptStream(f"The {layout.name} of the file is malformed: strips are missing.")
        lengths = np.frombuffer(data, _LENGTH, layout.strips).astype(np.int64)
        self._offsets = np.concatenate([[start], start + np.cumsum(lengths)])
        if self._offsets[-1] != len(data):
            raise CorruptStream(f"The {layout.name} of the file is malformed: the strips' lengths are wrong.")
        self._data = memoryview(data)
        self._cache: OrderedDict[int, Bytes2d | strips.PieceReader] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, window: Window, check: Check = never) -> npt.NDArray[np.generic]:
        """Samples of a window.

        Parameters
        ----------
        window : Window
            Inside the scene.
        check : callable, optional
            Called now and then, on any thread, while strips are decoded; raises to cancel.

        Returns
        -------
        ndarray, shape (window.height, window.width), the plane's dtype

        Raises
        ------
        CorruptStream
            If a strip that the window touches is malformed.
        """
        layout = self._layout
        out = np.empty((window.height, window.width), layout.dtype)
        y, end = window.y, window.y + window.height
        while y < end:
            strip = y // layout.strip_height
            top = strip * layout.strip_height
            stop = min(top + layout.rows(strip), end)
            target = out[y - window.y : stop - window.y]
            stream = self._data[self._offsets[strip] : self._offsets[strip + 1]]
            if len(stream) == layout.dtype.itemsize:
                # No other data are as short as one sample: it is the sample that fills the strip.
                target[:] = self._sample(stream, strip)
            else:
                with self._lock:
                    rows = self._rows(strip, stream, window, check)
                target[:] = self._cut(rows[y - top : stop - top], window)
            y = stop
        return out

    def _sample(self, stream: memoryview, strip: int) -> np.generic:
        if self._layout.is_mask and stream[0] > 1:
            raise self._malformed(strip)
        sample: np.generic = np.frombuffer(stream, self._layout.dtype.newbyteorder("<"))[0]
        return sample

    def _cut(self, rows: Bytes2d, window: Window) -> npt.NDArray[np.generic]:
        """Samples of a window's columns from whole rows."""
        layout = self._layout
        if not layout.is_mask:
            return rows.view(layout.dtype.newbyteorder("<"))[:, window.cols]
        first = window.x // 8
        packed = rows[:, first : -(-(window.x + window.width) // 8)]
        bits = np.unpackbits(packed, axis=1)
        return bits[:, window.x - first * 8 : window.x - first * 8 + window.width].astype(bool)

    def _rows(self, strip: int, stream: memoryview, window: Window, check: Check) -> Bytes2d:
        """All rows of a strip, shape (rows, stride), decoded as far as a window's columns need it."""
        if strip in self._cache:
            self._cache.move_to_end(strip)
        else:
            while len(self._cache) >= _CACHED_STRIPS:
                self._cache.popitem(last=False)
            self._cache[strip] = self._opened(strip, stream)
        found = self._cache[strip]
        if not isinstance(found, strips.PieceReader):
            return found
        try:
            return found.rows(window.x, window.x + window.width, check)
        except CorruptStream as error:
            raise self._malformed(strip) from error

    def _opened(self, strip: int, stream: memoryview) -> Bytes2d | strips.PieceReader:
        layout = self._layout
        if self._contexts and stream[:1] == bytes([strips.PIECES]):
            try:
                return strips.PieceReader(stream, layout.rows(strip), layout.width, layout.dtype)
            except CorruptStream as error:
                raise self._malformed(strip) from error
        differences = self._inflate(stream, layout.stride * layout.rows(strip), strip)
        raw = np.frombuffer(differences, np.uint8).reshape(layout.rows(strip), layout.stride)
        rows: Bytes2d
        if layout.is_mask:
            rows = np.bitwise_xor.accumulate(raw, axis=0)
        else:
            rows = np.cumsum(raw, axis=1, dtype=np.uint8)
        return rows

    def _inflate(self, stream: memoryview, size: int, strip: int) -> bytes:
        """Inflate exactly ``size`` bytes; a stream that holds more is never inflated further."""
        inflater = zlib.decompressobj()
        try:
            out = inflater.decompress(stream, size + 1)
        except zlib.error as error:
            raise self._malformed(strip) from error
        if len(out) != size or not inflater.eof or inflater.unused_data:
            raise self._malformed(strip)
        return out

    def _malformed(self, strip: int) -> CorruptStream:
        layout = self._layout
        top = strip * layout.strip_height
        return CorruptStream(
            f"The {layout.name} of the file is malformed in rows {top} to {top + layout.rows(strip) - 1}."
        )
