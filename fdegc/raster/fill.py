"""What the network sees where a raster has no valid pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: What pixels hold if none is known: the middle of the network's range.
MIDDLE = 0.5


def fill_unknown(planes: Planes, known: Mask) -> None:
    """Smooth continuation of the known pixels into the unknown ones, in place.

    Pull-push on a pyramid of averages (Gortler et al., "The Lumigraph", SIGGRAPH 1996): unknown pixels are
    interpolated from ever larger blocks, as far as it takes to reach known ones (``benchmarks/fill.py``
    compares it with other fills).

    Parameters
    ----------
    planes : ndarray of float32, shape (bands, height, width)
        Finite where ``known``; what the other pixels hold does not matter.
    known : ndarray of bool, shape (height, width)
    """
    if not known.any():
        planes[...] = MIDDLE
        return
    weight = known.astype(np.float32)
    value = np.where(known, planes, np.float32(0))
    levels = [(value, weight)]
    while not weight.all():
        value, weight = _pull(value), _pull(weight)
        # Two known pixels make a block as certain as four do.
        share = np.minimum(weight, 1) / np.maximum(weight, 1)
        value, weight = value * share, weight * share
        levels.append((value, weight))
    filled = value / weight
    for value, weight in reversed(levels[:-1]):
        height, width = weight.shape
        filled = _twice(_twice(filled.swapaxes(1, 2))[:, :width].swapaxes(1, 2))[:, :height]
        filled *= 1 - weight
        filled += value
    np.copyto(planes, filled, where=~known)


def _pull(array: Planes) -> Planes:
    """Sums of blocks of 2 × 2; a last odd row or column is alone."""
    height, width = array.shape[-2:]
    if height % 2 or width % 2:
        array = np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, height % 2), (0, width % 2)])
    rows: Planes = array[..., 0::2, :] + array[..., 1::2, :]
    return rows[..., 0::2] + rows[..., 1::2]


def _twice(array: Planes) -> Planes:
    """Double the second axis of three by linear interpolation between the centres of its samples."""
    bands, length, other = array.shape
    near, far = array * np.float32(0.75), array * np.float32(0.25)
    out = np.empty((bands, length, 2, other), np.float32)
    out[:, 1:, 0] = near[:, 1:] + far[:, :-1]
    out[:, :-1, 1] = near[:, :-1] + far[:, 1:]
    out[:, 0, 0], out[:, -1, 1] = array[:, 0], array[:, -1]
    return out.reshape(bands, 2 * length, other)
