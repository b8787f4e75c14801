from __future__ import annotations

import pytest
import torch
from torch import Tensor

from jupyter_complete.engine.weights.search_groups import few_bits

ROWS, COLUMNS = 32, 128


def drawn() -> Tensor:
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1))


def spread(weights: Tensor, bits: int) -> Tensor:
    """Each group rounded to codes that are spread from its least number to its largest."""
    groups, top = weights.unflatten(1, (-1, 32)), 2**bits - 1
    low = groups.amin(-1, keepdim=True)
    step = (groups.amax(-1, keepdim=True) - low) / top
    return (((groups - low) / step).round() * step + low).flatten(1)


@pytest.mark.parametrize("bits", [4, 5])
def test_the_error_is_smaller_than_that_of_the_whole_range(bits: int) -> None:
    weights = drawn()
    searched = few_bits(weights, bits)
    assert (searched.bits, int(searched.q.min()), int(searched.q.max())) == (bits, 0, 2**bits - 1)
    error, before = ((one - weights).square().sum() for one in (searched.wide(), spread(weights, bits)))
    assert error < 0.95 * before


@pytest.mark.parametrize("bits", [4, 5])
def test_numbers_that_the_bits_hold_stay_as_they_are(bits: int) -> None:
    q = torch.randint(0, 2**bits, (ROWS, COLUMNS), generator=torch.Generator().manual_seed(2)).float()
    q[:, 3::32], q[:, 20::32] = 0, 2**bits - 1
    weights = q * 2.0**-5 - 0.25
    assert torch.equal(few_bits(weights, bits).wide(), weights)


def test_columns_that_count_more_have_a_smaller_error() -> None:
    weights, counts = drawn(), torch.ones(COLUMNS)
    counts[::8] = 100.0
    alike, weighed = few_bits(weights, 4).wide() - weights, few_bits(weights, 4, counts).wide() - weights
    assert weighed[:, ::8].square().sum() < 0.5 * alike[:, ::8].square().sum()


def test_rows_of_one_number_and_columns_that_met_nothing_are_finite() -> None:
    weights = torch.zeros(ROWS, COLUMNS)
    weights[1] = 0.5
    assert torch.equal(few_bits(weights, 4, torch.zeros(COLUMNS)).wide(), weights)
