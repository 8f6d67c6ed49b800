"""The causal order of latents, and the parameter network on exact integers.

A position may be computed as soon as the twelve neighbours of its 5×5 causal window are known: at
step column + 3·row.  All tiles of a batch share the steps.  The encoder knows every context, so it
evaluates all positions at once; exact sums make that the same.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
#: Positions up to which a product of our own is faster than a library's.
FEW_ROWS = 16

Float64Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Field = npt.NDArray[np.int16]
Weights = npt.NDArray[np.int32]
#: Takes the field, taps and columns of φ of some positions; returns the last layer's outputs.
Evaluate = Callable[[Field, Ints, Ints], Float64Array]

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
def gather(field: Field, taps: Ints, out: Field) -> None:
    """Contexts of some positions: rows of the field, side by side."""
    channels = field.shape[1]
    for row in range(taps.shape[0]):
        for tap in range(taps.shape[1]):
            source = field[taps[row, tap]]
            target = out[row, tap * channels : (tap + 1) * channels]
            for i in range(channels):
                target[i] = source[i]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _sum_contexts(field: Field, taps: Ints, channels: Ints, weights: Weights, out: Float64Array) -> None:
    """Products of contexts and weights: exact sums over what is not zero, which most latents are.

    ``channels`` are those of the field that may hold anything.
    """
    latent = field.shape[1]
    places = np.empty(taps.shape[1] * channels.size + 4, np.int64)
    values = np.empty(places.size, np.float64)
    for row in range(taps.shape[0]):
        count = 0
        for tap in range(taps.shape[1]):
            source = field[taps[row, tap]]
            for channel in channels:
                if source[channel] != 0:
                    places[count] = tap * latent + channel
                    values[count] = source[channel]
                    count += 1
        # Four at a time, so that a sum is loaded and stored a fourth as often; the rest counts as zeros.
        places[count : count + 4] = 0
        values[count : count + 4] = 0.0
        line = out[row]
        line[:] = 0.0
        for i in range(0, count, 4):
            a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
            rows_a, rows_b = weights[places[i]], weights[places[i + 1]]
            rows_c, rows_d = weights[places[i + 2]], weights[places[i + 3]]
            for j in range(line.size):
                line[j] += a * rows_a[j] + b * rows_b[j] + c * rows_c[j] + d * rows_d[j]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _multiply(left: Float64Array, right: Float64Array, out: Float64Array) -> None:
    """Exact product of a few rows, an even number, and a matrix whose rows are a multiple of four.

    A library copies the whole matrix into another order first, which for a dozen rows takes longer.
    """
    for row in range(0, left.shape[0], 2):
        one, two = out[row], out[row + 1]
        one[:] = 0.0
        two[:] = 0.0
        for k in range(0, left.shape[1], 4):
            a, b, c, d = left[row, k], left[row, k + 1], left[row, k + 2], left[row, k + 3]
            e, f, g, h = left[row + 1, k], left[row + 1, k + 1], left[row + 1, k + 2], left[row + 1, k + 3]
            rows_a, rows_b, rows_c, rows_d = right[k], right[k + 1], right[k + 2], right[k + 3]
            for j in range(one.size):
                p, q, r, s = rows_a[j], rows_b[j], rows_c[j], rows_d[j]
                one[j] += a * p + b * q + c * r + d * s
                two[j] += e * p + f * q + g * r + h * s


@njit(cache=True, nogil=True)
def _scatter(field: Field, here: Ints, values: npt.NDArray[np.int32], limit: int) -> None:
    """Clamped latents of some positions into the field."""
    for row in range(here.size):
        target = field[here[row]]
        for i in range(values.shape[1]):
            target[i] = min(max(values[row, i], -limit), limit)


@njit(cache=True, nogil=True)
def _activate(sums: Float64Array, base: Float64Array, rows: Ints, shift: int) -> None:
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


def _operand(matrix: npt.NDArray[np.int32], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(matrix.astype(np.float64)).to(device)


def blank(order: Walk, latent: int) -> Field:
    """Latents with borders of zeros, all zero: int16, shape (rows, M)."""
    return np.zeros((order.rows, latent), np.int16)


def put(field: Field, here: Ints, values: npt.NDArray[np.int32]) -> None:
    """Writing of latents (positions, M) into the field, at its rows ``here``."""
    _scatter(field, here, values, CONTEXT_LIMIT)


class ParameterNetwork:
    """Context and parameter network on integers, on a CPU.

    Sums of products of integers in float64, proven exact (:mod:`fdegc.coding.integers`): whichever order
    they are taken in, and whether zeros are left out, makes no difference.

    Parameters
    ----------
    weights : EntropyWeights
    """

    def __init__(self, weights: EntropyWeights) -> None:
        cpu = torch.device("cpu")
        self._latent = weights.latent
        self._hidden = weights.layer2.shape[0]
        self._context = weights.context
        self._features = _operand(weights.features, cpu)
        self._bias1 = torch.from_numpy(weights.bias1.astype(np.float64))
        self._layer2 = _operand(weights.layer2, cpu)
        self._bias2 = weights.bias2.astype(np.float64)[None]
        self._layer3 = _operand(weights.layer3, cpu)

    def evaluator(self, channels: npt.NDArray[np.intp], rows: int, phi: npt.NDArray[np.int32]) -> Evaluate:
        """Evaluator of the network for some channels and up to ``rows`` positions at a time.

        Parameters
        ----------
        channels : ndarray of int
            Those to compute parameters for; all others are zero in every context.
        rows : int
        phi : ndarray of int32, shape (2M, positions)
            Snapped φ of all positions.

        Returns
        -------
        callable
            Takes the field, taps (positions, 12) and the column of φ of each position; returns
            the exact outputs (positions, 9 · channels), valid until it is called again.
        """
        operand = torch.from_numpy(np.ascontiguousarray(phi.T).astype(np.float64))
        base = torch.addmm(self._bias1, operand, self._features).numpy()
        last = self._layer3[:, _columns(channels, self._latent)].contiguous()
        even = rows + rows % 2
        first = torch.zeros(even, self._hidden, dtype=torch.float64)
        second = torch.zeros_like(first)
        outputs = torch.zeros(even, last.shape[1], dtype=torch.float64)
        hidden, deeper, out = (t.numpy() for t in (first, second, outputs))
        same = np.zeros(rows, np.int64)

        def product(count: int, left: torch.Tensor, right: torch.Tensor, result: torch.Tensor) -> None:
            if count <= FEW_ROWS and self._hidden % 4 == 0:
                count += count % 2
                _multiply(left[:count].numpy(), right.numpy(), result[:count].numpy())
            else:
                torch.mm(left[:count], right, out=result[:count])

        def evaluate(field: Field, taps: Ints, places: Ints) -> Float64Array:
            count = len(taps)
            _sum_contexts(field, taps, channels, self._context, hidden[:count])
            _activate(hidden[:count], base, places, SHIFT_1)
            product(count, first, self._layer2, second)
            _activate(deeper[:count], self._bias2, same[:count], SHIFT_2)
            product(count, second, last, outputs)
            view: Float64Array = out[:count]
            return view

        return evaluate


class DeviceParameterNetwork:
    """Parameter network as dense products on a device with float64, a GPU: the same integers.

    Contexts go there and outputs come back through buffers that the device reads and writes by itself.

    Parameters
    ----------
    weights : EntropyWeights
    device : torch.device
    turn : context manager, optional
        Entered while kernels are launched.
    """

    def __init__(
        self,
        weights: EntropyWeights,
        device: torch.device,
        turn: contextlib.AbstractContextManager[Any] | None = None,
    ) -> None:
        self._device = device
        self._turn = turn or contextlib.nullcontext()
        self._latent = weights.latent
        # Scaled as activations are; by powers of two, so that sums stay exact.
        self._context = _operand(weights.context, device) * 2.0**-SHIFT_1
        self._features = _operand(weights.features, device) * 2.0**-SHIFT_1
        self._bias1 = _operand(weights.bias1, device) * 2.0**-SHIFT_1
        self._layer2 = _operand(weights.layer2, device) * 2.0**-SHIFT_2
        self._bias2 = _operand(weights.bias2, device) * 2.0**-SHIFT_2
        self._layer3 = _operand(weights.layer3, device)

    def evaluator(self, channels: npt.NDArray[np.intp], rows: int, phi: npt.NDArray[np.int32]) -> Evaluate:
        """Evaluator as of :meth:`ParameterNetwork.evaluator`."""
        pinned = self._device.type == "cuda"
        operand = torch.from_numpy(np.ascontiguousarray(phi.T)).to(self._device)
        base = torch.addmm(self._bias1, operand.double(), self._features)
        last = self._layer3[:, _columns(channels, self._latent).to(self._device)].contiguous()
        contexts = torch.empty(rows, len(self._context), dtype=torch.int16, pin_memory=pinned)
        columns = torch.empty(rows, dtype=torch.int64, pin_memory=pinned)
        outputs = torch.empty(rows, last.shape[1], dtype=torch.float64, pin_memory=pinned)
        gathered, chosen, out = contexts.numpy(), columns.numpy(), outputs.numpy()
        done: Any = torch.cuda.Event() if pinned else None

        def evaluate(field: Field, taps: Ints, places: Ints) -> Float64Array:
            count = len(taps)
            gather(field, taps, gathered[:count])
            chosen[:count] = places
            with self._turn:  # for which others wait: the fewer kernels the better
                operand = contexts[:count].to(self._device, non_blocking=True).double()
                sums = base.index_select(0, columns[:count].to(self._device, non_blocking=True))
                hidden = _activated(sums.addmm_(operand, self._context))
                hidden = _activated(torch.addmm(self._bias2, hidden, self._layer2))
                outputs[:count].copy_(torch.mm(hidden, last), non_blocking=True)
                if pinned:
                    done.record()
            if pinned:
                # Not for the whole stream: torch has few, and none that others capture on can be waited for.
                done.synchronize()
            view: Float64Array = out[:count]
            return view

        return evaluate


def _columns(channels: npt.NDArray[np.intp], latent: int) -> torch.Tensor:
    """Columns of the last layer that are about some channels."""
    return torch.from_numpy((np.arange(9)[:, None] * latent + channels[None, :]).ravel())


def _activated(scaled: torch.Tensor) -> torch.Tensor:
    """What :func:`_activate` computes of sums before they are scaled; in place."""
    scaled = torch.nn.functional.leaky_relu(scaled, _SLOPE, inplace=True)
    return scaled.floor_().clamp_(-HIDDEN_LIMIT, HIDDEN_LIMIT)


def positions_last(arrays: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """Arrays (channels, h, w), joined to (channels, all positions)."""
    return np.concatenate([a.reshape(a.shape[0], -1) for a in arrays], axis=1)
