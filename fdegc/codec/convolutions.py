"""Layers of g_a and g_s as a CPU computes them fastest in float32: convolutions by Winograd's transforms."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.coding import winograd
from fdegc.coding.winograd import PLACES, PLANE
from fdegc.model.layers import GDN
from fdegc.model.odam import ODAM, DynamicBottleneck
from fdegc.model.odconv import ODConv2d
from fdegc.model.transforms import SLOPE, Down, Residual, Up

#: Blocks of a matrix product, from which on more do not make it faster, where there is room for them.
_BLOCKS = 128
#: Samples of a picture from which on it pays.
_FEWEST = 64
_TRANSFORM = torch.from_numpy(winograd.KERNEL_TRANSFORM.astype(np.float32))
_NOTHING = np.empty((0, 0, 0), np.float32)
_local = threading.local()


class _Scratch:
    """Memory that a thread transforms in: kept, since touching new memory takes as long as the arithmetic."""

    def __init__(self) -> None:
        with torch.inference_mode(False):  # memory made within it could not be written to outside of it
            self.inputs, self.outputs = torch.empty(PLACES * PLANE), torch.empty(PLACES * PLANE)
        self.lines = winograd.scratch()

    @classmethod
    def own(cls) -> _Scratch:
        """That of this thread."""
        if not hasattr(_local, "scratch"):
            _local.scratch = cls()
        scratch: _Scratch = _local.scratch
        return scratch


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Kernel of a 3 × 3 convolution of stride 1, with bias, by taps and transformed.

    Attributes
    ----------
    taps : Tensor of float32, shape (9, in, out)
    bias : Tensor of float32, shape (out,)
    transformed : Tensor of float32, shape (36, in, out)
    """

    taps: Tensor
    bias: Tensor
    transformed: Tensor

    @classmethod
    def of_taps(cls, taps: Tensor, bias: Tensor | None = None) -> Kernel:
        """Kernel of its taps, row by row."""
        _, inputs, outputs = taps.shape
        transformed = (_TRANSFORM @ taps.reshape(9, -1)).view(PLACES, inputs, outputs)
        return cls(taps, taps.new_zeros(outputs) if bias is None else bias, transformed)

    @classmethod
    def of_layer(cls, layer: nn.Conv2d | nn.ConvTranspose2d) -> Kernel:
        """Kernel of a layer of stride 1 and padding 1; that of a transposed one is turned."""
        weight = layer.weight.flatten(2)
        turned = isinstance(layer, nn.ConvTranspose2d)
        return cls.of_taps(weight.flip(2).permute(2, 0, 1) if turned else weight.permute(2, 1, 0), layer.bias)

    @property
    def turned(self) -> Kernel:
        """Kernel, without bias, that takes slopes of outputs to slopes of inputs."""
        return Kernel.of_taps(self.taps.flip(0).transpose(1, 2).contiguous())

    @property
    def weight(self) -> Tensor:
        """As a :class:`torch.nn.Conv2d` has it."""
        return self.taps.permute(2, 1, 0).reshape(*self.taps.shape[:0:-1], 3, 3)


def convolve(x: Tensor, kernel: Kernel, slope: float = 1.0, added: Tensor | None = None) -> Tensor:
    """Convolution 3 × 3 of stride 1 and padding 1, then LeakyReLU, then a sum, on a CPU.

    Parameters
    ----------
    x : Tensor of float32, shape (B, in, H, W)
        Best channels-last.
    kernel : Kernel
    slope : float
        Of negative values, from 0 (ReLU) to 1 (none).
    added : Tensor of float32, shape (B, out, H, W), optional

    Returns
    -------
    Tensor of float32, shape (B, out, H, W)
        Channels-last.  Differs from what torch's own convolution gives by rounding only.
    """
    batch, inputs, height, width = x.shape
    outputs = kernel.taps.shape[2]
    down, across = winograd.blocks(height, width)
    room = winograd.rows_at_once(across, max(inputs, outputs))
    if not room or height * width < _FEWEST:
        found = F.leaky_relu(F.conv2d(x, kernel.weight, kernel.bias, padding=1), slope)
        return found if added is None else found + added
    rows = min(room, -(-_BLOCKS // across))
    out = torch.empty((batch, outputs, height, width), memory_format=torch.channels_last)
    scratch, bias = _Scratch.own(), kernel.bias.numpy()
    planes = scratch.inputs.numpy(), scratch.outputs.numpy()
    for place in range(batch):
        picture, result = _samples(x[place]), _samples(out[place])
        sum_with = _NOTHING if added is None else _samples(added[place])
        for top in range(0, down, rows):
            these = range(top, min(top + rows, down))
            for number, row in enumerate(these):
                winograd.transform(picture, row, planes[0], number * across, *scratch.lines)
            count = len(these) * across
            products = scratch.outputs[: PLACES * count * outputs].view(PLACES, count, outputs)
            blocks = scratch.inputs.view(PLACES, PLANE)[:, : count * inputs].view(PLACES, count, inputs)
            torch.bmm(blocks, kernel.transformed, out=products)
            for number, row in enumerate(these):
                winograd.untransform(
                    planes[1],
                    count * outputs,
                    number * across,
                    result,
                    row,
                    bias,
                    np.float32(slope),
                    sum_with,
                    *scratch.lines,
                )
    return out


def _samples(picture: Tensor) -> winograd.Float32Array:
    """(channels, height, width) as (height, width, channels), copied only where that is not how it lies."""
    return picture.permute(1, 2, 0).contiguous().numpy()


class _Residual(nn.Module):
    def __init__(self, layer: Residual) -> None:
        super().__init__()
        self._kernels = Kernel.of_layer(layer.conv1), Kernel.of_layer(layer.conv2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self._kernels
        return convolve(convolve(x, first, SLOPE), second, SLOPE, x)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution 1 × 1 of channels-last features by (out, in); torch's own is slower on one thread."""
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class _Normalisation(nn.Module):
    """GDN or its inverse, of which nothing is new memory but the result."""

    def __init__(self, layer: GDN) -> None:
        super().__init__()
        self._beta, self._gamma = layer.constants()
        self._inverse = layer.inverse

    def forward(self, x: Tensor) -> Tensor:
        norm: Tensor = pointwise(x.square(), self._gamma, self._beta)
        norm = norm.sqrt_() if self._inverse else norm.rsqrt_()
        return norm.mul_(x)


class _Scaling(nn.Module):
    """Down or Up, of which only the second convolution has stride 1."""

    def __init__(self, layer: Down | Up) -> None:
        super().__init__()
        self._shortcut, self._conv1 = layer.shortcut, layer.conv1
        self._kernel = Kernel.of_layer(layer.conv2)
        self._normalise = _Normalisation(layer.gdn if isinstance(layer, Down) else layer.igdn)

    def forward(self, x: Tensor) -> Tensor:
        inner = convolve(F.leaky_relu_(self._conv1(x), SLOPE), self._kernel)
        out: Tensor = self._normalise(inner)
        return out.add_(self._shortcut(x))


class Dynamic(nn.Module):
    """Dynamic convolution, each sample with its own kernel; with ReLU, if the kernel is 3 × 3.

    The candidates lie here as they are needed, by tap, input and output.
    """

    def __init__(self, layer: ODConv2d) -> None:
        super().__init__()
        self._attention, self._side = layer.attention, layer.kernel_size
        candidates, outputs, inputs = layer.weight.shape[:3]
        self._shape = (self._side**2, inputs, outputs)
        by_tap = layer.weight.view(candidates, outputs, inputs, -1).permute(0, 3, 2, 1)
        self._candidates = by_tap.reshape(candidates, -1)

    def taps(self, x: Tensor) -> list[Tensor]:
        """Kernel of each sample of features (B, in, H, W), by taps: (9 or 1, in, out)."""
        channel, filters, spatial, mixture = self._attention(x)
        kernels = []
        for place, mixed in enumerate(mixture @ self._candidates):
            taps = mixed.view(self._shape)
            taps.mul_(channel[place].view(-1, 1) * filters[place].view(1, -1))
            kernels.append(taps if spatial is None else taps * spatial[place].view(-1, 1, 1))
        return kernels

    def forward(self, x: Tensor) -> Tensor:
        """Dynamic convolution of features, then ReLU if it is 3 × 3: (B, in, H, W) to (B, out, H, W)."""
        parts = []
        for place, taps in enumerate(self.taps(x)):
            part = x[place : place + 1]
            if self._side == 1:
                parts.append(pointwise(part, taps[0].t()))
            else:
                parts.append(convolve(part, Kernel.of_taps(taps), 0.0))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class _Bottleneck(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, DynamicBottleneck)
        self._conv1, self._conv2, self._conv3 = map(Dynamic, (layer.conv1, layer.conv2, layer.conv3))

    def forward(self, x: Tensor) -> Tensor:
        inner = self._conv2(F.relu_(self._conv1(x)))
        found: Tensor = self._conv3(inner).add_(x)
        return found


class _Attention(nn.Module):
    def __init__(self, layer: ODAM) -> None:
        super().__init__()
        self._trunk, self._mask = (
            nn.Sequential(*map(_Bottleneck, branch.children())) for branch in (layer.trunk, layer.mask)
        )
        self._conv = layer.conv

    def forward(self, x: Tensor) -> Tensor:
        mask = pointwise(self._mask(x), self._conv.weight, self._conv.bias)
        return mask.sigmoid_().mul_(self._trunk(x)).add_(x)


def quick_layers(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Layers that compute what those of g_a or g_s do, up to rounding, in less time; for float32 on a CPU.

    They share the parameters of the layers given, which must not change any more.
    """
    quick = nn.Sequential()
    for layer in layers:
        if isinstance(layer, Residual):
            layer = _Residual(layer)
        elif isinstance(layer, (Down, Up)):
            layer = _Scaling(layer)
        elif isinstance(layer, ODAM):
            layer = _Attention(layer)
        quick.append(layer)
    return quick
