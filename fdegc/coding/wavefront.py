"""The causal order of latents, and the parameter network on exact integers.

A position may be computed as soon as the twelve neighbours of its 5×5 causal window are known: at
step column + 3·row.  All tiles of a batch share the steps.  The encoder knows every context, so it
evaluates all positions at once; exact sums make that the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from fdegc.coding.compiling import njit
from fdegc.coding.integers import (
    CONTEXT_LIMIT,
    HIDDEN_LIMIT,
    SHIFT_1,
    SHIFT_2,
    SLOPE_BITS,
    SLOPE_NUMERATOR,
    TAPS,
    EntropyWeights,
)

#: Reach of the causal context in rows and columns.
REACH = 2

FloatArray = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Field = npt.NDArray[np.int16]

_SLOPE = SLOPE_NUMERATOR / (1 << SLOPE_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Positions of a batch of latents in coding order.

    Attributes
    ----------
    unit : ndarray of int64
        Which of the batch's latents each position belongs to.
    place : ndarray of int64
        Index into the positions of all latents, one latent after the other, in raster order.
    field : ndarray of int64
        Index into the latents with their borders of zeros (rows of ``field`` in :func:`blank`).
    taps : ndarray of int64, shape (positions, 12)
        Indices of the twelve causal neighbours there.
    steps : ndarray of int64
        Where each step starts; the last entry is the number of positions.
    starts : ndarray of int64
        Where each latent's positions start in raster order; one entry more than latents.
    rows : int
        Rows of the field.
    """

    unit: Ints
    place: Ints
    field: Ints
    taps: Ints
    steps: Ints
    starts: Ints
    rows: int


@functools.lru_cache(maxsize=8)
def walk(shapes: tuple[tuple[int, int], ...]) -> Walk:
    """Coding order of latents of the given heights and widths: by step, latent, row."""
    units, places, fields, taps, steps = [], [], [], [], []
    place = field = 0
    starts = [0]
    for unit, (height, width) in enumerate(shapes):
        stride = width + 2 * REACH
        row, column = (a.ravel() for a in np.mgrid[:height, :width])
        here = field + (row + REACH) * stride + column + REACH
        units.append(np.full(row.size, unit))
        places.append(place + row * width + column)
        fields.append(here)
        taps.append(here[:, None] + np.array([dy * stride + dx for dy, dx in TAPS]))
        steps.append(column + 3 * row)
        place += row.size
        field += (height + REACH) * stride
        starts.append(place)
    step = np.concatenate(steps)
    # Stable: within a step latents stay in order, and within a latent rows ascend.
    order = np.argsort(step, kind="stable")
    edges = np.flatnonzero(np.diff(step[order])) + 1
    return Walk(
        unit=np.concatenate(units)[order],
        place=np.concatenate(places)[order],
        field=np.concatenate(fields)[order],
        taps=np.concatenate(taps)[order],
        steps=np.concatenate([[0], edges, [step.size]]),
        starts=np.array(starts),
        rows=field,
    )


@njit(cache=True, nogil=True)
def _gather(field: Field, taps: Ints, out: FloatArray) -> None:
    """Contexts of some positions: rows of the field, side by side."""
    channels = field.shape[1]
    for row in range(taps.shape[0]):
        for tap in range(taps.shape[1]):
            source = field[taps[row, tap]]
            target = out[row, tap * channels : (tap + 1) * channels]
            for i in range(channels):
                target[i] = source[i]


@njit(cache=True, nogil=True)
def _scatter(field: Field, here: Ints, values: npt.NDArray[np.int32], limit: int) -> None:
    """Clamped latents of some positions into the field."""
    for row in range(here.size):
        target = field[here[row]]
        for i in range(values.shape[1]):
            target[i] = min(max(values[row, i], -limit), limit)


@njit(cache=True, nogil=True)
def _activate(sums: FloatArray, base: FloatArray, rows: Ints, shift: int) -> None:
    """LeakyReLU, right shift (floor) and clamp of exact sums plus a row of ``base``, in place."""
    up = 2.0**-shift
    down = up * _SLOPE
    for row in range(sums.shape[0]):
        add = base[rows[row]]
        line = sums[row]
        for i in range(line.size):
            total = line[i] + add[i]
            # Products of an integer below 2^53 / 41 with 41 and with powers of two are exact.
            scaled = np.floor(total * (up if total >= 0 else down))
            line[i] = min(max(scaled, -HIDDEN_LIMIT), HIDDEN_LIMIT)


def _operand(matrix: npt.NDArray[np.int32]) -> torch.Tensor:
    return torch.from_numpy(matrix.astype(np.float64))


class ParameterNetwork:
    """Context and parameter network on integers.

    Plain matrix products of float64 whose sums are proven exact (:mod:`fdegc.coding.integers`).

    Parameters
    ----------
    weights : EntropyWeights
    """

    def __init__(self, weights: EntropyWeights) -> None:
        self.latent = weights.latent
        self.hidden = weights.layer2.shape[0]
        self._context = _operand(weights.context)
        self._features = _operand(weights.features)
        self._bias1 = torch.from_numpy(weights.bias1.astype(np.float64))
        self._layer2 = _operand(weights.layer2)
        self._bias2 = weights.bias2.astype(np.float64)[None]
        self._layer3 = _operand(weights.layer3)

    def blank(self, order: Walk) -> Field:
        """Latents with borders of zeros, all zero: int16, shape (rows, M)."""
        return np.zeros((order.rows, self.latent), np.int16)

    def put(self, field: Field, here: Ints, values: npt.NDArray[np.int32]) -> None:
        """Write latents (positions, M) of the field rows ``here`` into the field."""
        _scatter(field, here, values, CONTEXT_LIMIT)

    def base(self, phi: npt.NDArray[np.int32]) -> FloatArray:
        """What φ (2M, positions) gives to the first layer, with its bias: (positions, hidden)."""
        operand = torch.from_numpy(np.ascontiguousarray(phi.T).astype(np.float64))
        out: FloatArray = torch.addmm(self._bias1, operand, self._features).numpy()
        return out

    def evaluator(
        self, channels: npt.NDArray[np.intp], rows: int
    ) -> Callable[[Field, Ints, FloatArray, Ints], FloatArray]:
        """Set up evaluation for some channels and up to ``rows`` positions at a time.

        Returns
        -------
        callable
            Takes the field, taps (positions, 12), base and the row of base of each position; returns
            the exact outputs (positions, 9 · channels), valid until it is called again.
        """
        columns = (np.arange(9)[:, None] * self.latent + channels[None, :]).ravel()
        last = self._layer3[:, torch.from_numpy(columns)].contiguous()
        width = self._context.shape[0]
        contexts = torch.empty(rows, width, dtype=torch.float64)
        first = torch.empty(rows, self.hidden, dtype=torch.float64)
        second = torch.empty_like(first)
        outputs = torch.empty(rows, columns.size, dtype=torch.float64)
        gathered, hidden, deeper, out = (t.numpy() for t in (contexts, first, second, outputs))
        same = np.zeros(rows, np.int64)

        def evaluate(field: Field, taps: Ints, base: FloatArray, base_rows: Ints) -> FloatArray:
            count = len(taps)
            _gather(field, taps, gathered[:count])
            torch.mm(contexts[:count], self._context, out=first[:count])
            _activate(hidden[:count], base, base_rows, SHIFT_1)
            torch.mm(first[:count], self._layer2, out=second[:count])
            _activate(deeper[:count], self._bias2, same[:count], SHIFT_2)
            torch.mm(second[:count], last, out=outputs[:count])
            view: FloatArray = out[:count]
            return view

        return evaluate


def positions_last(arrays: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """Join arrays (channels, h, w) to (channels, all positions)."""
    return np.concatenate([a.reshape(a.shape[0], -1) for a in arrays], axis=1)
