"""The codecs of :mod:`fdegc.evaluation.peers` for scenes of any type and number of bands.

Of 8-bit grey and colour all of them are as they are there.  Other samples are coded as they are, or not at
all: no band is left out and no bit cut off so that a codec can take part.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from fdegc.evaluation.coder import Coder, ScenePixels
from fdegc.evaluation.peers import find_peers

#: Finest distance that libjxl takes; 16 bits have need of it.
_FINEST = 0.01
_COARSEST_BPP, _COARSEST_DISTANCE = 0.01, 25.0


@dataclass(frozen=True)
class Unfit:
    """Codec that works here but cannot hold a scene.

    Attributes
    ----------
    label : str
        Its name for people.
    why : str
        What it can hold, in words that follow its name.
    """

    label: str
    why: str


@dataclass(frozen=True)
class ScenePeers:
    """Codecs for a kind of samples.

    Attributes
    ----------
    coders : list of Coder
        Those that hold it; each encodes pixels of shape (height, width, :attr:`bands`).
    missing : list of str
        A sentence for each that does not work here.
    unfit : list of Unfit
    bands : int
        What the pixels are to have: 3 for 8-bit grey, which goes as three equal bands.
    """

    coders: list[Coder]
    missing: list[str]
    unfit: list[Unfit]
    bands: int


def find_scene_peers(
    bands: int, dtype: str, names: Collection[str] | None = None, largest: int | None = None
) -> ScenePeers:
    """Codecs that hold samples of a type and number of bands, and why others do not.

    Parameters
    ----------
    bands : int
    dtype : str
        A numpy name.
    names : collection of str or None
        As for :func:`~fdegc.evaluation.peers.find_peers`.
    largest : int or None
        Sample, which says how many bits unsigned samples of 16 bits need; None for all of them.
    """
    found, missing = find_peers(names)
    if dtype == "uint8" and bands in (1, 3):
        return ScenePeers(found, missing, [], 3)
    coders: list[Coder] = []
    unfit: list[Unfit] = []
    bits = 8 * np.dtype(dtype).itemsize
    if dtype == "uint16" and largest is not None:
        bits = max(8, largest.bit_length())  # fewer than eight are as good as untested anywhere
    for coder in found:
        if coder.name == "jpeg2000":
            if dtype in ("uint8", "uint16", "int16"):
                coders.append(_jpeg2000(coder, bands, dtype, bits))
            else:
                unfit.append(Unfit(coder.label, "holds integers of 8 and 16 bits"))
        elif coder.name == "jpegxl":
            if dtype == "uint16" and bands in (1, 3):
                coders.append(_jpegxl(coder, bands, bits))
            else:
                # libjxl codes further bands as extra channels, which it does without loss or badly.
                unfit.append(Unfit(coder.label, "holds 1 or 3 bands of unsigned 8 or 16 bits"))
        else:
            unfit.append(Unfit(coder.label, "holds 8-bit grey or colour"))
    return ScenePeers(coders, missing, unfit, bands)


def _jpeg2000(coder: Coder, bands: int, dtype: str, bits: int) -> Coder:
    """JPEG 2000 through GDAL, which hands OpenJPEG samples of any kind."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    raw = float(bands * bits)

    def encode(pixels: ScenePixels, bpp: float) -> bytes:
        height, width = pixels.shape[:2]
        with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile(ext=".jp2") as file:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                with file.open(
                    driver="JP2OpenJPEG",
                    width=width,
                    height=height,
                    count=bands,
                    dtype=dtype,
                    quality=repr(100 * min(bpp, raw) / raw),
                    reversible="NO",
                    ycc="NO",
                    nbits=str(bits),
                    blockxsize=width,
                    blockysize=height,
                    geojp2="NO",
                    gmljp2="NO",
                ) as out:
                    out.write(pixels.transpose(2, 0, 1))
            return bytes(file.read())

    def decode(data: bytes) -> ScenePixels:
        with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile(data, ext=".jp2") as file:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                with file.open(driver="JP2OpenJPEG") as source:
                    return np.asarray(source.read()).transpose(1, 2, 0)

    return replace(
        coder,
        settings="9/7 wavelet, bands on their own, as many bits as the largest sample needs, one tile, "
        "one layer at a target rate, JP2 file",
        version=f"OpenJPEG through GDAL {rasterio.__gdal_version__}, rasterio {rasterio.__version__}",
        cost=coder.cost * bands / 3,
        encode=encode,
        decode=decode,
        ends=(_COARSEST_BPP, raw),
    )


def _jpegxl(coder: Coder, bands: int, bits: int) -> Coder:
    import imagecodecs

    def encode(pixels: ScenePixels, distance: float) -> bytes:
        data = imagecodecs.jpegxl_encode(
            pixels,
            distance=distance,
            effort=7,
            lossless=False,
            usecontainer=False,
            numthreads=1,
            bitspersample=bits,
        )
        return bytes(data)

    def decode(data: bytes) -> ScenePixels:
        pixels = np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))
        return pixels if pixels.ndim == 3 else pixels[..., None]

    return replace(
        coder,
        settings=f"{coder.settings}, as many bits as the largest sample needs",
        cost=coder.cost * bands / 3,
        encode=encode,
        decode=decode,
        ends=(_COARSEST_DISTANCE, _FINEST),
    )
