"""Convolutions 3 × 3 with a quarter of the products, by Winograd's minimal filtering F(4 × 4, 3 × 3).

After Lavin, Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.  A picture is cut into
blocks of 4 × 4 outputs; of the 6 × 6 inputs that a block depends on linear combinations are made, so that
each of 36 places of a block needs one matrix product over channels.  Here are the two transforms around
these products.

Samples of a picture are (row, column, channel).  Both transforms go by rows of blocks.  What they write in
between lies in planes a constant distance apart, each a long line of (block, channel): only so a compiler
knows that planes do not overlap, and computes eight samples at a time.  Lines are kept by phases: that of
number k holds the columns 4·block + k.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

#: Side of a block, places of a transformed block.
BLOCK, PLACES = 4, 36
#: Numbers that a phase of a line, and a transformed plane, have room for.  No multiples of a page, which
#: would all compete for the same few places of the cache.
PHASE, PLANE = 10_240 + 16, 24_576 + 16
_LINE = BLOCK * PHASE

#: How a kernel is transformed: G of the paper.
_G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
#: The same for rows and columns at once: (36, 9).
KERNEL_TRANSFORM: Float64Array = np.kron(_G, _G)

# Sums and products may be one operation; nothing is assumed of what the numbers are.
_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract"}}


def scratch() -> tuple[Float32Array, Float32Array]:
    """Memory for the two steps of a transform of a row of blocks."""
    return np.empty(6 * _LINE, np.float32), np.empty(6 * _LINE, np.float32)


def blocks(height: int, width: int) -> tuple[int, int]:
    """Blocks of a picture, down and across."""
    return -(-height // BLOCK), -(-width // BLOCK)


def rows_at_once(across: int, channels: int) -> int:
    """Rows of blocks that the planes have room for; none where a row is too long for the lines.

    Parameters
    ----------
    across : int
        Blocks of a row.
    channels : int
        The larger number, of inputs or outputs.
    """
    return 0 if (across + 1) * channels > PHASE else PLANE // (across * channels)


@njit(**_OPTIONS)
def transform(
    picture: Float32Array, row: int, planes: Float32Array, at: int, lines: Float32Array, columns: Float32Array
) -> None:
    """Transform of a row of blocks.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width, channels)
        Zero beyond its edges.
    row : int
        Of blocks.
    planes : ndarray of float32, shape (36 · PLANE,)
        Filled from block ``at`` on.
    lines, columns
        As of :func:`scratch`.
    """
    height, width, channels = picture.shape
    across = -(-width // BLOCK)
    for i in range(6):
        y = BLOCK * row - 1 + i
        for phase in range(BLOCK):
            line = lines[i * _LINE + phase * PHASE :]
            for block in range(across + 1):
                x, start = BLOCK * block + phase - 1, block * channels
                if 0 <= y < height and 0 <= x < width:
                    for c in range(channels):
                        line[start + c] = picture[y, x, c]
                else:
                    for c in range(channels):
                        line[start + c] = 0
    for phase in range(BLOCK):
        _forward_lines((across + 1) * channels, lines[phase * PHASE :], columns[phase * PHASE :])
    for i in range(6):
        own = columns[i * _LINE :]
        _forward_columns(across * channels, own, own[channels:], planes[6 * i * PLANE + at * channels :])


@njit(**_OPTIONS)
def _forward_lines(count: int, a: Float32Array, out: Float32Array) -> None:
    for c in range(count):
        a1, a2, a3, a4 = a[c + _LINE], a[c + 2 * _LINE], a[c + 3 * _LINE], a[c + 4 * _LINE]
        out[c] = 4 * a[c] - 5 * a2 + a4
        even, odd = a4 - 4 * a2, a3 - 4 * a1
        out[c + _LINE] = even + odd
        out[c + 2 * _LINE] = even - odd
        even, odd = a4 - a2, 2 * (a3 - a1)
        out[c + 3 * _LINE] = even + odd
        out[c + 4 * _LINE] = even - odd
        out[c + 5 * _LINE] = 4 * a1 - 5 * a3 + a[c + 5 * _LINE]


@njit(**_OPTIONS)
def _forward_columns(count: int, a: Float32Array, following: Float32Array, out: Float32Array) -> None:
    for c in range(count):
        a1, a2, a3, a4 = a[c + PHASE], a[c + 2 * PHASE], a[c + 3 * PHASE], following[c]
        out[c] = 4 * a[c] - 5 * a2 + a4
        even, odd = a4 - 4 * a2, a3 - 4 * a1
        out[c + PLANE] = even + odd
        out[c + 2 * PLANE] = even - odd
        even, odd = a4 - a2, 2 * (a3 - a1)
        out[c + 3 * PLANE] = even + odd
        out[c + 4 * PLANE] = even - odd
        out[c + 5 * PLANE] = 4 * a1 - 5 * a3 + following[c + PHASE]


@njit(**_OPTIONS)
def untransform(
    planes: Float32Array,
    distance: int,
    at: int,
    out: Float32Array,
    row: int,
    bias: Float32Array,
    slope: np.float32,
    added: Float32Array,
    lines: Float32Array,
    columns: Float32Array,
) -> None:
    """Outputs of a row of blocks, with bias, LeakyReLU and what is added to that.

    Parameters
    ----------
    planes : ndarray of float32, one dimension
        Products: 36 planes, ``distance`` numbers apart, used from block ``at`` on.
    out : ndarray of float32, shape (height, width, channels)
        Filled in this row of blocks.
    row : int
        Of blocks.
    bias : ndarray of float32, shape (channels,)
    slope : float32
        Of negative outputs, at most 1, which leaves them as they are.
    added : ndarray of float32, shape of ``out``, or of no size
    lines, columns
        As of :func:`scratch`.
    """
    height, width, channels = out.shape
    across = -(-width // BLOCK)
    for i in range(6):
        own = planes[6 * i * distance + at * channels :]
        _backward_columns(across * channels, own, distance, lines[i * _LINE :])
    for phase in range(BLOCK):
        _backward_lines(across * channels, lines[phase * PHASE :], columns[phase * PHASE :])
    for i in range(min(BLOCK, height - BLOCK * row)):
        y = BLOCK * row + i
        for x in range(width):
            line = columns[i * _LINE + x % BLOCK * PHASE :]
            start = x // BLOCK * channels
            for c in range(channels):
                value = line[start + c] + bias[c]
                out[y, x, c] = max(value, slope * value)
            if added.size:
                for c in range(channels):
                    out[y, x, c] += added[y, x, c]


@njit(**_OPTIONS)
def _backward_columns(count: int, a: Float32Array, distance: int, out: Float32Array) -> None:
    b1, b2, b3, b4, b5 = (
        a[distance:],
        a[2 * distance :],
        a[3 * distance :],
        a[4 * distance :],
        a[5 * distance :],
    )
    for c in range(count):
        a1, a2, a3, a4 = b1[c], b2[c], b3[c], b4[c]
        even, odd, outer, skew = a1 + a2, a1 - a2, a3 + a4, a3 - a4
        out[c] = a[c] + even + outer
        out[c + PHASE] = odd + 2 * skew
        out[c + 2 * PHASE] = even + 4 * outer
        out[c + 3 * PHASE] = odd + 8 * skew + b5[c]


@njit(**_OPTIONS)
def _backward_lines(count: int, a: Float32Array, out: Float32Array) -> None:
    for c in range(count):
        a1, a2, a3, a4 = a[c + _LINE], a[c + 2 * _LINE], a[c + 3 * _LINE], a[c + 4 * _LINE]
        even, odd, outer, skew = a1 + a2, a1 - a2, a3 + a4, a3 - a4
        out[c] = a[c] + even + outer
        out[c + _LINE] = odd + 2 * skew
        out[c + 2 * _LINE] = even + 4 * outer
        out[c + 3 * _LINE] = odd + 8 * skew + a[c + 5 * _LINE]
