"""Rasters to ``.fdegc`` files and back: pixels → latents → payloads, tile by tile.

What is offered here is imported when it is asked for, since it brings torch; rooms beside it may use light
modules such as ``fdegc.codec.tiling`` without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fdegc.codec.devices import available_devices
    from fdegc.codec.facade import Codec

__all__ = ["Codec", "available_devices"]


def __getattr__(name: str) -> Any:
    if name == "Codec":
        from fdegc.codec.facade import Codec

        return Codec
    if name == "available_devices":
        from fdegc.codec.devices import available_devices

        return available_devices
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
