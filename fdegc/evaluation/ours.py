"""FDEGC itself, by way of real files, as one of the codecs that are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fdegc import __version__
from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.format.info import read_info
from fdegc.options import EFFORT_STEPS, EncodeOptions
from fdegc.raster import ArraySource
from fdegc.results import StreamInfo, TileResult
from fdegc.weights import refinement_cost

NAME = "fdegc"


def fdegc_coder(
    codec: Codec,
    folder: Path,
    qualities: tuple[float, ...],
    cancel: CancelToken | None = None,
    *,
    effort: int = 0,
) -> tuple[Coder, StreamInfo]:
    """FDEGC's codec as a coder, and facts of a file it wrote for a start.

    That first file, of a grey picture, also has everything loaded and compiled before time is taken.

    Parameters
    ----------
    codec : Codec
    folder : Path
        Where files are written and read; at most one is there at a time.
    qualities : tuple of float
        1.0 to 6.0.
    cancel : CancelToken, optional
    effort : int
        0 to 4, part of the coder's name where it is not 0.
    """
    path = folder / "image.fdegc"

    def encode(pixels: Rgb8Pixels, quality: float) -> bytes:
        # Read back from the disk: what is counted is the file, not what the encoder says of it.
        source = ArraySource(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        codec.encode(source, path, EncodeOptions(quality, effort=effort), overwrite=True, cancel=cancel)
        return path.read_bytes()

    def decode(data: bytes) -> Rgb8Pixels:
        path.write_bytes(data)
        info = read_info(path).raster
        pixels = np.zeros((info.height, info.width, 3), np.uint8)

        def paste(tile: TileResult) -> None:
            pixels[tile.window.rows, tile.window.cols] = tile.samples.pixels.transpose(1, 2, 0)

        codec.decode(path, on_tile=paste, cancel=cancel)
        return pixels

    grey = ArraySource(np.full((3, 64, 64), 128, np.uint8))
    # Without the check, as a file without latents would not name the weights.
    codec.encode(grey, path, EncodeOptions(qualities[0], check=False), overwrite=True, cancel=cancel)
    stream = read_info(path)
    decode(path.read_bytes())
    coder = Coder(
        name=f"{NAME}-effort{effort}" if effort else NAME,
        label=f"FDEGC, effort {effort}" if effort else "FDEGC",
        parameter="quality",
        ladder=qualities,
        settings=f"profile {stream.profile}, weights {stream.weights_hash}, tiles of {stream.tile_size}"
        + (f", effort {effort}" if effort else ""),
        version=f"fdegc {__version__}, file format {stream.version}",
        cost=6.0 * (1 + refinement_cost(EFFORT_STEPS[effort])),
        encode=encode,
        decode=decode,
    )
    return coder, stream
