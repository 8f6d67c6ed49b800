"""The causal order in which latents are coded, and the network that predicts them step by step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from fdegc.coding.phi import PHI_STEPS
from fdegc.coding.tables import frequencies, quantise_mixture
from fdegc.coding.weights import TAPS, EntropyWeights

#: Reach of the causal context in rows and columns.
REACH = 2
#: LeakyReLU slope of the parameter network.
SLOPE = 0.01

#: Given a step's positions (row, column) and frequencies (positions·channels, symbols), returns the
#: latents of those positions, shape (positions, channels).
StepCoder = Callable[
    [npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]], npt.NDArray[np.int32]
]


@functools.lru_cache(maxsize=32)
def schedule(height: int, width: int) -> tuple[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]], ...]:
    """Positions (rows, columns) of every step; (h, w) belongs to step w + 3h.

    All twelve causal neighbours of a position belong to earlier steps.
    """
    steps = []
    for step in range(width + 3 * (height - 1)):
        rows = np.arange(max(0, -(-(step - width + 1) // 3)), min(height - 1, step // 3) + 1)
        if len(rows):  # latents narrower than three columns leave steps without a position
            steps.append((rows, step - 3 * rows))
    return tuple(steps)


def _leaky(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(x, SLOPE * x)


@contextmanager
def _single_thread() -> Iterator[None]:
    """One thread for a step's small products: waking a pool thousands of times costs more than it gives."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _matmul(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Matrix product; torch's BLAS is several times faster here than the one numpy ships."""
    product: npt.NDArray[np.float64] = torch.mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    return product


@_single_thread()
def run(
    weights: EntropyWeights,
    phi: npt.NDArray[np.int32],
    channels: npt.NDArray[np.intp],
    radius: int,
    code: StepCoder,
) -> npt.NDArray[np.int32]:
    """Walk the wavefront; encoder and decoder differ only in ``code``.

    Parameters
    ----------
    weights : EntropyWeights
    phi : ndarray of int32, shape (2M, h, w)
        Snapped entropy features.
    channels : ndarray of int
        Channels that are coded; all others are zero.
    radius : int
        Symbols are −radius … radius.
    code : callable
        Codes one step and returns its latents.

    Returns
    -------
    ndarray of int32, shape (M, h, w)
    """
    latent = weights.latent
    _, height, width = phi.shape
    # Channels last, with a border of zeros, so that one step's contexts are one gather.
    padded = np.zeros((height + REACH, width + 2 * REACH, latent))
    flat = padded.reshape(-1, latent)
    stride = width + 2 * REACH
    offsets = np.array([dy * stride + dx for dy, dx in TAPS])
    features = phi.reshape(2 * latent, -1).T.astype(np.float64) / PHI_STEPS
    base = (_matmul(features, weights.features) + weights.bias1).reshape(height, width, -1)
    last = weights.layer3.reshape(-1, 9, latent)[:, :, channels].reshape(weights.layer3.shape[0], -1)
    for rows, cols in schedule(height, width):
        here = (rows + REACH) * stride + cols + REACH
        gathered = flat[here[:, None] + offsets[None, :]].reshape(len(rows), -1)
        hidden = _leaky(_matmul(gathered, weights.context) + base[rows, cols])
        hidden = _leaky(_matmul(hidden, weights.layer2) + weights.bias2)
        table = frequencies(*quantise_mixture(_matmul(hidden, last), len(channels)), radius)
        flat[here[:, None], channels[None, :]] = code(rows, cols, table)
    inner = padded[REACH:, REACH : REACH + width]
    return np.ascontiguousarray(inner.transpose(2, 0, 1)).astype(np.int32)
