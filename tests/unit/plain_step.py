"""The training step as it was before it could be captured: tensor by tensor, asking the host."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fdegc.model import fdegcnet
from fdegc.model.context import Mixture, mixture_likelihood
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.training.loop import Trainer
from fdegc.training.muon import is_kernel, orthogonalise
from fdegc.training.validation import rate_distortion

QUALITY = torch.tensor([1.0, 6.0, 3.0, 4.5])


def plain_forward(net: FDEGCNet, x: Tensor, quality: Tensor, live_norm: bool) -> dict[str, Any]:
    """The network of the papers layer by layer, by the modules' paths for files, which do not change."""
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(live_norm)
    gain, inverse = net.gains(quality)
    y = net.analyse(x, gain)
    z = net.hyper_analyse(y)
    y_hat, z_hat = fdegcnet.straight_through_round(y), fdegcnet.straight_through_round(z)
    # In double precision, as differences of distributions near 1 are nothing but rounding.
    mixture = Mixture(*(part.double() for part in net.context(y_hat, net.hyper_synthesise(z_hat))))
    values = (z + 0.2).transpose(0, 1).reshape(net.hyper, 1, -1)
    prior = net.hyper_prior
    lower, upper = prior._logits(values - 0.5), prior._logits(values + 0.5)
    z_likelihood = (upper.sigmoid() - lower.sigmoid()).clamp(min=1e-10)
    shape = (net.hyper, len(x), *z.shape[2:])
    return {
        "x_hat": net.synthesise(y_hat, inverse),
        "likelihoods": {
            "y": mixture_likelihood((y + 0.2).double(), mixture).float(),
            "z": z_likelihood.view(shape).transpose(0, 1),
        },
    }


def plain_muon(parameter: Tensor, grad: Tensor, momentum: Tensor, lr: float) -> None:
    """One kernel's update, by itself."""
    momentum.lerp_(grad, 0.05)
    update = grad.lerp(momentum, 0.95)
    cols = parameter[0].numel() if parameter.ndim == 4 else parameter[0, 0].numel()
    matrices = update.reshape(-1, parameter.shape[-4], cols)
    scale = lr * max(1.0, matrices.shape[1] / cols) ** 0.5
    parameter.data.add_(orthogonalise(matrices).reshape(parameter.shape).float(), alpha=-scale)


class PlainTrainer:
    """The steps of the trainer as it was before: tensor by tensor, asking the host."""

    def __init__(self, trainer: Trainer) -> None:
        self.recipe = trainer.recipe
        self.net = copy.deepcopy(trainer.net)
        self.ema = copy.deepcopy(trainer.ema)
        self.research = trainer.options.config is not None
        parameters = dict(self.net.named_parameters())
        kernels = {} if self.research else {n: p for n, p in parameters.items() if is_kernel(n, p)}
        gains = [p for n, p in parameters.items() if n in ("log_gain", "log_inverse_gain")]
        rest = [p for n, p in parameters.items() if n not in kernels and not any(p is g for g in gains)]
        self.kernels, self.rest, self.gains = list(kernels.values()), rest, gains
        self.momenta = [torch.zeros_like(p) for p in self.kernels]
        groups = [{"params": p} for p in (self.rest, self.gains) if p]
        self.adam = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.999 if self.research else 0.98))

    def step(self, x: Tensor, number: int, fraction: float) -> tuple[float, dict[str, Tensor]]:
        recipe = self.recipe
        lmbda = recipe.lambdas(QUALITY) * recipe.boost(fraction)
        out = plain_forward(self.net, x, QUALITY, live_norm=not recipe.freezes_norm(fraction))
        loss, _, _ = rate_distortion(out, x, lmbda)
        self.net.zero_grad()
        recipe.objective(loss, lmbda).backward()
        gradients = {n: p.grad.clone() for n, p in self.net.named_parameters() if p.grad is not None}
        if self.research:
            rate = 1e-4 * 0.1 ** (number // 4)
            nn.utils.clip_grad_value_(list(self.net.parameters()), 5.0)
            rates = [rate]
        else:
            cosine = 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * fraction))
            rate = 3e-3 * cosine * min(1.0, (number + 1) / 3)
            nn.utils.clip_grad_norm_([*self.rest, *self.gains], 5.0)
            for parameter, momentum in zip(self.kernels, self.momenta, strict=True):
                assert parameter.grad is not None
                plain_muon(parameter, parameter.grad, momentum, 4 * rate)
            rates = [rate, 4 * rate]
        for group, own in zip(self.adam.param_groups, rates, strict=True):
            group["lr"] = own
        self.adam.step()
        return float(loss.detach().mean()), gradients

    def average(self, net: FDEGCNet, number: int) -> None:
        """Of the other trainer's weights: optimisers make full steps of gradients that are rounding, too."""
        decay = min(self.recipe.ema, (number + 1) / (number + 21))
        theirs = net.state_dict()
        for name, tensor in self.ema.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name], 1.0 - decay)
