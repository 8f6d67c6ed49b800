"""Elementwise functions compiled to single kernels, on GPUs only, where a compiler is there."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def compiles(tensor: Tensor) -> bool:
    """Whether functions of a tensor are to be compiled: on CUDA with Triton, never on the CPU.

    On the CPU a compiler would have to be installed, and would take longer than a short run saves.
    """
    return tensor.is_cuda and importlib.util.find_spec("triton") is not None


def fused(function: Callable[P, R]) -> Callable[P, R]:
    """Function of tensors, compiled where :func:`compiles` says so, and plain elsewhere or if that fails.

    Parameters
    ----------
    function : callable
        Elementwise operations and sums on tensors, the first argument among them.
    """
    compiled: Callable[P, R] | None = None
    failed = False

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal compiled, failed
        first = args[0]
        if failed or not isinstance(first, Tensor) or not compiles(first):
            return function(*args, **kwargs)
        try:
            compiled = compiled or torch.compile(function, dynamic=False)
            return compiled(*args, **kwargs)
        except Exception as error:  # whatever a compiler may raise: the plain function is always right
            failed = True
            warnings.warn(f"{function.__name__} runs uncompiled: {error}", RuntimeWarning, stacklevel=2)
            return function(*args, **kwargs)

    return call
