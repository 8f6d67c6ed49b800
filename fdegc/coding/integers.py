"""The entropy model in fixed point: integer weights, stated ranges, and the proof that sums are exact.

All operands are integers held in float64.  Every product and every partial sum of a row is bounded
by Σ|w|·max|a|, which is checked to stay below 2⁵³; so each of them is exact, whatever the order of
summation, the batch size, the number of threads or the use of fused multiply-adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.coding.phi import LIMIT as PHI_LIMIT
from fdegc.coding.phi import PHI_STEPS

#: Causal taps of the 5×5 type-A mask as (row, column) offsets, in raster order.
TAPS: tuple[tuple[int, int], ...] = tuple(
    (dy, dx) for dy in (-2, -1, 0) for dx in range(-2, 3) if dy < 0 or dx < 0
)

#: Weights are multiples of 2^-WEIGHT_BITS; the context's of 2^-(WEIGHT_BITS + 6), since ŷ is on a grid
#: of 1 and φ on one of 1 / PHI_STEPS, and both add up in one accumulator.
WEIGHT_BITS = 16
#: Hidden activations are multiples of 2^-HIDDEN_BITS.
HIDDEN_BITS = 12
#: Right shifts from the accumulators of the first and second layer to hidden activations.
SHIFT_1 = WEIGHT_BITS + 6 - HIDDEN_BITS
SHIFT_2 = WEIGHT_BITS
#: The outputs of the last layer are multiples of 2^-OUTPUT_BITS.
OUTPUT_BITS = WEIGHT_BITS + HIDDEN_BITS
#: Latents enter the context clamped to ±CONTEXT_LIMIT.
CONTEXT_LIMIT = 1023
#: Hidden activations are clamped to ±HIDDEN_LIMIT.
HIDDEN_LIMIT = 1 << 22
#: LeakyReLU's slope is SLOPE_NUMERATOR / 2^SLOPE_BITS = 0.01001.
SLOPE_NUMERATOR, SLOPE_BITS = 41, 12
#: Integers below this are exact in float64.
EXACT = 1 << 53

#: Names of the tensors that a weights file stores, with the entropy model's in them.
TENSORS = ("context", "features", "bias1", "layer2", "bias2", "layer3", "z_tables", "active")
#: z tables sum to 2^Z_BITS, activities are multiples of 2^-ACTIVE_BITS.
Z_BITS, ACTIVE_BITS = 16, 8

Integers = npt.NDArray[np.int32]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EntropyWeights:
    """Entropy weights: all that coding needs of the network, as integers.

    Attributes
    ----------
    context : ndarray of int32, shape (12·M, hidden)
        Masked convolution folded with the context half of the first 1×1 layer; rows are taps
        (outer) by channels (inner); multiples of 2^-22.
    features : ndarray of int32, shape (2M, hidden)
        The φ half of the first 1×1 layer, multiples of 2^-16.
    bias1 : ndarray of int32, shape (hidden,)
        Multiples of 2^-22.
    layer2, bias2 : ndarray of int32, shapes (hidden, hidden), (hidden,)
        Multiples of 2^-16 and 2^-28.
    layer3 : ndarray of int32, shape (hidden, 9M)
        Blocks w0 m0 s0 w1 m1 s1 w2 m2 s2; multiples of 2^-16.
    z_tables : ndarray of uint16, shape (rates, H, 2Z+1)
        Frequencies of the hyper-latent's values −Z … Z, each ≥ 1, sum 2^16.
    active : ndarray of uint8, shape (rates, M)
        Probability in 1/256 (1–255) that a channel of a tile is not all zero.

    Raises
    ------
    ValueError
        If shapes do not fit together, a table is not one, or a sum could leave the integers that
        float64 holds exactly.
    """

    context: Integers
    features: Integers
    bias1: Integers
    layer2: Integers
    bias2: Integers
    layer3: Integers
    z_tables: npt.NDArray[np.uint16]
    active: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        hidden, latent = self.layer2.shape[0], self.latent
        shapes = {
            "context": (len(TAPS) * latent, hidden),
            "features": (2 * latent, hidden),
            "bias1": (hidden,),
            "layer2": (hidden, hidden),
            "bias2": (hidden,),
            "layer3": (hidden, 9 * latent),
            "active": (self.z_tables.shape[0], latent),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"coding.{name} has shape {getattr(self, name).shape}, not {shape}")
        if self.z_tables.min() < 1 or (self.z_tables.sum(2, dtype=np.int64) != 1 << Z_BITS).any():
            raise ValueError("coding.z_tables holds no frequencies")
        if self.active.min() < 1:
            raise ValueError("coding.active holds an impossible probability")
        first = _row_sums(self.context) * CONTEXT_LIMIT + _row_sums(self.features) * PHI_LIMIT
        second = _row_sums(self.layer2) * HIDDEN_LIMIT
        # Negative accumulators are multiplied by the slope's numerator before they are shifted.
        exact = (
            (first + np.abs(self.bias1.astype(np.int64))).max() * SLOPE_NUMERATOR < EXACT
            and (second + np.abs(self.bias2.astype(np.int64))).max() * SLOPE_NUMERATOR < EXACT
            and (_row_sums(self.layer3) * HIDDEN_LIMIT).max() < EXACT
        )
        if not exact:
            raise ValueError("the entropy model's weights are too large for exact sums")

    @classmethod
    def of(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> EntropyWeights:
        """Entropy weights among the tensors of a weights file, where they are named ``coding.…``.

        Raises
        ------
        KeyError
            If one is missing.
        ValueError
            If one is not of its type, or as the class says.
        """
        kinds = {"z_tables": np.uint16, "active": np.uint8}
        own = {name: tensors[f"coding.{name}"] for name in TENSORS}
        for name, array in own.items():
            if array.dtype != kinds.get(name, np.int32):
                raise ValueError(f"coding.{name} is of type {array.dtype}")
        return cls(**own)

    @property
    def latent(self) -> int:
        """Channels of the latent, M."""
        return self.features.shape[0] // 2

    @property
    def hyper(self) -> int:
        """Channels of the hyper-latent, H."""
        return self.z_tables.shape[1]

    @property
    def rates(self) -> int:
        """Number of rate points that have tables."""
        return self.z_tables.shape[0]

    @property
    def z_radius(self) -> int:
        """Radius Z of hyper-latents, which are clamped to ±Z."""
        return self.z_tables.shape[2] // 2


def _row_sums(matrix: Integers) -> npt.NDArray[np.float64]:
    """Σ|w| of each output; columns are outputs.  As float64, whose rounding is far below the margins."""
    return np.abs(matrix.astype(np.float64)).sum(0)


def to_fixed(values: npt.NDArray[np.floating[Any]], bits: int) -> Integers:
    """Fixed-point integers: values rounded to multiples of 2^-bits.

    Raises
    ------
    ValueError
        If a value does not fit 32 bits.
    """
    scaled = np.rint(np.asarray(values, np.float64) * float(1 << bits))
    if not np.isfinite(scaled).all() or np.abs(scaled).max(initial=0) > np.iinfo(np.int32).max:
        raise ValueError("a weight of the entropy model is not finite or too large")
    return scaled.astype(np.int32)


def quantise(
    masked: npt.NDArray[np.float32],
    masked_bias: npt.NDArray[np.float32],
    layers: tuple[npt.NDArray[np.float32], ...],
    z_tables: npt.NDArray[np.uint16],
    active: npt.NDArray[np.uint8],
) -> EntropyWeights:
    """Fixed-point entropy model of a trained network; done once, when weights are exported.

    Parameters
    ----------
    masked : ndarray, shape (2M, M, 5, 5)
        Kernel of the masked convolution.
    masked_bias : ndarray, shape (2M,)
    layers : weight1 (hidden, 4M), bias1, weight2 (hidden, hidden), bias2, weight3 (9M, hidden)
    z_tables, active
        As in :class:`EntropyWeights`.
    """
    weight1, bias1, weight2, bias2, weight3 = (np.asarray(a, np.float64) for a in layers)
    conv = np.asarray(masked, np.float64)
    half = conv.shape[0]
    taps = np.concatenate([conv[:, :, dy + 2, dx + 2] for dy, dx in TAPS], axis=1)
    # Nothing lies between the masked convolution and the first 1×1 layer: one matrix does both.
    context = (weight1[:, :half] @ taps).T
    bias = bias1 + weight1[:, :half] @ np.asarray(masked_bias, np.float64)
    phi_bits = PHI_STEPS.bit_length() - 1
    return EntropyWeights(
        context=to_fixed(context, WEIGHT_BITS + phi_bits),
        features=to_fixed(weight1[:, half:].T, WEIGHT_BITS),
        bias1=to_fixed(bias, WEIGHT_BITS + phi_bits),
        layer2=to_fixed(weight2.T, WEIGHT_BITS),
        bias2=to_fixed(bias2, WEIGHT_BITS + HIDDEN_BITS),
        layer3=to_fixed(weight3.T, WEIGHT_BITS),
        z_tables=z_tables,
        active=active,
    )
