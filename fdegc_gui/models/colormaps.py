"""Colour maps whose steps look equal: even in CIELAB from end to end."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[np.float64]

#: Colours that a map goes through, in sRGB.
_SEQUENTIAL = {
    "Inferno": ("#000004", "#280b53", "#65156e", "#9f2a63", "#d44842", "#f57d15", "#fac127", "#fcffa4"),
    "Viridis": ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"),
    "Grey": ("#000000", "#ffffff"),
}
#: For differences with a sign; the middle is no difference.
_DIVERGING = {
    "Blue – red": ("#2151db", "#8a9be8", "#f2f2f2", "#e58f7e", "#c3121b"),
    "Dark middle": ("#8fd4ff", "#2f7fb8", "#141414", "#b0592a", "#ffc78a"),
}
SEQUENTIAL, DIVERGING = tuple(_SEQUENTIAL), tuple(_DIVERGING)

_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


@functools.cache
def table(name: str) -> npt.NDArray[np.uint8]:
    """Colour map as a table.

    Parameters
    ----------
    name : str
        One of ``SEQUENTIAL`` or ``DIVERGING``.

    Returns
    -------
    ndarray of uint8, shape (256, 3)
        Red, green and blue; neighbours are equally far apart in CIELAB (CIE 15:2004, D65), each half of
        a diverging map by itself.
    """
    if name in _DIVERGING:
        stops = _DIVERGING[name]
        middle = len(stops) // 2
        halves = _even(stops[: middle + 1], 128), _even(stops[middle:], 128)
        return _frozen(np.concatenate(halves))
    return _frozen(_even(_SEQUENTIAL[name], 256))


def _frozen(rgb: _Array) -> npt.NDArray[np.uint8]:
    out: npt.NDArray[np.uint8] = np.rint(rgb.clip(0, 1) * 255).astype(np.uint8)
    out.flags.writeable = False
    return out


def _even(stops: tuple[str, ...], count: int) -> _Array:
    srgb = np.array([[int(stop[i : i + 2], 16) / 255 for i in (1, 3, 5)] for stop in stops])
    lab = cielab(srgb)
    fine = np.linspace(0, len(stops) - 1, 4096)
    path = np.stack([np.interp(fine, np.arange(len(stops)), lab[:, i]) for i in range(3)], axis=-1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=-1))])
    at = np.linspace(0, length[-1], count)
    return _srgb(np.stack([np.interp(at, length, path[:, i]) for i in range(3)], axis=-1))


def cielab(srgb: _Array) -> _Array:
    """CIELAB of sRGB colours in 0–1, shape (…, 3)."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _srgb(lab: _Array) -> _Array:
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    linear = (xyz @ np.linalg.inv(_TO_XYZ).T).clip(0, 1)
    out: _Array = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return out
