"""Quality figures, each with one written definition; importing this does not import torch."""

from __future__ import annotations

from fdegc.metrics.definitions import DEFINITIONS
from fdegc.metrics.differences import ErrorAccumulator, psnr
from fdegc.metrics.information import vifp
from fdegc.metrics.local import ssim_map
from fdegc.metrics.perceptual import lpips
from fdegc.metrics.scene import compare, compute
from fdegc.metrics.structural import ms_ssim, ms_ssim_db
from fdegc.options import METRIC_NAMES

__all__ = [
    "DEFINITIONS",
    "METRIC_NAMES",
    "ErrorAccumulator",
    "compare",
    "compute",
    "lpips",
    "ms_ssim",
    "ms_ssim_db",
    "psnr",
    "ssim_map",
    "vifp",
]
