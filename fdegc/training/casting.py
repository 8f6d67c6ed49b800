"""Weights in bfloat16 for mixed precision, cast all at once.

Autocast casts the kernels and biases of some hundred convolutions one by one, and their gradients back: a
fifth of the operations of a step, each of which takes a GPU as long as moving a megabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fdegc.model.layers import CausalConv2d
from fdegc.model.odconv import ODConv2d, OmniAttention


class CastWeights:
    """Copies in bfloat16 of the weights of which autocast would make some, and gradients for the originals.

    Parameters
    ----------
    net : FDEGCNet
    weights : Tensor
        All of its parameters and buffers, one after the other, of which they are views
        (:func:`~fdegc.training.step.join`).
    lowered : bool
        Whether there are copies at all; without, all gradients are the parameters' own.

    Attributes
    ----------
    copies : dict of str to Tensor
        Copies of parameters, by name, which require gradients.
    leaves : list of Tensor
        What gradients are asked for: the copy of each parameter, or itself.
    """

    def __init__(self, net: nn.Module, weights: Tensor, lowered: bool) -> None:
        self._net, self._weights = net, weights
        self._parameters = dict(net.named_parameters())
        names = _cast_by_autocast(net) if lowered else []
        self._whole = torch.empty_like(weights, dtype=torch.bfloat16) if names else None
        self.copies = {name: self._view(self._parameters[name]) for name in names}
        self._gradients = {
            n: torch.zeros_like(self._parameters[n], memory_format=torch.contiguous_format) for n in names
        }
        self.leaves: list[Tensor] = [self.copies.get(n, p) for n, p in self._parameters.items()]

    def _view(self, parameter: Tensor) -> Tensor:
        assert self._whole is not None
        start = parameter.storage_offset() - self._weights.storage_offset()
        return self._whole[start : start + parameter.numel()].view(parameter.shape).detach().requires_grad_()

    def call(self, *inputs: Tensor) -> Any:
        """The network with the copies in place of its parameters."""
        return (
            torch.func.functional_call(self._net, self.copies, inputs) if self.copies else self._net(*inputs)
        )

    @torch.no_grad()
    def refresh(self) -> None:
        """Copies of what the weights are now."""
        if self._whole is not None:
            self._whole.copy_(self._weights)

    @torch.no_grad()
    def hand_over(self, gradients: Sequence[Tensor | None]) -> None:
        """Gradients of the leaves, in their order, as those of the parameters."""
        lowered: list[Tensor] = []
        own: list[Tensor] = []
        for (name, parameter), gradient in zip(self._parameters.items(), gradients, strict=True):
            if gradient is not None and name in self.copies:
                lowered.append(gradient)
                own.append(self._gradients[name])
                gradient = own[-1]
            parameter.grad = gradient
        if own:
            torch._foreach_copy_(own, lowered)


def _cast_by_autocast(net: nn.Module) -> list[str]:
    """Names of kernels and biases of convolutions, but for those whose products stay in float32."""
    names = []
    attentions = [name for name, module in net.named_modules() if isinstance(module, OmniAttention)]
    for name, module in net.named_modules():
        if any(name.startswith(f"{attention}.") for attention in attentions):
            continue
        if isinstance(module, ODConv2d):
            names.append(f"{name}.weight")
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not isinstance(module, CausalConv2d):
            names += [f"{name}.{own}" for own, _ in module.named_parameters(recurse=False)]
    return names
