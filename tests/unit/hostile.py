"""Files that are damaged, empty, huge by their header or nothing of the kind, made from scratch."""

from __future__ import annotations

import contextlib
import functools
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

SIDE = 96


def pixels(bands: int = 3, height: int = SIDE, width: int = SIDE, dtype: str = "uint8") -> Any:
    """Edges and noise, (bands, height, width)."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    base = (x + 2 * y) % 200 + rng.integers(0, 40, (bands, height, width))
    return base.astype(dtype)


def gdal_bytes(driver: str, data: Any, **options: Any) -> bytes:
    """A file of one of GDAL's formats."""
    bands, height, width = data.shape
    profile = {"driver": driver, "count": bands, "height": height, "width": width, "dtype": data.dtype.name}
    profile["transform"] = rasterio.transform.from_origin(500000, 5400000, 2, 2)
    with MemoryFile(ext=".jp2" if driver.startswith("JP2") else ".tif") as file:
        with file.open(**profile, crs="EPSG:32633", **options) as dataset:
            dataset.write(data)
        return bytes(file.read())


def pillow_bytes(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.moveaxis(pixels(), 0, 2)).save(out, format=kind, **options)
    return out.getvalue()


@functools.cache
def sound_files() -> dict[str, bytes]:
    """One small sound file of every kind that is read."""
    data = pixels()
    return {
        "striped.tif": gdal_bytes("GTiff", data),
        "tiled.tif": gdal_bytes(
            "GTiff", data, tiled=True, blockxsize=32, blockysize=32, compress="deflate", predictor=2
        ),
        "big.tif": gdal_bytes("GTiff", data, BIGTIFF="YES", compress="lzw"),
        "lossless.jp2": gdal_bytes("JP2OpenJPEG", data, quality=100, reversible="YES"),
        "a.png": pillow_bytes("PNG"),
        "a.jpg": pillow_bytes("JPEG", quality=90),
        "progressive.jpg": pillow_bytes("JPEG", progressive=True),
        "a.webp": pillow_bytes("WEBP", lossless=True),
        "a.bmp": pillow_bytes("BMP"),
    }


# ------------------------------------------------------------------------------ claims of size


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int, bits: int = 8) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    chunks = _png_chunk(b"IHDR", head) + _png_chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunks + _png_chunk(b"IEND", b"")


def bmp_bomb(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def tiff_bomb(width: int, height: int, bands: int = 3, *, rows: int | None = None) -> bytes:
    """One strip of a few bytes that is said to hold so many pixels."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, bands),
        (278, 4, 1, rows or height),
        (279, 4, 1, 40),
    ]
    directory = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack("<HHI", tag, kind, count) + struct.pack(
            "<I" if kind == 4 else "<HH", *((value,) if kind == 4 else (value, 0))
        )
    data = zlib.compress(bytes(30)).ljust(40, b"\0")
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def jp2_bomb(width: int, height: int) -> bytes:
    """A code stream that is said to be one tile of so many pixels."""
    data = bytearray(sound_files()["lossless.jp2"])
    start = data.index(b"\xff\x4f\xff\x51") + 8
    data[start : start + 8] = struct.pack(">II", width, height)
    data[start + 16 : start + 24] = struct.pack(">II", width, height)
    box = data.index(b"ihdr") + 4
    data[box : box + 8] = struct.pack(">II", height, width)
    return bytes(data)


def webp_bomb() -> bytes:
    """The largest picture that a WebP may claim, of nothing."""
    bits = (16383) | (16383 << 14)
    payload = b"\x2f" + struct.pack("<I", bits) + bytes(20)
    body = b"WEBPVP8L" + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vrt_of(name: str, width: int, height: int) -> bytes:
    size = f'xOff="0" yOff="0" xSize="{width}" ySize="{height}"'
    text = f'''<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
<VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>
<SrcRect {size}/><DstRect {size}/></SimpleSource></VRTRasterBand></VRTDataset>'''
    return text.encode()


@functools.cache
def bombs() -> dict[str, bytes]:
    """Files of a few bytes that claim to be huge."""
    return {
        "bomb.png": png_bomb(100_000, 100_000),
        "deep.png": png_bomb(60_000, 60_000, 16),
        "most.png": png_bomb(2**31 - 1, 2**31 - 1),
        "bomb.bmp": bmp_bomb(100_000, 100_000),
        "most.bmp": bmp_bomb(2**31 - 1, 2**31 - 1),
        "negative.bmp": bmp_bomb(-5, 7),
        "bomb.tif": tiff_bomb(200_000, 200_000),
        "rows.tif": tiff_bomb(200_000, 200_000, rows=1),
        "most.tif": tiff_bomb(2**31 - 1, 2**31 - 1),
        "bands.tif": tiff_bomb(64, 64, 65535),
        "bomb.jp2": jp2_bomb(20_000, 20_000),
        "most.jp2": jp2_bomb(2**32 - 1, 2**32 - 1),
        "bomb.webp": webp_bomb(),
        "itself.vrt": vrt_of("itself.vrt", 100, 100),
        "nowhere.vrt": vrt_of("nowhere.tif", 100, 100),
    }


def junk() -> dict[str, bytes]:
    """Files that are no rasters, whatever their names say."""
    noise = np.random.default_rng(1).bytes(3000)
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    made = {f"empty{suffix}": b"" for suffix in (".tif", ".png", ".jpg", ".jp2", ".webp", ".bmp", ".vrt")}
    made |= {f"text{suffix}": b"hello world\n" for suffix in (".tif", ".png", ".jp2", ".fdegc")}
    made |= {"noise.tif": noise, "noise.bmp": b"BM" + noise, "noise.jp2": b"\xff\x4f\xff\x51" + noise}
    made |= {"noise_ii.tif": b"II*\0" + noise, "noise_mm.tif": b"MM\0+" + noise, "zeros.tif": bytes(5000)}
    made |= {
        "page.tif": page,
        "zip.tif": b"PK\x03\x04" + noise,
        "empty.fdegc": b"",
        "x.vrt": b"<VRTDataset/>",
    }
    made |= {"magic.png": b"\x89PNG\r\n\x1a\n", "magic.jpg": b"\xff\xd8\xff", "magic.fdegc": b"\x89FDEGC\r\n"}
    return made


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: what a full disk does, for everybody to test."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
