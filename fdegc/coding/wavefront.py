"""The causal order of latents, and the parameter network on exact integers.

A position may be computed as soon as the twelve neighbours of its 5×5 causal window are known: at
step column + 3·row.  All tiles of a batch share the steps.  The encoder knows every context, so it
evaluates all positions at once; exact sums make that the same.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
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
#: Rows of a step that is captured are a multiple of these.
_SLOT_ROWS = 32
#: Steps that are kept captured though nobody uses them.
_SLOTS = 48

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

    @contextlib.contextmanager
    def stepping(
        self, channels: npt.NDArray[np.intp], rows: int, phi: npt.NDArray[np.int32]
    ) -> Iterator[tuple[Evaluate, npt.NDArray[np.intp]]]:
        """Evaluator for the steps of a wavefront, and the channels that its outputs are about.

        Parameters
        ----------
        channels, rows, phi
            As of :meth:`evaluator`.

        Yields
        ------
        evaluate : callable
            As of :meth:`evaluator`; not to be called later.
        channels : ndarray of int
            Growing; those that were asked for, and maybe more.
        """
        yield self.evaluator(channels, rows, phi), channels


class DeviceParameterNetwork:
    """Parameter network as dense products on a device with float64, a GPU: the same integers.

    Contexts go there and outputs come back through buffers that the device reads and writes by itself.

    Parameters
    ----------
    weights : EntropyWeights
    device : torch.device
    turn : context manager, optional
        Entered while kernels are launched.
    repeated : callable, optional
        Makes a quick one of a function that is called again and again with everything at its place, such as a
        CUDA graph; steps of wavefronts are computed so.
    """

    def __init__(
        self,
        weights: EntropyWeights,
        device: torch.device,
        turn: contextlib.AbstractContextManager[Any] | None = None,
        repeated: Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]] | None = None,
    ) -> None:
        self.device = device
        self.turn = turn or contextlib.nullcontext()
        self._latent = weights.latent
        # Scaled as activations are; by powers of two, so that sums stay exact.
        self.context = _operand(weights.context, device) * 2.0**-SHIFT_1
        self._features = _operand(weights.features, device) * 2.0**-SHIFT_1
        self._bias1 = _operand(weights.bias1, device) * 2.0**-SHIFT_1
        self.layer2 = _operand(weights.layer2, device) * 2.0**-SHIFT_2
        self.bias2 = _operand(weights.bias2, device) * 2.0**-SHIFT_2
        self.layer3 = _operand(weights.layer3, device)
        self._repeated = repeated
        self._slots: dict[tuple[int, int], list[_Slot]] = {}

    def evaluator(self, channels: npt.NDArray[np.intp], rows: int, phi: npt.NDArray[np.int32]) -> Evaluate:
        """Evaluator as of :meth:`ParameterNetwork.evaluator`."""
        base = self.base(phi)
        last = self.layer3[:, _columns(channels, self._latent).to(self.device)].contiguous()
        buffers = _Buffers(rows, len(self.context), last.shape[1], self.device)

        def evaluate(field: Field, taps: Ints, places: Ints) -> Float64Array:
            count = buffers.fill(field, taps, places)
            with self.turn:  # for which others wait: the fewer kernels the better
                operand = buffers.contexts[:count].to(self.device, non_blocking=True).double()
                sums = base.index_select(0, buffers.places[:count].to(self.device, non_blocking=True))
                hidden = _activated(sums.addmm_(operand, self.context))
                hidden = _activated(torch.addmm(self.bias2, hidden, self.layer2))
                buffers.take(torch.mm(hidden, last), count)
            return buffers.wait(count)

        return evaluate

    @contextlib.contextmanager
    def stepping(
        self, channels: npt.NDArray[np.intp], rows: int, phi: npt.NDArray[np.int32]
    ) -> Iterator[tuple[Evaluate, npt.NDArray[np.intp]]]:
        """Evaluator for the steps of a wavefront, as of :meth:`ParameterNetwork.stepping`."""
        if self._repeated is None:
            yield self.evaluator(channels, rows, phi), channels
            return
        stream = torch.cuda.current_stream(self.device).cuda_stream if self.device.type == "cuda" else 0
        # What a graph works with is its own, so those that are at work at a time need one each.  And each
        # stays on the stream that it was captured on, since libraries keep workspaces by stream.
        key = stream, -(-rows // _SLOT_ROWS) * _SLOT_ROWS
        free = self._slots.setdefault(key, [])
        slot = free.pop() if free else _Slot(self, key[1], self._repeated)
        try:
            with self.turn:
                slot.base = self.base(phi)
            yield slot.evaluate, np.arange(self._latent)
        finally:
            slot.base = torch.empty(0)
            free.append(slot)
            self._drop_slots()

    def _drop_slots(self) -> None:
        """Leave of those that were used first, where scenes of many shapes have left too many."""
        for key in list(self._slots):
            if sum(map(len, list(self._slots.values()))) <= _SLOTS:
                return
            with contextlib.suppress(IndexError):  # another thread has taken it
                self._slots[key].pop(0)

    def base(self, phi: npt.NDArray[np.int32]) -> torch.Tensor:
        """What the first layer makes of φ of all positions: float64, shape (positions, hidden)."""
        operand = torch.from_numpy(np.ascontiguousarray(phi.T)).to(self.device)
        return torch.addmm(self._bias1, operand.double(), self._features)


class _Buffers:
    """Memory of the host through which contexts go to a device and outputs come back."""

    def __init__(self, rows: int, contexts: int, outputs: int, device: torch.device) -> None:
        self._pinned = device.type == "cuda"
        self._done: Any = torch.cuda.Event() if self._pinned else None
        self.contexts = torch.zeros(rows, contexts, dtype=torch.int16, pin_memory=self._pinned)
        self.places = torch.zeros(rows, dtype=torch.int64, pin_memory=self._pinned)
        self.outputs = torch.empty(rows, outputs, dtype=torch.float64, pin_memory=self._pinned)

    def fill(self, field: Field, taps: Ints, places: Ints) -> int:
        """Number of positions whose contexts and places are there now."""
        gather(field, taps, self.contexts[: len(taps)].numpy())
        self.places[: len(taps)].numpy()[:] = places
        return len(taps)

    def take(self, outputs: torch.Tensor, count: int) -> None:
        """Begin of the copy of outputs of so many positions from the device."""
        self.outputs[:count].copy_(outputs[:count], non_blocking=True)
        if self._pinned:
            self._done.record()

    def wait(self, count: int) -> Float64Array:
        """Outputs of so many positions, once they are there."""
        if self._pinned:
            # Not for all of the stream: torch has few, and nobody may wait for one that others capture on.
            self._done.synchronize()
        view: Float64Array = self.outputs[:count].numpy()
        return view


class _Slot:
    """Step of a wavefront with everything at its place on the device: always all rows, and all channels."""

    def __init__(
        self,
        network: DeviceParameterNetwork,
        rows: int,
        repeated: Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]],
    ) -> None:
        device, self._network = network.device, network
        hidden, outputs = network.layer3.shape
        self.base = torch.empty(0)
        self._buffers = _Buffers(rows, len(network.context), outputs, device)
        self._contexts = torch.zeros_like(self._buffers.contexts, device=device)
        self._operand = torch.empty(self._contexts.shape, dtype=torch.float64, device=device)
        self._sums = torch.zeros(rows, hidden, dtype=torch.float64, device=device)
        self._first, self._second = torch.empty_like(self._sums), torch.empty_like(self._sums)
        self._outputs = torch.empty(rows, outputs, dtype=torch.float64, device=device)
        self._compute = repeated(self._layers)

    def _layers(self) -> torch.Tensor:
        """Outputs of contexts and sums that are on the device."""
        network = self._network
        self._operand.copy_(self._contexts)
        torch.addmm(self._sums, self._operand, network.context, out=self._first)
        torch.addmm(network.bias2, _activated(self._first), network.layer2, out=self._second)
        return torch.mm(_activated(self._second), network.layer3, out=self._outputs)

    def evaluate(self, field: Field, taps: Ints, places: Ints) -> Float64Array:
        """Exact outputs, as an :data:`Evaluate` has them."""
        buffers = self._buffers
        count = buffers.fill(field, taps, places)
        with self._network.turn:
            self._contexts[:count].copy_(buffers.contexts[:count], non_blocking=True)
            chosen = buffers.places[:count].to(self._network.device, non_blocking=True)
            torch.index_select(self.base, 0, chosen, out=self._sums[:count])
            buffers.take(self._compute(), count)
        return buffers.wait(count)


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
