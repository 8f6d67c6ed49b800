"""The entropy model's parameters as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Causal taps of the 5×5 type-A mask as (row, column) offsets, in raster order.
TAPS: tuple[tuple[int, int], ...] = tuple(
    (dy, dx) for dy in (-2, -1, 0) for dx in range(-2, 3) if dy < 0 or dx < 0
)


@dataclass(frozen=True, slots=True, eq=False)
class EntropyWeights:
    """What coding needs of the network; hidden layers in float64.

    Attributes
    ----------
    context : ndarray, shape (12·M, hidden)
        Masked convolution folded with the context half of the first 1×1 layer; rows are taps
        (outer) by channels (inner).
    features : ndarray, shape (2M, hidden)
        The φ half of the first 1×1 layer.
    bias1 : ndarray, shape (hidden,)
    layer2, bias2 : ndarray, shapes (hidden, hidden), (hidden,)
    layer3 : ndarray, shape (hidden, 9M)
    z_tables : ndarray of uint16, shape (rates, M, 2Z+1)
        Frequencies of the hyper-latent's values −Z … Z, all ≥ 1.
    active : ndarray of uint8, shape (rates, M)
        Probability in 1/256 (1–255) that a channel of a tile is not all zero.
    """

    context: npt.NDArray[np.float64]
    features: npt.NDArray[np.float64]
    bias1: npt.NDArray[np.float64]
    layer2: npt.NDArray[np.float64]
    bias2: npt.NDArray[np.float64]
    layer3: npt.NDArray[np.float64]
    z_tables: npt.NDArray[np.uint16]
    active: npt.NDArray[np.uint8]

    @property
    def latent(self) -> int:
        """M, channels of the latent."""
        return self.features.shape[0] // 2

    @property
    def z_radius(self) -> int:
        """Z: hyper-latents are clamped to ±Z."""
        return self.z_tables.shape[2] // 2

    @staticmethod
    def fold(
        masked: npt.NDArray[np.float32],
        masked_bias: npt.NDArray[np.float32],
        layers: tuple[npt.NDArray[np.float32], ...],
        z_tables: npt.NDArray[np.uint16],
        active: npt.NDArray[np.uint8],
    ) -> EntropyWeights:
        """Build from the network's tensors.

        Parameters
        ----------
        masked : ndarray, shape (2M, M, 5, 5)
        masked_bias : ndarray, shape (2M,)
        layers : weight1 (hidden, 4M), bias1, weight2 (hidden, hidden), bias2, weight3 (9M, hidden)
        """
        weight1, bias1, weight2, bias2, weight3 = (np.asarray(a, np.float64) for a in layers)
        conv = np.asarray(masked, np.float64)
        half = conv.shape[0]
        taps = np.concatenate([conv[:, :, dy + 2, dx + 2] for dy, dx in TAPS], axis=1)
        # Nothing lies between the masked convolution and the first 1×1 layer: one matrix does both.
        context = (weight1[:, :half] @ taps).T
        bias = bias1 + weight1[:, :half] @ np.asarray(masked_bias, np.float64)
        return EntropyWeights(
            context=np.ascontiguousarray(context),
            features=np.ascontiguousarray(weight1[:, half:].T),
            bias1=bias,
            layer2=np.ascontiguousarray(weight2.T),
            bias2=bias2,
            layer3=np.ascontiguousarray(weight3.T),
            z_tables=z_tables,
            active=active,
        )
