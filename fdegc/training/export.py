"""Trained networks to weights that can code: fp16 tensors, tables of the hyper-latent, manifest."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save

from fdegc.atomic import whole
from fdegc.codec.network import fixed_point
from fdegc.coding.integers import TENSORS, Z_BITS
from fdegc.coding.laplace_tables import frequencies
from fdegc.errors import InvalidOption, WeightsInvalid
from fdegc.model.fdegcnet import FDEGCNet, Profile
from fdegc.training.data import image_paths, image_size, load_image
from fdegc.training.parts import write_parts
from fdegc.training.starting import network_sizes
from fdegc.training.validation import mixed_precision, validation_crop

if TYPE_CHECKING:
    from fdegc.training.loop import Trainer

#: Hyper-latents beyond this are clamped; far outside of what training produces.
Z_RADIUS_LIMIT = 64
#: Weight of the learned prior against the histogram, in observations.
PRIOR_WEIGHT = 50.0
#: Side of the crops on which the tables are fitted.
FIT_SIZE = 384
#: Images that are enough for the tables; of more, every n-th, up to every eighth, is used.
FIT_IMAGES = 16
#: Steps and rate of Adam when a prior is fitted from nothing.
PRIOR_STEPS, PRIOR_RATE = 500, 0.02
#: Seconds that an export is given besides what trying it takes, and what that is multiplied by.
WRITING_SECONDS, WRITING_MARGIN = 5.0, 1.5
#: Order of magnitude of what coding costs a megapixel, for manifests of weights that nobody has timed
#: yet; memory is for each channel at half resolution, where most of it is.
SECONDS_PER_MPX, BYTES_PER_MPX_AND_CHANNEL = 2.0, 7.8e6


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Statistics of what a network does to images: hyper-latent values and active channels.

    Attributes
    ----------
    counts : ndarray of float64, shape (rates, H, 2·64 + 1)
        How often the hyper-latent took the values −64 … 64.
    active : ndarray of float64, shape (rates, M)
        Number of images in which a channel of the latent was not all zero.
    images : int
    clamped : float
        Share of hyper-latents beyond ±64, which are coded as ±64.
    """

    counts: npt.NDArray[np.float64]
    active: npt.NDArray[np.float64]
    images: int
    clamped: float


def half(net: FDEGCNet) -> FDEGCNet:
    """Network with all parameters rounded to fp16 in place, as they will be shipped.

    Raises
    ------
    WeightsInvalid
        If one does not fit.
    """
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                rounded = tensor.half().float()
                if not torch.isfinite(rounded).all():
                    raise WeightsInvalid(f"The weights cannot be stored in 16 bits: {name} is too large.")
                tensor.copy_(rounded)
    return net.eval()


def fit_paths(folder: Path) -> list[Path]:
    """Images to fit tables on, spread evenly over a folder's.

    Raises
    ------
    InvalidOption
        If there is none with at least 64 pixels a side.
    """
    paths = [path for path in image_paths(folder) if min(image_size(path)) >= 64]
    if not paths:
        raise InvalidOption(f"No image in “{folder}” has at least 64 pixels a side.")
    return paths[:: min(max(len(paths) // FIT_IMAGES, 1), 8)]


def fit_images(folder: Path) -> list[npt.NDArray[np.uint8]]:
    """Pixels of the images of :func:`fit_paths`."""
    return [load_image(path) for path in fit_paths(folder)]


@torch.no_grad()
def observe(net: FDEGCNet, images: Sequence[npt.NDArray[np.uint8]]) -> Statistics:
    """Statistics of hyper-latents and active channels that a network makes of images.

    Parameters
    ----------
    net : FDEGCNet
        As shipped (:func:`half`), in evaluation mode, on any device.
    images : sequence of ndarray, shape (H, W, 3) uint8, H and W at least 64
    """
    rates = 1 if net.log_gain is None else net.log_gain.shape[0]
    device = net.mcam.conv_in.weight.device
    side = 2 * Z_RADIUS_LIMIT + 1
    counts = np.zeros((rates, net.hyper, side))
    active = np.zeros((rates, net.latent))
    beyond = 0
    for image in images:
        height, width = (min(s, FIT_SIZE) // 64 * 64 for s in image.shape[:2])
        x = torch.from_numpy(image[:height, :width].transpose(2, 0, 1).copy()).to(device)
        x = x.float()[None] / 255.0
        latent = net.g_a(x - net.offset)
        for rate in range(rates):
            y = latent * net.gains(torch.tensor([rate + 1.0], device=device))[0]
            z = net.hyper_analyse(y).round()[0]
            beyond += int((z.abs() > Z_RADIUS_LIMIT).sum())
            index = (
                (z.clamp(-Z_RADIUS_LIMIT, Z_RADIUS_LIMIT) + Z_RADIUS_LIMIT).long().flatten(1).cpu().numpy()
            )
            for channel in range(net.hyper):
                counts[rate, channel] += np.bincount(index[channel], minlength=side)
            active[rate] += (y[0].round() != 0).flatten(1).any(1).cpu().numpy()
    return Statistics(counts, active, len(images), beyond / max(counts.sum(), 1.0))


def fit_prior(net: FDEGCNet, counts: npt.NDArray[np.float64]) -> None:
    """Maximum-likelihood fit of the factorised prior of a network that has none.

    The research code's prior is one of MCAM(round(z)), which is no integer, so nothing of it can be
    kept.  Histograms alone would make usable tables, but on a few images they say nothing of values
    that did not occur, add-one smoothing spreads its mass evenly over them, and estimates and further
    training would still lack a density.  The values' counts are all that the likelihood depends on, so
    the exact fit on their grid takes seconds; the histogram is then mixed in as for our own networks.

    Parameters
    ----------
    net : FDEGCNet
        Its ``hyper_prior`` is changed.
    counts : ndarray, shape (rates, H, 2·64 + 1)
    """
    total = torch.from_numpy(counts.sum(0)).float()
    share = (total / total.sum(1, keepdim=True).clamp(min=1.0))[:, None, :]
    grid = torch.arange(-Z_RADIUS_LIMIT, Z_RADIUS_LIMIT + 1).float().repeat(net.hyper, 1, 1)
    prior = net.hyper_prior.requires_grad_(True)
    adam = torch.optim.Adam(prior.parameters(), lr=PRIOR_RATE)
    for step in range(PRIOR_STEPS):
        for group in adam.param_groups:
            group["lr"] = PRIOR_RATE * (1.0 - step / PRIOR_STEPS)
        adam.zero_grad()
        loss = -(share * prior(grid).clamp(min=1e-9).log()).sum()
        loss.backward()
        adam.step()


def fit_tables(net: FDEGCNet, statistics: Statistics) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Tables of the hyper-latent and of channel activity.

    Parameters
    ----------
    net : FDEGCNet
        Its prior stands for what was not seen.
    statistics : Statistics

    Returns
    -------
    z_tables : ndarray of uint16, shape (rates, H, 2Z+1)
    active : ndarray of uint8, shape (rates, M)
    """
    counts = statistics.counts
    used = np.flatnonzero(counts.sum((0, 1)))
    radius = min(max(abs(used - Z_RADIUS_LIMIT).max() + 2, 4), Z_RADIUS_LIMIT)
    window = slice(Z_RADIUS_LIMIT - radius, Z_RADIUS_LIMIT + radius + 1)
    share = counts[:, :, window] + PRIOR_WEIGHT * net.prior(int(radius)).numpy()
    tables = frequencies(share, Z_BITS).astype(np.uint16)
    probability = (statistics.active + 1) / (statistics.images + 2)
    return tables, np.clip(np.rint(probability * 256), 1, 255).astype(np.uint8)


def write_weights(
    net: FDEGCNet,
    profile: Profile,
    images: Sequence[npt.NDArray[np.uint8]],
    folder: Path,
    *,
    has_prior: bool = True,
) -> tuple[dict[str, Any], Statistics]:
    """Weights file ``<profile>-<hash>.safetensors``, written; its manifest entry without figures.

    Parameters
    ----------
    net : FDEGCNet
        Float32, averaged; left as it is.
    profile : Profile
    images : sequence of ndarray, shape (H, W, 3) uint8
        On which the tables are fitted (:func:`fit_images`).
    folder : Path
    has_prior : bool
        Whether the network's factorised prior was trained; it is fitted otherwise.

    Raises
    ------
    WeightsInvalid
        If the network cannot be stored in 16 bits or coded with integers.
    """
    net = half(copy.deepcopy(net))
    statistics = observe(net, images)
    net = net.cpu()
    if not has_prior:
        fit_prior(net, statistics.counts)
        half(net)
    z_tables, active = fit_tables(net, statistics)
    tensors: dict[str, npt.NDArray[Any]] = {
        name: tensor.half().numpy() if tensor.is_floating_point() else tensor.numpy()
        for name, tensor in net.requires_grad_(False).state_dict().items()
    }
    try:
        entropy = fixed_point(net, z_tables, active)
    except ValueError as error:
        raise WeightsInvalid(f"Nothing can be coded with these weights: {error}.") from error
    tensors |= {f"coding.{name}": getattr(entropy, name) for name in TENSORS}
    content = save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, {"profile": profile.name})
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{profile.name}-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
    with whole(folder / name) as file:
        file.write(content)
    return manifest_entry(profile, name, content), statistics


def manifest_entry(profile: Profile, name: str, content: bytes) -> dict[str, Any]:
    """Manifest entry of a weights file, but for the figures of its rate points.

    Parameters
    ----------
    profile : Profile
    name, content : str, bytes
        Of the file.
    """
    return {
        "profile": profile.name,
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "network": network_sizes(profile),
        "encode_seconds_per_mpx": SECONDS_PER_MPX,
        "decode_seconds_per_mpx": SECONDS_PER_MPX,
        "memory_bytes_per_mpx": BYTES_PER_MPX_AND_CHANNEL * profile.widths[0],
    }


def write_manifest(folder: Path, entry: dict[str, Any]) -> Path:
    """Manifest of a folder, written with an entry first; others stay, since files may need their weights.

    Raises
    ------
    WeightsInvalid
        If the folder has a manifest that cannot be read.
    """
    path = folder / "manifest.json"
    models: list[dict[str, Any]] = []
    if path.exists():
        try:
            models = json.loads(path.read_text(encoding="utf-8"))["models"]
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsInvalid(
                f"The manifest “{path}” cannot be read ({error}); choose another folder."
            ) from error
    models = [entry, *(model for model in models if model.get("sha256") != entry["sha256"])]
    with whole(path) as file:
        file.write((json.dumps({"models": models}, indent=2) + "\n").encode())
    return path


def export_weights(trainer: Trainer) -> Path:
    """Export of a run's averaged weights with a manifest into ``out/weights``; returns that folder.

    All processes of the run call it; the main one writes.
    """
    from fdegc.training.run_options import describe

    options = trainer.options
    folder = options.out / "weights"
    half(trainer.ema)
    figures = trainer.validate()
    if trainer.group.main:
        profile = trainer.recipe.profile
        entry, _ = write_weights(trainer.ema, profile, fit_images(options.train), folder)
        # Estimates; `fdegc test` measures real files.
        entry["rates"] = [{"quality": r["rate"], "bpp": r["bpp"], "psnr": r["psnr"]} for r in figures]
        entry["training"] = describe(options) | {"steps": trainer.step, "seconds": round(trainer.seconds)}
        if before := _history(options.pretrain):
            entry["training"]["before"] = before
        write_manifest(folder, entry)
        if options.parts is not None:
            write_parts(folder / entry["file"], options.parts)
    trainer.group.wait()
    return folder


def writing_seconds(trainer: Trainer) -> float:
    """Seconds that exporting a run's weights will take, on the safe side, tried with one image each."""
    options, net, device = trainer.options, trainer.ema, trainer.group.device
    fitted, validated = fit_paths(options.train), image_paths(options.val)
    image, crop = load_image(fitted[0]), validation_crop(validated[0])

    def fit() -> None:
        observe(net, [image])

    def validate() -> None:
        if crop is not None:
            with torch.no_grad(), mixed_precision(device, options.precision):
                x = crop.to(device)
                float(net(x, torch.ones(1, device=x.device))["x_hat"].mean())

    seconds = []
    for work in (fit, validate):
        work()  # the first time a device is slow
        start = trainer.clock()
        work()
        seconds.append(trainer.clock() - start)
    crops = len(trainer.recipe.rates) * len(validated) / trainer.group.size
    return WRITING_SECONDS + WRITING_MARGIN * (seconds[0] * len(fitted) + seconds[1] * crops)


def _history(pretrain: Path | None) -> list[dict[str, Any]]:
    """The runs that led to the weights that a run started from, as far as their manifest tells."""
    manifest = pretrain.parent / "manifest.json" if pretrain is not None else None
    if pretrain is None or manifest is None or not manifest.is_file():
        return []
    for model in json.loads(manifest.read_text(encoding="utf-8"))["models"]:
        training = model.get("training", {})
        if model["file"] == pretrain.name and "steps" in training:
            last = {"weights": pretrain.stem, "latent": model["network"]["latent"]}
            last |= {key: training[key] for key in ("steps", "seconds")}
            return [*training.get("before", []), last]
    return []
