"""The codecs that FDEGC is compared with, each at the settings that serve it best.

A library that is not installed takes only its own codecs out.  All of them work with one thread: with
more, libaom and x265 write other, not better files, and results should not depend on the machine.
"""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from PIL import Image, features

from fdegc.errors import InvalidOption
from fdegc.evaluation.coder import Coder, Rgb8Pixels

#: Bits of an uncompressed pixel.
_RAW_BITS = 24.0
_EXTRA = "pip install 'fdegc[evaluate]'"


class Missing(Exception):
    """Absence of a codec, which cannot be used here; the message is a sentence that says what to install."""


def peer_names() -> tuple[str, ...]:
    """Names of all codecs there are, installed or not."""
    return tuple(_MAKERS)


def find_peers(names: Collection[str] | None = None) -> tuple[list[Coder], list[str]]:
    """Codecs that work here, and a sentence for each that does not.

    Parameters
    ----------
    names : collection of str or None
        Which of :func:`peer_names`, or only "none"; None for all.

    Raises
    ------
    InvalidOption
        If there is no codec of a name.
    """
    if names is not None and set(names) == {"none"}:
        return [], []
    for name in names or ():
        if name not in _MAKERS:
            raise InvalidOption(f"There is no codec named “{name}”; there are {', '.join(_MAKERS)}.")
    coders: list[Coder] = []
    missing: list[str] = []
    for name, make in _MAKERS.items():
        if names is None or name in names:
            try:
                coders.append(make(name))
            except Missing as error:
                missing.append(str(error))
    return coders, missing


# ------------------------------------------------------------------------------ through Pillow


def _pillow(kind: str, options: Callable[[float], dict[str, Any]]) -> tuple[Any, Any]:
    """Encode and decode functions for a format of Pillow, given what a parameter sets."""

    def encode(pixels: Rgb8Pixels, parameter: float) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **options(parameter))
        return buffer.getvalue()

    def decode(data: bytes) -> Rgb8Pixels:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            return np.asarray(image.convert("RGB"))

    return encode, decode


def _feature(name: str, label: str) -> str:
    """Version of a library inside Pillow."""
    if not features.check(name):
        raise Missing(f"{label} is left out: this build of Pillow lacks it (pip install --upgrade pillow).")
    return f"{features.version(name)}, Pillow {importlib.metadata.version('pillow')}"


def _jpeg(name: str) -> Coder:
    chroma = "4:4:4" if name == "jpeg-444" else "4:2:0"
    encode, decode = _pillow(
        "JPEG",
        lambda q: {"quality": round(q), "subsampling": chroma, "optimize": True, "progressive": True},
    )
    turbo = features.check("libjpeg_turbo")
    library = _feature("libjpeg_turbo" if turbo else "jpg", "JPEG")
    return Coder(
        name=name,
        label=f"JPEG {chroma}",
        parameter="quality",
        ladder=(1, 5, 10, 17, 28, 45, 62, 78),
        settings=f"progressive, optimised Huffman tables, {chroma}",
        version=f"{'libjpeg-turbo' if turbo else 'libjpeg'} {library}",
        cost=0.1,
        encode=encode,
        decode=decode,
    )


def _jpeg2000(name: str) -> Coder:
    encode, decode = _pillow(
        "JPEG2000",
        lambda bpp: {
            "quality_mode": "rates",
            "quality_layers": [_RAW_BITS / bpp],
            "irreversible": True,
            "mct": 1,
        },
    )
    return Coder(
        name=name,
        label="JPEG 2000",
        parameter="bpp",
        ladder=(0.1, 0.18, 0.3, 0.5, 0.8, 1.2, 1.7, 2.4),
        settings="9/7 wavelet, irreversible colour transform, one layer at a target rate, JP2 file",
        version=f"OpenJPEG {_feature('jpg_2000', 'JPEG 2000')}",
        cost=0.6,
        encode=encode,
        decode=decode,
    )


def _webp(name: str) -> Coder:
    encode, decode = _pillow("WEBP", lambda q: {"quality": q, "method": 6})
    return Coder(
        name=name,
        label="WebP",
        parameter="quality",
        ladder=(0, 4, 10, 20, 35, 52, 70, 82),
        # libwebp's sharper conversion to 4:2:0 cannot be asked for through Pillow or imagecodecs.
        settings="lossy, method 6, 4:2:0 as the format demands",
        version=f"libwebp {_feature('webp', 'WebP')}",
        cost=0.6,
        encode=encode,
        decode=decode,
    )


def _avif(name: str) -> Coder:
    # Tuned for PSNR it needs 3 to 12 % fewer bits at equal PSNR, and 7 to 19 % more at equal MS-SSIM.
    tuned = name == "avif"
    tuning = {"advanced": {"tune": "psnr"}} if tuned else {}
    encode, decode = _pillow(
        "AVIF",
        lambda q: {
            "quality": round(q),
            "subsampling": "4:4:4",
            "speed": 2,
            "codec": "aom",
            "autotiling": False,  # tiles cost some bits
            "max_threads": 1,
            **tuning,
        },
    )
    how = "tuned for PSNR" if tuned else "default tuning"
    return Coder(
        name=name,
        label="AVIF 4:4:4" if tuned else "AVIF 4:4:4, default tuning",
        parameter="quality",
        ladder=(0, 4, 9, 15, 22, 31, 42, 50) if tuned else (1, 8, 15, 23, 32, 41, 50, 60),
        settings=f"AV1 intra by libaom, speed 2, {how}, 8 bits, 4:4:4, one tile",
        version=f"libavif {_feature('avif', 'AVIF')}",
        cost=20.0,
        encode=encode,
        decode=decode,
    )


# ------------------------------------------------------------------------------ through other libraries


def _jpegxl(name: str) -> Coder:
    try:
        import imagecodecs
    except ImportError as error:
        raise Missing(f"JPEG XL is left out: imagecodecs is not installed ({_EXTRA}).") from error
    if not imagecodecs.JPEGXL.available:
        raise Missing("JPEG XL is left out: this build of imagecodecs lacks it; install its wheel from PyPI.")

    def encode(pixels: Rgb8Pixels, distance: float) -> bytes:
        data = imagecodecs.jpegxl_encode(
            pixels, distance=distance, effort=7, lossless=False, usecontainer=False, numthreads=1
        )
        return bytes(data)

    def decode(data: bytes) -> Rgb8Pixels:
        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))

    return Coder(
        name=name,
        label="JPEG XL",
        parameter="distance",
        ladder=(25, 16, 11, 7.5, 5, 3.3, 2.1, 1.4),
        settings="VarDCT, effort 7, XYB, bare codestream",
        version=f"{imagecodecs.jpegxl_version()}, imagecodecs {imagecodecs.__version__}",
        cost=0.6,
        encode=encode,
        decode=decode,
    )


def _heic(name: str) -> Coder:
    try:
        import pillow_heif
    except ImportError as error:
        raise Missing(f"HEVC is left out: pillow-heif is not installed ({_EXTRA}).") from error
    # As with AVIF: the tuning for SSIM, libheif's default, is better by MS-SSIM and worse by PSNR.
    tuned = name == "hevc"
    versions = pillow_heif.libheif_info()
    if not versions["HEIF"]:
        raise Missing(
            "HEVC is left out: this build of pillow-heif has no encoder; install its wheel from PyPI."
        )

    def encode(pixels: Rgb8Pixels, quality: float) -> bytes:
        height, width = pixels.shape[:2]
        buffer = io.BytesIO()
        picture = pillow_heif.from_bytes("RGB", (width, height), np.ascontiguousarray(pixels).tobytes())
        picture.save(
            buffer,
            quality=round(quality),
            chroma=444,
            enc_params={
                "preset": "veryslow",
                "tune": "psnr" if tuned else "ssim",
                "x265:pools": "none",
                # At 4:4:4 x265 makes chroma 6 steps coarser unless told otherwise, which costs 7 % of the
                # rate at equal PSNR of red, green and blue; 0 does not count as telling.
                "x265:cbqpoffs": "-2",
                "x265:crqpoffs": "-2",
            },
        )
        return buffer.getvalue()

    def decode(data: bytes) -> Rgb8Pixels:
        return np.asarray(pillow_heif.open_heif(data))

    how = "tuned for PSNR" if tuned else "tuned for SSIM"
    return Coder(
        name=name,
        label="HEVC 4:4:4" if tuned else "HEVC 4:4:4, tuned for SSIM",
        parameter="quality",
        ladder=(0, 5, 10, 15, 21, 28, 36, 46) if tuned else (4, 10, 16, 22, 29, 36, 43, 50),
        settings=f"HEVC intra by x265, veryslow, {how}, 8 bits, 4:4:4, chroma QP −2, no wavefronts, HEIF",
        version=f"{versions['HEIF']}, libheif {versions['libheif']}",
        cost=2.5,
        encode=encode,
        decode=decode,
    )


_MAKERS: dict[str, Callable[[str], Coder]] = {
    "jpeg-444": _jpeg,
    "jpeg-420": _jpeg,
    "jpeg2000": _jpeg2000,
    "webp": _webp,
    "jpegxl": _jpegxl,
    "hevc": _heic,
    "hevc-ssim": _heic,
    "avif": _avif,
    "avif-default": _avif,
}
