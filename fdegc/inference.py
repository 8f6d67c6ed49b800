"""The network at work: arrays in, arrays out, on a device, without gradients."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fdegc.coding.integers import EntropyWeights, quantise
from fdegc.coding.unit import LATENT_LIMIT, IntArray
from fdegc.errors import DeviceUnavailable, OutOfMemory, WeightsInvalid
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.uninitialised import Uninitialised
from fdegc.weights import WeightsEntry, load

FloatArray = npt.NDArray[np.float32]


def available_devices() -> list[tuple[str, str]]:
    """Devices of this machine as (id, label), best first."""
    devices = [
        (f"cuda:{i}", f"GPU {i}: {torch.cuda.get_device_name(i)}") for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        devices.append(("mps", "GPU (Apple Metal)"))
    return [*devices, ("cpu", f"CPU ({os.cpu_count() or 1} cores)")]


def resolve_device(name: str) -> tuple[str, str]:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into (id, label).

    Raises
    ------
    DeviceUnavailable
        If this machine has no such device.
    """
    devices = available_devices()
    for device, label in devices:
        if name in ("auto", device) or (name == "cuda" and device == "cuda:0"):
            return device, label
    names = ", ".join(device for device, _ in devices)
    raise DeviceUnavailable(f"There is no device '{name}' on this machine; choose one of: auto, {names}.")


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; emulation would be slower than float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory("Memory ran out; use smaller tiles or close other programs.") from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise OutOfMemory("Memory ran out; use smaller tiles or close other programs.") from error
        raise


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


class Features:
    """φ = h_s(MCAM(ẑ)) in float64 on the CPU, whatever device runs the rest.

    Parameters
    ----------
    net : FDEGCNet
    """

    def __init__(self, net: FDEGCNet) -> None:
        layers = copy.deepcopy(torch.nn.Sequential(net.mcam, net.h_s))
        self._layers = layers.cpu().double().eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, z: IntArray) -> npt.NDArray[np.float64]:
        """φ of a rounded hyper-latent: (H, h/4, w/4) to (2M, h, w)."""
        with _memory_errors():
            phi = self._layers(torch.from_numpy(np.ascontiguousarray(z)).double()[None])
        return np.asarray(phi[0].numpy(), np.float64)


class Network:
    """One set of weights on one device.

    Parameters
    ----------
    entry : WeightsEntry
    device : str
        As :func:`resolve_device` returns it.

    Attributes
    ----------
    entropy : EntropyWeights
        What coding needs.
    features : Features
        Computes φ.

    Raises
    ------
    WeightsMissing, WeightsInvalid
    """

    def __init__(self, entry: WeightsEntry, device: str) -> None:
        self.entry = entry
        self.device = torch.device(device)
        tensors = load(entry)
        try:
            self.entropy = EntropyWeights.of(tensors)
        except (KeyError, ValueError) as error:
            raise WeightsInvalid(
                f"The weights file {entry.path} has no usable entropy model ({error}); export it again."
            ) from error
        state = {k: torch.from_numpy(v.copy()) for k, v in tensors.items() if not k.startswith("coding.")}
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        network = dict(entry.network)
        with Uninitialised():
            net = FDEGCNet(tuple(network.pop("widths")), network.pop("latent"), **network)
        try:
            net.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise WeightsInvalid(
                f"The weights file {entry.path} does not fit the network: {error}"
            ) from error
        net.eval().requires_grad_(False)
        self.features = Features(net)
        self.net = net.to(self.device)
        self._autocast = self.device.type == "cpu" and native_bfloat16()

    @property
    def latent(self) -> int:
        """M, channels of the latent."""
        return self.entropy.latent

    def _quality(self, quality: float) -> torch.Tensor:
        return torch.tensor([quality], device=self.device)

    @torch.inference_mode()
    def analyse(self, x: FloatArray) -> FloatArray:
        """g_a.

        Parameters
        ----------
        x : ndarray of float32, shape (3, H, W), in [0, 1], H and W multiples of 16

        Returns
        -------
        ndarray of float32, shape (M, H/16, W/16)
            Not rounded, and without gain.
        """
        # oneDNN's bfloat16 convolution from rows of two samples to rows of one reads memory that is not its.
        autocast = self._autocast and x.shape[2] > 16
        with _memory_errors(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            tensor = torch.from_numpy(np.ascontiguousarray(x))[None].to(self.device)
            tensor = tensor.contiguous(memory_format=torch.channels_last)
            y = self.net.g_a(tensor - self.net.offset).float()
            return np.asarray(y[0].cpu().numpy(), np.float32)

    @torch.inference_mode()
    def gain(self, quality: float) -> FloatArray:
        """Factor of every channel of a latent at a quality: float32, shape (M, 1, 1)."""
        gain = self.net.gains(self._quality(quality))[0]
        return np.asarray(gain.cpu().numpy(), np.float32).reshape(-1, 1, 1)

    @torch.inference_mode()
    def hyper_analyse(self, y: FloatArray) -> IntArray:
        """Rounded, clamped hyper-latent of an unrounded gained latent: (M, h, w) to (H, ⌈h/4⌉, ⌈w/4⌉).

        Latents are continued at the right and lower edge where h or w is no multiple of 4.
        """
        height, width = y.shape[1:]
        with _memory_errors():
            tensor = torch.from_numpy(np.ascontiguousarray(y))[None].to(self.device)
            padding = (0, -width % 4, 0, -height % 4)
            z = self.net.hyper_analyse(torch.nn.functional.pad(tensor, padding, mode="replicate"))
        radius = self.entropy.z_radius
        return np.asarray(z[0].round().clamp(-radius, radius).to(torch.int32).cpu().numpy())

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[np.integer[Any]], quality: float) -> FloatArray:
        """g_s of a rounded gained latent.

        Parameters
        ----------
        y_hat : ndarray of int, shape (M, h, w)
        quality : float

        Returns
        -------
        ndarray of float32, shape (3, 16h, 16w), clipped to [0, 1]
        """
        with _memory_errors(), torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            tensor = torch.from_numpy(y_hat.astype(np.float32))[None].to(self.device)
            tensor = tensor.contiguous(memory_format=torch.channels_last)
            x = self.net.g_s(tensor * self.net.gains(self._quality(quality))[1]).float() + self.net.offset
            return np.asarray(x[0].clamp(0, 1).cpu().numpy(), np.float32)

    @torch.inference_mode()
    def estimate_bits(self, x: FloatArray, quality: float) -> float:
        """Bits that the entropy model expects a crop to take, without coding it.

        Parameters
        ----------
        x : ndarray of float32, shape (3, H, W), in [0, 1], H and W multiples of 64
        quality : float
        """
        with _memory_errors(), torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            tensor = torch.from_numpy(np.ascontiguousarray(x))[None].to(self.device)
            likelihoods = self.net.likelihoods(tensor, self._quality(quality))
        return float(-sum(p.log2().sum() for p in likelihoods.values()))


def round_latent(y: FloatArray) -> IntArray:
    """Rounded latent within the limits of the format."""
    return np.clip(np.rint(y), -LATENT_LIMIT, LATENT_LIMIT).astype(np.int32)
