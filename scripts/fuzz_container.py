"""Coverage-guided fuzzing of everything that reads a ``.fdegc`` file without the network.

Each input becomes a file that is opened, verified, described, whose payloads, blocks, planes and overview are read,
and of which small tiles that were coded without the network are decoded.  A finding is any exception that is not an ``FdegcError``, any warning, more than a second of processor time,
or more than 512 MB of memory; the fuzzer then stops, prints it and keeps the input as ``out/fuzz/finding-*``.

Checksums would keep a fuzzer from ever getting past them.  So the first byte of an input says how the rest is read:
with bit 0 every CRC-32 counts as 0 and deflated data carry no checksum, with bit 1 the magic is put in front.  And every
other mutation changes one part of a file (header, index, payloads, the payload of one unit, one block) and puts sound
lengths, checksums and copies around it.

::

    pip install atheris
    python scripts/fuzz_container.py --minutes 10
    python scripts/fuzz_container.py --replay out/fuzz/finding-…

What was learned is kept in ``out/fuzz/corpus`` and is where the next run starts.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import struct
import sys
import tempfile
import time
import types
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import atheris

# Compiled code cannot be instrumented, nor what is called by it.
from fdegc.coding import classes, colours, lossless

with atheris.instrument_imports(include=["fdegc"]):
    from fdegc.codec.inputs import NetworkInputs
    from fdegc.codec.tiling import TilePlan
    from fdegc.codec.ways import Form, PlainTile, PlainWays
    from fdegc.coding import component_transform, jpeg2000
    from fdegc.errors import FdegcError
    from fdegc.format import MAGIC, layout, metadata, outliers, planes, strips
    from fdegc.format import info as stream
    from fdegc.format.band_masks import BandMasksReader, BandMasksWriter
    from fdegc.format.header import PREFIX, StreamHeader
    from fdegc.format.kinds import UnitKind, unpack_fidelity, unpack_quality
    from fdegc.format.layout import entry_size
    from fdegc.format.outliers import pack_outliers
    from fdegc.format.overview import OverviewBuilder, read_overview
    from fdegc.format.planes import PlaneReader, PlaneWriter
    from fdegc.format.reader import ContainerReader
    from fdegc.format.writer import ContainerWriter
    from fdegc.raster_info import AlphaBand, GroundControlPoint, RasterInfo, Window
    from fdegc.types import BandMapping, Components, Outliers

import numpy as np

NEUTRAL, WITH_MAGIC = 1, 2
#: The libraries alone take some 730 MB.
SECONDS, MEGABYTES, LENGTH = 1.0, 1200, 4096
UNITS = 1000
#: Tiles that are decoded, and the most samples of one.
TILES, SAMPLES = 8, 30_000
#: The most samples of a strip that may be coded by contexts, and those of its pieces as seeds have them.
STRIP_SAMPLES, PIECE_SAMPLES = 50_000, 1 << 12
#: First bytes of a payload, of which one is changed at a time.
HEAD = 48


def stored(data: bytes, level: int = 0) -> bytes:
    """Deflate without compression or checksum: its bytes are those of the data."""
    deflater = zlib.compressobj(0, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


LENIENT = types.SimpleNamespace(
    crc32=lambda *_: 0, compress=stored, decompressobj=lambda: zlib.decompressobj(-15), error=zlib.error
)


def use_checksums(sound: bool) -> None:
    """Let checksums count, or not."""
    module = zlib if sound else LENIENT
    layout.zlib = planes.zlib = metadata.zlib = outliers.zlib = colours.zlib = classes.zlib = (
        lossless.zlib
    ) = module


# ------------------------------------------------------------------------------ one input


def examine(path: Path) -> None:
    """Ask a file everything that can be asked without the network."""
    with ContainerReader(path) as reader:
        reader.verify()
        for unit in range(min(reader.header.units, UNITS)):
            attempt(reader.payload, unit)
        for tag in reader.blocks:
            attempt(reader.blocks.get, tag)
        attempt(stream.describe, reader)
        attempt(read_overview, reader)
        attempt(decode_plain, reader)
        for plane in (stream.mask_plane, stream.alpha_plane, stream.band_masks):
            attempt(read_corners, plane, reader)
        attempt(restore_outliers, reader)


def restore_outliers(reader: ContainerReader) -> None:
    """Put the outliers of the last pixels where they belong."""
    found, header = stream.outliers(reader), reader.header
    if found is not None:
        w, h = min(header.width, 200), min(header.height, 200)
        pixels = np.zeros((header.bands, h, w), header.dtype)
        found.restored(Window(header.width - w, header.height - h, w, h), pixels)


def decode_plain(reader: ContainerReader) -> None:
    """Decode the first tiles that need no network, and take a component transform back."""
    header = reader.header
    plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
    ways = PlainWays(header)
    for index in range(min(len(plan), TILES)):
        entry, window = reader.entries[index * header.groups], plan.window(index)
        unpack_fidelity(entry.fidelity)
        if not 1 <= unpack_quality(entry.quality, 3.0) <= 6:
            raise AssertionError("a quality beyond the scale")
        if entry.kind != UnitKind.LATENTS and header.bands * window.width * window.height <= SAMPLES:
            attempt(decode_tile, reader, ways, index, window)
    if header.components is not None:
        outputs = [np.full((3, 2, 2), 0.25, np.float32)] * header.components.groups
        bands = NetworkInputs(header).bands(outputs)
        if bands.shape != (header.bands, 2, 2):
            raise AssertionError("a component transform of another shape")


def decode_tile(reader: ContainerReader, ways: PlainWays, index: int, window: Window) -> None:
    """Decode one tile without the network."""
    first = index * reader.header.groups
    pixels = ways.decode(reader.entries[first].kind, reader.payload(first), window.height, window.width, None)
    if pixels.shape != (reader.header.bands, window.height, window.width):
        raise AssertionError("a tile has another shape")
    if pixels.dtype != reader.header.dtype:
        raise AssertionError("a tile has another type")


def attempt(use: Callable[..., object], *arguments: object) -> None:
    """Call; an error that is meant for users is an answer."""
    with contextlib.suppress(FdegcError):
        use(*arguments)


def read_corners(
    open_plane: Callable[[ContainerReader], PlaneReader | BandMasksReader | None], reader: ContainerReader
) -> None:
    """Read the first and the last pixels of a plane."""
    plane = open_plane(reader)
    if plane is None:
        return
    width, height = reader.header.width, reader.header.height
    if reader.header.contexts and width * min(reader.header.tile_size, height) > STRIP_SAMPLES:
        return  # whose pieces may take seconds
    w, h = min(width, 200), min(height, 200)
    for window in (Window(0, 0, w, h), Window(width - w, height - h, w, h)):
        found = plane.read(window)
        if found is not None and found.shape[-2:] != (h, w):
            raise AssertionError("a plane's window has another shape")


class Harness:
    """Judges inputs in one scratch file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, data: bytes) -> None:
        """Examine one input."""
        mode, rest = (data[0], data[1:]) if data else (0, b"")
        self.path.write_bytes((MAGIC if mode & WITH_MAGIC else b"") + rest)
        use_checksums(not mode & NEUTRAL)
        start = time.process_time()
        try:
            attempt(examine, self.path)
        finally:
            use_checksums(True)
        seconds = time.process_time() - start
        if seconds > SECONDS:
            raise TimeoutError(f"{seconds:.1f} s for {len(data)} bytes")


# ------------------------------------------------------------------------------ mutations


def split(rest: bytes) -> tuple[list[bytes], list[bytes]]:
    """Header, index and payloads of what follows the magic; tags; data of the blocks are among the parts.

    Raises
    ------
    FdegcError, struct.error
        If it is not laid out like a file.
    """
    end = PREFIX.size + PREFIX.unpack_from(rest)[2]
    header = StreamHeader.unpack(rest[:end])
    entry = entry_size(header.version)
    start, size = end + 4, header.units * entry
    index = rest[start : start + size]
    payload_at = start + size + 4
    at = payload_at + sum(length for length, _ in struct.iter_unpack(f"<I{entry - 4}s", index))
    parts, tags = [rest[PREFIX.size : end], index, rest[payload_at:at]], []
    if rest[at:] == layout.END_MAGIC:
        return parts, tags
    while True:
        tag, length, _ = struct.unpack_from("<4sII", rest, at)
        if tag == b"TAIL":
            return parts, tags
        tags.append(tag)
        parts.append(rest[at + 12 : at + 12 + length])
        at += 12 + length


def join(parts: list[bytes], tags: list[bytes], features: tuple[int, int], short: bool, sound: bool) -> bytes:
    """Undo :func:`split`, with lengths, checksums and copies that fit, or without copies."""

    def crc(data: bytes) -> bytes:
        return struct.pack("<I", zlib.crc32(data) if sound else 0)

    header, index, payloads, *blocks = parts
    packed = PREFIX.pack(*features, len(header) & 0xFFFF) + header
    out = packed + crc(packed) + index + crc(index) + payloads
    if short:
        return out + layout.END_MAGIC
    heads = b""
    for tag, data in zip(tags, blocks, strict=True):
        head = tag + struct.pack("<I", len(data)) + crc(tag + data)
        out += head + data
        heads += head
    tail = packed + index + heads
    offset = struct.pack("<Q", len(MAGIC) + len(out))
    return (
        out
        + b"TAIL"
        + struct.pack("<I", len(tail))
        + crc(b"TAIL" + tail)
        + tail
        + offset
        + crc(offset)
        + b"FDGE"
    )


def with_lengths(index: bytes, payloads: bytes, entry: int, sound: bool) -> bytes:
    """Index whose last unit takes what is left of the payloads, with checksums that fit."""
    out, at = b"", 0
    for start in range(0, len(index) - entry + 1, entry):
        (length,) = struct.unpack_from("<I", index, start)
        last = start + 2 * entry > len(index)
        length = len(payloads) - at if last else min(length, len(payloads) - at)
        crc = zlib.crc32(payloads[at : at + length]) if sound else 0
        fields = index[start + 4 : start + entry - 4]
        out += struct.pack("<I", length) + fields + struct.pack("<I", crc)
        at += length
    return out


def with_one_changed(parts: list[bytes], entry: int, choose: random.Random, sound: bool) -> None:
    """Change the payload of one unit that has one: a byte of its first ones, where it ends, or anything."""
    units, at = [], 0
    for start in range(0, len(parts[1]) - entry + 1, entry):
        (length,) = struct.unpack_from("<I", parts[1], start)
        units.append((parts[1][start + 4 : start + entry - 4], parts[2][at : at + length]))
        at += length
    full = [number for number, (_, payload) in enumerate(units) if payload]
    if not full:
        return
    number = choose.choice(full)
    fields, payload = units[number]
    way = choose.randrange(4)
    if way == 0:
        changed = bytearray(payload)
        changed[choose.randrange(min(HEAD, len(payload)))] = choose.randrange(256)
        payload = bytes(changed)
    elif way == 1:
        payload = payload[: choose.randrange(len(payload))]
    else:
        payload = atheris.Mutate(payload, len(payload) + 64)
    units[number] = fields, payload
    parts[2] = b"".join(payload for _, payload in units)
    parts[1] = b"".join(
        struct.pack("<I", len(payload)) + fields + struct.pack("<I", zlib.crc32(payload) if sound else 0)
        for fields, payload in units
    )


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change anything, or one part with everything else made to fit."""
    choose = random.Random(seed)
    if choose.random() < 0.6 and len(data) > PREFIX.size:
        with contextlib.suppress(FdegcError, struct.error):
            parts, tags = split(data[1:])
            version, flags, _ = PREFIX.unpack_from(data, 1)
            short = data.endswith(layout.END_MAGIC) and not tags
            which = choose.randrange(-3, len(parts))
            if which < 0:
                with_one_changed(parts, entry_size(version), choose, not data[0] & NEUTRAL)
            else:
                parts[which] = atheris.Mutate(parts[which], len(parts[which]) + 64)
            if choose.random() < 0.05:
                flags ^= 1 << choose.randrange(4)
            if choose.random() < 0.1:
                version, short = choose.choice((1, 2)), choose.random() < 0.5
            if which == 2:
                parts[1] = with_lengths(parts[1], parts[2], entry_size(version), not data[0] & NEUTRAL)
            whole = join(parts, tags, (version, flags), short, not data[0] & NEUTRAL)
            changed = bytes([data[0] | WITH_MAGIC]) + whole
            if len(changed) <= max_size:
                return changed
    return atheris.Mutate(data, max_size)


# ------------------------------------------------------------------------------ seeds


def write_seed(path: Path, header: StreamHeader) -> None:
    """Write a small file with everything in it."""
    info = RasterInfo(
        "", "GTiff", header.width, header.height, header.bands, header.dtype,
        ("name",) * header.bands, ("nir",) * header.bands, "LOCAL_CS", (1.0, 0.0, 5.0, 0.0, -1.0, 9.0), 7.0,
        header.has_alpha, header.has_mask, {"key": "value"}, (7.0,) * header.bands, header.has_band_masks, True,
        (2.0,) * header.bands, (1.0,) * header.bands, ("m",) * header.bands, ({"key": "value"},) * header.bands,
        {"RPC": {"LINE_OFF": "5"}}, (GroundControlPoint(1.0, 2.0, 3.0, 4.0),), "LOCAL_CS", AlphaBand(0, "alpha"),
        b"profile", b"exif",
    )  # fmt: skip
    plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
    ramp = np.add.outer(np.arange(header.height), np.arange(header.width))
    contexts = header.contexts
    with ContainerWriter(path, header, overwrite=True) as writer:
        for unit in range(header.units):
            kind = UnitKind.LATENTS if header.version == 1 else UnitKind(unit % len(UnitKind))
            writer.add(bytes(unit % 3), kind=kind, quality=unit % 200, fidelity=unit % 256, dither=unit % 256)
        for tag, data in metadata.metadata_blocks(info).items():
            writer.add_block(tag, data)
        for tag, there, plane in (
            (metadata.MASK, header.has_mask, ramp > 20),
            (metadata.ALPHA, header.has_alpha, ramp.astype(header.dtype)),
        ):
            if there:
                coder = PlaneWriter(
                    header.width, header.height, header.tile_size, plane.dtype, contexts=contexts
                )
                for index in range(len(plan)):
                    window = plan.window(index)
                    coder.add(window, plane[window.rows, window.cols])
                writer.add_block(tag, coder.finish())
        if header.has_band_masks:
            size = (header.width, header.height, header.tile_size)
            masks = BandMasksWriter(header.bands, *size, contexts=contexts)
            for index in range(len(plan)):
                window = plan.window(index)
                gaps = np.repeat(ramp[np.newaxis, window.rows, window.cols] > 30, header.bands, axis=0)
                masks.add(window, gaps)
            writer.add_block(metadata.MISSING, masks.finish())
        if header.has_outliers:
            runs = (np.array([9, 70]), np.array([3, 200]), np.array([50, 1], header.dtype))
            found = Outliers(header.width, *((column,) * header.bands for column in runs))
            writer.add_block(metadata.OUTLIERS, pack_outliers(found))
        overview = OverviewBuilder(512, 512, range(3 if header.bands >= 3 else 1))
        overview.add(overview.part(Window(0, 0, 8, 8), np.ones((header.bands, 8, 8), np.float32), None))
        data = overview.finish(600)
        if data is not None:
            writer.add_block(metadata.OVERVIEW, data)
        writer.commit()


def write_plain(path: Path, header: StreamHeader) -> None:
    """Write a short file of tiles that need no network, of all the kinds in turn."""
    plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
    ramp = np.add.outer(np.arange(header.height), np.arange(header.width))
    scene = np.stack([ramp * (band + 1) % 50 for band in range(header.bands)]).astype(header.dtype)
    ways = PlainWays(header)
    with ContainerWriter(path, header, overwrite=True) as writer:
        for index in range(len(plan)):
            window = plan.window(index)
            pixels = np.ascontiguousarray(scene[:, window.rows, window.cols])
            unit = (pixels / 255).astype(np.float32)
            bound = header.bound or 0.0
            tiles = [ways.exact(pixels, None, bound, lambda: None), ways.jpeg2000(unit, 300)]
            transform, _ = ways.transform(unit, [1.0] * header.bands, 1e-4)
            if transform is not None:
                tiles.append(ways.jpeg2000(unit, 300, Form(transform=transform)))
            if header.dtype == "uint8":  # as files of before have them
                tiles.append(PlainTile(UnitKind.JPEG2000, jpeg2000.encode(pixels, 8, 400), None))
            if header.dtype != "float32":
                tiles += ways.exact_if(pixels, None, 1e9, 1e9, lambda: None)
            tile = tiles[index % len(tiles)]
            writer.add(tile.payload, kind=tile.kind, fidelity=90)
            for _ in range(1, header.groups):
                writer.add(b"", kind=UnitKind.NOTHING)
        writer.commit()


def write_components(path: Path, header: StreamHeader) -> None:
    """Write a short file of tiles of components: with factors and without, deep and not."""
    plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
    y, x = np.mgrid[: header.height, : header.width]
    fields = np.stack([np.sin(x / 9) * np.cos(y / 7), (x + y) / 200, x * y % 17 / 40])
    mixture = np.random.default_rng(header.bands).uniform(-0.2, 0.2, (header.bands, len(fields)))
    scene = np.clip(0.5 + np.einsum("bf,fhw->bhw", mixture, fields), 0, 1).astype(np.float32)
    ways, spans = PlainWays(header), np.array([entry.scale for entry in stream.mapping_of(header)])
    with ContainerWriter(path, header, overwrite=True) as writer:
        for index in range(len(plan)):
            window = plan.window(index)
            unit = np.ascontiguousarray(scene[:, window.rows, window.cols])
            weights = [1.0] * header.bands if index % 2 else [0.5**band for band in range(header.bands)]
            exponents = component_transform.band_exponents(spans, weights, whole=header.dtype != "float32")
            transform, _ = component_transform.fit(unit, spans, exponents, spans, 1e-3)
            every = jpeg2000.all_levels(*unit.shape[1:])
            tile = ways.jpeg2000(unit, 160, Form(every if index % 4 > 1 else None, transform))
            assert tile.kind == UnitKind.COMPONENTS
            writer.add(tile.payload, kind=tile.kind, fidelity=90)
        writer.commit()


def write_stated(path: Path, header: StreamHeader) -> None:
    """Write a short file of tiles that state their form: bands, bands that are mixed, components."""
    plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
    ways, y, x = PlainWays(header), *np.mgrid[: header.height, : header.width]
    dots = (x * y % 19 == 0) * 0.6 + 0.2
    scene = np.stack([np.roll(dots, 3 * band, 1) for band in range(header.bands)]).astype(np.float32)
    with ContainerWriter(path, header, overwrite=True) as writer:
        for index in range(len(plan)):
            window = plan.window(index)
            unit = np.ascontiguousarray(scene[:, window.rows, window.cols])
            centred = ways.centred(unit, [1.0] * header.bands, 1e-3, None)
            forms = [Form(1), Form(0, centred), Form(0, colours=False), Form(1, centred)]
            tile = ways.jpeg2000(unit, 160, forms[index % 4])
            assert tile.kind == UnitKind.STATED
            writer.add(tile.payload, kind=tile.kind, fidelity=90)
        writer.commit()


def write_seeds(folder: Path) -> None:
    """Files of several kinds, with and without checksums; and one whose front is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    strips._SAMPLES = PIECE_SAMPLES
    plain = StreamHeader(30, 20, 3, "uint8", 64, 16, 1024, b"12345678", "lite")
    first = replace(plain, version=1, height=66)
    masked = StreamHeader(20, 66, 1, "uint8", 64, 0, 256, b"12345678", "lite", (), True, True)
    wide = StreamHeader(
        9, 70, 4, "int16", 64, 16, 1536, b"12345678", "b", (BandMapping(0.0, 9.0),) * 4, True, False, True
    )
    beyond = replace(wide, has_outliers=True)
    long = replace(masked, width=500, height=70, dtype="int32", mapping=(BandMapping(0.0, 9.0),))
    rows = tuple((0.5, float(row), -0.25, 1.0) for row in range(6))
    mixed = replace(wide, components=Components(rows, (0.5,) * 4))
    rows = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)) + ((0.5, -0.25, 1.0, 0.5),) * 3
    predicted = replace(wide, components=Components(rows, (0.5,) * 4))
    tiles = replace(plain, width=100, height=90, bands=1)
    several = replace(tiles, bands=3, whole=True)
    float32 = (BandMapping(0.0, 50.0),)
    exact = replace(tiles, dtype="float32", mapping=float32, bound=0.5, whole=True)
    colours = replace(several, width=128, height=120)
    spans = tuple(BandMapping(float(band), 1000.0 + 900 * band) for band in range(5))
    five = replace(colours, bands=5, dtype="uint16", mapping=spans)
    apart = tuple(BandMapping(-(10.0**band), 10.0 ** (2 * band)) for band in range(4))
    floats = replace(colours, bands=4, dtype="float32", mapping=apart)
    seeds = [(write_seed, header) for header in (plain, masked, wide, first, mixed, predicted, beyond)]
    seeds += [(write_seed, replace(header, contexts=True)) for header in (masked, wide, long)]
    seeds += [(write_plain, header) for header in (tiles, exact, several)]
    seeds += [(write_components, header) for header in (colours, five, floats)]
    seeds += [(write_stated, header) for header in (colours, five, replace(colours, bands=1))]
    for sound in (True, False):
        for number, (write, header) in enumerate(seeds):
            path = folder / f"seed-{sound:d}-{number}"
            use_checksums(sound)
            write(path, header)
            use_checksums(True)
            content = path.read_bytes()
            mode = bytes([WITH_MAGIC | (0 if sound else NEUTRAL)])
            path.write_bytes(mode + content[len(MAGIC) :])
            damaged = bytearray(content[len(MAGIC) :])
            struct.pack_into("<I", damaged, struct.unpack_from("<H", damaged, 3)[0] + 5, 0xFFFFFFFF)
            path.with_name(f"{path.name}-damaged").write_bytes(mode + damaged)


def main() -> None:
    """Fuzz, or look at one finding again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--replay", type=Path, help="an input to run once, with its traceback")
    options = parser.parse_args()
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as scratch:
        harness = Harness(Path(scratch) / "input.fdegc")
        if options.replay:
            harness(options.replay.read_bytes())
            return
        corpus, seeds = options.out / "corpus", Path(scratch) / "seeds"
        corpus.mkdir(parents=True, exist_ok=True)
        write_seeds(seeds)
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                str(seeds),
                f"-max_total_time={options.minutes * 60:.0f}",
                f"-max_len={LENGTH}",
                f"-rss_limit_mb={MEGABYTES}",
                # Wall-clock time says more about the machine than about the input: only hangs.
                "-timeout=120",
                "-report_slow_units=120",
                "-print_final_stats=1",
                f"-artifact_prefix={options.out}/finding-",
            ],
            harness,
            custom_mutator=mutate,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
