"""FDEGC: learned compression of satellite and aerial imagery.

``fdegc.compress``, ``fdegc.decompress``, ``fdegc.open`` and ``fdegc.info`` do what most programs need
(``docs/python.md``).  Whatever is offered here is imported when it is first asked for: importing the package
itself brings neither numpy nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fdegc.codec import Codec, available_devices
    from fdegc.control import CancelToken
    from fdegc.errors import FdegcError
    from fdegc.face import FdegcFile, compress, decompress, info, open
    from fdegc.options import EncodeOptions, Target, TargetKind, ValueRange
    from fdegc.raster_info import RasterInfo, Window
    from fdegc.results import DecodeResult, EncodeResult, StreamInfo
    from fdegc.types import Progress, Samples

__version__ = "0.1.0"

__all__ = [
    "CancelToken",
    "Codec",
    "DecodeResult",
    "EncodeOptions",
    "EncodeResult",
    "FdegcError",
    "FdegcFile",
    "Progress",
    "RasterInfo",
    "Samples",
    "StreamInfo",
    "Target",
    "TargetKind",
    "ValueRange",
    "Window",
    "__version__",
    "available_devices",
    "compress",
    "decompress",
    "info",
    "open",
]

#: Module → what of it is offered here.
_PLACES = {
    "fdegc.codec": ("Codec", "available_devices"),
    "fdegc.control": ("CancelToken",),
    "fdegc.errors": ("FdegcError",),
    "fdegc.face": ("FdegcFile", "compress", "decompress", "info", "open"),
    "fdegc.options": ("EncodeOptions", "Target", "TargetKind", "ValueRange"),
    "fdegc.raster_info": ("RasterInfo", "Window"),
    "fdegc.results": ("DecodeResult", "EncodeResult", "StreamInfo"),
    "fdegc.types": ("Progress", "Samples"),
}
_HOMES = {name: module for module, names in _PLACES.items() for name in names}


if not TYPE_CHECKING:  # or type checkers would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
