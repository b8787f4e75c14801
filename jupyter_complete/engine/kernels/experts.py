"""A mixture of experts in place of the MLP: a router chooses a few of a layer's experts for each token.

In a decoding step the tiles of the chosen experts alone are read. In a prompt the tokens are put in order by expert,
each expert's filled up to whole batches, so that a tile is unpacked once for all tokens of its expert. Letters beside
those of decode_step.py: E experts of a layer, K experts chosen for a token, P places of tokens in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .layer_ops import ROUNDED_AT_ONCE, Mlp, exp, gate, round_few, round_in_batch, round_many
from .llvm_vectors import FAST, zeros
from .matmat import BATCH, multiply_batch, unpack
from .matvec import Strided, Vector, multiply_few, of_layer, tile_of
from .number_rows import multiply_floats
from .round_vectors import Vectors
from .share import barrier, claim
from .sizes import GROUP, MAX_VECTORS, ROWS


class Experts(NamedTuple):
    """The weights of all experts; of layer l, expert e is matrix l · E + e. A model without experts has none."""

    router: Any  # float32 [L, E / 16, H, 16]: sixteen experts side by side
    gate_up: Any  # Matrix [L · E, 2 I, H]
    down: Any  # Matrix [L · E, H, I]
    inner_bias: Any  # float32 [L · E, 2 I] or [0, 0]


class Routing(NamedTuple):
    """How experts are chosen."""

    experts: int  # of a layer; 0 in a model without experts
    chosen: int
    scaled: bool  # whether the weights of the chosen ones add up to 1


class Chosen(NamedTuple):
    """The experts of each token in a decoding step; every thread finds them for itself."""

    logits: Any  # float32 [9, E padded to tiles], common to the team
    experts: Any  # int64 [T, 8, K]
    weights: Any  # float32 [T, 8, K]
    inner: Any  # float32 [8 · K, I]


class Order(NamedTuple):
    """The tokens of a pass in order by expert."""

    x: Any  # float32 [T, H], what the experts read
    logits: Any  # float32 [T + 1, E padded to tiles]
    experts: Any  # int64 [T, K]
    weights: Any  # float32 [T, K]
    places: Any  # int64 [T, K], where each token stands for each of its experts
    tokens: Any  # int64 [P], the token at each place, or -1
    batches: Any  # int64 [E + 1], the first batch of each expert
    inner: Any  # float32 [P, I]
    out: Any  # float32 [P, H]


@njit(**FAST)
def choose(logits: Any, m: int, routing: Any, experts: Any, weights: Any) -> None:
    """Find the experts of token m, the likeliest first, and the weight of each."""
    most, total = np.float32(-1e30), np.float32(0.0)
    for e in range(routing.experts):
        most = max(most, logits[m, e])
    if not routing.scaled:
        for e in range(routing.experts):
            total += exp(logits[m, e] - most)
    before, last = np.float32(1e30), np.int64(-1)
    for j in range(routing.chosen):
        best, found = np.float32(-1e30), np.int64(0)
        for e in range(routing.experts):
            score = logits[m, e]
            left = score < before or (score == before and e > last)
            if left and score > best:
                best, found = score, np.int64(e)
        before, last = best, found
        experts[m, j], weights[m, j] = found, exp(best - most)
        if routing.scaled:
            total += weights[m, j]
    for j in range(routing.chosen):
        weights[m, j] /= total


@njit(**FAST)
def mix_few(model: Any, s: Any, share: Any, layer: int, vectors: Any) -> None:
    """s.branch = the outputs of the experts for s.local, each times its weight. The regions' turns are 2, 1 and 2."""
    w, routing, local, zero = model.weights.experts, model.shape.routing, s.local[share.rank], np.int64(0)
    experts, weights = s.chosen.experts[share.rank], s.chosen.weights[share.rank]
    of_row, tiles = w.router.shape[2], w.router.shape[1]
    first, last = claim(share, 2, tiles)
    while first < tiles:
        for tile in range(first, last):
            rows = (layer * tiles + tile) * of_row * ROWS
            to = Strided(s.chosen.logits, tile * ROWS, s.chosen.logits.shape[1])
            multiply_floats(w.router, rows, of_row, vectors.count, Strided(local, zero, local.shape[1]), to)
        first, last = claim(share, 2, tiles)
    barrier(share, 2)
    for m in range(vectors.count):
        choose(s.chosen.logits, m, routing, experts, weights)
    _inner_few(model, s, share, layer, vectors)
    barrier(share, 1)
    _down_few(model, s, share, layer, vectors)
    barrier(share, 2)


@njit(**FAST)
def _inner_few(model: Any, s: Any, share: Any, layer: int, vectors: Any) -> None:
    """The inner activations of every chosen expert."""
    w, shape, zero, one = model.weights.experts, model.shape, np.int64(0), np.int64(1)
    k, both, experts = shape.routing.chosen, s.both[share.rank], s.chosen.experts[share.rank]
    round_few(s.local[share.rank], of_layer(w.gate_up, layer * shape.routing.experts), vectors)
    pairs = w.gate_up.tiles // 2
    total = vectors.count * k * pairs
    first, last = claim(share, 1, total)
    while first < total:
        for item in range(first, last):
            place, pair = item // pairs, item % pairs
            number = layer * shape.routing.experts + experts[place // k, place % k]
            matrix = of_layer(w.gate_up, number)
            token = Vectors(vectors.rounded, vectors.first + place // k * matrix.groups, one)
            for up in range(2):
                multiply_few(matrix, 2 * pair + up, token, Vector(both, zero, up * ROWS))
            gate(
                both,
                0,
                Mlp(w.inner_bias, number, shape.activation, shape.gated),
                pair,
                Vector(s.chosen.inner, place, zero),
            )
        first, last = claim(share, 1, total)


@njit(**FAST)
def _down_few(model: Any, s: Any, share: Any, layer: int, vectors: Any) -> None:
    """The weighted outputs of every token's experts."""
    w, routing, zero, one = model.weights.experts, model.shape.routing, np.int64(0), np.int64(1)
    k, both = routing.chosen, s.both[share.rank]
    experts, weights = s.chosen.experts[share.rank], s.chosen.weights[share.rank]
    inner = Vectors(vectors.rounded, vectors.first, vectors.count * k)
    round_few(s.chosen.inner, of_layer(w.down, layer * routing.experts), inner)
    tiles = w.down.tiles
    total = vectors.count * tiles
    first, last = claim(share, 2, total)
    while first < total:
        for item in range(first, last):
            m, tile = item // tiles, item % tiles
            for r in range(ROWS):
                s.branch[m, tile * ROWS + r] = np.float32(0.0)
            for j in range(k):
                matrix = of_layer(w.down, layer * routing.experts + experts[m, j])
                token = Vectors(inner.rounded, inner.first + (m * k + j) * matrix.groups, one)
                multiply_few(matrix, tile, token, Vector(both, zero, zero))
                for r in range(ROWS):
                    s.branch[m, tile * ROWS + r] += weights[m, j] * both[0, r]
        first, last = claim(share, 2, total)


@njit(**FAST)
def route(model: Any, order: Any, layer: int, first: int, last: int) -> None:
    """Find the experts of tokens [first, last) of a pass."""
    w, width = model.weights.experts, order.x.shape[1]
    for tile in range(w.router.shape[1]):
        rows = (layer * w.router.shape[1] + tile) * w.router.shape[2] * ROWS
        to = Strided(order.logits, first * order.logits.shape[1] + tile * ROWS, order.logits.shape[1])
        multiply_floats(w.router, rows, w.router.shape[2], last - first, Strided(order.x, first * width, width), to)
    for m in range(first, last):
        choose(order.logits, m, model.shape.routing, order.experts, order.weights)


@njit(**FAST)
def _sort(order: Any, routing: Any, count: int) -> None:
    """Put the tokens in order by expert."""
    batches = order.batches
    for e in range(routing.experts + 1):
        batches[e] = 0
    for m in range(count):
        for j in range(routing.chosen):
            batches[order.experts[m, j] + 1] += 1
    for e in range(routing.experts):
        batches[e + 1] = batches[e] + (batches[e + 1] + BATCH - 1) // BATCH
    for place in range(batches[routing.experts] * BATCH):
        order.tokens[place] = -1
    for m in range(count):
        for j in range(routing.chosen):
            place = batches[order.experts[m, j]] * BATCH
            while order.tokens[place] >= 0:
                place += 1
            order.tokens[place] = m
            order.places[m, j] = place


@njit(**FAST)
def mix_many(model: Any, page: Any, share: Any, layer: int, count: int) -> None:
    """page.branch = the outputs of the experts, each times its weight. The turns are 0, 1, 2, 0, 1 and 2.

    The barrier of the last region is left to the caller.
    """
    w, routing, order = model.weights.experts, model.shape.routing, page.order
    if share.rank == 0:
        _sort(order, routing, count)
    barrier(share, 0)
    places = order.batches[routing.experts] * BATCH
    matrix = of_layer(w.gate_up, layer * routing.experts)
    blocks = (places + ROUNDED_AT_ONCE - 1) // ROUNDED_AT_ONCE
    first, last = claim(share, 1, blocks)
    while first < blocks:
        for place in range(first * ROUNDED_AT_ONCE, min(last * ROUNDED_AT_ONCE, places)):
            if order.tokens[place] >= 0:
                round_in_batch(order.x, order.tokens[place], matrix, page.rounded, place)
        first, last = claim(share, 1, blocks)
    barrier(share, 1)
    _inner_many(model, page, share, layer)
    barrier(share, 2)
    round_many(share, 0, order.inner, of_layer(w.down, layer * routing.experts), page.rounded, places)
    barrier(share, 0)
    _down_many(model, page, share, layer)
    barrier(share, 1)
    _combine(page, share, routing.chosen, count)


@njit(**FAST)
def _inner_many(model: Any, page: Any, share: Any, layer: int) -> None:
    """The inner activations of all places, shared by pairs of tiles of each expert."""
    w, shape, order, both, rank = model.weights.experts, model.shape, page.order, page.both[share.rank], share.rank
    pairs, zero = w.gate_up.tiles // 2, np.int64(0)
    total = shape.routing.experts * pairs
    first, last = claim(share, 2, total)
    while first < total:
        for item in range(first, last):
            e, pair = item // pairs, item % pairs
            number = layer * shape.routing.experts + e
            matrix, mlp = of_layer(w.gate_up, number), Mlp(w.inner_bias, number, shape.activation, shape.gated)
            if order.batches[e] == order.batches[e + 1]:
                continue
            for up in range(2):
                unpack(matrix, 2 * pair + up, page.unpacked, 2 * rank + up)
            for batch in range(order.batches[e], order.batches[e + 1]):
                for up in range(2):
                    kind, target = tile_of(matrix, 2 * pair + up).kind, Vector(both, zero, ROWS * up)
                    multiply_batch(matrix, kind, page.unpacked, 2 * rank + up, page.rounded, batch, target)
                for m in range(BATCH):
                    gate(both, m, mlp, pair, Vector(order.inner, batch * BATCH + m, zero))
        first, last = claim(share, 2, total)


@njit(**FAST)
def _down_many(model: Any, page: Any, share: Any, layer: int) -> None:
    """The outputs of all places, shared by tiles of each expert."""
    w, routing, order, rank = model.weights.experts, model.shape.routing, page.order, share.rank
    total = routing.experts * w.down.tiles
    first, last = claim(share, 1, total)
    while first < total:
        for item in range(first, last):
            e, tile = item // w.down.tiles, item % w.down.tiles
            matrix = of_layer(w.down, layer * routing.experts + e)
            if order.batches[e] == order.batches[e + 1]:
                continue
            unpack(matrix, tile, page.unpacked, 2 * rank)
            kind = tile_of(matrix, tile).kind
            for batch in range(order.batches[e], order.batches[e + 1]):
                target = Vector(order.out, batch * BATCH, ROWS * tile)
                multiply_batch(matrix, kind, page.unpacked, 2 * rank, page.rounded, batch, target)
        first, last = claim(share, 1, total)


@njit(**FAST)
def _combine(page: Any, share: Any, chosen: int, count: int) -> None:
    """The weighted sum of each token's outputs."""
    order = page.order
    first, last = claim(share, 2, count)
    while first < count:
        for m in range(first, last):
            for k in range(page.branch.shape[1]):
                page.branch[m, k] = np.float32(0.0)
            for j in range(chosen):
                place, weight = order.places[m, j], order.weights[m, j]
                for k in range(page.branch.shape[1]):
                    page.branch[m, k] += weight * order.out[place, k]
        first, last = claim(share, 2, count)


def chosen_for(model: Any, team: int) -> Chosen:
    """Return what a step of a model with experts writes, for a team of threads; next to nothing without experts."""
    w, k = model.weights.experts, model.shape.routing.chosen
    return Chosen(
        logits=zeros(MAX_VECTORS + 1, ROWS * w.router.shape[1]),
        experts=zeros(team, MAX_VECTORS, k, dtype=np.int64),
        weights=zeros(team, MAX_VECTORS, k),
        inner=zeros(MAX_VECTORS * k, GROUP * w.down.groups),
    )


def places_for(model: Any, tokens: int) -> int:
    """Return the places that so many tokens take at most."""
    routing = model.shape.routing
    experts = min(routing.experts, tokens * routing.chosen)
    return (tokens * routing.chosen + experts * (BATCH - 1)) // BATCH * BATCH


def order_for(model: Any, tokens: int) -> Order:
    """Return room for a pass of a model with experts over `tokens` tokens; next to nothing without experts."""
    w, routing, places = model.weights.experts, model.shape.routing, places_for(model, tokens)
    rows = tokens if routing.experts else 0
    return Order(
        x=zeros(rows, GROUP * w.gate_up.groups),
        logits=zeros(rows + 1, ROWS * w.router.shape[1]),
        experts=zeros(rows, routing.chosen, dtype=np.int64),
        weights=zeros(rows, routing.chosen),
        places=zeros(rows, routing.chosen, dtype=np.int64),
        tokens=zeros(places, dtype=np.int64),
        batches=zeros(routing.experts + 1, dtype=np.int64),
        inner=zeros(places, GROUP * w.down.groups),
        out=zeros(places, ROWS * w.down.tiles),
    )
