"""What is compared: a codec with its settings, a ladder of rates, and two functions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import FdegcError

#: An image, shape (height, width, 3), red, green, blue.
Rgb8Pixels = npt.NDArray[np.uint8]
#: A scene of any type, shape (height, width, bands).
ScenePixels = npt.NDArray[np.generic]


class CoderFailed(FdegcError):
    """Failure of a codec: it could not code an image, or gave back something that is not the image."""


@dataclass(frozen=True)
class Coder:
    """Codec at fixed settings.

    Attributes
    ----------
    name : str
        Short name, as in ``--peers`` and in tables for programs.
    label : str
        Name for people.
    parameter : str
        What the ladder's numbers are ("quality", "bpp", "distance").
    ladder : tuple of float
        Parameters that are measured, lowest rate first.
    settings : str
        Everything else that decides about the file, in words.
    version : str
        Libraries that do the work, with their versions.
    cost : float
        Rough seconds a megapixel and point, for the estimate of time left only.
    encode : callable
        (pixels, parameter) → bytes of a whole file.
    decode : callable
        Bytes of a file → pixels.
    ends : tuple of float or None
        Coarsest and finest parameter of those that are not whole numbers; None for the usual ones.
    """

    name: str
    label: str
    parameter: str
    ladder: tuple[float, ...]
    settings: str
    version: str
    cost: float
    encode: Callable[[Any, float], bytes]
    decode: Callable[[bytes], Any]
    ends: tuple[float, float] | None = None

    @property
    def key(self) -> str:
        """Settings and versions that a measured point depends on besides image and parameter."""
        return f"{self.settings} [{self.version}]"

    def round_trip(self, pixels: ScenePixels, parameter: float, name: str) -> RoundTrip:
        """File of an image, and what it decodes to.

        Parameters
        ----------
        pixels : ndarray, shape (height, width, bands)
            8-bit colour, or of the kind that the codec was made for.
        parameter : float
            Of the ladder or any other that the codec takes.
        name : str
            What errors call the image.

        Raises
        ------
        CoderFailed
            If the codec fails, or what it decodes has another size or type.
        """
        try:
            start = time.perf_counter()
            data = self.encode(pixels, parameter)
            middle = time.perf_counter()
            decoded = self.decode(data)
            end = time.perf_counter()
        except (FdegcError, MemoryError):
            raise
        except Exception as error:  # other people's encoders raise nearly every kind of exception
            raise CoderFailed(f"{self.label} cannot code {name} ({error}).") from error
        if decoded.shape != pixels.shape or decoded.dtype != pixels.dtype:
            raise CoderFailed(f"{self.label} gave {name} back with another size or type.")
        return RoundTrip(data, decoded, middle - start, end - middle)


@dataclass(frozen=True, eq=False)
class RoundTrip:
    """An image through a file of a codec and back, with the wall-clock seconds that it took each way."""

    data: bytes
    decoded: Any
    encode_seconds: float
    decode_seconds: float
