"""Everything compiled, or loaded, before the first pixel."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from fdegc.coding import colours, exact, winograd
from fdegc.coding.compiling import alone
from fdegc.coding.correcting import corrected
from fdegc.coding.integers import ACTIVE_BITS, TAPS, Z_BITS, EntropyWeights
from fdegc.coding.laplace_tables import frequencies
from fdegc.coding.unit import UnitCoder
from fdegc.coding.wavefront import gather
from fdegc.control import never
from fdegc.process import import_again

_LATENT, _HIDDEN, _HYPER = 8, 8, 8


@functools.cache
def warm_up() -> None:
    """Warm-up: coding of a tiny latent there and back, which needs every compiled function once.

    Takes milliseconds where they were kept, and seconds where they have to be compiled, which one process
    does while others wait.  Once a process; the next calls return at once.
    """
    with alone():
        coder = UnitCoder(_weights())
        y = np.zeros((_LATENT, 4, 4), np.int32)
        y[:, 1, 1] = 3
        y[0, 2, 2] = 20_000  # far outside of any alphabet, so that there is an escape
        z = np.zeros((_HYPER, 1, 1), np.int32)
        unit = coder.encode(y, z, _features([z])[0], 1)
        (decoded,) = coder.decode([unit], [(4, 4)], _features, 1)
        if isinstance(decoded, Exception):
            raise decoded
        corrected(np.zeros((3, 2, 2), np.float32), (1,) * 84)
        _convolve()
        gather(
            np.zeros((4, _LATENT), np.int16), np.zeros((1, 2), np.int64), np.empty((1, 2 * _LATENT), np.int16)
        )
    import_again()  # numba has looked by now


def _convolve() -> None:
    picture, lines = np.zeros((4, 4, 1), np.float32), winograd.scratch()
    planes = np.empty(winograd.PLACES * winograd.PLANE, np.float32)
    winograd.transform(picture, 0, planes, 0, *lines)
    one = np.float32(1)
    winograd.untransform(planes, winograd.PLANE, 0, picture, 0, np.zeros(1, np.float32), one, picture, *lines)


@functools.cache
def warm_up_exact() -> None:
    """Warm-up of the ways without loss, which few scenes need: coding of a tiny tile there and back.

    As :func:`warm_up`, but what has to be compiled takes half a minute.
    """
    with alone():
        _code_exactly()


def _code_exactly() -> None:
    tile = np.arange(48, dtype=np.uint8).reshape(3, 4, 4) % 7
    known = np.ones((3, 4, 4), bool)
    known[:, 0, 0] = False
    for pixels, bound, mask in ((tile, 0.0, None), (tile, 1.0, known), (tile.astype(np.float32), 0.1, None)):
        exact.decode(exact.encode(pixels, bound, mask, never), tile.shape, pixels.dtype, mask, never)
    payload = colours.encode(tile, None, never)
    if payload is not None:
        colours.decode(payload, tile.shape, tile.dtype, None, never)


def _features(zs: Sequence[object]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    return [np.zeros((2 * _LATENT, 4, 4)) for _ in zs]


def _weights() -> EntropyWeights:
    """Entropy model that knows nothing."""

    def zeros(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return np.zeros(shape, np.int32)

    return EntropyWeights(
        context=zeros(len(TAPS) * _LATENT, _HIDDEN),
        features=zeros(2 * _LATENT, _HIDDEN),
        bias1=zeros(_HIDDEN),
        layer2=zeros(_HIDDEN, _HIDDEN),
        bias2=zeros(_HIDDEN),
        layer3=zeros(_HIDDEN, 9 * _LATENT),
        z_tables=frequencies(np.ones((1, _HYPER, 3)), Z_BITS).astype(np.uint16),
        active=np.full((1, _LATENT), 1 << (ACTIVE_BITS - 1), np.uint8),
    )
