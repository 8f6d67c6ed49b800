"""Bits that latents are expected to take, for integers and for what lies between them, and their slopes.

What :mod:`fdegc.model.context` computes, up to rounding, by matrix products over rows of channels, of
which causal ones and those that follow without anything in between are one.  For refinement: nothing is coded
by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.model.context import COMPONENTS, LIKELIHOOD_FLOOR, SCALE_FLOOR, ContextModel
from fdegc.model.transforms import SLOPE

#: Positions whose likelihoods a CPU computes at a time, so that some forty passes over them find them in its
#: cache.
_AT_ONCE = 64


class BitModel:
    """Entropy model of latents of one shape, given their hyper-features.

    Parameters
    ----------
    context : ContextModel
    phi : Tensor of float32, shape (B, 2M, h, w)
    """

    def __init__(self, context: ContextModel, phi: Tensor) -> None:
        latent, masked = context.latent, context.masked
        first, second, third = (
            layer for layer in context.parameters_net.children() if isinstance(layer, nn.Conv2d)
        )
        self._side, self._shape = masked.kernel_size[0], (len(phi), *phi.shape[2:])
        weight = first.weight.flatten(1)
        seen, given = weight[:, : 2 * latent], weight[:, 2 * latent :]
        # What the causal convolution makes goes straight into the first layer: one matrix a tap for both.
        reach = self._side // 2
        self._taps = [
            (row, column, seen @ masked.causal_weight[:, :, row, column])
            for row in range(reach + 1)
            for column in range(self._side if row < reach else reach)
        ]
        self._constant = F.linear(_rows(phi), given, first.bias).add_(seen @ masked.bias)
        self._second, self._third = second.weight.flatten(1), third.weight.flatten(1)
        self._bias = second.bias

    def mixtures(self, y: Tensor) -> Mixtures:
        """Mixtures of latents, each of which depends on those before it.

        Parameters
        ----------
        y : Tensor of float32, shape (B, M, h, w)
        """
        first = F.leaky_relu_(self._constant + self._seen(y), SLOPE)
        second = F.leaky_relu_(F.linear(first, self._second, self._bias), SLOPE)
        return Mixtures(self, first, second, F.linear(second, self._third))

    def _wide(self) -> tuple[int, int, int]:
        """Latents of a padded row, those of all rows, and the reach of the context."""
        _, height, width = self._shape
        reach = self._side // 2
        return width + 2 * reach, height * (width + 2 * reach), reach

    def _seen(self, y: Tensor) -> Tensor:
        """What the first layer gets of neighbours, (B · h · w, hidden)."""
        line, count, reach = self._wide()
        batch, height, width = self._shape
        # Samples one after another, and as many rows more as the last taps go beyond the end.
        padded = F.pad(y.permute(0, 2, 3, 1), (0, 0, reach, reach, reach, 1)).flatten(1, 2)
        out = y.new_zeros((batch, count, self._constant.shape[1]))
        for place in range(batch):
            for row, column, matrix in self._taps:
                start = row * line + column
                out[place].addmm_(padded[place, start : start + count], matrix.t())
        return out.view(batch, height, line, -1)[:, :, :width].reshape(batch * height * width, -1)

    def _back(self, slope: Tensor) -> Tensor:
        """Slopes of latents, (B, M, h, w), from those of what the first layer got of them."""
        line, count, reach = self._wide()
        batch, height, width = self._shape
        wide = F.pad(slope.view(batch, height, width, -1), (0, 0, 0, 2 * reach)).flatten(1, 2)
        padded = slope.new_zeros((batch, (height + reach + 1) * line, self._taps[0][2].shape[1]))
        for place in range(batch):
            for row, column, matrix in self._taps:
                start = row * line + column
                padded[place, start : start + count].addmm_(wide[place], matrix)
        rows = padded.view(batch, height + reach + 1, line, -1)
        return rows[:, reach : reach + height, reach : reach + width].permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """Mixtures of all latents, as :meth:`BitModel.mixtures` makes them, with what their slopes need."""

    _model: BitModel
    _first: Tensor
    _second: Tensor
    _raw: Tensor

    def bits(self, y: Tensor) -> Tensor:
        """Bits of integers, (B, M, h, w) to the same shape."""
        rows = _rows(y)
        found = torch.empty_like(rows)
        for these in self._pieces():
            (found[these],) = _Laplace(self._raw[these]).bits(rows[these], 1)
        return _planes(found, self._model._shape)

    def expected(self, lower: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bits of two integers for each latent, and the slope of what they are expected to take.

        Parameters
        ----------
        lower : Tensor of float32, shape (B, M, h, w)
            The lower integer.
        share : Tensor of the same shape
            How probable ``lower + 1`` is.

        Returns
        -------
        low, high : Tensor, shape (B, M, h, w)
            Bits of ``lower`` and of ``lower + 1``.
        after : Tensor, shape (B, M, h, w)
            By how much a latent that grows changes the bits of those after it.
        """
        lower, share = _rows(lower), _rows(share)
        low, high, slope = torch.empty_like(lower), torch.empty_like(lower), torch.empty_like(self._raw)
        for these in self._pieces():
            piece = _Laplace(self._raw[these])
            low[these], high[these] = piece.bits(lower[these], 2)
            piece.slope([1 - share[these], share[these]], slope[these])
        second = torch.ops.aten.leaky_relu_backward(slope @ self._model._third, self._second, SLOPE, True)
        first = second @ self._model._second
        first = torch.ops.aten.leaky_relu_backward(first, self._first, SLOPE, True)
        shape = self._model._shape
        return _planes(low, shape), _planes(high, shape), self._model._back(first)

    def _pieces(self) -> list[slice]:
        count = len(self._raw)
        step = _AT_ONCE if self._raw.device.type == "cpu" else count
        return [slice(start, start + step) for start in range(0, count, step)]


class _Laplace:
    """Mixtures of Laplace distributions of some positions.

    Parameters
    ----------
    raw : Tensor, shape (n, 9M)
        As :func:`~fdegc.model.context.split_mixture` knows them.
    """

    def __init__(self, raw: Tensor) -> None:
        blocks = raw.view(len(raw), COMPONENTS, 3, -1)
        self._weights = torch.softmax(blocks[:, :, 0], 1)
        self._means, self._scales = blocks[:, :, 1], blocks[:, :, 2]
        self._inverse = self._scales.abs().clamp_(min=SCALE_FLOOR).reciprocal_()

    def bits(self, lowest: Tensor, count: int) -> list[Tensor]:
        """Bits of some successive integers, each of shape (n, M), from the lowest on."""
        ends = lowest.unsqueeze(1) - self._means
        self._ends = [ends + (k - 0.5) for k in range(count + 1)]
        # exp(−|end| / scale): twice what lies beyond an end, on its side of the mean.
        self._beyond = [(end.abs() * self._inverse).neg_().exp_() for end in self._ends]
        above = [(end > 0).to(ends.dtype) for end in self._ends]
        halves = [torch.copysign(0.5 * e, end) for e, end in zip(self._beyond, self._ends, strict=True)]
        self._masses = [(above[k + 1] - above[k]).sub_(halves[k + 1]).add_(halves[k]) for k in range(count)]
        self._totals = [(self._weights * mass).sum(1) for mass in self._masses]
        return [total.clamp(min=LIKELIHOOD_FLOOR).log2_().neg_() for total in self._totals]

    def slope(self, shares: list[Tensor], out: Tensor) -> None:
        """Slopes of the raw numbers for those integers' bits, in their shares; written into ``out``."""
        logits = means = scales = torch.zeros((), dtype=out.dtype, device=out.device)
        for k, (share, total) in enumerate(zip(shares, self._totals, strict=True)):
            counts = (total >= LIKELIHOOD_FLOOR).to(share.dtype).mul_(share).mul_(-1 / math.log(2))
            grad = (counts / total.clamp(min=LIKELIHOOD_FLOOR)).unsqueeze(1)
            logits = logits + (self._masses[k] - total.unsqueeze(1)).mul_(grad)
            means = means + (self._beyond[k + 1] - self._beyond[k]).mul_(grad)
            far, near = (self._ends[end] * self._beyond[end] for end in (k + 1, k))
            scales = scales + far.sub_(near).mul_(grad)
        half = self._weights * self._inverse * -0.5
        blocks = out.view(len(out), COMPONENTS, 3, -1)
        torch.mul(self._weights, logits, out=blocks[:, :, 0])
        torch.mul(half, means, out=blocks[:, :, 1])
        kept = torch.sign(self._scales).mul_((self._scales.abs() >= SCALE_FLOOR).to(out.dtype))
        torch.mul(half.mul_(self._inverse).mul_(kept), scales, out=blocks[:, :, 2])


def _rows(y: Tensor) -> Tensor:
    """(B, C, h, w) as (B · h · w, C)."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def _planes(rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """(B · h · w, C) as (B, C, h, w)."""
    return rows.view(*shape, -1).permute(0, 3, 1, 2)
