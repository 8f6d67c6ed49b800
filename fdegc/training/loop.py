"""The training loop of the profiles: one run trains all rate points of a network with gains."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import PROFILES, FDEGCNet
from fdegc.training.data import CropSampler, find_images, load_image
from fdegc.training.muon import Muon, is_kernel
from fdegc.types import RATE_POINTS

#: Weight of a sample ∝ λ^-this, so that the gain in rate at one end is not paid for by the other.
LAMBDA_BALANCE = 0.3


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a training run does; kept in its checkpoints.

    Attributes
    ----------
    train, val : Path
        Folders of images.
    out : Path
        Folder for checkpoint, log and averaged weights.
    profile : str
    minutes : float
        Wall-clock budget of the whole run, over all resumptions; the schedule follows it.
    batch, crop : int
    lr : float
        Peak rate of Adam; Muon takes four times it.
    warmup_steps : int
    ema : float
        Decay of the averaged weights.
    freeze_norm : float
        Fraction of the budget after which BatchNorm keeps its statistics.
    seed : int
    """

    train: Path
    val: Path
    out: Path
    profile: str = "lite"
    minutes: float = 60.0
    batch: int = 8
    crop: int = 128
    lr: float = 1.5e-3
    warmup_steps: int = 50
    ema: float = 0.998
    freeze_norm: float = 0.5
    seed: int = 1


def schedule(fraction: float) -> float:
    """Cosine from 1 to 0.01 over the budget."""
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))


def rate_distortion(out: Any, x: Tensor, lmbda: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss λ·MSE + bpp, MSE and bpp of each sample, shape (B,) each."""
    pixels = x.shape[2] * x.shape[3]
    mse = (out["x_hat"].float() - x).square().mean((1, 2, 3))
    bits = sum(p.log2().sum((1, 2, 3)) for p in out["likelihoods"].values())
    bpp = -bits / pixels
    return lmbda * mse + bpp, mse, bpp


class Trainer:
    """State of one run: network, averages, optimisers, clock.

    Parameters
    ----------
    options : TrainOptions

    Raises
    ------
    InvalidOption
        If a folder holds no usable image or the checkpoint in ``out`` is of another profile.
    """

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        self.net = FDEGCNet.from_profile(PROFILES[options.profile])
        self.ema = copy.deepcopy(self.net).requires_grad_(False).eval()
        kernels = [p for n, p in self.net.named_parameters() if is_kernel(n, p)]
        others = [p for n, p in self.net.named_parameters() if not is_kernel(n, p)]
        self.muon = Muon(kernels, lr=4 * options.lr)
        self.adam = torch.optim.Adam(others, lr=options.lr, betas=(0.9, 0.98), fused=True)
        self.step = 0
        self.seconds = 0.0
        paths = find_images(options.train)
        self.sampler = CropSampler(paths, options.crop, options.seed, shrink_only=("aGrass", "bField"))
        self.rng = np.random.default_rng(options.seed + 1)
        options.out.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.out / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["profile"] != self.options.profile:
            raise InvalidOption(
                f"{self.checkpoint} belongs to profile {state['profile']}; train into another folder."
            )
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        if "muon" in state:
            self.muon.load_state_dict(state["muon"])
            self.adam.load_state_dict(state["adam"])
            self.step, self.seconds = state["step"], state["seconds"]
        # Another stream of crops than before the interruption, but a reproducible one.
        self.sampler.rng = np.random.default_rng([self.options.seed, self.step])
        self.rng = np.random.default_rng([self.options.seed + 1, self.step])

    def save(self) -> None:
        """Write the checkpoint atomically."""
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(
            {
                "profile": self.options.profile,
                "net": self.net.state_dict(),
                "ema": self.ema.state_dict(),
                "muon": self.muon.state_dict(),
                "adam": self.adam.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
            temporary,
        )
        os.replace(temporary, self.checkpoint)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        def make() -> tuple[Tensor, Tensor]:
            x = torch.from_numpy(self.sampler.batch(self.options.batch))
            count = max(len(RATE_POINTS), self.options.batch)
            order = self.rng.permutation(count)[: self.options.batch] % len(RATE_POINTS)
            return x, torch.from_numpy(order.astype(np.float32) + 1.0)

        with ThreadPoolExecutor(1) as pool:  # crops of the next step are cut during this one
            future = pool.submit(make)
            while True:
                current, future = future.result(), pool.submit(make)
                yield current

    def train(self, cancel: CancelToken | None = None, save_minutes: float = 5.0) -> None:
        """Train until the budget is used up or ``cancel`` is set; always leaves a checkpoint."""
        budget = self.options.minutes * 60.0
        log = (self.options.out / "log.jsonl").open("a")
        saved = time.perf_counter()
        sums = np.zeros(3)
        count = 0
        with log:
            for x, quality in self._batches():
                if self.seconds >= budget or (cancel is not None and cancel.cancelled):
                    break
                start = time.perf_counter()
                sums += self._step(x, quality, self.seconds / budget)
                self.seconds += time.perf_counter() - start
                count += 1
                if self.step % 20 == 0:
                    loss, mse, bpp = sums / count
                    row = {"step": self.step, "seconds": round(self.seconds, 1), "loss": loss}
                    row |= {"psnr": -10 * math.log10(mse), "bpp": bpp}
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                    sums[:], count = 0.0, 0
                if time.perf_counter() - saved > save_minutes * 60:
                    self.save()
                    saved = time.perf_counter()
        self.save()

    def _step(self, x: Tensor, quality: Tensor, fraction: float) -> npt.NDArray[np.float64]:
        options = self.options
        self.net.train()
        if fraction >= options.freeze_norm:
            for module in self.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        rate = schedule(fraction) * min(1.0, (self.step + 1) / options.warmup_steps)
        for group in self.adam.param_groups:
            group["lr"] = options.lr * rate
        for group in self.muon.param_groups:
            group["lr"] = 4 * options.lr * rate
        lmbda = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)
        with torch.autocast("cpu", torch.bfloat16):
            out = self.net(x, quality)
        loss, mse, bpp = rate_distortion(out, x, lmbda)
        weight = (lmbda / 1024.0) ** -LAMBDA_BALANCE
        total = (loss * weight).mean()
        self.adam.zero_grad()
        self.muon.zero_grad()
        if torch.isfinite(total):  # a single odd crop must not end a night's run
            total.backward()
            torch.nn.utils.clip_grad_norm_([p for g in self.adam.param_groups for p in g["params"]], 5.0)
            self.adam.step()
            self.muon.step()
        self.step += 1
        self._average()
        return np.array([loss.mean().item(), mse.mean().item(), bpp.mean().item()])

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.ema, self.step / (self.step + 20.0))
        mine, theirs = self.ema.state_dict(), self.net.state_dict()
        floats = [k for k, v in mine.items() if v.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1.0 - decay)


@torch.no_grad()
def validate(net: FDEGCNet, folder: Path, size: int = 384) -> list[dict[str, float]]:
    """Mean PSNR and estimated bpp over central crops of a folder's images, for each rate point.

    Parameters
    ----------
    net : FDEGCNet
        In evaluation mode.
    folder : Path
    size : int
        Side of the crops, a multiple of 64.
    """
    rows = []
    images = [load_image(p)[:size, :size] for p in find_images(folder)]
    for point in RATE_POINTS:
        psnrs, bpps = [], []
        for image in images:
            h, w = (side // 64 * 64 for side in image.shape[:2])
            x = torch.from_numpy(image[:h, :w].transpose(2, 0, 1).copy()).float()[None] / 255.0
            with torch.autocast("cpu", torch.bfloat16):
                out = net(x, torch.tensor([float(point.index)]))
            out["x_hat"] = (out["x_hat"].float().clamp(0, 1) * 255).round() / 255
            _, mse, bpp = rate_distortion(out, x, torch.tensor([point.lmbda]))
            psnrs.append(-10 * math.log10(max(mse.item(), 1e-10)))
            bpps.append(bpp.item())
        rows.append({"rate": point.index, "psnr": float(np.mean(psnrs)), "bpp": float(np.mean(bpps))})
    return rows


def describe(options: TrainOptions) -> dict[str, Any]:
    """The options as JSON values for the model card; folders by their last name only."""
    return {k: v.name if isinstance(v, Path) else v for k, v in asdict(options).items()}
