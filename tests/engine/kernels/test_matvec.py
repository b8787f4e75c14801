"""Tiles of sixteen rows against plain matrix products of the values they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jupyter_complete.engine.kernels import matmat, matvec, round_vectors
from jupyter_complete.engine.kernels.matvec import Vector
from jupyter_complete.engine.kernels.round_vectors import Lane, Vectors
from jupyter_complete.engine.weights import quantize
from jupyter_complete.engine.weights.quantize import Groups

ROWS, COLUMNS = 50, 96


def weights(bits: int, rows: int = ROWS, columns: int = COLUMNS) -> torch.Tensor:
    """Random values; at 4 bits such as a Q4_1 file holds."""
    made = torch.Generator().manual_seed(bits)
    if bits == 8:
        return torch.randn(rows, columns, generator=made)
    q = torch.randint(0, 16, (rows, columns // 32, 32), generator=made)
    q[..., 3], q[..., 20] = 0, 15
    scale, low = (torch.rand(rows, columns // 32, 1, generator=made).half().float() for _ in range(2))
    return (q * scale - low).flatten(1)


def grouped(values: torch.Tensor, bits: int) -> Groups:
    found = quantize.four_bits(values) if bits == 4 else quantize.eight_bits(values)
    assert found is not None
    return found


def matrix(groups: Groups) -> matvec.Matrix:
    arrays = {name: array[None] for name, array in quantize.arrange(groups).items()}
    return matvec.alike(**arrays)


@pytest.fixture(autouse=True)
def linked() -> None:
    for kernel in (*round_vectors.KERNELS, *matvec.KERNELS, *matmat.KERNELS):
        kernel.link()


@pytest.fixture(params=[4, 8])
def bits(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def rounded_off(x: np.ndarray, bits: int) -> np.ndarray:
    """Groups of 32 numbers as 255 even steps where weights have 4 bits, as 65,535 where they have 8."""
    groups, most = x.reshape(len(x), -1, 32), np.float32({4: 127, 8: 32767}[bits])
    largest = np.abs(groups).max(-1, keepdims=True)
    factor = np.where(largest > 0, most / np.where(largest > 0, largest, np.float32(1)), np.float32(0))
    return (np.rint(groups * factor) * (largest.astype(np.float64) / most)).reshape(x.shape)


def near(y: np.ndarray, x: np.ndarray, groups: Groups) -> bool:
    """Whether y is x @ w.T for the rounded x, but for the order of a sum."""
    x, w = rounded_off(x, groups.bits), groups.wide().numpy().T.astype(np.float64)
    return bool((np.abs(y - x @ w) <= 1e-6 * (np.abs(x) @ np.abs(w))).all())


@pytest.mark.parametrize("tokens", range(1, 9))
def test_a_product_is_that_of_the_values(bits: int, tokens: int) -> None:
    groups = grouped(weights(bits), bits)
    one = matrix(groups)
    x = np.random.default_rng(1).standard_normal((8, 32 * one.groups)).astype(np.float32)
    r, y = round_vectors.rounded_for(8 * one.groups), np.zeros((8, 16 * one.tiles), np.float32)
    for m in range(tokens):
        round_vectors.round_vector(x, m, one, r, Lane(m * one.groups, 1, 0))
    for tile in range(one.tiles):
        matvec.multiply_few(one, tile, Vectors(r, 0, tokens), Vector(y, 0, 16 * tile))
    assert near(y[:tokens, :ROWS], x[:tokens], groups)


def test_a_group_of_the_smallest_numbers_is_nothing(bits: int) -> None:
    groups = grouped(weights(bits), bits)
    one = matrix(groups)
    x = np.full((1, 32 * one.groups), 1e-38, np.float32)
    x[0, :32] = 1.0
    r, y = round_vectors.rounded_for(8 * one.groups), np.zeros((8, 16 * one.tiles), np.float32)
    round_vectors.round_vector(x, 0, one, r, Lane(0, 1, 0))
    for tile in range(one.tiles):
        matvec.multiply_few(one, tile, Vectors(r, 0, 1), Vector(y, 0, 16 * tile))
    assert near(y[:1, :ROWS], np.where(x == 1, x, np.float32(0)), groups)


@pytest.mark.parametrize("columns", [32, 96, 640])
def test_products_with_many_vectors_are_those_of_the_values(bits: int, columns: int) -> None:
    groups = grouped(weights(bits, columns=columns), bits)
    one, vectors = matrix(groups), 2 * matmat.BATCH
    x = np.random.default_rng(2).standard_normal((vectors, columns)).astype(np.float32)
    x[3], x[4, 5] = 0, 1e4
    r, unpacked = round_vectors.rounded_for(vectors * one.groups), matmat.unpacked_for(1, one.groups)
    y = np.zeros((vectors, 16 * one.tiles), np.float32)
    for vector in range(vectors):
        batch, lane = divmod(vector, matmat.BATCH)
        first = batch * matmat.BATCH * one.groups
        round_vectors.round_vector(x, vector, one, r, Lane(first, matmat.BATCH, lane))
    for tile in range(one.tiles):
        matmat.unpack(one, tile, unpacked, 0)
        for batch in range(2):
            target = Vector(y, batch * matmat.BATCH, 16 * tile)
            matmat.multiply_batch(one, groups.bits, unpacked, 0, r, batch, target)
    assert near(y[:, :ROWS], x, groups)
    assert not y[3].any()


def test_one_row_is_that_row_times_a_factor(bits: int) -> None:
    groups = grouped(weights(bits), bits)
    row = np.zeros(COLUMNS, np.float32)
    matvec.row_of(matrix(groups), 37, 2.5, row)
    np.testing.assert_allclose(row, 2.5 * groups.wide()[37].numpy(), rtol=1e-6, atol=1e-7)


def test_eight_bits_are_within_half_a_step_of_each_value() -> None:
    values = weights(8)
    groups = quantize.eight_bits(values)
    off = (groups.wide() - values).abs().unflatten(1, (-1, 32))
    assert bool((off <= 0.501 * groups.scale.float()[..., None]).all())


@pytest.mark.parametrize("columns", [31, 33, 48])
def test_columns_that_fill_no_group_are_filled_up_with_nothing(columns: int) -> None:
    values = weights(8, 20, columns)
    assert quantize.four_bits(values) is None
    wide = quantize.eight_bits(values).wide()
    assert bool((wide[:, columns:] == 0).all())
    torch.testing.assert_close(wide[:, :columns], values, atol=0.02, rtol=0)


def test_what_a_q8_0_file_holds_stays_exact() -> None:
    q = torch.randint(-127, 128, (8, 2, 32), generator=torch.Generator().manual_seed(0))
    q[..., 5] = 127
    values = (q * torch.rand(8, 2, 1).half().float()).flatten(1)
    assert torch.equal(quantize.eight_bits(values).wide(), values)


def test_what_a_q4_0_file_holds_stays_exact_at_four_bits() -> None:
    q = torch.randint(0, 16, (8, 2, 32), generator=torch.Generator().manual_seed(0))
    q[..., 9] = 0
    scale = (torch.rand(8, 2, 1) - 0.5).half().float()
    values = ((q - 8) * scale).flatten(1)
    groups = quantize.four_bits(values)
    assert groups is not None
    assert torch.equal(groups.wide(), values)


def test_what_a_q4_1_file_holds_stays_exact_at_four_bits() -> None:
    values = weights(4)
    assert torch.equal(grouped(values, 4).wide(), values)


def test_four_bits_are_refused_where_they_would_lose_something() -> None:
    values = weights(4)
    values[3, 40] += 1e-3
    assert quantize.four_bits(values) is None


def test_a_group_of_zeros_stays_one() -> None:
    values = torch.zeros(4, 64)
    assert torch.equal(quantize.eight_bits(values).wide(), values)
    assert torch.equal(grouped(values, 4).wide(), values)


@pytest.mark.parametrize("few", [True, False])
def test_a_matrix_is_the_same_when_it_is_packed_some_rows_at_a_time(
    bits: int, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = weights(bits, rows=83)
    whole = quantize.tiles_of(values, few)
    monkeypatch.setattr(quantize, "BLOCK", 2 * 16 * COLUMNS)
    parts = quantize.tiles_of(values, few)
    assert all(np.array_equal(parts[name], array) for name, array in whole.items())
    assert (whole["low"].size > 0) == (few and bits == 4)


def test_rows_behind_the_first_tell_as_well_that_four_bits_are_too_few() -> None:
    values = weights(4)
    assert quantize.holds_four_bits(values)
    values[-1, 5] += 0.01
    assert not quantize.holds_four_bits(values)
