"""Loss and estimated figures: what the entropy model expects, without a file (for real ones: measuring)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fdegc.codec.devices import quick_bfloat16
from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.training.data import image_paths, load_image
from fdegc.training.distributed import Group

PRECISIONS = ("auto", "bf16", "fp32")


def mixed_precision(device: str, precision: str) -> AbstractContextManager[Any]:
    """Autocast to bfloat16, or nothing.

    float16 is no choice: GDN squares its input, which leaves float16's range, and its small
    gradients would need loss scaling; GPUs without bfloat16 train in float32.

    Parameters
    ----------
    device : str
    precision : str
        "auto" takes bfloat16 where the device is faster in it, "bf16" and "fp32" what they say.

    Raises
    ------
    InvalidOption
    """
    if precision not in PRECISIONS:
        raise InvalidOption(f"The precision must be one of {', '.join(PRECISIONS)}, not {precision}.")
    kind = torch.device(device).type
    quick = {"cpu": quick_bfloat16, "cuda": _cuda_bfloat16}.get(kind, lambda: False)
    enabled = precision == "bf16" or (precision == "auto" and quick())
    return torch.autocast(kind, torch.bfloat16, enabled=enabled)


def _cuda_bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def rate_distortion(out: Any, x: Tensor, lmbda: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss λ·MSE + bpp, MSE and bpp of each sample, shape (B,) each."""
    pixels = x.shape[2] * x.shape[3]
    mse = (out["x_hat"].float() - x).square().mean((1, 2, 3))
    bits = sum(p.log2().sum((1, 2, 3)) for p in out["likelihoods"].values())
    bpp = -bits / pixels
    return lmbda * mse + bpp, mse, bpp


@torch.no_grad()
def validate(
    net: FDEGCNet,
    folder: Path,
    rates: Sequence[tuple[float, float]],
    *,
    group: Group | None = None,
    precision: str = "auto",
    size: int = 384,
) -> list[dict[str, float]]:
    """Mean PSNR and estimated bpp over upper left crops of a folder's images, for each rate point.

    The processes of a group share the images; all of them get the figures of all.

    Parameters
    ----------
    net : FDEGCNet
        In evaluation mode.
    folder : Path
    rates : sequence of (quality, λ)
    group : Group, optional
    precision : str
        As of :func:`mixed_precision`.
    size : int
        Side of the crops, a multiple of 64; smaller images give what they have, cut to a multiple of 64.

    Raises
    ------
    InvalidOption
        If no image has 64 pixels a side.
    """
    group = group or Group()
    group.synchronise(net)
    sums = np.zeros((len(rates), 4))
    for path in image_paths(folder)[group.rank :: group.size]:
        x = validation_crop(path, size)
        if x is None:
            continue
        x = x.to(group.device)
        for row, (quality, lmbda) in enumerate(rates):
            with mixed_precision(group.device, precision):
                out = net(x, torch.tensor([quality], device=group.device))
            out["x_hat"] = (out["x_hat"].float().clamp(0, 1) * 255).round() / 255
            loss, mse, bpp = rate_distortion(out, x, torch.tensor([lmbda], device=group.device))
            psnr = -10 * math.log10(max(mse.item(), 1e-10))
            sums[row] += (psnr, bpp.item(), loss.item(), 1)
    sums = group.sum(sums.ravel()).reshape(sums.shape)
    if not sums[:, 3].all():
        raise InvalidOption(f"No image in “{folder}” has at least 64 pixels a side.")
    return [
        {"rate": quality, "psnr": psnr / count, "bpp": bpp / count, "loss": loss / count}
        for (quality, _), (psnr, bpp, loss, count) in zip(rates, sums.tolist(), strict=True)
    ]


def validation_crop(path: Path, size: int = 384) -> Tensor | None:
    """Upper left crop of an image, cut to a multiple of 64: (1, 3, H, W) in [0, 1].

    None if a side has less than 64 pixels.
    """
    image = load_image(path)[:size, :size]
    height, width = (side // 64 * 64 for side in image.shape[:2])
    if not height or not width:
        return None
    return torch.from_numpy(image[:height, :width].transpose(2, 0, 1).copy()).float()[None] / 255.0
