from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from fdegc import metrics
from fdegc.errors import MetricUnavailable
from fdegc.metrics import perceptual
from fdegc.raster_info import RasterInfo
from fdegc.results import MetricSet
from fdegc.types import Samples


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width)).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compute(image: np.ndarray, allow_download: bool = False) -> MetricSet:
    bands, height, width = image.shape
    info = RasterInfo("", "", width, height, bands, "uint8")
    samples = Samples(image)
    return metrics.compute(samples, samples, info, 255.0, names=("lpips",), allow_download=allow_download)


def random_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write random weights, those of a package lpips that is found included; where the backbone's are."""
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11, 11),
        3: (192, 64, 5, 5),
        6: (384, 192, 3, 3),
        8: (256, 384, 3, 3),
        10: (256, 256, 3, 3),
    }
    backbone = {f"features.{i}.weight": torch.randn(shape) * 0.05 for i, shape in shapes.items()}
    backbone |= {f"features.{i}.bias": torch.randn(shape[0]) * 0.05 for i, shape in shapes.items()}
    heads = {f"lin{i}.model.1.weight": torch.rand(1, s[0], 1, 1) for i, s in enumerate(shapes.values())}
    torch.save(backbone, folder / perceptual.BACKBONE_FILE)
    installed = folder / "packages" / "lpips" / "weights" / "v0.1"
    installed.mkdir(parents=True)
    (folder / "packages" / "lpips" / "__init__.py").touch()
    torch.save(heads, installed / "alex.pth")
    monkeypatch.syspath_prepend(folder / "packages")
    return folder / perceptual.BACKBONE_FILE


def test_lpips_without_its_weights_gives_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv(perceptual.LPIPS_DIR_VARIABLE, raising=False)
    a = picture(64, 64)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        result = compute(a)
    assert result.lpips is None and "pip install lpips" in result.notes["lpips"]
    random_weights(tmp_path, monkeypatch)
    result = compute(a)
    assert result.lpips is None
    assert perceptual.BACKBONE_FILE in result.notes["lpips"]
    assert perceptual.LPIPS_DIR_VARIABLE in result.notes["lpips"]

    def offline(*args: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert "no network" in compute(a, allow_download=True).notes["lpips"]


def test_lpips_with_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_weights(tmp_path, monkeypatch)
    monkeypatch.setenv(perceptual.LPIPS_DIR_VARIABLE, str(tmp_path))
    a = picture(96, 80)
    assert metrics.lpips(a, a) == 0.0
    assert 0.0 < metrics.lpips(a, noisy(a, 4)) < metrics.lpips(a, noisy(a, 40))
    grey = a[:1]
    colour = np.repeat(grey, 3, axis=0)
    assert metrics.lpips(grey, 255 - grey) == pytest.approx(metrics.lpips(colour, 255 - colour))
    with pytest.raises(MetricUnavailable, match="32"):
        metrics.lpips(a[:, :31], a[:, :31])


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_damaged_lpips_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    backbone = random_weights(tmp_path, monkeypatch)
    monkeypatch.setenv(perceptual.LPIPS_DIR_VARIABLE, str(tmp_path))
    backbone.write_bytes(content)
    a = picture(64, 64)
    with pytest.raises(MetricUnavailable, match="unreadable"):
        metrics.lpips(a, a)
    torch.save({"other": torch.zeros(1)}, backbone)
    with pytest.raises(MetricUnavailable, match="AlexNet"):
        metrics.lpips(a, a)
