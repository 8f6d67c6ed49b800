"""A codec, an engine and a user that do what the test says, in no time."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pytestqt.qtbot import QtBot
from rasterio.crs import CRS

from fdegc.control import CancelToken, ProgressMeter
from fdegc.errors import CorruptStream, DeviceUnavailable, FdegcError
from fdegc.format.header import StreamHeader
from fdegc.format.info import describe, read_info
from fdegc.format.metadata import OVERVIEW, metadata_blocks
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import KINDS, EncodeOptions, ValueRange
from fdegc.raster import peak_value, plan_mapping
from fdegc.raster.mapping import count_clipped
from fdegc.raster.saving import kind_of
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import (
    DecodeResult,
    EncodeResult,
    ErrorFigures,
    Estimate,
    MetricSet,
    StreamInfo,
    TileResult,
)
from fdegc.types import Samples
from fdegc_gui.dialogs.files import FileDialogs
from fdegc_gui.jobs.engine import Engine
from fdegc_gui.main_window import MainWindow

DEVICES = [("cpu", "CPU (fake)"), ("cuda:0", "GPU (fake)")]


def tiles(info: RasterInfo, side: int) -> Iterator[Window]:
    for y in range(0, info.height, side):
        for x in range(0, info.width, side):
            yield Window(x, y, min(side, info.width - x), min(side, info.height - y))


class FakeCodec:
    """Quantises brightness coarsely instead of compressing.

    The engine's ``gate`` holds the work before its second tile (a decoding: before those in ``holds``)
    until the test sets it (or cancels).
    """

    def __init__(self, device: str, owner: FakeEngine) -> None:
        known = dict(DEVICES)
        if device != "auto" and device not in known:
            raise DeviceUnavailable(f"There is no device {device} here.")
        self.device = "cpu" if device == "auto" else device
        self.device_label = known[self.device]
        self.owner = owner

    def _wait(self, cancel: CancelToken | None) -> None:
        gate = self.owner.gate
        while gate is not None and not gate.wait(0.005):
            if cancel is not None:
                cancel.check()
        if cancel is not None:
            cancel.check()

    def encode(
        self,
        source: Any,
        out: Path,
        options: EncodeOptions,
        *,
        reconstruct: bool = False,
        resume: bool = False,
        on_progress: Callable[..., None] | None = None,
        on_tile: Callable[[TileResult], None] | None = None,
        cancel: CancelToken | None = None,
        overwrite: bool = False,
    ) -> EncodeResult:
        info: RasterInfo = source.info
        step = 2 ** (7 - int(options.quality)) if options.max_error is None else 1 + int(options.max_error)
        meter = ProgressMeter("encode", info.pixels, on_progress)
        done, squared, count, clipped = 0, 0.0, 0, 0
        kept = plan_mapping(source, options.ranges) if options.ranges else ()
        for i, window in enumerate(tiles(info, 64)):
            if i == 1:
                self._wait(cancel)
                if self.owner.fail is not None:
                    raise self.owner.fail
            samples = source.read(window)
            pixels = (samples.pixels // step * step).astype(samples.pixels.dtype)
            if kept:
                clipped += count_clipped(samples, kept)
                ends = np.array([(one.offset, one.offset + one.scale) for one in kept])[..., None, None]
                pixels = np.clip(pixels, ends[:, 0], ends[:, 1]).astype(pixels.dtype)
            error = float(((pixels.astype(np.float64) - samples.pixels) ** 2).sum())
            done += window.pixels // step
            squared, count = squared + error, count + pixels.size
            if on_tile is not None:
                tile = Samples(pixels, samples.valid, samples.alpha)
                on_tile(TileResult(window, tile, done, error, pixels.size))
            meter.advance(window.pixels)
        out.write_bytes(b"FAKE" + bytes(done))
        size = done + 4
        peak = peak_value(kept) if kept else 255  # as the codec's, against the range that is kept
        psnr = float(10 * np.log10(peak**2 * count / squared)) if squared else float("inf")
        errors = ErrorFigures(psnr, None, 0.0, (squared / count) ** 0.5, 0.0, None, ()) if kept else None
        return EncodeResult(
            out, size, 8 * size / info.pixels, info.raw_bytes / size, 1.5, 0.5, psnr,
            options.quality, self.device_label, i + 1, max_error=options.max_error,
            clipped=clipped, errors=errors,
        )  # fmt: skip

    def decode(
        self,
        path: Path,
        sink: Any = None,
        *,
        window: Window | None = None,
        asked: Callable[[Window], bool] | None = None,
        on_progress: Callable[..., None] | None = None,
        on_tile: Callable[[TileResult], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> DecodeResult:
        damaged = []
        if window is not None:
            self.owner.windows.append(window)
        with ContainerReader(path) as reader:
            info = describe(reader)
            meter = ProgressMeter("decode", info.raster.pixels, on_progress)
            for i, place in enumerate(tiles(info.raster, info.tile_size)):
                if window is not None and place.intersection(window) is None:
                    continue
                if asked is not None and not asked(place):
                    meter.advance(place.pixels)
                    continue
                if i in self.owner.holds:
                    self._wait(cancel)
                value = 100 + i
                try:
                    reader.payload(i * reader.header.groups)
                except CorruptStream:
                    value = 0
                    damaged.append(place)
                pixels = np.full((info.raster.bands, place.height, place.width), value, info.raster.dtype)
                if on_tile is not None:
                    on_tile(TileResult(place, Samples(pixels), 10 * i))
                meter.advance(place.pixels)
        return DecodeResult(info, 0.7, self.device_label, tuple(damaged))

    def estimate_all(
        self, source: Any, *, ranges: Sequence[ValueRange] = (), cancel: CancelToken | None = None
    ) -> dict[int, Estimate]:
        size = 3000 if ranges else 1000
        return {rate: Estimate(size * rate, 0.5 * rate, 10**8) for rate in range(1, 7)}


def write_stream(
    path: Path, picture: np.ndarray | None = None, width: int = 150, height: int = 100, bands: int = 3
) -> StreamInfo:
    """Write a real ``.fdegc`` file of 64-pixel tiles, whose payloads are fakes.

    Parameters
    ----------
    path : Path
    picture : ndarray of uint8, optional
        The overview, shape (rows, columns) or (rows, columns, 3).
    width, height, bands : int
    """
    raster = RasterInfo(
        str(path), "FDEGC", width, height, bands, "uint8",
        crs_wkt=CRS.from_epsg(32633).to_wkt(version="WKT2_2019"),
        transform=(0.5, 0.0, 500000.0, 0.0, -0.5, 5800000.0),
    )  # fmt: skip
    header = StreamHeader(
        width, height, bands, "uint8", 64, 16, 896, bytes.fromhex("0123456789abcdef"), "lite"
    )
    with ContainerWriter(path, header, overwrite=True) as writer:
        for unit in range(header.units):
            writer.add(b"payload %d" % unit)
        for tag, data in metadata_blocks(raster).items():
            writer.add_block(tag, data)
        if picture is not None:
            out = io.BytesIO()
            Image.fromarray(picture).save(out, "WEBP", quality=90)
            writer.add_block(OVERVIEW, out.getvalue())
        writer.commit()
    return read_info(path)


def damage(path: Path, data: bytes) -> None:
    """Change one byte of what a file holds."""
    content = path.read_bytes()
    assert content.count(data) == 1
    at = content.index(data) + len(data) // 2
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def fake_measure(reference: Samples, other: Samples, info: RasterInfo, peak: float, **_: Any) -> MetricSet:
    largest = float(np.abs(other.pixels.astype(np.float64) - reference.pixels).max())
    return MetricSet(
        errors=ErrorFigures(30.0, 30.0, largest, 1.0, 0.0, None, ()),
        ms_ssim=0.98765,
        ms_ssim_db=19.1,
        vifp=0.75,
        notes={"lpips": "Its backbone weights are not here."},
    )


class FakeEngine:
    """Makes fake codecs.

    ``load_error`` makes loading fail, ``fail`` the work; ``gate`` holds it up; ``windows`` are those that
    were decoded by themselves.
    """

    def __init__(self) -> None:
        self.gate: threading.Event | None = None
        self.holds = {1}
        self.windows: list[Window] = []
        self.fail: BaseException | None = None
        self.load_error: FdegcError | None = None
        self.loaded: list[str] = []
        self.engine = Engine(self._load, lambda: DEVICES, fake_measure)

    def _load(self, device: str) -> FakeCodec:
        if self.load_error is not None:
            raise self.load_error
        codec = FakeCodec(device, self)
        self.loaded.append(device)
        return codec


class FakeUser(FileDialogs):
    """Answers the dialogs."""

    def __init__(self) -> None:
        self.answer: Path | None = None
        self.kind: str | None = None  # of image that is chosen; by default what its name says
        self.usual_kind = ""
        self.offered_kinds: tuple[str, ...] = ()
        self.replace = True
        self.leave = True
        self.lost: list[str] = []
        self.asked: list[str] = []
        self.suggested = ""
        self.part: str | None = None
        self.parts: tuple[str, ...] = ()
        self.titles: tuple[str, ...] = ()
        self.shown: list[Path] = []

    def show_in_folder(self, path: Path) -> None:
        self.shown.append(path)

    def choose_part(
        self, parent: Any, path: Path, parts: tuple[str, ...], titles: tuple[str, ...] = ()
    ) -> str | None:
        self.asked.append(f"part {path.name}")
        self.parts, self.titles = parts, titles
        return self.part

    def open_file(self, parent: Any, folder: str) -> Path | None:
        self.asked.append(f"open {folder}")
        return self.answer

    def open_other(self, parent: Any, folder: str, side: str) -> Path | None:
        self.asked.append(f"open as {side}")
        return self.answer

    def save_table(self, parent: Any, suggestion: str) -> Path | None:
        self.suggested = suggestion
        return self.answer

    def save_plot(self, parent: Any, suggestion: str) -> Path | None:
        self.suggested = suggestion
        return self.answer

    def save_stream(self, parent: Any, suggestion: str) -> Path | None:
        self.suggested = suggestion
        return self.answer

    def save_image(
        self, parent: Any, suggestion: str, kind: str, kinds: Collection[str] = tuple(KINDS)
    ) -> tuple[Path, str] | None:
        self.suggested, self.usual_kind, self.offered_kinds = suggestion, kind, tuple(kinds)
        return None if self.answer is None else (self.answer, kind_of(self.answer, self.kind))

    def confirm_loss(self, parent: Any, name: str, words: str) -> bool:
        self.lost.append(words)
        return self.leave

    def confirm_overwrite(self, parent: Any, path: Path) -> bool:
        self.asked.append(f"replace {path.name}")
        return self.replace


def said(qtbot: QtBot, window: MainWindow, start: str, timeout: int) -> AbstractContextManager[object]:
    """Wait until the window says a sentence that starts so."""
    return qtbot.waitSignal(
        window.controller.message, timeout=timeout, check_params_cb=lambda words: words.startswith(start)
    )


def saved(qtbot: QtBot, window: MainWindow, timeout: int) -> AbstractContextManager[object]:
    """Wait until an export is finished."""
    return said(qtbot, window, "Saved ", timeout)
