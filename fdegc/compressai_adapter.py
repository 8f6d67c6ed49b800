"""FDEGCNet as a citizen of compressai: registered, with its ``compress()`` / ``decompress()`` contract.

For files use :class:`fdegc.codec.Codec`; this is for compressai's own tools and benchmarks.  Importing it
without compressai raises :class:`~fdegc.errors.PackageMissing`.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fdegc.codec.network import HyperFeatures, fixed_point, round_latent
from fdegc.coding.integers import Z_BITS
from fdegc.coding.laplace_tables import frequencies
from fdegc.coding.unit import CodedUnit, UnitCoder
from fdegc.errors import CorruptStream, InvalidOption, PackageMissing
from fdegc.model.fdegcnet import FDEGCNet

try:
    from compressai.registry import register_model
except ModuleNotFoundError as error:
    raise PackageMissing(
        f"The adapter to compressai needs the package {error.name}, which is not installed: "
        "pip install compressai==1.2.8 torchvision; files are compressed and decompressed without it."
    ) from None

#: Hyper-latents are clamped to ± this.
Z_RADIUS = 32
_HEAD = struct.Struct("<BII")


@register_model("fdegcnet")
class FDEGCNetCodec(FDEGCNet):
    """FDEGCNet that turns batches into byte strings and back; call :meth:`update` before."""

    _coder: UnitCoder | None = None
    _features: HyperFeatures | None = None

    def update(self, scale_table: Any = None, force: bool = False, update_quantiles: bool = False) -> bool:
        """Building of the coding tables from the current parameters.

        Parameters
        ----------
        scale_table, update_quantiles
            Ignored: this network has neither.
        force : bool
            Rebuild tables that exist already.

        Returns
        -------
        bool
            Whether tables were built.
        """
        del scale_table, update_quantiles
        if self._coder is not None and not force:
            return False
        prior = self.prior(Z_RADIUS).cpu().numpy()
        table = frequencies(prior, Z_BITS).astype(np.uint16)
        active = np.full((1, self.latent), 128, np.uint8)
        self._coder = UnitCoder(fixed_point(self, table[None], active))
        self._features = HyperFeatures(self)
        return True

    def _ready(self) -> tuple[UnitCoder, HyperFeatures]:
        if self._coder is None or self._features is None:
            raise InvalidOption("Call update() before compress() or decompress().")
        return self._coder, self._features

    @torch.inference_mode()
    def compress(self, x: Tensor, quality: float = 1.0) -> dict[str, Any]:
        """Byte strings of a batch of images, coded.

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W), in [0, 1], H and W multiples of 64
        quality : float
            Ignored by networks without gains.

        Returns
        -------
        dict
            ``strings``: one list with one byte string a sample; ``shape``: of the hyper-latent.
        """
        coder, features = self._ready()
        if x.shape[2] % 64 or x.shape[3] % 64:
            raise InvalidOption("Height and width must be multiples of 64; pad the images first.")
        gain = self.gains(torch.full((len(x),), quality, device=x.device))[0]
        y = self.analyse(x, gain)
        z = self.hyper_analyse(y).round().clamp(-Z_RADIUS, Z_RADIUS).to(torch.int32).cpu().numpy()
        strings = []
        for latent, hyper in zip(y.cpu().numpy(), z, strict=True):
            unit = coder.encode(round_latent(latent), hyper, features([hyper])[0], 1)
            strings.append(_HEAD.pack(unit.dither, unit.phi_hash, unit.y_hash) + unit.payload)
        return {"strings": [strings], "shape": torch.Size(z.shape[2:])}

    @torch.inference_mode()
    def decompress(
        self, strings: list[list[bytes]], shape: tuple[int, int], quality: float = 1.0
    ) -> dict[str, Tensor]:
        """Images of what :meth:`compress` coded: ``x_hat`` of shape (B, 3, H, W) in [0, 1].

        Raises
        ------
        CorruptStream, DecoderMismatch
        """
        coder, features = self._ready()
        units = []
        for string in strings[0]:
            if len(string) < _HEAD.size:
                raise CorruptStream("A byte string is truncated.")
            units.append(CodedUnit(string[_HEAD.size :], *_HEAD.unpack_from(string)))
        latents = []
        for latent in coder.decode(units, [(4 * shape[0], 4 * shape[1])] * len(units), features, 1):
            if isinstance(latent, Exception):
                raise latent
            latents.append(latent)
        device = self.mcam.conv_in.weight.device
        y_hat = torch.from_numpy(np.stack(latents)).float().to(device)
        inverse = self.gains(torch.full((len(y_hat),), quality, device=device))[1]
        return {"x_hat": self.synthesise(y_hat, inverse).clamp(0, 1)}
