"""Round a matrix to groups of few bits, with the scale and the low end of each group searched for the least error.

The error of a column counts by the mean square of what is multiplied with it, because that is what the error does to
the product: columns that meet large numbers keep more of their own.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from .quantize import Groups, groups_of

# How far the range of the codes is drawn in at first, in half steps: at the low end, and at the high end. Outliers are
# cut where that pays.
_FOUR = (-0.5, 0.5, 1.5, 2.5)
CUTS = {4: tuple(product(_FOUR, _FOUR)), 5: ((-0.5, -0.5), (0.0, 0.0), (0.5, 0.5), (1.0, 1.0))}
ROUNDS = 2  # of codes for a scale, and of the best scale for the codes
LEAST = 1e-3  # where the mean is 1: a column that met nothing still counts


def few_bits(weights: Tensor, bits: int, importance: Tensor | None = None) -> Groups:
    """Round a matrix [R, K] to `bits` bits, 4 or 5; `importance` [K] is how much the error of each column counts."""
    groups = groups_of(weights)
    counts = torch.ones(weights.shape[1])
    if importance is not None:
        counts = importance / importance.mean().clamp(min=1e-30) + LEAST
    spread = groups_of(counts[None].expand(1, -1)).expand_as(groups)
    least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step, top = (most - least) / (2**bits - 1), 2**bits - 1
    fit = _Fit(groups, spread, top)
    for low, high in CUTS[bits]:
        fit.attempt(step * (1 - (low + high) / 2 / top), least + step * low / 2)
    q = _codes(groups, fit.scale, fit.low, top)
    return Groups(q.short(), fit.scale.half()[..., 0], fit.low.half()[..., 0], bits)


class _Fit:
    """The best scale and low end [R, G, 1] so far for groups [R, G, 32] whose columns count by `counts`."""

    def __init__(self, groups: Tensor, counts: Tensor, top: int) -> None:
        self._groups, self._counts, self._top = groups, counts, top
        self._total = counts.sum(-1, keepdim=True).clamp(min=1e-30)
        self._mean = (counts * groups).sum(-1, keepdim=True) / self._total
        self._error = torch.full_like(self._mean, torch.inf)
        self.scale, self.low = torch.zeros_like(self._mean), self._mean.half().float()

    def attempt(self, scale: Tensor, low: Tensor) -> None:
        """Begin with a scale and a low end: round, fit both to the codes by least squares, and repeat."""
        for _ in range(ROUNDS):
            q = _codes(self._groups, scale, low, self._top)
            mean = (self._counts * q).sum(-1, keepdim=True) / self._total
            far = self._counts * (q - mean)
            square = (far * q).sum(-1, keepdim=True)
            scale = torch.where(square > 0, (far * self._groups).sum(-1, keepdim=True) / square, 0.0).half().float()
            low = (self._mean - scale * mean).half().float()
            self._keep_better(scale, low)

    def _keep_better(self, scale: Tensor, low: Tensor) -> None:
        q = _codes(self._groups, scale, low, self._top)
        error = (self._counts * (q.mul_(scale).add_(low) - self._groups).square_()).sum(-1, keepdim=True)
        better = error < self._error
        self._error = torch.where(better, error, self._error)
        self.scale, self.low = torch.where(better, scale, self.scale), torch.where(better, low, self.low)


def _codes(groups: Tensor, scale: Tensor, low: Tensor, top: int) -> Tensor:
    """The nearest codes from 0 to `top`."""
    return torch.where(scale > 0, (groups - low) / scale, 0.0).round_().clamp_(0, top)
