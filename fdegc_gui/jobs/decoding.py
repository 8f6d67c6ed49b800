"""Job of the engine lane that decodes a file, what is looked at before the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fdegc.control import CancelToken
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import DecodeResult, TileResult
from fdegc.types import RasterStatistics
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.coding import CodedTile, TileWork
from fdegc_gui.jobs.engine import CodecLike

#: Side of the grid of samples that tells the display range of a decoded scene.
_STATISTICS_SIDE = 1536
#: Pixels of tiles that are decoded ahead of the others at once, and their share of what is left to decode.
#: Of a larger view the usual order shows as much, and latents would be decoded twice.
_AHEAD, _SHARE = 12_000_000, 1 / 4


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Outcome of a decoding."""

    decode: DecodeResult
    statistics: RasterStatistics


class LookedAt:
    """Part of a scene that is looked at: the window's thread tells it, a job asks for it.

    Attributes
    ----------
    window : Window or None
        In the scene's pixels.
    """

    def __init__(self) -> None:
        self.window: Window | None = None


class ViewFirst:
    """Tap between a codec and another tap: after every tile those that are looked at have their turn.

    What comes ahead is not asked for again; of what is in work by then, one of both is passed on.

    Parameters
    ----------
    codec : CodecLike
    path : Path
    side : int
        Of a tile.
    info : RasterInfo
    tap : callable
    looked_at : LookedAt
    cancel : CancelToken
    """

    def __init__(
        self,
        codec: CodecLike,
        path: Path,
        side: int,
        info: RasterInfo,
        tap: Callable[[TileResult], None],
        looked_at: LookedAt,
        cancel: CancelToken,
    ) -> None:
        self._codec, self._path, self._side, self._info = codec, path, side, info
        self._tap, self._looked_at, self._cancel = tap, looked_at, cancel
        self._passed: set[tuple[int, int]] = set()
        self._left, self._bytes = info.pixels, 0

    def __call__(self, tile: TileResult) -> None:
        self._bytes = tile.bytes_so_far
        self._pass_on(tile)
        ahead = self._ahead()
        if ahead is not None:
            self._codec.decode(
                self._path, window=ahead, asked=self.lacks, on_tile=self._pass_on, cancel=self._cancel
            )

    def lacks(self, window: Window) -> bool:
        """Whether a tile has not come yet."""
        return (window.x, window.y) not in self._passed

    def _pass_on(self, tile: TileResult) -> None:
        if self.lacks(tile.window):
            self._passed.add((tile.window.x, tile.window.y))
            self._left -= tile.window.pixels
            self._tap(TileResult(tile.window, tile.samples, self._bytes))

    def _ahead(self) -> Window | None:
        """Tiles that are looked at and were not passed on, as the window of all of them."""
        view, side = self._looked_at.window, self._side
        if view is None or view.pixels > _AHEAD:  # nor are its many tiles gone through after each of them
            return None
        columns = range(view.x // side * side, view.x + view.width, side)
        rows = range(view.y // side * side, view.y + view.height, side)
        lacking = [(x, y) for y in rows for x in columns if (x, y) not in self._passed]
        if not lacking:
            return None
        left, top = min(x for x, _ in lacking), min(y for _, y in lacking)
        right = min(max(x for x, _ in lacking) + side, self._info.width)
        bottom = min(max(y for _, y in lacking) + side, self._info.height)
        window = Window(left, top, right - left, bottom - top)
        return window if window.pixels <= min(_AHEAD, _SHARE * self._left) else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decode(TileWork[Decoded]):
    """Decoding of a ``.fdegc`` file.

    Attributes
    ----------
    info : RasterInfo
        As the file has it.
    tile_size : int
    looked_at : LookedAt
        What comes first.
    """

    info: RasterInfo
    tile_size: int
    looked_at: LookedAt

    def run(self, context: Context[CodedTile]) -> Decoded:
        from fdegc.raster import raster_statistics

        codec = context.engine.codec(self.device)
        context.cancel.check()
        with self.tapped(context, self.info) as (writer, tap):
            first = ViewFirst(
                codec, self.path, self.tile_size, self.info, tap, self.looked_at, context.cancel
            )
            decode = codec.decode(
                self.path,
                asked=first.lacks,
                on_progress=context.progress,
                on_tile=first,
                cancel=context.cancel,
            )
            store = writer.finish()
            step = -(-max(self.info.width, self.info.height) // _STATISTICS_SIDE)
            return Decoded(decode, raster_statistics(store.read_every(step)))
