"""Tiles packed from GGUF blocks: the numbers are those that gguf reads, and products are those of the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType, dequantize
from weight_blocks import blocks

from jupyter_complete.engine.kernels import block_kinds as gguf
from jupyter_complete.engine.kernels import matmat, matvec, pack_blocks, round_vectors
from jupyter_complete.engine.kernels.kinds import EIGHT, Kind
from jupyter_complete.engine.kernels.matvec import Matrix, Vector
from jupyter_complete.engine.kernels.round_vectors import Lane, Vectors

ROWS, COLUMNS, TILES, GROUPS = 40, 512, 3, 16
BEFORE = 7  # bytes of the file in front of the blocks, so that nothing is aligned


@pytest.fixture(autouse=True)
def linked() -> None:
    for kernel in (*round_vectors.KERNELS, *matvec.KERNELS, *matmat.KERNELS):
        kernel.link()


def name_of(kind: int) -> str:
    return GGMLQuantizationType(kind).name


@pytest.fixture(params=list(gguf.BLOCKS), ids=name_of)
def kind(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def order() -> np.ndarray:
    return np.random.default_rng(1).permutation(ROWS)


def file_of(kind: int) -> np.ndarray:
    data = np.concatenate([np.zeros(BEFORE, np.uint8), blocks(kind, ROWS, COLUMNS).reshape(-1)])
    data.flags.writeable = False  # as a mapped file is
    return data


def numbers(kind: int) -> np.ndarray:
    data = blocks(kind, ROWS, COLUMNS)
    return np.asarray(data.view(np.float32) if kind == gguf.F32 else dequantize(data, GGMLQuantizationType(kind)))


def packed(kind: int, order: np.ndarray, tile: Kind) -> Matrix:
    count = np.arange(TILES)[:, None]
    steps = [tile.words(GROUPS), tile.scales(GROUPS), tile.lows(GROUPS)]
    arrays = tuple(
        np.zeros(TILES * step, dtype) for step, dtype in zip(steps, (np.int32, np.int16, np.int16), strict=True)
    )
    job = pack_blocks.job_of(kind, BEFORE, (ROWS, COLUMNS), tile)
    pack_blocks.pack_tiles(file_of(kind), job, order, count * np.array(steps), arrays)
    places = np.hstack([np.full_like(count, tile.code), count * np.array(steps)])
    return Matrix(*arrays, places, TILES, GROUPS, tile.vector_bits)


def wide(matrix: Matrix) -> np.ndarray:
    rows = np.zeros((ROWS, COLUMNS), np.float32)
    for row in range(ROWS):
        matvec.row_of(matrix, row, 1.0, rows[row])
    return rows


def test_numbers_read_are_those_that_gguf_reads(kind: int, order: np.ndarray) -> None:
    rows = np.zeros((ROWS, COLUMNS), np.float32)
    pack_blocks.widen_rows(
        file_of(kind), pack_blocks.job_of(kind, BEFORE, (ROWS, COLUMNS), gguf.KIND_OF[kind]), order, rows
    )
    assert np.array_equal(rows, numbers(kind)[order])


@pytest.mark.parametrize("kind", gguf.EXACT, ids=name_of, indirect=True)
def test_tiles_hold_blocks_exactly(kind: int, order: np.ndarray) -> None:
    assert np.array_equal(wide(packed(kind, order, gguf.KIND_OF[kind])), numbers(kind)[order])


def test_tiles_of_8_bits_hold_every_kind_to_half_a_step(kind: int, order: np.ndarray) -> None:
    wanted = numbers(kind)[order]
    largest = np.repeat(np.abs(wanted).reshape(ROWS, GROUPS, 32).max(-1), 32, axis=1)
    assert (np.abs(wide(packed(kind, order, EIGHT)) - wanted) <= 0.502 * largest / 127).all()


def rounded_off(x: np.ndarray, matrix: Matrix) -> np.ndarray:
    groups, most = x.reshape(len(x), -1, 32), np.float32({4: 127, 8: 32767}[matrix.bits])
    largest = np.abs(groups).max(-1, keepdims=True)
    return (np.rint(groups * (most / largest)) * (largest.astype(np.float64) / most)).reshape(x.shape)


def near(y: np.ndarray, x: np.ndarray, matrix: Matrix) -> bool:
    x, w = rounded_off(x, matrix), wide(matrix).T.astype(np.float64)
    return bool((np.abs(y[:, :ROWS] - x @ w) <= 2e-6 * (np.abs(x) @ np.abs(w))).all())


@pytest.mark.parametrize("tokens", [1, 2, 3, 8])
def test_products_are_those_of_the_numbers(kind: int, order: np.ndarray, tokens: int) -> None:
    matrix = packed(kind, order, gguf.KIND_OF[kind])
    x = np.random.default_rng(2).standard_normal((tokens, COLUMNS)).astype(np.float32)
    r, y = round_vectors.rounded_for(8 * GROUPS), np.zeros((8, 16 * TILES), np.float32)
    for m in range(tokens):
        round_vectors.round_vector(x, m, matrix, r, Lane(m * GROUPS, 1, 0))
    for tile in range(TILES):
        matvec.multiply_few(matrix, tile, Vectors(r, 0, tokens), Vector(y, 0, 16 * tile))
    assert near(y[:tokens], x, matrix)


def test_products_with_many_vectors_are_those_of_the_numbers(kind: int, order: np.ndarray) -> None:
    matrix, batch = packed(kind, order, gguf.KIND_OF[kind]), matmat.BATCH
    x = np.random.default_rng(3).standard_normal((batch, COLUMNS)).astype(np.float32)
    r, unpacked = round_vectors.rounded_for(batch * GROUPS), matmat.unpacked_for(1, GROUPS)
    y = np.zeros((batch, 16 * TILES), np.float32)
    for lane in range(batch):
        round_vectors.round_vector(x, lane, matrix, r, Lane(0, batch, lane))
    for tile in range(TILES):
        code = matrix.places[tile, 0]
        matmat.unpack(matrix, tile, unpacked, 0)
        matmat.multiply_batch(matrix, code, unpacked, 0, r, 0, Vector(y, 0, 16 * tile))
    assert near(y, x, matrix)
