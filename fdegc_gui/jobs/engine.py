"""Engine of the app: the codec, loaded late and in one place."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fdegc.control import CancelToken
from fdegc.options import EncodeOptions, ValueRange
from fdegc.process import other_threads_run
from fdegc.raster_info import Window
from fdegc.results import DecodeResult, EncodeResult, Estimate, MetricSet, TileResult
from fdegc.types import Progress

if TYPE_CHECKING:
    from fdegc.raster import RasterSource


class CodecLike(Protocol):
    """Interface of :class:`fdegc.codec.Codec` as far as the app needs it; tests put a fake in its place."""

    device_label: str

    def encode(
        self,
        source: RasterSource,
        out: Path,
        options: EncodeOptions,
        *,
        reconstruct: bool = False,
        resume: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_tile: Callable[[TileResult], None] | None = None,
        cancel: CancelToken | None = None,
        overwrite: bool = False,
    ) -> EncodeResult: ...

    def decode(
        self,
        path: Path,
        sink: Any = None,
        *,
        window: Window | None = None,
        asked: Callable[[Window], bool] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_tile: Callable[[TileResult], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> DecodeResult: ...

    def estimate_all(
        self,
        source: RasterSource,
        *,
        ranges: Sequence[ValueRange] = (),
        cancel: CancelToken | None = None,
    ) -> Mapping[int, Estimate]: ...


def _measure(*arguments: Any, **options: Any) -> MetricSet:
    from fdegc.metrics import compute

    return compute(*arguments, **options)


@dataclass(frozen=True)
class Engine:
    """Source of codecs and metrics; its functions are called on the engine lane only.

    Attributes
    ----------
    load : callable
        Device id ("auto", "cpu", "cuda:0" ...) → codec.
    devices : callable
        → list of (id, label), the automatic choice first.
    measure : callable
        As ``fdegc.metrics.compute``; tests pass a stand-in.
    """

    load: Callable[[str], CodecLike]
    devices: Callable[[], list[tuple[str, str]]]
    measure: Callable[..., MetricSet] = _measure


_spared: set[str] = set()


@contextlib.contextmanager
def spared(what: str) -> Iterator[Callable[[], None]]:
    """Exemption of what is imported or compiled meanwhile from garbage collection, for ever.

    A collection stops all threads.  Among the hundreds of thousands of objects that torch and numba
    bring it takes a quarter of a second, every time, and frees nothing: they stay until the program
    ends.  For the engine lane only.

    Parameters
    ----------
    what : str
        Happens for the first time; afterwards this does nothing.

    Yields
    ------
    callable
        Ends it before the context does.
    """
    pending = [what] if what not in _spared else []
    if pending:
        gc.disable()

    def end() -> None:
        if pending:
            _spared.add(pending.pop())
            gc.freeze()
            gc.enable()

    try:
        yield end
    finally:
        end()


def _load(device: str) -> CodecLike:
    with spared("import"), other_threads_run():
        from fdegc.codec import Codec  # here, not above: it brings torch, seconds of imports
        from fdegc.coding.warming import warm_up

        warm_up()
    codec: CodecLike = Codec(device=device)
    return codec


def _devices() -> list[tuple[str, str]]:
    from fdegc.codec import available_devices

    return list(available_devices())


#: Engine of the real codec.
REAL_ENGINE = Engine(_load, _devices)


class EngineHost:
    """Keeper of the loaded codec on the lane's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._device: str | None = None
        self._codec: CodecLike | None = None

    def codec(self, device: str) -> CodecLike:
        """Codec on a device, loaded if need be."""
        if self._codec is None or device != self._device:
            self.release()
            self._codec = self.engine.load(device)
            self._device = device
        return self._codec

    def release(self) -> None:
        """Release of the codec and its memory."""
        if self._codec is not None:
            self._codec = None
            self._device = None
            gc.collect()
