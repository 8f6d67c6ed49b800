"""Trained networks to shippable weights: fp16 tensors, refitted z tables, manifest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save

from fdegc.coding.integers import TENSORS, Z_BITS
from fdegc.coding.tables import frequencies
from fdegc.inference import fixed_point
from fdegc.model.fdegcnet import PROFILES, FDEGCNet, Profile
from fdegc.training.data import find_images, load_image

if TYPE_CHECKING:
    from fdegc.training.loop import Trainer

#: Hyper-latents beyond this are clamped; far outside of what training produces.
Z_RADIUS_LIMIT = 64
#: Weight of the learned prior against the histogram, in observations.
PRIOR_WEIGHT = 50.0
#: Side of the crops on which the tables are fitted.
FIT_SIZE = 384


def half(net: FDEGCNet) -> FDEGCNet:
    """Round all parameters to fp16, as they will be shipped, and return the network."""
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    return net.eval()


@torch.no_grad()
def fit_tables(
    net: FDEGCNet, images: Sequence[npt.NDArray[np.uint8]]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Tables of the hyper-latent and of channel activity, from what the network does to images.

    Parameters
    ----------
    net : FDEGCNet
        As shipped (:func:`half`), in evaluation mode.
    images : sequence of ndarray, shape (H, W, 3) uint8, H and W at least 64

    Returns
    -------
    z_tables : ndarray of uint16, shape (rates, M, 2Z+1)
    active : ndarray of uint8, shape (rates, M)
    """
    rates = 1 if net.log_gain is None else net.log_gain.shape[0]
    side = 2 * Z_RADIUS_LIMIT + 1
    counts = np.zeros((rates, net.latent, side))
    active = np.ones((rates, net.latent))
    for image in images:
        height, width = (min(s, FIT_SIZE) // 64 * 64 for s in image.shape[:2])
        x = torch.from_numpy(image[:height, :width].transpose(2, 0, 1).copy()).float()[None] / 255.0
        latent = net.g_a(x - net.offset)
        for rate in range(rates):
            y = latent * net.gains(torch.tensor([rate + 1.0]))[0]
            z = net.hyper_analyse(y).round().clamp(-Z_RADIUS_LIMIT, Z_RADIUS_LIMIT)[0]
            index = (z + Z_RADIUS_LIMIT).long().flatten(1).numpy()
            for channel in range(net.latent):
                counts[rate, channel] += np.bincount(index[channel], minlength=side)
            active[rate] += (y[0].round() != 0).flatten(1).any(1).numpy()
    used = np.flatnonzero(counts.sum((0, 1)))
    radius = min(max(abs(used - Z_RADIUS_LIMIT).max() + 2, 4), Z_RADIUS_LIMIT)
    window = slice(Z_RADIUS_LIMIT - radius, Z_RADIUS_LIMIT + radius + 1)
    share = counts[:, :, window] + PRIOR_WEIGHT * net.prior(int(radius)).numpy()
    tables = frequencies(share, Z_BITS).astype(np.uint16)
    probability = active / (len(images) + 2)
    return tables, np.clip(np.rint(probability * 256), 1, 255).astype(np.uint8)


def write_weights(net: FDEGCNet, profile: Profile, train_folder: Path, folder: Path) -> dict[str, Any]:
    """Write ``<profile>-<hash>.safetensors`` and return its manifest entry without figures.

    Parameters
    ----------
    net : FDEGCNet
        Float32, averaged; it is rounded to fp16 in place.
    profile : Profile
    train_folder : Path
        Images on which the tables are fitted (every eighth).
    folder : Path
    """
    half(net)
    images = [load_image(path) for path in find_images(train_folder)[::8]]
    z_tables, active = fit_tables(net, images)
    tensors: dict[str, npt.NDArray[Any]] = {
        name: tensor.half().numpy() if tensor.is_floating_point() else tensor.numpy()
        for name, tensor in net.state_dict().items()
    }
    entropy = fixed_point(net, z_tables, active)
    tensors |= {f"coding.{name}": getattr(entropy, name) for name in TENSORS}
    content = save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, {"profile": profile.name})
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{profile.name}-{sha256[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / (name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, folder / name)
    network = asdict(profile)
    network.pop("name")
    return {"profile": profile.name, "file": name, "sha256": sha256, "network": network}


def export_weights(trainer: Trainer) -> Path:
    """Export a run's averaged weights with a manifest into ``out/weights``; returns that folder."""
    from fdegc.training.loop import describe, validate

    options = trainer.options
    profile = PROFILES[options.profile]
    folder = options.out / "weights"
    entry = write_weights(trainer.ema, profile, options.train, folder)
    figures = validate(trainer.ema, options.val)
    entry["rates"] = [{"quality": r["rate"], "bpp": r["bpp"], "psnr": r["psnr"]} for r in figures]
    # Replaced by measured figures when weights are shipped; these are the order of magnitude.
    entry |= {"encode_seconds_per_mpx": 2.0, "decode_seconds_per_mpx": 2.0, "memory_bytes_per_mpx": 2.5e8}
    entry["training"] = describe(options) | {"steps": trainer.step, "seconds": round(trainer.seconds)}
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"models": [entry]}, indent=2) + "\n", encoding="utf-8")
    return folder
