"""Guard against a run that falls apart: what it was a while ago is kept, and taken up again.

A few odd crops can be enough.  A gradient that is not finite, or many times as large as usual, changes
nothing (:mod:`fdegc.training.step`); where that does not help, the loss rises within some dozen steps to what
nobody can use, and all time after it is lost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from statistics import median

import torch
from torch import Tensor
from torch.optim import Optimizer

#: Lines of the log from one copy to the next; the run goes back to the last but one.
COPIED = 10
#: Lines whose median says what a loss should be, and how many times that is too much.
USUAL, TOO_MUCH = 25, 4.0
#: Lines of which more than this share of the steps must not have been skipped.
RECENT, SKIPPED = 3, 0.25
#: What a learning rate is multiplied by each time that a run goes back, and at least.
SLOWER, SLOWEST = 0.5, 0.125
#: Lines in health after which it is as much faster again.
HEALTHY = 50

#: Name of a tensor of an optimiser, or of the weights.
_Name = tuple[str, int, str]


def state_tensors(
    weights: Tensor, averages: Tensor, optimisers: Mapping[str, Optimizer]
) -> Iterator[tuple[_Name, Tensor]]:
    """Tensors that a run's future depends on, with names that stay the same."""
    yield ("weights", 0, ""), weights
    yield ("averages", 0, ""), averages
    for name, optimiser in optimisers.items():
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            for key, value in optimiser.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    yield (name, number, key), value


class Guard:
    """Judge of a run's health, line by line of its log, with copies of what it was.

    Parameters
    ----------
    weights, averages : Tensor
        All weights, and their averages; written to when the run goes back.
    optimisers : mapping

    Attributes
    ----------
    rate : float
        Factor of every learning rate: halved when the run goes back, doubled after a while in health.
    returns : int
        How often it went back.
    """

    def __init__(self, weights: Tensor, averages: Tensor, optimisers: Mapping[str, Optimizer]) -> None:
        self.rate, self.returns = 1.0, 0
        self._weights, self._averages, self._optimisers = weights, averages, optimisers
        self._losses: deque[float] = deque(maxlen=USUAL)
        self._steps: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._copies: deque[tuple[int, dict[_Name, Tensor]]] = deque(maxlen=2)
        self._since = self._healthy = 0

    def judge(self, step: int, loss: float, count: float, skipped: float) -> str | None:
        """Judgement of the steps since the last line; the run goes back if it must.

        Parameters
        ----------
        step : int
            Steps that were made.
        loss : float
            Mean of those that changed something.
        count, skipped : float
            How many these were, and how many others changed nothing.

        Returns
        -------
        str or None
            What was wrong and what was done, as a sentence.
        """
        self._steps.append((count, skipped))
        wrong = self._what_is_wrong(loss)
        if wrong is None:
            self._losses.append(loss)
            self._since += 1
            self._healthy += 1
            if self._healthy == HEALTHY:
                self.rate, self._healthy = min(self.rate / SLOWER, 1.0), 0
            if not skipped and (not self._copies or self._since >= COPIED):
                self._copy(step)
            return None
        if not self._copies:
            return f"{wrong}, and there is nothing to go back to yet."
        then = self._return()
        return (
            f"{wrong}; the run went back to what it was at step {then}, and goes on with "
            f"{self.rate:g} of the learning rate."
        )

    def _what_is_wrong(self, loss: float) -> str | None:
        made = sum(count + skipped for count, skipped in self._steps)
        left_out = sum(skipped for _, skipped in self._steps)
        if left_out > max(SKIPPED * made, 2.0) or not self._steps[-1][0]:
            return f"The gradients of {left_out:.0f} of the last {made:.0f} steps were useless"
        if not math.isfinite(loss):
            return "The loss is no number any more"
        if self._losses and loss > TOO_MUCH * median(self._losses):
            return f"The loss rose from {median(self._losses):.3g} to {loss:.3g}"
        return None

    def _state(self) -> Iterator[tuple[_Name, Tensor]]:
        return state_tensors(self._weights, self._averages, self._optimisers)

    @torch.no_grad()
    def _copy(self, step: int) -> None:
        # The memory of the copy that nobody goes back to any more serves the new one.
        old = self._copies.popleft()[1] if len(self._copies) == 2 else {}
        new = {}
        for name, tensor in self._state():
            kept = old.get(name)
            new[name] = tensor.detach().clone() if kept is None else kept.copy_(tensor)
        self._copies.append((step, new))
        self._since = 0

    @torch.no_grad()
    def _return(self) -> int:
        step, kept = self._copies[0]
        for name, tensor in self._state():
            if name in kept:
                tensor.copy_(kept[name])  # in place: a captured step knows where they are
            else:
                tensor.zero_()
        while len(self._copies) > 1:
            self._copies.pop()
        self._steps.clear()
        self._losses.clear()
        self._since = self._healthy = 0
        self.returns += 1
        self.rate = max(self.rate * SLOWER, SLOWEST)
        return step
