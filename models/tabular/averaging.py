"""The mean of a network's weights over about the last epoch: what is watched, saved and served.

Single steps jump around a minimum; their mean lies nearer to it, and moves less from epoch to epoch, so that early
stopping is less a matter of luck (B. Polyak, A. Juditsky: Acceleration of Stochastic Approximation by Averaging, 1992).
The mean is exponentially weighted and forgets the first steps soon.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

# Of the weights, an epoch: more make the mean no better, and cost a pass over the weights each.
SNAPSHOTS = 32


class WeightAverage:
    """A network with the mean of another's weights."""

    def __init__(self, network: nn.Module, steps: int):
        """`steps` an epoch has."""
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._pairs = list(zip(self.network.parameters(), network.parameters(), strict=True))
        self._every = max(steps // SNAPSHOTS, 1)
        self._an_epoch = steps // self._every
        self._taken = 0

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """`step` of the epoch, from 1."""
        if step % self._every:
            return
        self._taken += 1
        share = 1 / min(self._an_epoch, 1 + self._taken / 4)
        for average, weight in self._pairs:
            average.lerp_(weight, share)

    def resume(self, weights: dict[str, torch.Tensor], epochs: int) -> None:
        """Goes on after so many whole epochs."""
        self.network.load_state_dict(weights)
        self._taken = epochs * self._an_epoch
