"""One file of a batch: whether it is done already, and doing it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.atomic import identity, in_use, remove_stale
from fdegc.batch.listing import Job
from fdegc.batch.rows import FileRow, Status
from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import Cancelled, FdegcError, OutputBusy
from fdegc.format.info import ORIGIN, describe, read_info
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import part_path
from fdegc.options import KINDS, TIFF_KINDS, EncodeOptions
from fdegc.results import StreamInfo

if TYPE_CHECKING:
    from fdegc.codec import Codec
    from fdegc.raster.source import RasterSource
    from fdegc.raster.wish import RasterWish
    from fdegc.raster_info import RasterInfo, Window

#: Seconds after which another process that writes the same output and gets no further is not waited for.
PATIENCE = 600.0
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """Work to be done with every file; values only, so that it can be sent to other machines.

    Attributes
    ----------
    encode : EncodeOptions or None
        None: decompress.
    profile : str or None
        Weights to compress with.
    weights_hash : bytes
        By which these weights are known, so that files of others do not pass for finished.
    psnr, force, resume : bool
        As the arguments of ``fdegc compress``.
    device : str
    threads : int or None
    kind, compression, sparse : str and bool
        Of the rasters that are decompressed, as of :func:`~fdegc.raster.open_sink`.
    wish : RasterWish or None
        What of each raster; windows and boxes also of those that are decompressed.  None for all of it.
    """

    encode: EncodeOptions | None
    profile: str | None = None
    weights_hash: bytes = b""
    psnr: bool = False
    force: bool = False
    resume: bool = True
    device: str = "auto"
    threads: int | None = None
    kind: str = "geotiff"
    compression: str = "deflate"
    sparse: bool = False
    wish: RasterWish | None = None

    def codec(self) -> Codec:
        """Codec that does this work.

        Raises
        ------
        DeviceUnavailable, WeightsMissing, WeightsInvalid
        """
        from fdegc.codec import Codec

        return Codec(device=self.device, threads=self.threads, profile=self.profile)


# ------------------------------------------------------------------------------ done already?


def standing(job: Job, work: Work) -> FileRow | None:
    """Row of a file that needs no work, or must not be worked on; None if it is to be done."""
    if not (os.path.lexists(job.output) and os.path.exists(job.source)):
        return None
    refused = None
    if os.path.isdir(job.output):
        refused = f"“{job.output}” is a folder, not a file."
    elif os.path.exists(job.output) and os.path.samefile(job.output, job.source):
        refused = f"“{job.output}” is the input itself; choose another folder for the outputs."
    elif os.path.exists(job.output) and not os.path.isfile(job.output):
        refused = f"“{job.output}” is not an ordinary file."
    if refused is not None:
        return _row(job, "failed", refused)
    try:
        info, why = _coded_state(job, work) if work.encode is not None else _decoded_state(job, work)
    except FdegcError as error:
        info, why = None, str(error).rstrip(".")
    if why is None and info is not None and work.resume:
        remove_stale(_journal(job.output))
        row = _row(job, "skipped", "It was finished before.", info)
        return dataclasses.replace(row, bytes=job.output.stat().st_size)
    if work.force:
        return None
    why = why or "it was finished before"
    return _row(job, "failed", f"“{job.output}” exists already ({why}); --force overwrites it.")


def _coded_state(job: Job, work: Work) -> tuple[StreamInfo, str | None]:
    """What a ``.fdegc`` file is, and what keeps it from being the result of this work."""
    with ContainerReader(job.output) as reader:
        info, origin = describe(reader), reader.blocks.get(ORIGIN)
        damaged = reader.verify(lambda: None)
    wanted = origin_of(job.source, work)
    if origin is None or wanted is None:
        return info, "it was not made from this file by a run like this"
    if origin[:8] != wanted[:8]:
        return info, "its source is another or has changed since"
    if origin[8:] != wanted[8:]:
        return info, "it was made with other options"
    return info, "it is damaged" if damaged else None


def _decoded_state(job: Job, work: Work) -> tuple[StreamInfo, str | None]:
    """What the source is, and what keeps the raster from being made of it as it is now."""
    from fdegc.raster import open_raster
    from fdegc.raster.palettes import coloured_info
    from fdegc.raster.saving import is_cog

    with ContainerReader(job.source) as reader:
        info = describe(reader)
        problems = reader.verify(lambda: None)
    if problems:
        return info, "its source is damaged"
    source, output = job.source.stat(), job.output.stat()
    # ctime: a file that was moved here may be older than what was made of its predecessor.
    if output.st_mtime_ns < max(source.st_mtime_ns, source.st_ctime_ns):
        return info, "it is older than its source"
    with open_raster(job.output, palette="indices") as raster:
        window = _window(info.raster, work)
        whole = info.raster if raster.info.palette else coloured_info(info.raster)
        wanted = whole if window is None else whole.part(window)
        names = ("width", "height", "bands", "dtype")
        if any(getattr(raster.info, name) != getattr(wanted, name) for name in names):
            return info, "it is another raster"
    if work.kind in TIFF_KINDS and is_cog(job.output) != (work.kind == "cog"):
        return info, "it is a file of another format"
    return info, None


def origin_of(source: Path, work: Work) -> bytes | None:
    """Hashes of a source file as it is now and of the options, eight bytes each; None if it is not there."""
    assert work.encode is not None
    file = identity(source)
    if file is None:
        return None
    # Options that are not used leave no trace: those of later versions do not make files look different.
    options = {
        field.name: getattr(work.encode, field.name)
        for field in dataclasses.fields(work.encode)
        if field.name in ("quality", "tile_size") or getattr(work.encode, field.name) != field.default
    }
    part = "" if work.wish is None else f"\0{work.wish}{_content(work.wish.area)}"
    how = f"{sorted(options.items())}\0{work.weights_hash.hex()}{part}".encode()
    return hashlib.sha256(file).digest()[:8] + hashlib.sha256(how).digest()[:8]


def _window(raster: RasterInfo, work: Work) -> Window | None:
    """Window of a raster that is to be decompressed; None for all of it."""
    return None if work.wish is None else work.wish.find(raster)


def _content(path: Path | None) -> str:
    """Hash of a file, of which the outputs depend."""
    with contextlib.suppress(OSError):
        return "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


# ------------------------------------------------------------------------------ doing it


def attempt(
    job: Job,
    work: Work,
    codec: Callable[[], Codec],
    *,
    wait: bool = False,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken,
) -> FileRow:
    """Row of one file after trying to do it, which says whatever goes wrong.

    Parameters
    ----------
    job : Job
    work : Work
    codec : callable
        Gives the codec when it is needed, the same one each time.
    wait : bool
        Whether to wait for another process that writes the same output, and take its result.
    on_progress : callable, optional
    cancel : CancelToken
        Once it is cancelled, the row is "pending".
    """
    start = time.perf_counter()
    try:
        row = standing(job, work)
        if row is None:
            row = _compress(job, work, codec, wait, on_progress, cancel) if work.encode else None
        if row is None:
            row = _decompress(job, work, codec, on_progress, cancel)
    except Cancelled:
        return _row(job, "pending", "Interrupted.")
    except FdegcError as error:
        row = _row(job, "failed", str(error))
    except MemoryError:
        row = _row(job, "failed", "There is not enough memory for this; smaller tiles need less.")
    except OSError as error:
        row = _row(job, "failed", f"“{error.filename or job.source}”: {error.strerror or error}.")
    except Exception as error:  # one file must not cost the others of a night
        row = _row(
            job, "failed", f"{job.source} met a fault of FDEGC ({type(error).__name__}: {error}); report it."
        )
    if row.status == "skipped":
        return row
    return dataclasses.replace(row, seconds=time.perf_counter() - start)


def _compress(
    job: Job,
    work: Work,
    codec: Callable[[], Codec],
    wait: bool,
    on_progress: ProgressCallback | None,
    cancel: CancelToken,
) -> FileRow:
    while True:
        try:
            return _encode(job, work, codec, on_progress, cancel)
        except OutputBusy:
            if not wait:
                raise
            _wait_for_other(job.output, cancel)
        done = standing(job, work)
        if done is not None:
            return done


def _encode(
    job: Job,
    work: Work,
    codec: Callable[[], Codec],
    on_progress: ProgressCallback | None,
    cancel: CancelToken,
) -> FileRow:
    from fdegc.raster.classes import palette_way, settle
    from fdegc.raster.wish import RasterWish

    assert work.encode is not None
    origin = origin_of(job.source, work)
    with (work.wish or RasterWish()).open(job.source, palette_way(work.encode)) as source:
        options, kept = settle(source, work.encode)
        job.output.parent.mkdir(parents=True, exist_ok=True)
        result = codec().encode(
            source,
            job.output,
            options,
            reconstruct=work.psnr,
            resume=work.resume,
            origin=origin,
            on_progress=on_progress,
            cancel=cancel,
            overwrite=work.force,
        )
        said = [kept, result.outliers, *result.advice, *_notices(job, options, source)]
    return FileRow(
        str(job.source),
        str(job.output),
        "done",
        " ".join(sentence for sentence in said if sentence),
        bytes=result.bytes,
        bpp=result.bpp,
        ratio=result.ratio,
        quality=result.quality,
        psnr=result.psnr,
        device=result.device,
        resumed_tiles=result.resumed_tiles,
    )


def _notices(job: Job, options: EncodeOptions, source: RasterSource) -> list[str | None]:
    """What ``fdegc compress`` of the file alone would say of its values, its alpha, and where it lies."""
    from fdegc.raster.advice import notices, some_values, tail_advice

    said: list[str | None] = [*notices(source)]
    if not options.ranges and source.info.dtype != "uint8" and options.max_error is None:
        said.append(tail_advice(some_values(source), read_info(job.output).mapping))
    return said


def _wait_for_other(output: Path, cancel: CancelToken) -> None:
    """Wait until nobody else writes an output.

    Raises
    ------
    OutputBusy
        If the other one gets no further.
    """
    part, journal = part_path(output), _journal(output)
    state, since = None, time.monotonic()
    while in_use(journal):
        cancel.check()
        with contextlib.suppress(OSError):
            now = (part.stat().st_size, journal.stat().st_mtime_ns)
            if now != state:
                state, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            raise OutputBusy(f"“{output}” is being written by another process that gets no further.")
        cancel.wait(_POLL)


def _decompress(
    job: Job,
    work: Work,
    codec: Callable[[], Codec],
    on_progress: ProgressCallback | None,
    cancel: CancelToken,
) -> FileRow:
    from fdegc.raster import open_sink

    info = read_info(job.source)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    window = _window(info.raster, work)
    raster = info.raster if window is None else info.raster.part(window)
    with open_sink(
        job.output,
        raster,
        overwrite=work.force,
        kind=work.kind,
        compression=work.compression,
        sparse=work.sparse,
        cancel=cancel,
    ) as sink:
        result = codec().decode(job.source, sink, window=window, on_progress=on_progress, cancel=cancel)
    problems = []
    if result.damaged:
        problems.append(f"{len(result.damaged)} parts of “{job.source}” are damaged and were filled.")
    if info.lost:
        problems.append(f"The metadata of “{job.source}” is damaged; missing: {', '.join(info.lost)}.")
    status: Status = "failed" if problems else "done"
    if sink.unsupported_metadata:
        problems.append(f"{KINDS[work.kind][1]} cannot hold: {', '.join(sink.unsupported_metadata)}.")
    row = _row(job, status, " ".join(problems), info)
    return dataclasses.replace(row, bytes=job.output.stat().st_size, device=result.device)


def _journal(output: Path) -> Path:
    part = part_path(output)
    return part.with_name(f"{part.name}.journal")


def _row(job: Job, status: Status, message: str = "", info: StreamInfo | None = None) -> FileRow:
    if info is None:
        return FileRow(str(job.source), str(job.output), status, message)
    return FileRow(
        str(job.source),
        str(job.output),
        status,
        message,
        bytes=info.bytes,
        bpp=info.bpp,
        ratio=info.ratio,
        quality=info.quality,
    )
