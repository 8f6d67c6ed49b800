"""Inference with the network: arrays in, arrays out, on a device, without gradients."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fdegc.codec.convolutions import quick_layers
from fdegc.codec.devices import (
    has_float64,
    in_batches,
    memory_errors,
    no_denormals,
    transform_type,
)
from fdegc.codec.launching import Launching, stacked
from fdegc.codec.slopes import sloping_layers
from fdegc.coding.integers import EntropyWeights, quantise
from fdegc.coding.unit import LATENT_LIMIT, IntArray, UnitCoder
from fdegc.coding.wavefront import DeviceParameterNetwork
from fdegc.control import Check, never
from fdegc.errors import WeightsInvalid
from fdegc.model.context import mixture_likelihood
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.graphs import Repeats
from fdegc.model.uninitialised import Uninitialised
from fdegc.types import STRIDE
from fdegc.weights import WeightsEntry, load

Float32Array = npt.NDArray[np.float32]
Array = TypeVar("Array", bound=npt.NDArray[Any])


def fixed_point(
    net: FDEGCNet, z_tables: npt.NDArray[np.uint16], active: npt.NDArray[np.uint8]
) -> EntropyWeights:
    """Entropy model of a network in the integers that files are coded with."""
    context = net.context

    def array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
        return np.asarray(tensor.detach().cpu().numpy(), np.float32)

    layers = [
        array(parameter.flatten(1) if parameter.ndim == 4 else parameter)
        for parameter in context.parameters_net.parameters()
    ]
    return quantise(
        array(context.masked.causal_weight), array(context.masked.bias), tuple(layers), z_tables, active
    )


def as_convolutions(layers: nn.Module) -> nn.Module:
    """Transposed convolutions of stride 1, within a module, as the plain ones that compute the same.

    In float64 PyTorch writes all products of a transposed one to memory before it adds them up, which takes
    twice as long.
    """
    for name, layer in layers.named_children():
        if not isinstance(layer, nn.ConvTranspose2d) or layer.stride != (1, 1):
            as_convolutions(layer)
            continue
        size, reach = layer.kernel_size[0], layer.kernel_size[0] - 1 - int(layer.padding[0])
        with Uninitialised():  # nor are the process's random numbers drawn from
            plain = nn.Conv2d(layer.in_channels, layer.out_channels, size, padding=reach)
        plain.weight = nn.Parameter(layer.weight.detach().flip(2, 3).transpose(0, 1).contiguous())
        plain.bias = layer.bias
        setattr(layers, name, plain)
    return layers


class HyperFeatures:
    """Hyper-features φ = h_s(MCAM(ẑ)) in float64, on the device if it has that, whatever computes the rest.

    Parameters
    ----------
    net : FDEGCNet
    device : torch.device, optional
        The CPU by default.
    launching : Launching, optional
        That of others who use the device.
    """

    def __init__(
        self, net: FDEGCNet, device: torch.device | None = None, launching: Launching | None = None
    ) -> None:
        self._device = device if device is not None and has_float64(device) else torch.device("cpu")
        layers = as_convolutions(copy.deepcopy(nn.Sequential(net.mcam, net.h_s)))
        self._layers = layers.to(self._device).double().eval().requires_grad_(False)
        self._launching = launching or Launching(self._device)

    def __call__(self, zs: Sequence[IntArray]) -> list[npt.NDArray[np.float64]]:
        """Features φ of rounded hyper-latents: each (H, h/4, w/4) to (2M, h, w)."""
        batched = self._device.type == "cuda"
        return _by_shape(self._compute, zs, len(zs) if batched else 1)

    @torch.inference_mode()
    def _compute(self, zs: Sequence[IntArray]) -> list[npt.NDArray[np.float64]]:
        with memory_errors(self._device):
            z = stacked(zs, self._device)
            return list(self._launching.run("features", lambda z: self._layers(z.double()), z))


def _by_shape(
    work: Callable[[Sequence[Any]], Sequence[Array]], inputs: Sequence[npt.NDArray[Any]], batch: int
) -> list[Array]:
    """Results for inputs of any shapes by a function that takes batches of equal ones."""
    results: list[Array | None] = [None] * len(inputs)
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, array in enumerate(inputs):
        alike.setdefault(array.shape, []).append(place)
    for places in alike.values():
        found = in_batches(work, [inputs[place] for place in places], max(batch, 1))
        for place, result in zip(places, found, strict=True):
            results[place] = result
    return [result for result in results if result is not None]


class Network:
    """Network of one set of weights on one device; for any number of threads at once.

    Methods take several inputs, of any shapes, and return as many results.

    Parameters
    ----------
    entry : WeightsEntry
    device : str
        As :func:`~fdegc.codec.devices.resolve_device` returns it.

    Attributes
    ----------
    entropy : EntropyWeights
        What coding needs.
    features : HyperFeatures
        Computes φ.
    coder : UnitCoder
        Codes latents, with matrix products on the device if it has float64.

    Raises
    ------
    WeightsMissing, WeightsInvalid, OutOfMemory
    """

    def __init__(self, entry: WeightsEntry, device: str) -> None:
        self.entry = entry
        self.device = torch.device(device)
        tensors = load(entry)
        try:
            self.entropy = EntropyWeights.of(tensors)
        except (KeyError, ValueError) as error:
            raise WeightsInvalid(
                f"The weights file “{entry.path}” has no usable entropy model ({error}); export it again."
            ) from error
        # By NumPy: a conversion by torch would start its threads, and wait for them on a busy machine.
        state = {
            name: torch.from_numpy(v.astype(np.float32 if v.dtype.kind == "f" else v.dtype))
            for name, v in tensors.items()
            if not name.startswith("coding.")
        }
        network = dict(entry.network)
        with Uninitialised():
            net = FDEGCNet(tuple(network.pop("widths")), network.pop("latent"), **network)
        try:
            net.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise WeightsInvalid(
                f"The weights file “{entry.path}” does not fit the network: {error}"
            ) from error
        net.eval().requires_grad_(False)
        with memory_errors(self.device):
            self._launching = Launching(self.device)
            self.features = HyperFeatures(net, self.device, self._launching if self._is_gpu else None)
            self.net = net.to(self.device)
            turn = self._launching.turn
            products = DeviceParameterNetwork(self.entropy, self.device, turn) if self._is_gpu else None
            self.coder = UnitCoder(self.entropy, products)
            if self._is_gpu:  # workers use other streams than the one that brought the weights
                torch.cuda.synchronize(self.device)
        self._type = transform_type(self.device)
        self._quick: dict[nn.Module, nn.Sequential] = {}
        self._sloping: nn.Sequential | None = None
        self._guard = threading.Lock()
        self._known_gains: dict[float, tuple[Tensor, Tensor]] = {}

    def _fastest(self, transform: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
        """Layers of g_a or g_s as this device is to compute them in a type."""
        if self.device.type != "cpu" or dtype != torch.float32:
            return transform
        with self._guard:  # made by a worker: the calling thread would start torch's own threads for it
            if transform not in self._quick:
                self._quick[transform] = quick_layers(transform)
            return self._quick[transform]

    @property
    def sloping(self) -> tuple[nn.Sequential, torch.memory_format]:
        """Layers of g_s in float32 for who wants slopes, too, and how features have to lie in memory."""
        if self.device.type != "cpu":
            return self.net.g_s, torch.contiguous_format
        with self._guard:
            if self._sloping is None:
                self._sloping = sloping_layers(self.net.g_s)
            return self._sloping, torch.channels_last

    @property
    def no_denormals(self) -> AbstractContextManager[None]:
        """Context in which a CPU takes denormals for zero."""
        return nullcontext() if self._is_gpu else no_denormals()

    @property
    def _is_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """What holds the device while work is launched on it by anybody else than this network."""
        return self._launching.turn

    @property
    def repeats(self) -> Repeats | None:
        """What a GPU has captured as graphs."""
        return self._launching.repeats

    @property
    def latent(self) -> int:
        """Channels of the latent, M."""
        return self.entropy.latent

    def _gains(self, quality: float) -> tuple[Tensor, Tensor]:
        """Gain and inverse gain on the device; made once a quality, since that waits for the device."""
        if quality not in self._known_gains:
            self._known_gains[quality] = self.net.gains(torch.tensor([quality], device=self.device))
            if self._is_gpu:  # workers use other streams
                torch.cuda.synchronize(self.device)
        return self._known_gains[quality]

    def _before(self, check: Check) -> Check:
        """Check to be made between layers: on a GPU it is made here, as a graph knows no Python."""
        if not self._is_gpu:
            return check
        check()
        return never

    def _layers(self, layers: Iterable[nn.Module], x: Tensor, check: Check, dtype: torch.dtype) -> Tensor:
        """Apply layers one by one, so that work on a large tile can be cancelled between them."""
        with (
            self.no_denormals,
            torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16),
        ):
            x = x.contiguous(memory_format=torch.channels_last)
            for layer in layers:
                check()
                x = layer(x)
        return x.float()

    def analyse(self, xs: Sequence[Float32Array], check: Check = never, batch: int = 1) -> list[Float32Array]:
        """Latents of network inputs (g_a).

        Parameters
        ----------
        xs : sequence of ndarray of float32, shape (3, H, W), in [0, 1], H and W multiples of 16
        check : callable
            Called between layers; raises to cancel.
        batch : int
            How many the device gets at a time; it changes results by rounding only.

        Returns
        -------
        list of ndarray of float32, shape (M, H/16, W/16)
            Not rounded, and without gain.
        """
        return _by_shape(lambda part: self._analyse(part, check), xs, batch)

    @torch.inference_mode()
    def _analyse(self, xs: Sequence[Float32Array], check: Check) -> list[Float32Array]:
        # oneDNN's bfloat16 convolution from rows of two samples to rows of one reads memory that is not its.
        dtype = self._type if xs[0].shape[2] > STRIDE or self._is_gpu else torch.float32
        with memory_errors(self.device):
            x = stacked(xs, self.device)
            check = self._before(check)
            return list(self._launching.run("g_a", lambda x: self._latent(x, check, dtype), x))

    def _latent(self, x: Tensor, check: Check, dtype: torch.dtype) -> Tensor:
        """Latent without gain."""
        x = x - self.net.offset
        y = self._layers(self._fastest(self.net.g_a, dtype), x, check, dtype)
        return y if self.net.linear_a is None else y + self._layers(self.net.linear_a, x, check, dtype)

    @torch.inference_mode()
    def gain(self, quality: float) -> Float32Array:
        """Factor of every channel of a latent at a quality: float32, shape (M, 1, 1)."""
        gain = self._gains(quality)[0][0]
        return np.asarray(gain.cpu().numpy(), np.float32).reshape(-1, 1, 1)

    @torch.inference_mode()
    def inverse_gain(self, quality: float) -> Float32Array:
        """Factor of every channel of a rounded latent at a quality, in g_s: float32, shape (M, 1, 1)."""
        inverse = self._gains(quality)[1][0]
        return np.asarray(inverse.cpu().numpy(), np.float32).reshape(-1, 1, 1)

    def hyper_analyse(self, ys: Sequence[Float32Array], batch: int = 1) -> list[IntArray]:
        """Rounded, clamped hyper-latents of unrounded gained latents: each (M, h, w) to (H, ⌈h/4⌉, ⌈w/4⌉).

        Latents are continued at the right and lower edge where h or w is no multiple of 4.
        """
        return _by_shape(self._hyper_analyse, ys, batch)

    @torch.inference_mode()
    def _hyper_analyse(self, ys: Sequence[Float32Array]) -> list[IntArray]:
        height, width = ys[0].shape[1:]
        with memory_errors(self.device):
            padding, radius = (0, -width % 4, 0, -height % 4), self.entropy.z_radius

            def work(y: Tensor) -> Tensor:
                y = nn.functional.pad(y, padding, mode="replicate")
                # Any integers decode; where latents of extreme pictures overflow, they say nothing.
                z = self.net.hyper_analyse(y).nan_to_num(nan=0.0)
                return z.round().clamp(-radius, radius).to(torch.int32)

            return list(self._launching.run("h_a", work, stacked(ys, self.device)))

    def synthesise(
        self,
        y_hats: Sequence[npt.NDArray[Any]],
        quality: float,
        check: Check = never,
        batch: int = 1,
        *,
        clip: bool = True,
    ) -> list[Float32Array]:
        """Pixels of rounded gained latents (g_s).

        Parameters
        ----------
        y_hats : sequence of ndarray of int, shape (M, h, w)
            Or of float32, where some are of another gain than that of ``quality`` and were brought to it.
        quality : float
        clip : bool
            Whether pixels are clipped to [0, 1].
        check, batch
            As in :meth:`analyse`.

        Returns
        -------
        list of ndarray of float32, shape (3, 16h, 16w)
        """
        return _by_shape(lambda part: self._synthesise(part, quality, check, clip), y_hats, batch)

    @torch.inference_mode()
    def _synthesise(
        self, y_hats: Sequence[npt.NDArray[Any]], quality: float, check: Check, clip: bool
    ) -> list[Float32Array]:
        with memory_errors(self.device):
            y, inverse = stacked(y_hats, self.device), self._gains(quality)[1]
            check, name = self._before(check), ("g_s", clip)
            return list(
                self._launching.run(
                    name, lambda y: self._pixels(y, check, clip), y, lambda y: y.float() * inverse
                )
            )

    def _pixels(self, y: Tensor, check: Check, clip: bool) -> Tensor:
        """Pixels of a latent without gain; in float32, see :func:`~fdegc.codec.devices.transform_type`."""
        x = self._layers(self._fastest(self.net.g_s, torch.float32), y, check, torch.float32)
        if self.net.linear_s is not None:
            x += self._layers(self.net.linear_s, y, check, torch.float32)
        x = x + self.net.offset
        return x.clamp_(0, 1) if clip else x

    @torch.inference_mode()
    def estimate_bits(self, x: Float32Array, qualities: Sequence[float], check: Check = never) -> list[float]:
        """Bits that the entropy model expects a crop to take at some qualities, without coding it.

        Parameters
        ----------
        x : ndarray of float32, shape (3, H, W), in [0, 1], H and W multiples of 64
        qualities : sequence of float
        check : callable
            Called now and then; raises to cancel.
        """
        bits = []
        with memory_errors(self.device):
            before = self._before(check)
            latent = self._launching.run(
                "g_a", lambda x: self._latent(x, before, self._type), stacked([x], self.device)
            )
            y = stacked(list(latent), self.device)
            for quality in qualities:
                check()
                # Multiplication by the gain is all that depends on the quality.
                bits.append(float(self._launching.run("bits", self._bits, y, self._gains(quality)[0].mul)))
        return bits

    def _bits(self, y: Tensor) -> Tensor:
        """Bits that the entropy model expects a gained latent to take."""
        z = self.net.hyper_analyse(y).nan_to_num(nan=0.0).round()
        mixture = self.net.context(y.round(), self.net.hyper_synthesise(z))
        likelihoods = mixture_likelihood(y.round(), mixture), self.net.hyper_likelihood(z)
        return -(likelihoods[0].log2().sum() + likelihoods[1].log2().sum())


def round_latent(y: Float32Array) -> IntArray:
    """Rounded latent within the limits of the format."""
    return np.clip(np.nan_to_num(np.rint(y), nan=0.0), -LATENT_LIMIT, LATENT_LIMIT).astype(np.int32)
