"""LPIPS (AlexNet, v0.1); the weights belong to others and are only used where they are found."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fdegc.errors import MetricUnavailable
from fdegc.metrics.inputs import Array, check_shapes, check_side

if TYPE_CHECKING:
    import torch

#: Folder that is searched for the backbone before torch's own cache.
LPIPS_DIR_VARIABLE = "FDEGC_LPIPS_DIR"
BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
_BACKBONE_URL = f"https://download.pytorch.org/models/{BACKBONE_FILE}"
#: Below this the last of AlexNet's poolings has nothing left.
LPIPS_MIN_SIDE = 32
#: Index in torchvision's ``alexnet.features``, stride, padding, and whether a max pooling comes before.
_LAYERS = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def lpips(reference: Array, other: Array, *, allow_download: bool = False) -> float:
    """Learned perceptual image patch similarity, AlexNet v0.1.

    Images are mapped to [−1, 1].  Of three or more bands the first three are taken as red, green
    and blue; one or two bands are each repeated to grey images, whose distances are averaged.

    The backbone is torchvision's AlexNet, ``alexnet-owt-7be5be79.pth``, from the folder that
    ``FDEGC_LPIPS_DIR`` names or from torch's cache; the linear weights are those of the ``lpips``
    package.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width), real, in 0–255
    allow_download : bool
        Whether the backbone may be downloaded (233 MB) to torch's cache if it is not there.

    Returns
    -------
    float
        Distance ≥ 0, 0 for equal images.

    Raises
    ------
    InvalidOption
        If the shapes differ.
    MetricUnavailable
        If weights are missing or unusable, or a side is below 32 px; the message says what to do.

    References
    ----------
    R. Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
    CVPR 2018.
    """
    import torch

    check_shapes(reference, other)
    check_side(reference, LPIPS_MIN_SIDE, "LPIPS")
    heads = _load_heads(_heads_path())
    layers = _load_layers(_backbone_path(allow_download))
    pair = np.stack([reference[:3], other[:3]]).astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    if pair.shape[1] < 3:
        colour = [np.repeat(pair[:, band : band + 1], 3, axis=1) for band in range(pair.shape[1])]
    else:
        colour = [pair]
    with torch.inference_mode():
        distances = [_distance(torch.from_numpy(images), layers, heads) for images in colour]
    return float(np.mean(distances))


def _distance(
    images: torch.Tensor, layers: list[tuple[torch.Tensor, torch.Tensor]], heads: list[torch.Tensor]
) -> float:
    """Distance of images[0] and images[1], float32 (2, 3, height, width) in [−1, 1]."""
    import torch
    import torch.nn.functional as F

    shift, scale = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
    features = (images - shift) / scale
    distance = 0.0
    for (_, stride, padding, pool), (weight, bias), head in zip(_LAYERS, layers, heads, strict=True):
        if pool:
            features = F.max_pool2d(features, 3, 2)
        features = F.relu(F.conv2d(features, weight, bias, stride, padding))
        unit = features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
        distance += float(F.conv2d((unit[:1] - unit[1:]).square(), head).mean())
    return distance


def _heads_path() -> Path:
    """Path of the linear weights in the ``lpips`` package, which is found but not imported."""
    spec = importlib.util.find_spec("lpips")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "weights" / "v0.1" / "alex.pth"
        if path.is_file():
            return path
    raise MetricUnavailable(
        "LPIPS needs the weights of the optional package lpips, which is not installed; "
        "install it with: pip install lpips"
    )


def _backbone_path(allow_download: bool) -> Path:
    """Path of AlexNet's weights: the user's folder first, then torch's cache."""
    import torch

    own = os.environ.get(LPIPS_DIR_VARIABLE)
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in ([Path(own)] if own else []) + [cache]:
        if (folder / BACKBONE_FILE).is_file():
            return folder / BACKBONE_FILE
    if not allow_download:
        raise MetricUnavailable(
            f"LPIPS needs AlexNet's weights {BACKBONE_FILE}, which are not here; put the file from "
            f"{_BACKBONE_URL} into {cache} or into the folder named by {LPIPS_DIR_VARIABLE}, "
            "or allow the download."
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # The file's name holds the start of its SHA-256, which torch then compares.
        torch.hub.download_url_to_file(
            _BACKBONE_URL, str(cache / BACKBONE_FILE), hash_prefix="7be5be79", progress=False
        )
    except (OSError, RuntimeError) as error:
        raise MetricUnavailable(
            f"LPIPS needs AlexNet's weights, and downloading {_BACKBONE_URL} to {cache} failed: {error}."
        ) from error
    return cache / BACKBONE_FILE


@lru_cache(maxsize=2)
def _load_layers(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of the five convolutions; the classifier, most of the file, is dropped."""
    state = _load(path)
    try:
        return [(state[f"features.{i}.weight"], state[f"features.{i}.bias"]) for i, *_ in _LAYERS]
    except KeyError as error:
        raise MetricUnavailable(
            f"LPIPS cannot be computed because “{path}” is not torchvision's AlexNet."
        ) from error


@lru_cache(maxsize=2)
def _load_heads(path: Path) -> list[torch.Tensor]:
    """Weights (1, channels, 1, 1) of the five linear layers."""
    state = _load(path)
    try:
        return [state[f"lin{i}.model.1.weight"] for i in range(len(_LAYERS))]
    except KeyError as error:
        raise MetricUnavailable(
            f"LPIPS cannot be computed because “{path}” does not hold LPIPS v0.1 weights; reinstall lpips."
        ) from error


def _load(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a weights file, by name; nothing but tensors is unpickled."""
    import pickle

    import torch

    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise MetricUnavailable(
            f"LPIPS cannot be computed because “{path}” is unreadable; replace the file."
        ) from error
    return state
