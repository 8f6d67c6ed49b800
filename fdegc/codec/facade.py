"""The façade ``Codec``: rasters to ``.fdegc`` files and back."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fdegc.codec.advice import advice_on, outliers_text
from fdegc.codec.choosing import choose_components
from fdegc.codec.correction import choose_correction
from fdegc.codec.decoding import Decoding
from fdegc.codec.devices import resolve_device, share_out
from fdegc.codec.encoding import Encoding, TileCallback
from fdegc.codec.estimate import SAMPLE_SIDE, estimate, estimate_rates
from fdegc.codec.latents import LatentStore
from fdegc.codec.network import Network
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.pursuit import Pursuit
from fdegc.codec.search import Trials, check_searchable
from fdegc.codec.smoothness import better_tile_size
from fdegc.codec.tile_reader import TileReader
from fdegc.codec.tiling import TilePlan, align
from fdegc.codec.workers import Workers
from fdegc.coding.warming import warm_up
from fdegc.control import CancelToken, Check, ProgressCallback, ProgressMeter
from fdegc.errors import CorruptStream, OutOfMemory
from fdegc.format.band_masks import BandMasksReader
from fdegc.format.info import describe, read_info
from fdegc.format.kinds import ways_of
from fdegc.format.planes import PlaneReader
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.memory import check_memory
from fdegc.options import EncodeOptions, ValueRange
from fdegc.raster import RasterSink, RasterSource
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import DecodeResult, EncodeResult, Estimate, StreamInfo, TileResult, VerifyResult
from fdegc.types import HALO, STRIDE, Samples
from fdegc.weights import default_profile, find, quick_estimate, tile_bytes


class Codec:
    """Compressor and decompressor on one device; not for two threads at once.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    threads : int or None
        Tiles that are worked on at a time, each on a thread of its own; None: as many as there are cores, or
        as many as keep a GPU busy.  On a CPU it changes speed and memory, never a result; on a GPU batches
        may follow from it, and with them the last bits of a latent.  How many threads torch's
        operations take elsewhere in the process is left alone.
    profile : str or None
        Weights to compress with (None: :func:`~fdegc.weights.default_profile`); decompression uses those
        that the file names.
    weights : Path or None
        Folder of weights that comes before all others.
    batch : int or None
        Tiles that are decoded together; None chooses.  It changes speed and memory, never a result.

    Raises
    ------
    DeviceUnavailable, WeightsMissing, WeightsInvalid
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        threads: int | None = None,
        profile: str | None = None,
        weights: Path | None = None,
        batch: int | None = None,
    ) -> None:
        self.device, self.device_label = resolve_device(device)
        self._networks: dict[bytes, Network] = {}
        self._threads, self._batch = threads, batch
        self._weights = weights
        self._default = self._network(profile=profile or default_profile())
        warm_up()

    @property
    def networks(self) -> list[Network]:
        """Networks that are on the device by now."""
        return list(self._networks.values())

    def _network(self, *, profile: str | None = None, short_hash: bytes | None = None) -> Network:
        entry = find(profile=profile, short_hash=short_hash, folder=self._weights)
        if entry.short_hash not in self._networks:
            self._networks[entry.short_hash] = Network(entry, self.device)
        return self._networks[entry.short_hash]

    def _crew(
        self,
        network: Network,
        raster: RasterInfo,
        tile_size: int,
        cancel: CancelToken,
        tiles: int | None = None,
        steps: int = 0,
    ) -> Workers:
        """Threads for one run over some tiles of a raster, by default all, after a look at the free memory.

        Raises
        ------
        OutOfMemory
        """
        needed = quick_estimate(raster, 1.0, tile_size, network.entry, workers=1, steps=steps)
        check_memory(needed.memory_bytes)
        tiles = tiles or len(TilePlan(raster.width, raster.height, tile_size, HALO))
        groups = -(-raster.bands // 3)
        share = share_out(
            network.device,
            tile_bytes(raster, tile_size, network.entry, steps),
            tiles,
            align(min(tile_size, raster.width)) * align(min(tile_size, raster.height)) // STRIDE**2 * groups,
            self._threads,
        )
        if self._batch is not None:
            share = replace(share, wavefronts=self._batch)
        return Workers(share, cancel, network.device)

    def encode(
        self,
        source: RasterSource,
        out: Path,
        options: EncodeOptions,
        *,
        reconstruct: bool = False,
        resume: bool = False,
        origin: bytes | None = None,
        on_progress: ProgressCallback | None = None,
        on_tile: TileCallback | None = None,
        on_estimate: Callable[[Estimate], None] | None = None,
        cancel: CancelToken | None = None,
        overwrite: bool = False,
    ) -> EncodeResult:
        """Compression of a raster, tile by tile: memory does not depend on its height.

        Parameters
        ----------
        source : RasterSource
        out : Path
            Written under a temporary name and renamed at the end.
        options : EncodeOptions
        reconstruct : bool
            Whether to compute the decoder's pixels of every tile, for ``on_tile`` and the PSNR, even where
            ``options.check`` does not, or an earlier run has finished it.
        resume : bool
            Keep finished tiles beside ``out`` when interrupted, and go on from those of an earlier
            run with the same source and options.  Only for files, and not with a target.
        origin : bytes, optional
            Kept in the file, so that later runs can tell what it was made from.
        on_progress, on_tile : callable, optional
            Called on this thread; with a target, once more for each tile if the scene has to be coded again.
        on_estimate : callable, optional
            Gets what the work will cost, on this thread, as soon as that is known: it is made beside the
            work, which does not wait for it.  Without it only a quick estimate is made.
        cancel : CancelToken, optional
            Checked at every tile and every coding step.
        overwrite : bool

        Raises
        ------
        OutputExists, OutputBusy, OutputFailed, OutOfMemory, Cancelled
        UnsupportedRaster
            Also if the file changes while it is read.
        TargetMissed
            If no way of coding the scene reaches ``options.target``.
        InvalidOption
            If the ranges do not fit the bands, or the weights have but one rate point and there is a target.
        """
        start = time.perf_counter()  # before anything is read
        info, network = source.info, self._default
        cancel = cancel or CancelToken()
        if options.target is not None:
            check_searchable(network)
        with contextlib.ExitStack() as stack:
            steps = options.refinement
            workers = stack.enter_context(self._crew(network, info, options.tile_size, cancel, steps=steps))
            plan = EncodingPlan.of(network, source, options, origin=origin, reconstruct=reconstruct)
            side = better_tile_size(plan, workers)
            if side != options.tile_size:
                # Where the memory is not free, the scene is as good as tiles of the usual size make it.
                with contextlib.suppress(OutOfMemory):
                    workers = stack.enter_context(self._crew(network, info, side, cancel, steps=steps))
                    plan = plan.in_tiles_of(side)
            plan = plan.through(choose_components(plan, workers))
            cost = quick_estimate(
                info,
                options.quality,
                plan.options.tile_size,
                network.entry,
                workers.share.workers,
                steps,
            )
            if on_estimate is not None:
                tell = on_estimate

                def keep(better: Estimate) -> None:
                    nonlocal cost
                    cost = better
                    tell(better)

                estimate(plan, workers, keep)
            reader = TileReader(plan)
            latents, pursuit = None, None
            if options.target is None:
                plan = plan.corrected(choose_correction(plan, workers))
            else:
                latents = stack.enter_context(LatentStore(Path(out).absolute().parent))
                trials = Trials(plan, reader, latents, workers, on_progress)
                pursuit = Pursuit(trials, options.target, workers)
                plan = pursuit.first()
            fingerprint = plan.resume_key if resume and latents is None else None
            while True:
                with ContainerWriter(
                    Path(out), plan.header, overwrite=overwrite, fingerprint=fingerprint
                ) as writer:
                    run = Encoding(plan, reader, writer, workers, latents=latents, on_tile=on_tile)
                    resumed = writer.units_done // plan.header.groups
                    run.run(ProgressMeter("compress", run.work, on_progress))
                    better = None
                    if pursuit is not None:
                        found = run.errors()
                        psnr = None if found is None else found.psnr
                        better = pursuit.next(run.header, writer.payload_bytes, psnr, run.plain)
                    if better is None:
                        run.metadata()
                        plan.check_unchanged()
                        size = writer.commit()
                        break
                plan = better
        seconds = time.perf_counter() - start
        preview = seconds * run.preview_share
        # Of tiles that an earlier run had finished nothing is known unless they were reconstructed.
        errors = run.errors() if reconstruct or (plan.decodes and not resumed) else None
        return EncodeResult(
            path=Path(out),
            bytes=size,
            bpp=size * 8 / info.pixels,
            ratio=info.raw_bytes / size,
            encode_seconds=seconds - preview,
            reconstruct_seconds=preview,
            psnr=None if errors is None else errors.psnr,
            quality=plan.quality,
            device=self.device_label,
            tiles=len(plan.tiles),
            tile_size=plan.tiles.tile_size,
            resumed_tiles=resumed,
            clipped=reader.clipped,
            errors=errors,
            estimate=cost,
            note="" if pursuit is None else pursuit.note,
            ways=ways_of(kind for kind, count in run.ways.items() for _ in range(count)),
            worst=run.worst,
            advice=advice_on(plan, run.ways, errors, reader.plane_bytes, size),
            max_error=options.max_error,
            outliers=outliers_text(plan),
        )

    def decode(
        self,
        path: Path,
        sink: RasterSink | None = None,
        *,
        window: Window | None = None,
        asked: Callable[[Window], bool] | None = None,
        on_progress: ProgressCallback | None = None,
        on_tile: TileCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> DecodeResult:
        """Decompression of a file, or a window of it, into a sink, tile by tile.

        Damaged tiles are filled with zeros (invalid where the raster has a mask), and reported.

        Parameters
        ----------
        path : Path
        sink : RasterSink, optional
            Of the size of the scene, or of the window.
        window : Window, optional
            Only the tiles that it touches are reconstructed, and of their neighbours only the
            latents are decoded.
        asked : callable, optional
            Called with the window of a tile, in the scene's coordinates, before its pixels are computed; what
            it says no to is left out.
        on_progress : callable, optional
        on_tile : callable, optional
            Gets every reconstructed tile (cut to ``window``), in the scene's coordinates.
        cancel : CancelToken, optional

        Raises
        ------
        CorruptStream, UnsupportedStream, WeightsMissing, OutputFailed, OutOfMemory, Cancelled
        InvalidOption
            If the window does not lie inside the scene.
        """
        start = time.perf_counter()
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(ContainerReader(Path(path)))
            info = describe(reader)
            raster = info.raster
            run = self._decoding(reader, info, cancel, window)
            stack.enter_context(run.workers)
            frame = window or Window(0, 0, raster.width, raster.height)
            meter = ProgressMeter("decompress", len(run.needed) + len(run.wanted), on_progress)
            for place, samples in run.tiles(meter, asked):
                shown = place.intersection(frame)
                if shown is None:
                    continue
                part = samples.part(shown.relative_to(place))
                if sink is not None:
                    sink.write(shown.relative_to(frame), part)
                if on_tile is not None:
                    on_tile(TileResult(shown, part, run.bytes_read))
            damaged = tuple(run.plan.window(index) for index in sorted(run.damaged))
        return DecodeResult(info, time.perf_counter() - start, self.device_label, damaged)

    def decode_window(
        self,
        path: Path,
        window: Window,
        *,
        on_progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Samples:
        """Decompression of one window, as :meth:`decode` does it, into memory.

        Raises
        ------
        CorruptStream
            Also if a tile of the window or beside it is damaged.
        InvalidOption
            If the window does not lie inside the scene.
        """
        raster = read_info(path).raster
        window.check_inside(raster.width, raster.height)
        pixels = np.zeros((raster.bands, window.height, window.width), raster.dtype)
        found = Samples(
            pixels,
            np.ones(pixels.shape[1:], bool) if raster.has_mask else None,
            np.zeros(pixels.shape[1:], raster.dtype) if raster.has_alpha else None,
            np.zeros(pixels.shape, bool) if raster.has_band_masks else None,
        )

        def keep(tile: TileResult) -> None:
            found.paste(tile.window.relative_to(window), tile.samples)

        result = self.decode(path, window=window, on_progress=on_progress, on_tile=keep, cancel=cancel)
        if result.damaged:
            raise CorruptStream(f"{len(result.damaged)} tiles of this window or beside it are damaged.")
        gaps = found.missing is not None and found.missing.any()
        return found if gaps else replace(found, missing=None)

    def verify(
        self,
        path: Path,
        *,
        on_progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> VerifyResult:
        """Verification of a file: every checksum, and decoding of everything down to the latents.

        Raises
        ------
        CorruptStream
            If the file is damaged so badly that it cannot be opened.
        UnsupportedStream, WeightsMissing, OutOfMemory, Cancelled
        """
        start = time.perf_counter()
        cancel = cancel or CancelToken()
        with ContainerReader(Path(path)) as reader:
            info = describe(reader)
            problems = reader.verify(cancel.check)
            try:
                run = self._decoding(reader, info, cancel, None)
            except CorruptStream as error:  # mask or alpha: they are among the problems already
                return VerifyResult(info, (*problems, str(error)), None, time.perf_counter() - start)
            meter = ProgressMeter("verify", len(run.needed), on_progress)
            digest = hashlib.sha256()
            with run.workers:
                for tile in run.decoded():
                    digest.update(tile.payload)
                    for latent in () if tile.payload else tile.latents:
                        digest.update(np.ascontiguousarray(latent, "<i4").tobytes())
                    meter.advance(1)
            for plane in (run.valid, run.alpha, run.missing):
                if plane is not None:
                    problems += _unreadable_rows(plane, info.raster, info.tile_size, cancel.check)
            problems += [f"Tile {index}: {why}" for index, why in sorted(run.damaged.items())]
        value = None if run.damaged else digest.hexdigest()
        return VerifyResult(info, tuple(problems), value, time.perf_counter() - start)

    def _decoding(
        self, reader: ContainerReader, info: StreamInfo, cancel: CancelToken | None, window: Window | None
    ) -> Decoding:
        raster = info.raster
        if window is not None:
            window.check_inside(raster.width, raster.height)
        header = reader.header
        # Files without latents are decoded without any network, but by as many workers as one allows.
        network = None if header.whole else self._network(short_hash=header.weights_hash)
        plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        needed = len(plan) if window is None else len(plan.needed(plan.touching(window)))
        crew = network or self._default
        workers = self._crew(crew, raster, info.tile_size, cancel or CancelToken(), needed)
        return Decoding(network, reader, raster, workers, window)

    def estimate_all(
        self,
        source: RasterSource,
        *,
        ranges: Sequence[ValueRange] = (),
        cancel: CancelToken | None = None,
    ) -> dict[int, Estimate]:
        """Estimates for the six rate points, from what the network makes of a few crops.

        Parameters
        ----------
        source : RasterSource
        ranges : sequence of ValueRange
            Values to keep, as of :class:`~fdegc.options.EncodeOptions`.
        cancel : CancelToken, optional

        Returns
        -------
        dict
            Rate point → estimate; ``bytes`` is within some ten per cent for homogeneous scenes.
        """
        with self._crew(self._default, source.info, SAMPLE_SIDE, cancel or CancelToken()) as workers:
            return estimate_rates(self._default, source, workers, ranges)


def _unreadable_rows(
    plane: PlaneReader | BandMasksReader, raster: RasterInfo, strip: int, check: Check
) -> list[str]:
    """Problems of masks or an alpha band that their checksum does not show."""
    problems = []
    for y in range(0, raster.height, strip):
        try:
            plane.read(Window(0, y, raster.width, min(strip, raster.height - y)), check)
        except CorruptStream as error:
            problems.append(str(error))
    return problems
